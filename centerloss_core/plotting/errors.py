"""The one error that drawing raises for what a person can put right."""

from centerloss_core.errors import ExpectedError


class PlotError(ExpectedError):
    """A figure that cannot be drawn; the message names the file or setting and what to do about it."""
