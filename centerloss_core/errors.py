"""The errors that a person can mend: their message is all that is shown, without a traceback."""


class ExpectedError(Exception):
    """Says what is wrong, where, and what to do about it.

    Attributes:
        exit_code: what the `cl` command ends with: 2 for a wrong call or config, 1 for the rest.
    """

    exit_code = 1


class DivergedError(ExpectedError):
    """Training has left the finite numbers; the message names the step and a remedy."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} became NaN or infinite: lower train.learning_rate, or let λ grow slowly with loss.ramp"
        )
