"""docs/extend.md: what it tells to write is written into a copy of the package, and trains."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCK = r":\n\n```python\n(.*?)^```$"


def edited(root: Path) -> int:
    """Do what the page says, in a copy of the package; how many edits that were."""
    count = 0
    for file, block in re.findall(rf"^New file `([^`\n]+)`{BLOCK}", PAGE, flags=re.DOTALL | re.MULTILINE):
        (root / file).write_text(block, encoding="utf-8")
        count += 1
    inserted = re.findall(
        rf"^In `([^`\n]+)`, (behind|before) `([^`\n]+)`{BLOCK}", PAGE, flags=re.DOTALL | re.MULTILINE
    )
    for file, where, line, block in inserted:
        lines = (root / file).read_text(encoding="utf-8").splitlines(keepends=True)
        (place, *_) = [number for number, each in enumerate(lines) if each.startswith(line)]
        lines.insert(place + (where == "behind"), block if where == "behind" else f"{block}\n\n")
        (root / file).write_text("".join(lines), encoding="utf-8")
        count += 1
    for file, before, after in re.findall(
        r"^In `([^`\n]+)`, `([^`\n]+)` becomes `([^`\n]+)`\.$", PAGE, flags=re.MULTILINE
    ):
        text = (root / file).read_text(encoding="utf-8")
        assert text.count(before) == 1
        (root / file).write_text(text.replace(before, after), encoding="utf-8")
        count += 1
    return count


def test_a_network_a_loss_and_a_data_set_of_the_page_train(tmp_path: Path) -> None:
    for folder in ("centerloss_core", "cli", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert edited(tmp_path) == 10
    (config,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.yaml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "cli", "train", "mine.yaml", "--device", "cpu", "--run-dir", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["data"]["class_names"] == ["lying", "standing"]
    assert manifest["metrics"]["test"]["accuracy"] > 0.9
    assert '"squared_length_loss": ' in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_the_function_of_the_page_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    (tmp_path / "own.py").write_text(block[1], encoding="utf-8")
    result = runpy.run_path("own.py")["result"]
    assert result.metrics["test"]["accuracy"] > 0.5
    assert json.loads((result.path / "run.json").read_text())["network"]["name"] == "two_dense_layers"
