"""The same program under KERAS_BACKEND=jax, in processes of their own: Keras' backend is for the life of a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cli import QUICKSTART, ROOT, TINY, cl, environment
from test_tensorboard import expected_scalars, read, rows_of, scalars_of
from test_train_step import batch, centers_of, make_step, random_split, save_arrays, scalars

from centerloss_core.training.schedules import augment_words

pytest.importorskip("jax", reason="needs the extra `jax`")

TESTS = ROOT / "tests"
CHECKPOINT = ("SHA256SUMS", "config.yaml", "position.json", "state.npz")


def on_jax(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments; what XLA compiled for one call, later calls of the same test session reuse."""
    variables = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(cwd.parent / "compiled"),
        "JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)]),
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


# ---- The command line ---------------------------------------------------------------------------------------

_CL_AND_WHAT_IT_LOADED = """
import sys
from cli.app import main
try:
    main()
finally:
    slow = {"jax.experimental.pallas", "scipy.sparse"}  # half of what Keras imports, for attention and sparse solvers
    print("LOADED", *sorted({"jax", "keras", "tensorflow", "torch", *slow} & sys.modules.keys()))
"""


def test_a_run_is_an_ordinary_run_and_knows_no_tensorflow(tmp_path: Path) -> None:
    """Nor has its TensorBoard need of it."""
    pytest.importorskip("tensorboard")
    arguments = ["train", "--config", QUICKSTART, *TINY, "--run-dir", "run", "--lambda", "0.1"]
    arguments += ["--set", "train.tensorboard=true"]
    done = on_jax("-c", _CL_AND_WHAT_IT_LOADED, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "LOADED jax keras"
    run = tmp_path / "run"
    assert scalars_of(read(run)) == expected_scalars(rows_of(run))
    assert {
        str(path.relative_to(run))
        for path in run.rglob("*")
        if path.is_file() and path.parent.name != "tensorboard"
    } == {
        "config.yaml",
        "run.json",
        "metrics.jsonl",
        "log.txt",
        "features/test-final.npz",
        "features/train-final.npz",
        *(f"checkpoints/step-00000003/{name}" for name in CHECKPOINT),
    }
    manifest = json.loads((run / "run.json").read_text())
    assert (manifest["status"], manifest["backend"]) == ("completed", "jax")
    assert (manifest["device"][:3], manifest["precision"]) == ("CPU", "float32")
    assert {"jax", "jaxlib", "keras"} <= manifest["versions"].keys()
    assert "tensorflow" not in manifest["versions"]
    with np.load(run / "features" / "test-final.npz", allow_pickle=False) as dump:
        assert (dump["features"].shape, dump["centers"].shape) == ((360, 2), (10, 2))
        assert np.abs(dump["centers"]).sum() > 0


def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = cl(
        *("train", "--config", QUICKSTART, "--device", "gpu:7"),
        cwd=tmp_path,
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
    )
    assert done.returncode == 1
    assert "device 'gpu:7' was asked for, but JAX sees no GPU" in done.stderr
    assert "centerloss[jax-cuda]" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


_THE_SAME_RUN_ALONE_AND_AFTER_ANOTHER = """
from pathlib import Path
from comparing import config, outcome
from centerloss_core.training import reuse, train

train(config(), Path("alone"))
with reuse.programs_are_kept():
    train(config("train.seed=3", "train.iterations=4"), Path("before"))
    train(config(), Path("after"))
assert outcome(Path("after")) == outcome(Path("alone"))
"""


@pytest.mark.slow
def test_a_run_that_takes_over_the_program_of_another_ends_as_alone(tmp_path: Path) -> None:
    done = on_jax("-c", _THE_SAME_RUN_ALONE_AND_AFTER_ANOTHER, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# ---- The step -----------------------------------------------------------------------------------------------

# A turn is left out: backends round a few of its pixels to neighbours.
AUGMENT = {"shift": 2, "mirror": True, "cutout": 3}
GIVEN = {"weight_decay": 0.1, "head_rate": 20.0, **augment_words(0, 5)}

_ONE_STEP = """
from pathlib import Path
from centerloss_core.training.state import restore_state
from test_jax_backend import AUGMENT, GIVEN
from test_train_step import batch, make_step, random_split, save_arrays, scalars

step = make_step(random_split(), augment=AUGMENT)
restore_state(Path("start"), step)
print(*(float(figure) for figure in step(batch(0), scalars(1e-3, 0.1, **GIVEN)).values()))
save_arrays(Path("jax"), step)
"""


def test_a_step_is_that_of_tensorflow(tmp_path: Path) -> None:
    """From one checkpoint, of images changed at random: figures, weights, running means, centers, Adam's moments."""
    step = make_step(random_split(), augment=AUGMENT)
    centers_of(step).assign(np.random.default_rng(1).normal(size=(10, 2)))
    save_arrays(tmp_path / "start", step)
    done = on_jax("-c", _ONE_STEP, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = list(map(float, step(batch(0), scalars(1e-3, 0.1, **GIVEN)).values()))
    assert [float(word) for word in done.stdout.split()] == pytest.approx(figures, rel=1e-4)
    save_arrays(tmp_path / "tensorflow", step)

    states = []
    for name in ("start", "tensorflow", "jax"):
        with np.load(tmp_path / name / "state.npz", allow_pickle=False) as archive:
            states.append({key: archive[key] for key in archive.files})
    start, expected, found = states
    assert found.keys() == expected.keys()
    # Both round, and where two values of a max pooling or the sides of a PReLU are all but equal, a gradient goes
    # another way: single elements may differ, norms agree.
    for name in expected:
        tolerance = 3e-2 if name.endswith(("_momentum", "_velocity")) else 1e-4
        if not name.startswith("network/") or "moving" in name:
            error = np.linalg.norm(found[name].astype(np.float64) - expected[name])
            assert error <= tolerance * np.linalg.norm(expected[name]), name
    # Adam's first step is the sign of a gradient, and so is rounding next to zero: weights are held to the moments.
    for name, group in (("network/conv2_1/kernel", "body"), ("network/head/kernel", "head")):
        moments = f"{group}_optimizer/{group}_optimizer/{name.removeprefix('network/').replace('/', '_')}"
        momentum, velocity = (
            found[f"{moments}_{each}"].astype(np.float64) for each in ("momentum", "velocity")
        )
        rate = 1e-3 * (20 if group == "head" else 1)
        change = -rate * np.sqrt(1 - 0.999) / (1 - 0.9) * momentum / (np.sqrt(velocity) + 1e-8)
        np.testing.assert_allclose(found[name] - start[name], change, rtol=1e-3, atol=1e-7, err_msg=name)


_CENTERS = """
import jax, keras, numpy as np
from centerloss_core.losses import center_loss

random = np.random.default_rng(0)
features, labels = random.normal(size=(60, 3)).astype("float32"), random.integers(0, 7, 60).astype("int32")

def moved(few, rule):
    center_loss._FEW_CLASSES = few
    layer = center_loss.CenterLoss(8, alpha=0.3, center_update=rule)  # the last class is absent
    layer.build((None, 3))
    start = jax.numpy.asarray(np.random.default_rng(1).normal(size=(8, 3)), "float32")

    def step(centers):
        with keras.StatelessScope([(layer.centers, centers)]) as scope:
            loss, figures = layer.measure(features, labels, {"alpha": np.float32(0.3)})
        return scope.get_current_value(layer.centers), loss, figures["center_shift"]

    return [np.asarray(each) for each in jax.jit(step)(start)], str(jax.make_jaxpr(step)(start))

for rule in ("eq4", "gradient", "ema"):
    (found, program), (expected, other) = moved(8, rule), moved(7, rule)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, err_msg=rule)
    np.testing.assert_array_equal(found[0][7], expected[0][7])
    assert "scatter" in other and "scatter" not in program, rule
"""


def test_the_centers_of_few_classes_move_as_those_of_many(tmp_path: Path) -> None:
    """By each rule, and without adding up where labels point, for which XLA sorts on a GPU."""
    done = on_jax("-c", _CENTERS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


_DIRECTIONS = """
import numpy as np
from centerloss_core.optimizers.muon import orthonormal_columns
from test_optimizers import directions_of_the_iteration, steep_matrices

matrices = steep_matrices()
found = orthonormal_columns([np.float32(matrix) for matrix in matrices])
for columns, expected in zip(found, directions_of_the_iteration(matrices), strict=True):
    assert np.linalg.norm(columns - expected) < 1e-3 * np.linalg.norm(expected)
"""


def test_muon_takes_the_directions_of_its_iteration(tmp_path: Path) -> None:
    """All kernels in one stack; see the test of the same for TensorFlow."""
    done = on_jax("-c", _DIRECTIONS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


_BUILDING = """
import jax
from jax._src import compiler
from comparing import config
from centerloss_core import devices
from centerloss_core.datasets import load_dataset

found, compile = [], compiler.compile_or_get_cached
compiler.compile_or_get_cached = lambda backend, program, *rest, **more: (
    found.append(program.operation.attributes["sym_name"]) or compile(backend, program, *rest, **more)
)
run = config("train.optimizer=muon", "model.batch_norm=true")
devices.prepare(devices.find_device(run.train), run.train)
from centerloss_core.training.build import build

build(run, load_dataset(run.data.name))
print(len(found), *found)
"""


def test_no_program_is_compiled_for_each_shape_of_a_weight(tmp_path: Path) -> None:
    """But one for a count of steps, which Keras makes."""
    done = on_jax("-c", _BUILDING, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) <= 2, done.stdout


_CUTS = """
import numpy as np
from centerloss_core.training.schedules import augment_words
from test_train_step import batch, make_step, random_split, scalars, state_of

def after(cuts):
    augment = {"shift": 2, "mirror": True, "rotate": 20, "cutout": 3}
    step, taken, rows = make_step(random_split(), optimizer="muon", augment=augment), 0, []
    step._engine.most = 8  # as on a GPU
    for count in cuts:
        numbers = range(taken, taken + count)
        given = [scalars(1e-3 * (1 + number), **augment_words(0, number)) for number in numbers]
        figures = step.take([batch(number) for number in numbers], given)
        rows.append(np.stack(list(figures.values()), 1))
        taken = numbers.stop
    assert len(step._engine._compiled) == 1
    return np.concatenate(rows).tobytes(), state_of(step), step.fingerprint

assert after([6]) == after([1, 2, 3]) == after([1] * 6)
"""


def test_where_calls_are_cut_changes_no_bit(tmp_path: Path) -> None:
    """Figures and state after six steps, in one call and in several; one program is compiled for all lengths."""
    done = on_jax("-c", _CUTS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_all_that_is_true_of_the_step_is_true_under_jax(tmp_path: Path) -> None:
    _test_train_step(tmp_path, "")


def _test_train_step(home: Path, selected: str) -> None:
    program = ("-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "test_train_step.py", "-k", selected)
    done = on_jax(*program, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_quickstart_reaches_its_claim(tmp_path: Path) -> None:
    """One λ of four: XLA takes four times as long as TensorFlow on a processor."""
    command = ("sweep", "--config", QUICKSTART, "--lambda", "0.1", "--run-dir", "sweep")
    done = cl(*command, cwd=tmp_path, timeout=3600, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    assert row["accuracy"] >= 0.95, row
    assert row["nearest_center_accuracy"] >= 0.945, row
    assert cl("plot", "sweep", cwd=tmp_path).returncode == 0
