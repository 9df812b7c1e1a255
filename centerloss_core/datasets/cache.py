"""Where downloads are kept, and the words that say so."""

from pathlib import Path

import platformdirs

from centerloss_core.datasets.arrays import DataError
from centerloss_core.datasets.known_files import KnownFile

# How the place of a data set begins, where it is not at hand, or will be checked when it is loaded.
FROM_CACHE = "the cache"
FROM_MIRRORS = "a download from"


def cached_path(cache: Path, known: KnownFile) -> Path:
    """Where the cache keeps a file."""
    return cache / f"{known.name}.gz"


def user_cache(mend: str) -> Path:
    """The user's own cache, where the platform keeps such things; DataError with the `mend` where there is none."""
    try:
        return platformdirs.user_cache_path("centerloss")
    except RuntimeError as error:  # an account without a home directory
        raise DataError(
            f"there is no place for a cache ({error}): {mend}, or use data.name: mnist5k"
        ) from error
