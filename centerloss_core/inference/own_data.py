"""The images that a run was trained on and tested with."""

from __future__ import annotations

from centerloss_core.datasets import DataError, Dataset, load_dataset
from centerloss_core.run_directory.reader import RunRecord


def own_data(run: RunRecord) -> Dataset:
    """Load the data of a run by its config.

    Raises:
        ConfigError: its `config.yaml` is missing or wrong.
        DataError: the data cannot be had, or is not what the run was trained on.
    """
    dataset = load_dataset(run.config().data)
    begun = run.data.get("fingerprint")
    if begun != dataset.fingerprint:
        raise DataError(
            f"{run.path}: the images of {dataset.source} are not those that the run was trained on (fingerprint "
            f"{dataset.fingerprint}, then {begun}): put the same ones back"
        )
    return dataset
