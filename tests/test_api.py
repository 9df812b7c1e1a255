"""The Python API, and every example of docs/api.md."""

import re
import runpy
from pathlib import Path

import pytest

import centerloss_core

PAGE = Path(__file__).parent.parent / "docs" / "api.md"


@pytest.mark.usefixtures("kept_programs")
def test_the_examples_of_the_page_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "examples.py").write_text("\n".join(blocks))
    monkeypatch.chdir(tmp_path)
    runpy.run_path("examples.py", run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    assert "completed" in printed
    assert (tmp_path / "runs" / "small" / "plots" / "scatter-test.png").is_file()
    for model in ("second output", "subclassed", "adds its loss"):
        assert f"{model} (32, 2) (32, 10)" in printed  # features and logits without labels


def test_every_name_is_there_and_no_other() -> None:
    for name in centerloss_core.__all__:
        assert callable(getattr(centerloss_core, name))
        assert name in dir(centerloss_core)
    unknown = "tain"
    with pytest.raises(AttributeError, match="has no attribute 'tain'"):
        getattr(centerloss_core, unknown)
