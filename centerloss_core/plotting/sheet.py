"""How large a figure is: at its own width, or at one that somebody asks for, with letters that can still be read."""

from dataclasses import dataclass

SMALLEST_LETTERS = 7.0  # points, what journals print at least
_USUAL_LETTERS = 9.0  # points, of ticks at the figure's own width
_SMALLEST_MARKS = 0.55
_COLUMN = 5.0  # inches: in less, what usually stands side by side stands one below the other


@dataclass(frozen=True)
class Sheet:
    """A width, and what follows from it.

    Attributes:
        width: of the figure, in inches.
        scale: that width as a part of the figure's own.
    """

    width: float
    scale: float

    @property
    def margins(self) -> float:
        """The part of their usual length that distances have in which letters stand."""
        return max(self.scale, SMALLEST_LETTERS / _USUAL_LETTERS)

    @property
    def marks(self) -> float:
        """The part of their usual size that the marks of centers have."""
        return max(self.scale, _SMALLEST_MARKS)

    @property
    def is_narrow(self) -> bool:
        """Whether it is a column of a two-column page."""
        return self.width < _COLUMN

    def letters(self, points: float) -> float:
        """The size of letters that have `points` at the figure's own width: in proportion, while they can be read."""
        return max(SMALLEST_LETTERS, points * self.scale)


def sheet_of(own: float, width: float | None) -> Sheet:
    """A figure whose own width is `own` inches, at the width that is asked for, if any."""
    return Sheet(own, 1.0) if width is None else Sheet(width, width / own)
