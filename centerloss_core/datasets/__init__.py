"""Data sets as arrays: checked byte for byte, always split and ordered the same way. One file per source."""

from centerloss_core.datasets.arrays import DataError, Dataset, Split
from centerloss_core.datasets.batches import BatchStream, Sampler
from centerloss_core.datasets.cache import FROM_MIRRORS
from centerloss_core.datasets.class_batches import ClassBatches, sampler_of
from centerloss_core.datasets.image_cache import DECODING, Tell
from centerloss_core.datasets.load import (
    known_size,
    load_dataset,
    locate,
    train_size,
    train_size_if_here,
    verify,
)

__all__ = [
    "DECODING",
    "FROM_MIRRORS",
    "BatchStream",
    "ClassBatches",
    "DataError",
    "Dataset",
    "Sampler",
    "Split",
    "Tell",
    "known_size",
    "load_dataset",
    "locate",
    "sampler_of",
    "train_size",
    "train_size_if_here",
    "verify",
]
