"""Colours that go together."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Palette:
    """A dark ground, hues from it to its complement, and one light."""

    hue: int
    """Degrees of the ground."""
    turn: int
    """Degrees from the ground's hue to that of the light."""

    @classmethod
    def of(cls, rng: Random) -> "Palette":
        """Return a palette that is drawn at random."""
        return cls(rng.randrange(360), rng.choice((-150, -110, -60, 45, 75, 130, 165)))

    def tone(self, part: float, light: float, saturation: float = 62) -> str:
        """Return a colour ``part`` of the way from the ground (0) to the light (1).

        >>> Palette(200, 60).tone(0.5, 40)
        'hsl(230 62% 40%)'
        """
        return f"hsl({(self.hue + self.turn * part) % 360:.0f} {saturation:.0f}% {light:.0f}%)"
