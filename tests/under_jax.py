"""All that `test_jax_backend.py` asks of JAX, in one process, because its start costs more than any of the parts.

The arguments are a command of `cl`. Files and the names of what a part finds are in the working directory.
"""

import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
# A turn is left out: backends round a few of its pixels to neighbours.
AUGMENT = {"shift": 2, "mirror": True, "cutout": 3}


def run() -> None:
    """The first part, so that nothing else has been imported."""
    from cli.app import main

    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise
    finally:
        slow = {
            "jax.experimental.pallas",
            "scipy.sparse",
        }  # half of what Keras imports, for attention and sparse solvers
        print("LOADED", *sorted({"jax", "keras", "tensorflow", "torch", *slow} & sys.modules.keys()))


def missing_gpu() -> None:
    from cli.app import main

    Path("empty").mkdir()
    os.chdir("empty")
    sys.argv[1:] = ["train", "quickstart", "--device", "gpu:7"]
    try:
        main()
    except SystemExit as stop:
        print(stop.code)
    finally:
        os.chdir("..")


def run_without_a_head() -> None:
    from comparing import config

    from centerloss_core.training import train

    alone = ("loss.head=none", "loss.ramp=null", "loss.term=git", "loss.reduction=mean")
    few = ("train.iterations=3", "train.optimizer=sgd", "model.batch_norm=false")
    train(config(*alone, *few), Path("no-head"))


def given_to_the_step() -> dict[str, float]:
    from centerloss_core.training.schedules import augment_words

    return {"weight_decay": 0.1, "head_rate": 20.0, **augment_words(0, 5)}


