"""The site's images: drawn from their names, served over HTTP."""

from demo.pictures.picture import SHAPES, picture

__all__ = ["SHAPES", "picture"]
