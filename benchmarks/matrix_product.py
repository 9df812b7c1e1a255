"""A square matrix product as a contestant: the fastest arithmetic that a framework reaches on this machine."""

from __future__ import annotations

from benchmarks.workers import Run


def build(precision: str, size: int, device: str = "cpu", backend: str = "tensorflow") -> Run:
    """Multiply two matrices of `size` again and again; a step is one product."""
    if backend == "jax":
        return _on_jax(precision, size)
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    with tf.device("GPU:0" if device == "gpu" else "CPU:0"):
        generator = tf.random.Generator.from_seed(0)
        left, right = (tf.cast(generator.normal((size, size)), precision) for _ in range(2))

    def run(steps: int) -> None:
        for _ in range(steps):
            product = tf.matmul(left, right)
        product[0, 0].numpy()  # wait for the last product

    return run


def _on_jax(precision: str, size: int) -> Run:
    import jax

    keys = jax.random.split(jax.random.key(0))
    left, right = (jax.random.normal(key, (size, size)).astype(precision) for key in keys)
    product = jax.jit(jax.numpy.matmul)

    def run(steps: int) -> None:
        for _ in range(steps):
            found = product(left, right)
        found.block_until_ready()

    return run


def gflop(size: int) -> float:
    """Billions of operations in one product: a multiplication and an addition for each of size³ pairs."""
    return 2 * size**3 / 1e9
