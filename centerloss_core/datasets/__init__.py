"""MNIST as arrays: found or downloaded, checked byte for byte, always split and ordered the same way."""

from centerloss_core.datasets.arrays import Dataset, Split
from centerloss_core.datasets.batches import BatchStream
from centerloss_core.datasets.errors import DataError
from centerloss_core.datasets.load import load_dataset, locate

__all__ = ["BatchStream", "DataError", "Dataset", "Split", "load_dataset", "locate"]
