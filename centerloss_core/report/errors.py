"""The one error that a report raises for what a person can put right."""

from centerloss_core.errors import ExpectedError


class ReportError(ExpectedError):
    """A report that cannot be made; the message names the file or directory and what to do about it."""
