"""The one error of this package."""

from centerloss_core.errors import ExpectedError


class DataError(ExpectedError):
    """Data that is missing, damaged or not what it claims to be.

    The message is written for the person at the terminal: it names the file, what is wrong with it and the
    mend.
    """
