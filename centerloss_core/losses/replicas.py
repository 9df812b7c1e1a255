"""One batch on several devices: what `tf.distribute` splits and copies. Imported only where a variable has copies."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def gather(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """These arrays (m, …) of one replica with the samples of all replicas, in the order of the whole batch.

    The same on each replica. Outside of a replica the arrays hold the whole batch already.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return arrays
    gathered: tuple[Any, ...] = context.all_gather(arrays, axis=0)
    return gathered


def write_rows(variable: Any, indices: Any, rows: Any) -> None:
    """Replace rows (m, d) of a variable: in a replica those of its own copy, elsewhere those of all copies.

    Without an aggregation TensorFlow leaves it to the replicas to write the same.
    """
    variable.scatter_update(tf.IndexedSlices(rows, indices))
