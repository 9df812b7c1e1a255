"""The one error that drawing raises for what a person can put right."""


class PlotError(ValueError):
    """A figure that cannot be drawn; the message names the file or setting and what to do about it."""
