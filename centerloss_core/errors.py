"""The errors that a person can mend: their message is all that is shown, without a traceback."""


class ExpectedError(Exception):
    """Says what is wrong, where, and what to do about it.

    Attributes:
        exit_code: what the `cl` command ends with: 2 for a wrong call or config, 1 for the rest.
    """

    exit_code = 1
