"""People who vote, through the HTTP API alone: they ask for a pair, look, choose, and write down what was answered."""

from demo.judges.panel import Panel, PanelPace

__all__ = ["Panel", "PanelPace"]
