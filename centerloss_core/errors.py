"""The errors that a person can mend: their message is all that is shown, without a traceback."""

from collections.abc import Callable

Warn = Callable[[str], None]  # called with each warning

# What to do about a file of a run that cannot be read; every reader says it in these words.
PUT_BACK = "put it back from a copy, or train the run again"


class ExpectedError(Exception):
    """Says what is wrong, where, and what to do about it.

    Attributes:
        exit_code: what the `cl` command ends with: 2 for a wrong call or config, 1 for the rest.
    """

    exit_code = 1


class DivergedError(ExpectedError):
    """Training has left the finite numbers; the message names the step and a remedy."""

    def __init__(self, what: str, remedy: str = "lower train.learning_rate") -> None:
        super().__init__(f"{what} became NaN or infinite: {remedy}")
        self.what = what


class OutOfMemoryError(ExpectedError):
    """The machine or its accelerator had no memory left."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(
            f"out of memory at batches of {batch_size} images: lower train.batch_size, close other programs, "
            "or run fewer at a time (--jobs)"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, TensorFlow or XLA says so; the frameworks are not imported to find out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError") and "RESOURCE_EXHAUSTED" in str(
        error
    )
