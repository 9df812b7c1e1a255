"""The benchmark's own machinery: turns, tables, JSON, workers. Nothing here looks at how long anything takes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import data, figure, sections, step, workers
from benchmarks.made_up_sweep import write_sweep
from benchmarks.report import table
from benchmarks.sections import MissingError, Options, Outcome, in_turns
from centerloss_core.plotting import plot_directory


def test_contestants_take_turns_and_warming_up_does_not_count() -> None:
    asked: list[str] = []

    def contestant(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    taken = in_turns({"a": lambda: contestant("a"), "b": lambda: contestant("b")}, rounds=2, warm_up=1)
    assert "".join(asked) == "ababab"
    assert taken == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_a_table_has_median_spread_count_and_ratio_of_medians() -> None:
    outcome = Outcome(notes=["a note"])
    outcome.add("slow", "s", [2.0, 4.0, 100.0])
    fast = outcome.add("fast", "s", [1.0, 2.0, 3.0], reference="slow")
    assert fast.ratio == 0.5
    assert [line.split() for line in table(outcome).splitlines()] == [
        ["median", "min", "…", "max", "n", "ratio"],
        ["slow", "4", "2", "…", "100", "3", "s"],
        ["fast", "2", "1", "…", "3", "3", "s", "0.50", "×", "slow"],
        ["a", "note"],
    ]


def test_list_names_every_section_and_each_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(command.SECTIONS)
    for name in listed:
        assert callable(__import__(f"benchmarks.{name}", fromlist=["measure"]).measure)


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "peek"])
    assert "no such section: 'peek'" in capsys.readouterr().err


def test_figures_are_kept_as_json_and_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figure, "require_full_mnist", _full_mnist_is_missing)
    monkeypatch.setattr(data, "has_full_mnist", lambda: False)
    out = tmp_path / "new" / "figures.json"
    assert command.main(["--quick", "--only", "data,figure", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "skipped: no MNIST" in printed
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["machine"]["versions"]["numpy"] in printed
    assert content["machine"]["threads"] >= 1
    assert content["sections"]["figure"] == {"skipped": "no MNIST"}
    (row,) = content["sections"]["data"]["rows"]
    assert row["what"] == "load_dataset('mnist5k')"
    assert row["low"] <= row["median"] <= row["high"]
    assert row["n"] == len(row["values"]) == 3


def _full_mnist_is_missing() -> None:
    raise MissingError("no MNIST")


def test_a_section_that_fails_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Options) -> Outcome:
        raise RuntimeError("broken")

    monkeypatch.setattr(figure, "measure", fail)
    monkeypatch.setattr(data, "has_full_mnist", lambda: False)
    out = tmp_path / "figures.json"
    assert command.main(["--quick", "--only", "figure,data", "--out", str(out)]) == 1
    written = json.loads(out.read_text(encoding="utf-8"))["sections"]
    assert written["figure"] == {"failed": "RuntimeError: broken"}
    assert written["data"]["rows"]


def test_a_package_that_is_not_there_is_named_with_its_mend() -> None:
    with pytest.raises(MissingError, match="no_such_package is not installed: install it"):
        sections.require("no_such_package", "install it")


@pytest.mark.parametrize("with_torch", [True, False])
def test_the_step_is_compared_with_what_is_there(with_torch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Instant:
        def seconds(self, steps: int) -> float:
            return steps / 10

    @contextmanager
    def instant_workers(contestants: dict[str, object]) -> Iterator[dict[str, Instant]]:
        yield {name: Instant() for name in contestants}

    monkeypatch.setattr(step, "workers", instant_workers)
    monkeypatch.setattr(step, "is_installed", lambda _: with_torch)
    outcome = step.measure(Options(quick=True))
    assert outcome["ours, float32"].median == pytest.approx(1000)
    assert outcome["ours, float32"].ratio == (pytest.approx(1000 / 1280) if with_torch else None)
    peak = outcome["matrix peak, bfloat16"].median
    assert outcome["share of the peak: ours, float32"].median == pytest.approx(100 * 485 / peak)
    assert any("torch is not installed" in note for note in outcome.notes) != with_torch


def test_a_worker_answers_as_often_as_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "workers.py").write_bytes(Path(workers.__file__).read_bytes())
    (package / "sections.py").write_bytes(Path(sections.__file__).read_bytes())
    (package / "chatty.py").write_text(
        "def build(most):\n"
        "    def run(steps):\n"
        "        print('chatter')\n"  # must not be taken for an answer
        "        if steps > most:\n"
        "            raise SystemExit('too many steps')\n"
        "    return run\n"
    )
    monkeypatch.setattr(workers, "ROOT", tmp_path)
    with workers.workers({"one": ("chatty", {"most": 3}), "two": ("chatty", {"most": 3})}) as running:
        for asked in (running["one"], running["two"], running["one"]):
            assert asked.seconds(2) >= 0
        with pytest.raises(workers.WorkerError, match="too many steps"):
            running["two"].seconds(4)


def test_the_made_up_sweep_can_be_drawn(tmp_path: Path) -> None:
    write_sweep(tmp_path / "sweep", images=50)
    out = tmp_path / "panel.png"
    assert plot_directory(tmp_path / "sweep", out=out) == [out]
