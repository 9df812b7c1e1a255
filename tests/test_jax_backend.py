"""The same program under KERAS_BACKEND=jax, in processes of their own: Keras' backend is for the life of a process."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from formulas import make_batch, value_and_gradients
from test_center_loss import MANY, WIDE, check_many_classes, loss_by_gather, many_classes
from test_cli import QUICKSTART, ROOT, TINY, cl, environment
from test_tensorboard import expected_scalars, read, rows_of, scalars_of
from test_terms import TERMS, term_of
from test_train_step import batch, centers_of, make_step, random_split, save_arrays, scalars
from under_jax import AUGMENT, HEADS, given_to_the_step

from centerloss_core.run_directory.reader import read_run

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


class UnderJax:
    """What `under_jax.py` found in a process of its own, in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.step = make_step(random_split(), augment=AUGMENT)
        centers_of(self.step).assign(np.random.default_rng(1).normal(size=(10, 2)))
        save_arrays(home / "start", self.step)
        self.terms = self._terms()
        features, labels, centers = many_classes()
        np.savez(home / "many-start.npz", features=features, labels=labels, centers=centers)
        arguments = ["train", "--config", QUICKSTART, *TINY, "--run-dir", "run", "--lambda", "0.1"]
        arguments += ["--set", "train.tensorboard=true"] if find_spec("tensorboard") else []
        self._done = on_jax(TESTS / "under_jax.py", *arguments, cwd=home)

    def printed(self, part: str) -> tuple[str, str]:
        """What a part printed to either stream; if it failed, so does the test."""
        assert (self.home / f"{part}.out").is_file(), self._done
        out, errors = ((self.home / f"{part}.{each}").read_text() for each in ("out", "err"))
        failed = self.home / f"{part}.failed"
        assert not failed.exists(), out + errors + failed.read_text()
        return out, errors

    def _terms(self) -> dict[str, np.ndarray]:
        """Of each term, what TensorFlow makes of a batch; what it starts from is kept for JAX."""
        features, labels = make_batch()
        start, expected = {}, {}
        for name in TERMS:
            term = term_of(name)
            term.build(features.shape)
            for number, variable in enumerate(term.variables):
                start[f"{name}/start{number}"] = np.array(variable)
            loss, gradients = value_and_gradients(term, features, labels)
            moved = [np.array(variable) for variable in term.non_trainable_variables]
            for number, each in enumerate([loss, *gradients, *moved]):
                expected[f"{name}/{number}"] = each
        np.savez(self.home / "terms-start.npz", **start)
        return expected


@pytest.fixture(scope="module")
def under_jax(tmp_path_factory: pytest.TempPathFactory) -> UnderJax:
    return UnderJax(tmp_path_factory.mktemp("under_jax"))


# ---- The command line ---------------------------------------------------------------------------------------


def test_a_run_is_an_ordinary_run_and_knows_no_tensorflow(under_jax: UnderJax) -> None:
    """Nor has its TensorBoard need of it."""
    pytest.importorskip("tensorboard")
    printed, errors = under_jax.printed("run")
    assert errors == ""
    assert printed.splitlines()[-1] == "LOADED jax keras"
    run = under_jax.home / "run"
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


def test_a_run_without_a_head(under_jax: UnderJax) -> None:
    under_jax.printed("run_without_a_head")
    metrics = read_run(under_jax.home / "no-head").manifest["metrics"]["test"]
    assert metrics["accuracy"] is None
    assert metrics["nearest_center_accuracy"] > 0


def test_keras_and_numpy_take_over_the_network_and_tensorflow_is_named_for_the_others(
    under_jax: UnderJax,
) -> None:
    printed, _ = under_jax.printed("export")
    assert "onnx is written by TensorFlow: call with KERAS_BACKEND=tensorflow" in printed


def test_a_gpu_that_is_not_there_is_an_error(under_jax: UnderJax) -> None:
    printed, errors = under_jax.printed("missing_gpu")
    assert printed == "1\n"
    assert "device 'gpu:7' was asked for, but JAX sees no GPU" in errors
    assert "centerloss[jax-cuda]" in errors
    assert len(errors.splitlines()) == 1
    assert list((under_jax.home / "empty").iterdir()) == []


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


def test_a_step_is_that_of_tensorflow(under_jax: UnderJax) -> None:
    """From one checkpoint, of images changed at random: figures, weights, running means, centers, Adam's moments."""
    step, home = under_jax.step, under_jax.home
    figures = list(map(float, step(batch(0), scalars(1e-3, 0.1, **given_to_the_step())).values()))
    printed, _ = under_jax.printed("step")
    assert [float(word) for word in printed.split()] == pytest.approx(figures, rel=1e-4)
    save_arrays(home / "tensorflow", step)

    states = []
    for name in ("start", "tensorflow", "jax"):
        with np.load(home / name / "state.npz", allow_pickle=False) as archive:
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


def test_the_centers_of_few_classes_move_as_those_of_many(under_jax: UnderJax) -> None:
    """By each rule, and without adding up where labels point, for which XLA sorts on a GPU."""
    under_jax.printed("centers")


def test_muon_takes_the_directions_of_its_iteration(under_jax: UnderJax) -> None:
    """All kernels in one stack; see the test of the same for TensorFlow."""
    under_jax.printed("directions")


def test_no_program_is_compiled_for_each_shape_of_a_weight(under_jax: UnderJax) -> None:
    """But one for a count of steps, which Keras makes."""
    printed, _ = under_jax.printed("building")
    assert int(printed.split()[0]) <= 2, printed


def test_where_calls_are_cut_changes_no_bit(under_jax: UnderJax) -> None:
    """Figures and state after six steps, in one call and in several; one program is compiled for all lengths."""
    under_jax.printed("cuts")


@pytest.mark.slow
def test_all_that_is_true_of_the_step_is_true_under_jax(tmp_path: Path) -> None:
    _test_train_step(tmp_path, "")


def _test_train_step(home: Path, selected: str) -> None:
    program = ("-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "test_train_step.py", "-k", selected)
    done = on_jax(*program, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- Losses -------------------------------------------------------------------------------------------------


def test_the_formulas_of_heads_hold(under_jax: UnderJax) -> None:
    under_jax.printed("heads")


@pytest.mark.slow
def test_the_formulas_of_heads_hold_in_64_dimensions(tmp_path: Path) -> None:
    done = on_jax("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "absent and 64", *HEADS, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_values_gradients_and_moved_variables_of_terms_are_those_of_tensorflow(under_jax: UnderJax) -> None:
    under_jax.printed("terms")
    with np.load(under_jax.home / "terms.npz") as found:
        assert set(found.files) == under_jax.terms.keys()
        for key, value in under_jax.terms.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


def test_with_many_classes_no_array_is_larger_than_the_centers(under_jax: UnderJax) -> None:
    report = json.loads(under_jax.printed("many_classes")[0])
    features, labels, centers = many_classes()
    assert report["loss"] == pytest.approx(loss_by_gather(features, labels, centers), rel=1e-5)
    assert (report["backend"], report["repeats"], report["largest"]) == ("jax", True, MANY * WIDE)
    with np.load(under_jax.home / "many.npz") as out:
        np.testing.assert_allclose(out["gradient"], features - centers[labels], rtol=1e-5)
        check_many_classes(out["moved"])


# ---- A whole sweep ------------------------------------------------------------------------------------------


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
