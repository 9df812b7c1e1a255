"""What center loss with its center update costs, from the ten classes of MNIST to a hundred thousand.

`python -m benchmarks.center_update` prints a table; KERAS_BACKEND chooses the backend, as everywhere in Keras.
"""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ((10, 2), (1_000, 64), (100_000, 512))  # classes, dimensions
BATCHES = (100, 1_024, 4_096)
_MEGABYTE = 1e6
_PROC = Path("/proc/self")


def measure(
    sizes: Sequence[tuple[int, int]] = SIZES,
    batches: Sequence[int] = BATCHES,
    *,
    repeats: int = 100,
    seconds: float = 1.0,
    one_hot_megabytes: float = 500.0,
) -> list[dict[str, Any]]:
    """Time one call of the layer in training: loss, gradient in the features, center update.

    Args:
        sizes: pairs (classes, dimensions).
        batches: batch sizes, each measured with each size.
        repeats: steps per figure at most.
        seconds: no further step is started after so many seconds, but at least three are taken.
        one_hot_megabytes: the dense reference is left out where its one-hot labels alone would be larger.

    Returns:
        A row per size and batch: "backend", "classes", "dimensions", "batch"; "milliseconds", the median;
        "peak_megabytes", how far the process's memory rose above what it held before the first step, centers and
        batch included (None where the system does not tell; a GPU's own memory is not seen);
        "one_hot_milliseconds", the median with Eq. 4 as a product with one-hot labels (None where left out).
    """
    rows = []
    for classes, dimensions in sizes:
        for batch in batches:
            fits = 4 * batch * classes <= one_hot_megabytes * _MEGABYTE
            # A process each: allocators keep what an earlier row has used, and the next would look free.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                rows.append(
                    fresh.submit(_measure_one, classes, dimensions, batch, repeats, seconds, fits).result()
                )
    return rows


def _measure_one(
    classes: int, dimensions: int, batch: int, repeats: int, seconds: float, one_hot: bool
) -> dict[str, Any]:
    import keras

    from centerloss_core.losses.center_loss import CenterLoss

    # The first step of a process starts threads and fills caches, which are no layer's memory.
    _run(CenterLoss(10), _arrays(10, 2, 100), 1, 0.0)
    arrays = _arrays(classes, dimensions, batch)
    median, peak = _run(CenterLoss(classes), arrays, repeats, seconds)
    reference = _run(_one_hot_layer(classes), arrays, repeats, seconds)[0] if one_hot else None
    return {
        "backend": keras.backend.backend(),
        "classes": classes,
        "dimensions": dimensions,
        "batch": batch,
        "milliseconds": median,
        "peak_megabytes": peak,
        "one_hot_milliseconds": reference,
    }


def _arrays(classes: int, dimensions: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(batch, dimensions)).astype(np.float32)
    return features, random.integers(0, classes, batch).astype(np.int32)


def _one_hot_layer(classes: int) -> Any:
    from keras import ops

    from centerloss_core.losses.center_loss import CenterLoss

    class OneHotCenterLoss(CenterLoss):
        """The obvious way to write Eq. 4: a dense (m, k) product and centers that are replaced as a whole."""

        def call(self, features: Any, labels: Any, training: bool = False, alpha: Any = None) -> Any:
            centers = ops.stop_gradient(ops.convert_to_tensor(self.centers))
            offsets = features - ops.take(centers, labels, axis=0)
            if training:
                membership = ops.one_hot(labels, self.num_classes, dtype=offsets.dtype)
                sums = ops.matmul(ops.transpose(membership), ops.stop_gradient(offsets))
                counts = ops.sum(membership, axis=0)
                self.centers.assign(centers + self.alpha * sums / (1.0 + counts)[:, None])
            return 0.5 * ops.sum(ops.square(offsets))

    return OneHotCenterLoss(classes)


def _run(layer: Any, arrays: Any, repeats: int, seconds: float) -> tuple[float, float | None]:
    """Return the median milliseconds of a step, and its peak of memory in MB."""
    import keras

    layer.build(arrays[0].shape)
    steps = {"tensorflow": _tensorflow_step, "jax": _jax_step}
    step = steps[keras.backend.backend()](layer, *arrays)
    gc.collect()
    held = _watch_memory()
    for _ in range(3):  # to warm up
        step()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < repeats and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    peak = None if held is None else max(0.0, _memory("VmHWM") - held)
    return statistics.median(times), peak


def _tensorflow_step(layer: Any, features: Any, labels: Any) -> Callable[[], object]:
    import tensorflow as tf

    features, labels = tf.constant(features), tf.constant(labels)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def compiled(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = layer(x, y, training=True)
        return loss, tape.gradient(loss, x)

    compiled = compiled.get_concrete_function(features, labels)

    def step() -> object:
        result = compiled(features, labels)
        tf.test.experimental.sync_devices()
        return result

    return step


def _jax_step(layer: Any, features: Any, labels: Any) -> Callable[[], object]:
    import jax

    def loss(x: Any, y: Any, centers: Any) -> Any:
        value, (moved,) = layer.stateless_call([], [centers], x, y, training=True)
        return value, moved

    arguments = jax.device_put((features, labels, layer.centers.numpy()))
    # Donated, as any training loop does: the compiler may then write the new centers over the old.
    step_function = jax.jit(jax.value_and_grad(loss, has_aux=True), donate_argnums=2)
    compiled = step_function.lower(*arguments).compile()
    features, labels, centers = arguments
    del arguments

    def step() -> object:
        nonlocal centers
        (value, centers), gradient = compiled(features, labels, centers)
        return jax.block_until_ready((value, gradient, centers))

    return step


def _watch_memory() -> float | None:
    """Set the process's high-water mark back to what it holds now, and return that in MB; only Linux can."""
    try:
        (_PROC / "clear_refs").write_text("5")
        return _memory("VmRSS")
    except OSError:
        return None


def _memory(field: str) -> float:
    for line in (_PROC / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / _MEGABYTE
    raise OSError(f"no {field} in {_PROC / 'status'}")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows of `measure` as lines of text; "–" stands for what was not measured."""
    names = ("backend", "classes", "dimensions", "batch", "ms", "peak MB", "one-hot ms")
    lines = ["  ".join(f"{name:>10}" for name in names)]
    for row in rows:
        *plain, milliseconds, peak, one_hot = row.values()
        measured = ((milliseconds, 3), (peak, 1), (one_hot, 3))
        cells = [str(each) for each in plain]
        cells += ["–" if each is None else f"{each:.{digits}f}" for each, digits in measured]
        lines.append("  ".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(measure()))
