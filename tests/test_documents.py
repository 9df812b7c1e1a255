"""What the README and the configs tell a newcomer to type must work as written."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from centerloss_core.config import load_config, load_document, resolve_sweep
from centerloss_core.errors import ExpectedError
from cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
REPRODUCTION = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
IN_FOLDERS = sorted((ROOT / "configs").glob("*/*.yaml"))


def commands(text: str) -> list[list[str]]:
    """Every `cl …` on a line of its own, without its comment."""
    lines = re.findall(r"^(?:#|    )\s*cl ([^#\n]*)", text, flags=re.MULTILINE)
    return [shlex.split(line) for line in lines]


EVERY_COMMAND = commands(
    "\n".join(
        [
            README,
            TUTORIAL,
            REPRODUCTION,
            *(path.read_text(encoding="utf-8") for path in [*CONFIGS, *IN_FOLDERS]),
        ]
    )
)


def test_there_is_something_to_check() -> None:
    assert {path.stem for path in CONFIGS} >= {"quickstart", "mnist", "post", "paper"}
    assert {arguments[0] for arguments in EVERY_COMMAND} == {
        *("train", "sweep"),
        *("plot", "evaluate", "embed", "export", "rank", "report", "runs", "compare"),
    }
    assert len(EVERY_COMMAND) >= 8


def make_faces(folder: Path) -> None:
    """Two people with ten images each, and all of it as a zip file: no data set of faces comes with anything."""
    for person in ("Ada", "Bo"):
        (folder / person).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (96, 112), (20 * number, 0, 0)).save(folder / person / f"{number}.png")
    shutil.make_archive(str(folder), "zip", folder)


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_every_command_is_understood(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--config" in arguments:  # those of the configs work anywhere
        (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    if "faces" in arguments:
        make_faces(tmp_path / "faces")
    if "--resume" in arguments or arguments[0] not in ("train", "sweep"):  # of a run that does not exist yet
        result = CliRunner().invoke(app, arguments)
        if arguments[0] == "runs":
            assert "no runs" in result.output
        else:
            assert isinstance(result.exception, ExpectedError), result.exception
            assert "runs" in str(result.exception)
    else:
        result = CliRunner().invoke(app, [*arguments, *(["--dry-run"] * ("--dry-run" not in arguments))])
        assert result.exit_code == 0, result.output
        assert "Nothing was started." in result.output


def test_every_command_of_the_page_on_data_has_settings_that_go_together() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    found = [*commands(page), *map(shlex.split, re.findall(r"`cl ((?:train|sweep|data) [^`]*)`", page))]
    meant = [(config, words) for _, config, *words in found if config != "CONFIG"]
    for config, words in meant:
        load_config(Path(config), settings=[word for word in words if "=" in word])
    assert len(meant) >= 12


# What the others reach is on the page that is made of their runs, or is what they are there to find out.
@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGS if path.stem not in ("open_set", "study", "study-small")],
    ids=lambda path: path.stem,
)
def test_every_config_loads_and_opens_with_its_command_and_claim(path: Path) -> None:
    load_config(path)
    assert len(resolve_sweep(load_document(path)).points) == 4
    header = path.read_text(encoding="utf-8").split("\ndata:")[0]
    assert all(line.startswith("#") for line in header.strip().splitlines())
    assert re.search(rf"cl (train|sweep) {path.stem}\b", header)
    assert re.search(r"second|minutes|hours", header)
    assert re.search(r"softmax .*%|No face data were available", header)


def test_the_posts_config_has_the_posts_lengths() -> None:
    points = resolve_sweep(load_document(ROOT / "configs" / "post.yaml")).points
    assert [(point.config.loss.lambda_, point.config.train.iterations) for point in points] == [
        (0.0, 16000),
        (0.01, 16000),
        (0.1, 16000),
        (1.0, 25000),
    ]


def test_make_quickstart_ends_with_figures_and_report_and_says_how_to_open_them() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("quickstart: ")[1].split("\n\n")[0]
    done = [word for word in ("cl sweep", "cl plot", "cl report", "echo") if word in recipe]
    assert done == sorted(done, key=recipe.index) == ["cl sweep", "cl plot", "cl report", "echo"]
    assert recipe.count("--open") == 2
