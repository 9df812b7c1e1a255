"""The error of a run directory."""

from centerloss_core.errors import ExpectedError


class RunError(ExpectedError):
    """A run or sweep directory that cannot be made or read; the message names it and the mend."""