class NoTensorFlow:
    """Keras imports TensorFlow to describe a layer, where it is installed, and does without it elsewhere."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "tensorflow":
            raise ImportError(name)


def export() -> None:
    hides: Any = NoTensorFlow()
    sys.meta_path.insert(0, hides)
    try:
        _export()
    finally:
        sys.meta_path.remove(hides)


def _export() -> None:
    import keras
    import numpy as np

    from centerloss_core import read_run
    from centerloss_core.datasets import load_dataset
    from centerloss_core.inference.export import export_run
    from centerloss_core.inference.formats import FormatError, write_model

    run = read_run("run")
    saved = keras.models.load_model(export_run(run, "exported.keras").path)
    found = saved.predict(load_dataset("digits8").test.images[..., 0], verbose=0)
    np.testing.assert_allclose(found["features"], run.dump("test-final").features, rtol=1e-4, atol=1e-4)
    write_model(saved, "npz", Path("weights.npz"))
    with np.load("weights.npz", allow_pickle=False) as arrays:
        assert len(arrays) == len(saved.weights)
    try:
        export_run(run, format="onnx")
    except FormatError as error:
        print(error)


def step() -> None:
    from test_train_step import batch, make_step, random_split, save_arrays, scalars

    from centerloss_core.training.state import restore_state

    taken = make_step(random_split(), augment=AUGMENT)
    restore_state(Path("start"), taken)
    figures = taken(batch(0), scalars(1e-3, 0.1, **given_to_the_step()))
    print(*(float(figure) for figure in figures.values()))
    save_arrays(Path("jax"), taken)


def centers() -> None:
    import jax
    import keras
    import numpy as np

    from centerloss_core.losses import center_loss

    random = np.random.default_rng(0)
    features, labels = (
        random.normal(size=(60, 3)).astype("float32"),
        random.integers(0, 7, 60).astype("int32"),
    )

    def moved(few: int, rule: Any) -> tuple[list[Any], str]:
        center_loss._FEW_CLASSES = few
        layer = center_loss.CenterLoss(8, alpha=0.3, center_update=rule)  # the last class is absent
        layer.build((None, 3))
        start = jax.numpy.asarray(np.random.default_rng(1).normal(size=(8, 3)), "float32")

        def step(centers: Any) -> Any:
            with keras.StatelessScope([(layer.centers, centers)]) as scope:
                loss, figures = layer.measure(features, labels, {"alpha": np.float32(0.3)})
            return scope.get_current_value(layer.centers), loss, figures["center_shift"]

        return [np.asarray(each) for each in jax.jit(step)(start)], str(jax.make_jaxpr(step)(start))

    few = center_loss._FEW_CLASSES
    for rule in ("eq4", "gradient", "ema"):
        (found, program), (expected, other) = moved(8, rule), moved(7, rule)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, err_msg=rule)
        np.testing.assert_array_equal(found[0][7], expected[0][7])
        assert "scatter" in other, rule
        assert "scatter" not in program, rule
    center_loss._FEW_CLASSES = few


def directions() -> None:
    import numpy as np
    from test_optimizers import directions_of_the_iteration, steep_matrices

    from centerloss_core.optimizers.muon import orthonormal_columns

    matrices = steep_matrices()
    found = orthonormal_columns([np.float32(matrix) for matrix in matrices])
    for columns, expected in zip(found, directions_of_the_iteration(matrices), strict=True):
        assert np.linalg.norm(columns - expected) < 1e-3 * np.linalg.norm(expected)


def building() -> None:
    import jax
    from comparing import config
    from jax._src import compiler

    from centerloss_core import devices
    from centerloss_core.datasets import load_dataset

    found: list[Any] = []
    compile_or_get: Any = compiler.compile_or_get_cached

    def counted(backend: Any, program: Any, *rest: Any, **more: Any) -> Any:
        found.append(program.operation.attributes["sym_name"])
        return compile_or_get(backend, program, *rest, **more)

    run = config("train.optimizer=muon", "model.batch_norm=true")
    devices.prepare(devices.find_device(run.train), run.train)
    from centerloss_core.training.build import build

    jax.clear_caches()  # as if no part had come before
    compiler.compile_or_get_cached = counted
    try:
        build(run, load_dataset(run.data.name))
    finally:
        compiler.compile_or_get_cached = compile_or_get
    print(len(found), *found)


def cuts() -> None:
    import numpy as np
    from test_train_step import batch, make_step, random_split, save_arrays, scalars, state_of

    from centerloss_core.training.schedules import augment_words
    from centerloss_core.training.state import restore_state

    augment = {"shift": 2, "mirror": True, "rotate": 20, "cutout": 3}

    split = random_split()
    resident: Any = make_step(split, optimizer="muon", augment=augment)
    streamed: Any = make_step(None, optimizer="muon", augment=augment)
    resident._engine.most = streamed._engine.most = 8  # as on a GPU
    save_arrays(Path("before"), resident)

    def after(cuts: list[int], step: Any) -> tuple[bytes, list[bytes], Any]:
        restore_state(Path("before"), step)
        taken, rows = 0, []
        for count in cuts:
            numbers = range(taken, taken + count)
            given = [scalars(1e-3 * (1 + number), **augment_words(0, number)) for number in numbers]
            batches: Any = [batch(number) for number in numbers]
            if step is streamed:
                batches = [(split.images[each], split.labels[each].astype(np.int32)) for each in batches]
            figures = step.take(batches, given)
            rows.append(np.stack(list(figures.values()), 1))
            taken = numbers.stop
        assert len(step._engine._compiled) == 1
        return np.concatenate(rows).tobytes(), state_of(step), step.fingerprint

    straight = after([6], resident)
    assert straight == after([1, 2, 3], resident) == after([1] * 6, resident)
    # Batches that bring their images make another program, of which each kernel does the same.
    for cut in ([6], [1, 2, 3]):
        assert after(cut, streamed)[:2] == straight[:2]


def terms() -> None:
    import jax
    import numpy as np
    from formulas import make_batch
    from test_terms import TERMS, term_of

    found = {}
    features, labels = make_batch()
    for name in TERMS:
        term = term_of(name)
        term.build(features.shape)
        with np.load("terms-start.npz") as start:
            for number, variable in enumerate(term.variables):
                variable.assign(start[f"{name}/start{number}"])
        moving = [each.value for each in term.non_trainable_variables]

        def loss(trainable: Any, x: Any, term: Any = term, moving: Any = moving) -> Any:
            return term.stateless_call(trainable, moving, x, labels, training=True)

        learnt = [each.value for each in term.trainable_variables]
        value_and_grad = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
        (value, moved), (by_variables, by_features) = value_and_grad(learnt, features)
        for number, each in enumerate([value, by_features, *by_variables, *moved]):
            found[f"{name}/{number}"] = np.asarray(each)
    np.savez("terms.npz", **found)


def many_classes() -> None:
    import jax
    import keras
    import numpy as np

    from centerloss_core.losses.center_loss import CenterLoss

    def step(centers: Any, features: Any, labels: Any) -> Any:
        def loss(x: Any) -> Any:
            value, (moved,) = layer.stateless_call([], [centers], x, labels, training=True)
            return value, moved

        (value, moved), gradient = jax.value_and_grad(loss, has_aux=True)(features)
        return value, gradient, moved

    def sizes(jaxpr: Any) -> Iterator[int]:
        for equation in jaxpr.eqns:
            yield from (math.prod(out.aval.shape) for out in equation.outvars)
            for inner in jax.tree.leaves(
                list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
            ):
                program = getattr(inner, "jaxpr", inner)
                if hasattr(program, "eqns"):
                    yield from sizes(program)

    given = np.load("many-start.npz")
    arguments = [given[name] for name in ("centers", "features", "labels")]
    layer = CenterLoss(len(given["centers"]))
    layer.build((None, given["centers"].shape[1]))
    compiled = jax.jit(step)
    value, gradient, moved = compiled(*arguments)
    again = compiled(*arguments)[2]

    any_size = jax.export.symbolic_shape("m")[0]
    spec = jax.ShapeDtypeStruct
    jax.export.export(compiled)(
        spec(given["centers"].shape, "float32"),
        spec((any_size, given["features"].shape[1]), "float32"),
        spec((any_size,), "int32"),
    )
    np.savez("many.npz", gradient=gradient, moved=moved)
    figures = {
        "backend": keras.backend.backend(),
        "loss": float(value),
        "repeats": moved.tobytes() == again.tobytes(),
        "largest": max(sizes(jax.make_jaxpr(step)(*arguments).jaxpr)),
    }
    print(json.dumps(figures))


HEADS = [
    str(TESTS / f"test_{name}.py")
    for name in ("margins", "multiplicative_margins", "prototypes", "gaussian_mixture", "anchors")
]


def heads() -> None:
    """Without 64 dimensions, whose differences take longer than all the rest."""
    import pytest

    selected = "absent and not 64 or origin"
    assert pytest.main(["-q", "-p", "no:cacheprovider", "-k", selected, *HEADS]) == 0


PARTS = (
    run,
    missing_gpu,
    run_without_a_head,
    export,
    step,
    centers,
    directions,
    building,
    cuts,
    terms,
    many_classes,
    heads,
)


def apart(part: Callable[[], None]) -> None:
    """Call a part; what it prints, also from C, goes to `PART.out` and `PART.err`, and a traceback to `PART.failed`."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        file = os.open(
            f"{part.__name__}.{('out', 'err')[number - 1]}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        os.dup2(file, number)
    try:
        part()
    except BaseException:  # the others go on
        Path(f"{part.__name__}.failed").write_text(traceback.format_exc())


if __name__ == "__main__":
    for each in PARTS:
        apart(each)
