"""What may differ when a run is resumed: where its data is, and how long it trains where no step depends on that."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from comparing import config, outcome
from test_resume import files, resign

from centerloss_core.config import Data, load_config
from centerloss_core.datasets import DataError
from centerloss_core.datasets.arrays import Loaded
from centerloss_core.datasets.digits8 import TABLE
from centerloss_core.datasets.load import SOURCES
from centerloss_core.training.run import train

pytestmark = pytest.mark.usefixtures("kept_programs")
PLAIN = ("train.schedule=constant", "loss.ramp=null", "train.log_every=7")


class Folder:
    """Takes the digits from any folder that is there; `other` has them in another order."""

    def load(self, data: Data) -> Loaded:
        if data.dir is None or not Path(data.dir).is_dir():
            error = DataError(f"{data.dir}: no such folder")
            error.add_note("  - set data.name to mnist5k")
            raise error
        found = TABLE.load()._replace(title="digits of a folder")
        return found._replace(train=found.test, test=found.train) if Path(data.dir).name == "other" else found

    def locate(self, data: Data) -> str:
        return str(data.dir)

    def size(self, data: Data) -> None:
        return None


@pytest.fixture
def moved(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stopped run whose data was in /gone and is in `new` now."""
    monkeypatch.setitem(SOURCES, "mnist", Folder())
    (tmp_path / "new").mkdir()
    (tmp_path / "other").mkdir()
    run = shutil.copytree(stopped, tmp_path / "run")
    for path in run.rglob("config.yaml"):
        path.write_text(path.read_text().replace("name: digits8\n  dir: null", "name: mnist\n  dir: /gone"))
    for checkpoint in (run / "checkpoints").iterdir():
        resign(checkpoint)
    manifest = json.loads((run / "run.json").read_text())
    manifest["config"]["data"] |= {"name": "mnist", "dir": "/gone"}
    (run / "run.json").write_text(json.dumps(manifest))
    return run


def test_a_run_goes_on_where_its_data_is_now(
    moved: Path, straight: dict[str, Any], tmp_path: Path, here: Any
) -> None:
    code, output, errors = here("train", "--resume", "run", "--set", "data.dir=new")
    assert (code, errors) == (0, "")
    assert "resumed after step 13" in output
    assert outcome(moved) == straight
    manifest = json.loads((moved / "run.json").read_text())
    new = str(tmp_path / "new")
    assert manifest["resumed"][0]["changed"] == {"data.dir": {"from": "/gone", "to": new}}
    assert manifest["config"]["data"]["dir"] == load_config(moved / "config.yaml").data.dir == new
    assert here("train", "--resume", "run")[0] == 0  # as of any completed run


def test_data_that_is_gone_is_an_error_with_the_way_out(moved: Path, here: Any) -> None:
    code, _, errors = here("train", "--resume", "run")
    assert code == 1
    assert "/gone: no such folder" in errors
    assert "if the data was moved: cl train --resume run --set data.dir=FOLDER\n" in errors
    assert "resume it" not in errors  # that alone would end the same way
    assert "mnist5k" not in errors  # nor can a run resume with another data set


def test_another_place_with_other_data_is_refused(moved: Path, here: Any) -> None:
    before = files(moved)
    code, _, errors = here("train", "--resume", "run", "--set", "data.dir=other")
    assert code == 2
    assert "the data is not what the run was begun with" in errors
    assert "--set data.dir=FOLDER" in errors
    after = files(moved)
    assert {name for name in after if after[name] != before.get(name)} <= {"log.txt", "lock"}


# ---- Training longer ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run of one epoch and a bit."""
    path = tmp_path_factory.mktemp("short") / "run"
    train(config(*PLAIN, "train.iterations=12"), path)
    return path


def test_a_run_that_is_trained_longer_is_the_longer_run(short: Path, tmp_path: Path, here: Any) -> None:
    """To the byte, rows included: the short run ended within an epoch and within an interval."""
    path = shutil.copytree(short, tmp_path / "run")
    (path / "evaluation.json").write_text("{}")
    train(config(*PLAIN), tmp_path / "long")
    code, output, errors = here("train", "--resume", "run", "--set", "train.epochs=2")
    assert (code, errors) == (0, "")
    assert "resumed after step 12" in output
    assert outcome(path) == outcome(tmp_path / "long")
    assert (path / "config.yaml").read_bytes() == (tmp_path / "long" / "config.yaml").read_bytes()
    (resumed,) = json.loads((path / "run.json").read_text())["resumed"]
    assert resumed["changed"]["train.epochs"] == {"from": None, "to": 2}
    assert not (path / "evaluation.json").exists()  # of the earlier end
    code, said, errors = here("train", "--resume", "run", "--set", "train.iterations=15")
    assert (code, said) == (2, "")
    assert "run has taken 20 steps already, and a run of 15 is asked for" in errors


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        (PLAIN[:1], "its λ grows over the whole run (loss.ramp)"),
        (PLAIN[1:], "its learning rate follows the whole run (train.schedule: one_cycle)"),
    ],
)
def test_a_run_whose_steps_depend_on_its_length_is_not_trained_longer(
    settings: tuple[str, ...], because: str, short: Path, tmp_path: Path, here: Any
) -> None:
    path = shutil.copytree(short, tmp_path / "run")
    as_begun = config(*settings, "train.log_every=7", "train.iterations=12")
    manifest = json.loads((path / "run.json").read_text())
    manifest["config"] = as_begun.model_dump(mode="json", by_alias=True)
    (path / "run.json").write_text(json.dumps(manifest))
    (path / "config.yaml").write_text(json.dumps(manifest["config"]))  # JSON is YAML
    before = files(path)
    code, _, errors = here("train", "--resume", "run", "--set", "train.epochs=4")
    assert code == 2
    assert because in errors
    assert "cl train --init run --set train.epochs=…" in errors
    assert files(path) == before


def test_a_point_of_a_sweep_stays_as_long_as_the_others(short: Path, tmp_path: Path, here: Any) -> None:
    shutil.copytree(short, tmp_path / "sweep" / "run")
    (tmp_path / "sweep" / "summary.json").write_text("{}")
    code, _, errors = here("train", "--resume", "sweep/run", "--set", "train.epochs=4")
    assert code == 2
    assert "it is a point of the sweep sweep" in errors
