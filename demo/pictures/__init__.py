"""The site's images: drawn from their names, served over HTTP."""

from demo.pictures.picture import picture, shape

__all__ = ["picture", "shape"]
