"""A picture from a name: the same name, the same picture, on every machine."""

from random import Random

from demo.pictures.motifs import MOTIFS
from demo.pictures.palette import Palette

SHAPES = ((832, 1216), (1024, 1024), (1216, 832))
"""Width and height in pixels: upright, square, wide."""


def shape(name: str) -> tuple[int, int]:
    """Width and height of a picture, without drawing it."""
    return Random(name).choice(SHAPES)


def picture(name: str) -> str:
    """Return an SVG document of a few kilobytes.

    >>> picture("image-1") == picture("image-1"), picture("image-1") == picture("image-2")
    (True, False)
    """
    rng = Random(name)  # a str seeds by its hash sum, which is the same everywhere
    width, height = rng.choice(SHAPES)
    palette = Palette.of(rng)
    body = "".join(rng.choice(MOTIFS)(rng, palette, width, height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="{palette.tone(0, 14)}"/>'
        f'<stop offset="1" stop-color="{palette.tone(0.6, 46)}"/></linearGradient>'
        f'<radialGradient id="light" cx=".35" cy=".3"><stop stop-color="{palette.tone(1, 88, 90)}"/>'
        f'<stop offset="1" stop-color="{palette.tone(0.7, 42)}"/></radialGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>{body}</svg>'
    )
