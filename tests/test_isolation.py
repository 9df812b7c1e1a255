"""Settings of other programs, in variables and files, make no difference to what `cl` and `train` do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
from comparing import config, outcome
from test_cli import QUICKSTART, TINY, environment

from centerloss_core.config import dump_yaml
from centerloss_core.devices import backend_name, find_device, onednn_is_on, selection
from centerloss_core.training import train

Here = Callable[..., tuple[int, str, str]]
THEIRS = {"floatx": "float16", "epsilon": 0.5, "image_data_format": "channels_first", "backend": "theano"}
INLINE = "module://matplotlib_inline.backend_inline"  # what a notebook's kernel exports


@pytest.fixture
def theirs(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has set up everything for other programs."""
    home = tmp_path / "home"
    for folder in (home / ".keras", home / "keras"):
        folder.mkdir(parents=True)
        (folder / "keras.json").write_text(json.dumps(THEIRS))
    (home / ".config/matplotlib").mkdir(parents=True)
    (home / ".config/matplotlib/matplotlibrc").write_text("backend: inline\n")
    own = {key: value for key, value in environment().items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    return {
        **own,
        **{"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "KERAS_HOME": str(home / "keras")},
        "MPLBACKEND": INLINE,
    }


# A sweep trains in a process of its own.
TRAIN = ["train", "--config", "config.yaml", "--run-dir", "runs/lambda0.1"]
SWEEP = ["sweep", "--config", "config.yaml", "--lambda", "0.1", "--run-dir", "runs"]


@pytest.mark.parametrize(
    "begin", [TRAIN, pytest.param(SWEEP, marks=pytest.mark.slow)], ids=["train", "sweep"]
)
def test_no_command_heeds_them(
    begin: list[str], theirs: dict[str, str], straight: dict[str, Any], tmp_path: Path
) -> None:
    """Keras is imported without pandas, scikit-learn, matplotlib and JAX; what needs them later has them."""
    (tmp_path / "config.yaml").write_text(dump_yaml(config()))
    where = begin[-1]
    figure = "panel" if begin is SWEEP else "scatter"
    commands = [
        ["train", "--config", "config.yaml", "--dry-run"],
        begin,
        ["plot", where, "--figures", figure],
        ["report", where],
    ]
    program = (
        "import sys\n"
        "from cli.app import main\n"
        f"for arguments in {commands!r}:\n"
        "    sys.argv = ['cl', *arguments]\n"
        "    try:\n        main()\n"
        "    except SystemExit as stop:\n        assert not stop.code, arguments\n"
        "    if '--dry-run' in arguments:\n"
        "        assert 'keras' in sys.modules\n"
        "        assert not {'pandas', 'sklearn', 'matplotlib', 'jax'} & sys.modules.keys()\n"
        "import sklearn.metrics\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=theirs, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert (tmp_path / where / "plots" / f"{figure}-test.png").is_file()
    (run,) = tmp_path.glob("runs/lambda*")
    assert outcome(run) == straight
    assert json.loads((run / "run.json").read_text())["onednn"] is True


@pytest.fixture
def their_keras() -> Iterator[tuple[Any, ...]]:
    settings = keras.config
    ours = settings.floatx(), settings.epsilon(), settings.image_data_format(), settings.dtype_policy()
    settings.set_floatx("float16")
    settings.set_epsilon(0.5)
    settings.set_image_data_format("channels_first")
    settings.set_dtype_policy("mixed_float16")
    yield "float16", 0.5, "channels_first", "mixed_float16"
    settings.set_floatx(ours[0])
    settings.set_epsilon(ours[1])
    settings.set_image_data_format(ours[2])
    settings.set_dtype_policy(ours[3])


def test_a_program_that_calls_train_keeps_its_keras_settings(
    their_keras: tuple[Any, ...], straight: dict[str, Any], tmp_path: Path
) -> None:
    train(config(), tmp_path / "run")
    now = keras.config
    assert (
        now.floatx(),
        now.epsilon(),
        now.image_data_format(),
        now.dtype_policy().name,
    ) == their_keras
    assert outcome(tmp_path / "run") == straight


def test_matplotlib_is_imported_whatever_mplbackend_says(tmp_path: Path) -> None:
    program = (
        "from centerloss_core.isolation import import_matplotlib\n"
        "import_matplotlib()\n"
        "import matplotlib.pyplot\n"
        "matplotlib.pyplot.figure().savefig('figure.png')\n"
    )
    variables = {**environment(), "MPLBACKEND": INLINE}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, check=True)
    assert (tmp_path / "figure.png").is_file()


# ---- The backend ------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if neither Keras nor TensorFlow had been imported in this process."""
    for name in ("keras", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_backend_is_tensorflow_unless_the_variable_says_otherwise(fresh: pytest.MonkeyPatch) -> None:
    assert backend_name() == "tensorflow"
    fresh.setenv("KERAS_BACKEND", "")
    assert backend_name() == "tensorflow"
    fresh.setattr(selection.importlib.util, "find_spec", lambda name: object())
    fresh.setenv("KERAS_BACKEND", "jax")
    assert backend_name() == "jax"


@pytest.mark.parametrize("command", [["sweep"], ["sweep", "--dry-run"], ["train"], ["train", "--dry-run"]])
def test_a_backend_that_cannot_train_is_a_line_and_leaves_nothing(
    command: list[str], fresh: pytest.MonkeyPatch, here: Here, tmp_path: Path
) -> None:
    fresh.setenv("KERAS_BACKEND", "theano")
    code, _, errors = here(*command, "--config", QUICKSTART, *TINY)
    assert code == 1
    assert errors == (
        "error: Keras is set to the backend 'theano', but training needs TensorFlow or JAX: "
        "call with KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax\n"
    )
    fresh.setenv("KERAS_BACKEND", "jax")
    fresh.setattr(selection.importlib.util, "find_spec", lambda name: None)
    code, _, errors = here(*command, "--config", QUICKSTART, *TINY)
    assert code == 1
    assert errors == (
        "error: jax is not installed: install it with `pip install 'centerloss[jax]'`, "
        "or choose another with KERAS_BACKEND\n"
    )
    assert list(tmp_path.iterdir()) == []


# ---- oneDNN -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "then", "is_on"),
    [(None, "1", True), ("", "1", True), ("0", "0", False), ("False", "False", False)],
)
def test_onednn_is_on_unless_the_user_says_otherwise(
    given: str | None, then: str, is_on: bool, fresh: pytest.MonkeyPatch
) -> None:
    if given is not None:
        fresh.setenv("TF_ENABLE_ONEDNN_OPTS", given)
    fresh.setitem(sys.modules, "keras", keras)
    fresh.setattr(selection, "_BACKENDS", {"tensorflow": sys})  # which has no `find`
    with pytest.raises(AttributeError, match="find"):
        find_device(config().train)
    assert (os.environ["TF_ENABLE_ONEDNN_OPTS"], onednn_is_on()) == (then, is_on)


def test_onednn_is_left_alone_where_tensorflow_has_decided(fresh: pytest.MonkeyPatch) -> None:
    fresh.setitem(sys.modules, "keras", keras)
    fresh.setitem(sys.modules, "tensorflow", sys)
    fresh.setattr(selection, "_BACKENDS", {"tensorflow": sys})
    with pytest.raises(AttributeError, match="find"):
        find_device(config().train)
    assert onednn_is_on() is None
