"""What a picture shows. Each motif fills the whole picture, and is a few dozen shapes at most."""

from collections.abc import Callable, Iterator
from math import cos, pi, sin
from random import Random

from demo.pictures.palette import Palette

Motif = Callable[[Random, Palette, int, int], Iterator[str]]


def hills(rng: Random, palette: Palette, width: int, height: int) -> Iterator[str]:
    """Yield a sun behind ranges of hills that get darker towards us."""
    x, y, r = rng.uniform(0.2, 0.8) * width, rng.uniform(0.22, 0.45) * height, rng.uniform(0.09, 0.2) * width
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r * 2.6:.0f}" fill="{palette.tone(1, 80)}" opacity=".12"/>'
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="{palette.tone(1, 84, 90)}"/>'
    ranges = rng.randint(4, 6)
    for number in range(ranges):
        part = number / ranges
        level = height * (0.45 + 0.5 * part)
        swing, phase, waves = height * rng.uniform(0.03, 0.1), rng.uniform(0, 7), rng.uniform(1.5, 4)
        points = [
            (step / 24 * width, level - swing * sin(phase + waves * step / 4) - swing * rng.uniform(0, 0.35))
            for step in range(25)
        ]
        way = " ".join(f"{px:.0f},{py:.0f}" for px, py in points)
        yield f'<polygon points="0,{height} {way} {width},{height}" fill="{palette.tone(1 - part, 58 - 46 * part)}"/>'


def orbits(rng: Random, palette: Palette, width: int, height: int) -> Iterator[str]:
    """Yield a planet with rings and moons before stars."""
    for _ in range(70):
        yield (
            f'<circle cx="{rng.uniform(0, width):.0f}" cy="{rng.uniform(0, height):.0f}" '
            f'r="{rng.uniform(0.8, 3):.1f}" fill="#fff" opacity="{rng.uniform(0.2, 0.9):.2f}"/>'
        )
    x, y = width / 2 + rng.uniform(-0.1, 0.1) * width, height / 2 + rng.uniform(-0.1, 0.1) * height
    r, tilt = min(width, height) * rng.uniform(0.16, 0.24), rng.randint(-40, 40)
    rings = [(r * (1.5 + 0.28 * ring), rng.uniform(3, 16)) for ring in range(rng.randint(3, 6))]
    for number, (reach, thick) in enumerate(rings):
        yield (
            f'<ellipse cx="{x:.0f}" cy="{y:.0f}" rx="{reach:.0f}" ry="{reach * 0.28:.0f}" fill="none" '
            f'stroke="{palette.tone(number / len(rings), 62)}" stroke-width="{thick:.0f}" opacity=".75" '
            f'transform="rotate({tilt} {x:.0f} {y:.0f})"/>'
        )
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="url(#light)"/>'
    for reach, _ in rings[1::2]:
        turn = rng.uniform(0, 2 * pi)
        moon = r * rng.uniform(0.06, 0.16)
        yield (
            f'<circle cx="{x + reach * cos(turn):.0f}" cy="{y + reach * 0.6 * sin(turn):.0f}" r="{moon:.0f}" '
            f'fill="{palette.tone(0.8, 78)}"/>'
        )


def shards(rng: Random, palette: Palette, width: int, height: int) -> Iterator[str]:
    """Crystals that grow from below."""
    for number in range(rng.randint(11, 17)):
        foot = rng.uniform(-0.05, 1.05) * width
        tall, half = rng.uniform(0.25, 0.85) * height, rng.uniform(0.025, 0.085) * width
        lean = (foot / width - 0.5) * width * rng.uniform(0.1, 0.7)
        top, edge = height - tall, height - tall * rng.uniform(0.8, 0.9)
        part = number / 16
        left, right = palette.tone(part, rng.uniform(28, 46)), palette.tone(part, rng.uniform(52, 74))
        tip, base = f"{foot + lean:.0f},{top:.0f}", f"{foot:.0f},{height}"
        shoulder = foot + lean * 0.86
        yield (
            f'<polygon points="{foot - half:.0f},{height} {shoulder - half:.0f},{edge:.0f} {tip} {base}" '
            f'fill="{left}"/>'
            f'<polygon points="{foot + half:.0f},{height} {shoulder + half:.0f},{edge:.0f} {tip} {base}" '
            f'fill="{right}"/>'
        )


def bloom(rng: Random, palette: Palette, width: int, height: int) -> Iterator[str]:
    """Yield a flower of many petals."""
    x, y = width / 2 + rng.uniform(-0.08, 0.08) * width, height / 2 + rng.uniform(-0.12, 0.04) * height
    size = min(width, height)
    bend = rng.uniform(-0.2, 0.2) * width
    yield (
        f'<path d="M{x:.0f} {y:.0f}Q{x + bend:.0f} {(y + height) / 2:.0f} {x + bend / 2:.0f} {height}" fill="none" '
        f'stroke="{palette.tone(0.3, 30)}" stroke-width="{size * 0.022:.0f}"/>'
    )
    petals = rng.randint(7, 13)
    for circle in range(3, 0, -1):
        reach, wide = size * 0.13 * circle, size * rng.uniform(0.035, 0.06) * (1 + circle / 4)
        fill = palette.tone(circle / 3, 76 - 14 * circle, 72)
        for petal in range(petals):
            turn = 360 / petals * (petal + circle / 2)
            yield (
                f'<ellipse cx="{x:.0f}" cy="{y - reach:.0f}" rx="{wide:.0f}" ry="{reach:.0f}" fill="{fill}" '
                f'opacity=".86" transform="rotate({turn:.0f} {x:.0f} {y:.0f})"/>'
            )
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size * 0.075:.0f}" fill="url(#light)"/>'


MOTIFS: tuple[Motif, ...] = (hills, orbits, shards, bloom)
