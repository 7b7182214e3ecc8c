"""Measurements of the whole, on the same topology as the demo."""
