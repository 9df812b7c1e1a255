"""What a person sees in a terminal: warnings above the line that renews itself, and tables that fit."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from test_cli import QUICKSTART, environment

from cli.compare import _side_by_side
from cli.results import show_sweep_table
from cli.streams import error, say, say_json, warn
from cli.tables import table_lines

HEIGHT = 50
# Sequences to steer a terminal, line ends, and anything else, sign by sign.
TOKEN = re.compile(r"\x1b\[(?P<arguments>[0-9;?]*)(?P<command>[A-Za-z])|(?P<sign>.)", re.DOTALL)

# Two warnings, longer than a line, while a line is shown that is longer than a terminal of 80 columns.
WARNINGS = [
    "epoch 1: softmax accuracy is 15.1%, hardly better than guessing: lower train.learning_rate, or let λ grow "
    "slowly with loss.ramp",
    "two classes share one cluster (their means are 0.0017 apart, at a spread of 0.034 within classes): lower λ, or "
    "let it grow slowly with loss.ramp",
]
TRAINING = f"""
import os, sys
from pathlib import Path

import rich.live

from centerloss_core.run_directory.progress import Progress
from centerloss_core.config import load_config
from centerloss_core.devices import chatter_to
from centerloss_core.training.run import BUILDING, Start
from cli.progress import training_progress
from cli.streams import warn

made = []
drawn = rich.live.Live
rich.live.Live = lambda **how: made.append(drawn(**how)) or made[0]
config = load_config(Path({str(QUICKSTART)!r}))
with training_progress(Start(Path("run"), config)) as display:
    display.stage(BUILDING)
    with open("log.txt", "wb") as log, chatter_to(log):
        display.show(Progress(
            epoch=1.0, step=80, total_steps=80,
            figures=dict(softmax_loss=2.2988, center_loss=0.00128, accuracy=0.1033, center_shift=1.0),
            images_per_second=526.0, seconds_left=0.0,
        ))
        made[0].refresh()  # which is otherwise a matter of time
        os.write(2, b"chatter")
        for warning in {WARNINGS!r}:
            warn(warning)
        if sys.argv[1:] == ["stay"]:
            os._exit(0)
print("done")
"""
LINE = "epoch 1.00  step 80/80  softmax loss 2.2988  center loss 0.00128  accuracy 10.33 %  526 images/s  0 s left"


def screen(text: str, columns: int) -> list[str]:
    """The lines that a terminal shows after what was written to it."""
    lines = [[" "] * columns for _ in range(HEIGHT)]
    row = column = 0
    for token in TOKEN.finditer(text):
        sign, command = token["sign"], token["command"]
        if sign == "\r":
            column = 0
        elif sign == "\n":
            row += 1
        elif sign is not None:
            if column == columns:  # a full line wraps when the next sign comes
                row, column = row + 1, 0
            lines[row][column] = sign
            column += 1
        elif command == "A":
            row -= int(token["arguments"] or 1)
        elif command == "K":
            assert token["arguments"] == "2", "only the whole line is erased"
            lines[row] = [" "] * columns
        else:
            assert command in "mhl", f"{token[0]!r} is unknown here"  # colours, and the cursor's look
    shown = ["".join(line).rstrip() for line in lines]
    while shown and not shown[-1]:
        shown.pop()
    return shown


def in_terminal(
    *arguments: object, columns: int, cwd: Path, stderr: int | None = None
) -> tuple[list[str], str]:
    """What a Python process leaves on a terminal, and on the standard error if that is a pipe."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, columns, 0, 0))
    given = {key: value for key, value in environment().items() if key != "COLUMNS"} | {"TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-P", *map(str, arguments)],
        cwd=cwd,
        env=given,
        stdin=inside,
        stdout=inside,
        stderr=inside if stderr is None else stderr,
    )
    os.close(inside)
    written = b""
    try:
        while part := os.read(terminal, 65536):
            written += part
    except OSError:  # Linux' way to say that nobody is left on the other side
        pass
    _, piped = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == 0, written.decode()
    return screen(written.decode(), columns), (piped or b"").decode()


def paragraphs(lines: list[str]) -> list[str]:
    """Lines that were wrapped at words, in one piece each: a new one begins where nothing was wrapped."""
    found: list[str] = []
    for line in lines:
        if not found or line.startswith(("warning: ", "λ = ", "epoch 1.00", "done")):
            found.append(line)
        else:
            found[-1] += f" {line}"
    return found


@pytest.mark.parametrize(("columns", "stay"), [(80, True), (130, False)])
def test_warnings_stand_whole_above_the_progress_line(tmp_path: Path, columns: int, *, stay: bool) -> None:
    shown, _ = in_terminal("-c", TRAINING, *(["stay"] if stay else []), columns=columns, cwd=tmp_path)
    first, *rest = paragraphs(shown)
    assert first.startswith("λ = ")
    below = re.sub(" +", " ", LINE) if stay else "done"
    assert [re.sub(" +", " ", each) for each in rest] == [*(f"warning: {each}" for each in WARNINGS), below]
    assert (tmp_path / "log.txt").read_bytes() == b"chatter"


def test_warnings_go_to_a_file_that_the_standard_error_is(tmp_path: Path) -> None:
    shown, piped = in_terminal("-c", TRAINING, columns=80, cwd=tmp_path, stderr=subprocess.PIPE)
    assert piped.splitlines() == [f"warning: {each}" for each in WARNINGS]
    assert shown[1:] == ["done"]


SWEEP = [
    {
        "lambda": lambda_,
        "lambda_eq": 50 * lambda_,
        "alpha": 0.5,
        "seed": 0,
        "status": status,
        "accuracy": 0.9912,
        "nearest_center_accuracy": 0.9915,
        "intra_class_distance": 0.5123,
        "inter_class_distance": 15.123,
        "separation_ratio": 29.52,
        "images_per_second": 12345.6,
        "seconds": 1234.5,
    }
    for lambda_, status in ((0.0, "completed"), (0.001, "completed"), (0.1, "interrupted"))
]
STAY = ["λ", "softmax", "nearest center", "inter/intra"]
SPARE = ["images/s", "time", "intra", "inter", "λ_eq"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A standard output that is called a terminal, of so many columns; None: it is a pipe."""

    def resized(columns: int | None) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None)
        monkeypatch.setenv("COLUMNS", str(columns or 80))
        monkeypatch.setenv("TERM", "dumb")  # no colours

    return resized


def heads(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


@pytest.mark.parametrize("columns", [52, 80, 89, 90, None])
def test_a_table_leaves_out_what_a_terminal_has_no_room_for(
    terminal: Any, capsys: Any, columns: int | None
) -> None:
    terminal(columns)
    show_sweep_table(SWEEP)
    lines = capsys.readouterr().out.splitlines()
    assert columns is None or max(map(len, lines)) <= columns
    legend = next(
        index for index, line in enumerate(lines) if line.startswith(("λ_eq: ", "nearest center: "))
    )
    shown, last = set(heads(lines[2])), " ".join(lines[7:legend]).strip()
    meant = " ".join(lines[legend:])
    assert ("λ_eq: λ for a mean" in meant, "intra, inter: mean distance" in meant, "±" in meant) == (
        "λ_eq" in shown,
        "intra" in shown,
        False,
    )
    absent = [name for name in SPARE if name not in shown]
    assert shown == {*STAY, *SPARE} - set(absent)
    assert absent == SPARE[: len(absent)]  # the least important first
    assert last == (f"no room for these columns: {', '.join(absent)}" if absent else "")
    assert heads(lines[4])[:2] == (["0", "99.12 %"] if "λ_eq" in absent else ["0", "0"])
    assert bool(absent) == (columns is not None and columns < 90)


def test_a_list_of_runs_fits_and_keeps_its_names(terminal: Any) -> None:
    settings, figures = (
        ("data", "λ", "α", "seed"),
        ("softmax", "nearest center", "inter/intra", "age", "time"),
    )
    columns = ("run", "status", *settings, *figures)
    row = ("mnist-sweep/lambda0.001-alpha0.5-seed12", "interrupted", "mnist", "0.001", "0.5", "12", "99.12 %")
    rows = [(*row, "99.15 %", "29.5", "6 h", "2 min 03 s")]
    spare = ("time", "age", "data", "α", "seed", "nearest center", "λ")
    terminal(None)
    whole = table_lines(columns, rows, left=3, spare=spare)
    assert heads(whole[0]) == list(columns)
    assert len(whole) == 3
    terminal(len(whole[1]))
    assert table_lines(columns, rows, left=3, spare=spare) == whole
    terminal(80)
    head, rule, line, *note = table_lines(columns, rows, left=3, spare=spare, names=("run",))
    assert heads(head) == ["run", "status", "λ", "softmax", "nearest center", "inter/intra"]
    assert line.startswith("mnist-sweep…0.5-seed12 ")
    assert len(rule) == len(head) == len(line) <= 80
    assert note == ["no room for these columns: time, age, data, α, seed"]


def test_uncertainties_go_before_columns_that_matter_more(terminal: Any) -> None:
    columns, rows = ("λ", "softmax", "time"), [("0.1", "99.12 ± 0.30 %", "2 min 03 s")]
    terminal(len("0.1   99.12 ± 0.30 %   2 min 03 s"))
    assert "± 0.30" in table_lines(columns, rows, spare=("±", "time"))[2]
    terminal(25)
    assert table_lines(columns, rows, spare=("±", "time"))[2] == "0.1  99.12 %  2 min 03 s"


def test_a_sweep_with_seeds_tells_mean_and_deviation(terminal: Any, capsys: Any) -> None:
    terminal(None)
    rows = [
        {**SWEEP[0], "lambda": lambda_, "seed": seed, "accuracy": accuracy, "test_images": 1000}
        for lambda_, seed, accuracy in ((0.0, 0, 0.97), (0.0, 1, 0.99), (0.1, 0, 0.95))
    ]
    show_sweep_table(rows)
    said = capsys.readouterr().out
    assert "97.00 ± 0.54 %" in said  # √(0.97 · 0.03 / 1000)
    assert "±: standard error" in said
    *_, head, _, line = said.splitlines()
    assert heads(head) == ["λ", "seeds", "softmax", "nearest center", "inter/intra"]
    assert heads(line) == ["0", "2", "98.00 ± 1.41 %", "99.15 ± 0.00 %", "29.5 ± 0"]


def test_four_runs_side_by_side_fit_a_terminal(terminal: Any) -> None:
    terminal(80)
    runs = [f"lambda{value}-alpha0.5-seed0" for value in ("0", "0.01", "0.1", "1")]
    rows = [["test nearest center", *["98.00 % (+0.40)"] * 4]]
    lines = _side_by_side("Results", runs, rows, figures=True)
    assert max(map(len, lines)) <= 80
    assert sum(line.count("98.00 % (+0.40)") for line in lines) == 4
    uncertain = [["test nearest center", *["98.00 ± 0.45 % (+0.40)"] * 4]]
    with_margin = _side_by_side("Results", runs, uncertain, figures=True)
    assert max(map(len, with_margin)) <= 80
    assert len(with_margin) == len(lines)  # two tables in either case
    assert sum(line.count("98.00 ± 0.45 % (+0.40)") for line in with_margin) == 4
    three = [each[0][:4] for each in (uncertain, rows)]  # one table without the uncertainty, two with it
    assert len({*(tuple(_side_by_side("Results", runs[:3], [row], figures=True)) for row in three)}) == 1
    short = _side_by_side(
        "Results", [*runs[:3], "d"], uncertain, figures=True
    )  # its figures are what takes room
    assert max(map(len, short)) <= 80
    texts = [["data.fingerprint", *["x" * 64] * 3, "y"], ["model.channels", *["[8, 16, 16]"] * 4]]
    head, rule, _, second = _side_by_side("Origins that differ", runs, texts, figures=False)
    assert len(rule) <= 80
    assert heads(head)[1:] == ["lambda0-alph…", "lambda0.01-a…", "lambda0.1-al…", "lambda1-alp…"]
    assert heads(second) == ["model.channels", *["[8, 16, 16]"] * 4]
    seeds = [f"lambda0.01-alpha0.5-seed{seed}" for seed in range(4)]
    assert heads(_side_by_side("Origins that differ", seeds, texts, figures=False)[0])[1] == "lambda…-seed0"
    terminal(None)
    page = _side_by_side(
        "Results", runs, rows, figures=True
    )  # of a file: whole names, and no wider than a page
    assert [each for line in page for each in runs if each in line] == runs
    assert max(map(len, page)) <= 100
    assert "± 0.45" in _side_by_side("Results", runs, uncertain, figures=True)[2]


def test_a_table_in_a_file_is_as_wide_as_a_page_and_has_all_columns() -> None:
    settings = {"λ": "0.01", "λ_eq": "1", "batch_size": "100", "feature_dim": "2", "seed": "0"}
    figures = {"softmax": "97.60 ± 0.48 %", "nearest center": "97.20 ± 0.48 %", "inter/intra": "10.7"}
    row = settings | figures | {"intra": "0.55", "inter": "5.94", "images/s": "372", "time": "1 min 25 s"}
    assert len(table_lines(list(row), [list(row.values())])[0]) > 105
    head, below, rule, line = table_lines(list(row), [list(row.values())], page=100)
    assert max(map(len, (head, below, rule, line))) <= 100
    assert heads(head) == ["batch_", "feature_", "nearest", "inter/", "images/"]
    assert below.split()[:4] == ["λ", "λ_eq", "size", "dim"]
    assert heads(line) == [cell.replace(" ± 0.48", "") for cell in row.values()]
    few = [list(row)[:3], [[*row.values()][:3]]]
    assert table_lines(*few, page=100) == table_lines(*few)


def test_runs_side_by_side_are_all_shown_however_many(terminal: Any) -> None:
    terminal(20)
    head, *_ = table_lines(("Results", "time", "age", "λ"), [("accuracy", *["99.12 % (+0.01)"] * 3)])
    assert heads(head) == ["Results", "time", "age", "λ"]


# What ends a run when its terminal is closed must not be hidden by what cannot be drawn there any more.
CLOSED = f"""
import os
from pathlib import Path

from centerloss_core.config import load_config
from centerloss_core.training.run import Start
from cli.progress import training_progress

try:
    with training_progress(Start(Path("run"), load_config(Path({str(QUICKSTART)!r})))):
        try:
            os.read(0, 1)
        except OSError:
            pass
        raise LookupError
except LookupError:
    os._exit(7)
"""


def test_a_closed_terminal_hides_no_error(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", CLOSED], cwd=tmp_path, env={**environment(), "TERM": "xterm"},
        stdin=inside, stdout=inside, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(inside)
    shown = b""
    while b"starting" not in shown:
        shown += os.read(terminal, 65536)
    os.close(terminal)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (7, b"")


# ---- Texts from files of others

EVIL = "\x1b[2J\x1b]0;title\x07\u202ex\ud800\r"
KEPT = "λ = 1, ‖Δc‖, ü, 图"


def assert_steers_nothing(text: str) -> None:
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)


def test_nothing_that_is_printed_steers_a_terminal(capsys: Any) -> None:
    cause = LookupError()
    cause.add_note(EVIL + KEPT)
    error(f"{EVIL}{KEPT}\nbelow", cause)
    warn(EVIL + KEPT)
    say(EVIL + KEPT)
    row = SWEEP[0] | {"status": EVIL + KEPT, "warnings": EVIL + KEPT, "directory": EVIL}
    show_sweep_table([row, row])
    say_json([EVIL + KEPT])
    out, err = capsys.readouterr()
    assert_steers_nothing(out)
    assert_steers_nothing(err)
    assert (err.count(KEPT), out.count(KEPT)) == (3, 4)  # two rows with one warning
    assert "\nbelow\n" in err


def test_a_line_has_an_end_and_json_is_whole(capsys: Any) -> None:
    warn("x" * 1_000_000)
    assert len(capsys.readouterr().err) < 11_000
    say_json(["x" * 1_000_000])
    assert json.loads(capsys.readouterr().out) == ["x" * 1_000_000]


LIVE = f"""
from cli.progress import evaluation_progress
from centerloss_core.metrics.directory import Step

with evaluation_progress() as show:
    show(Step(run={EVIL.replace(chr(0xD800), "")!r}, number=1, total=2, split="test", what="distances"))
print("done")
"""


def test_a_line_that_renews_itself_shows_no_more_than_its_text(tmp_path: Path) -> None:
    shown, _ = in_terminal("-c", LIVE, columns=80, cwd=tmp_path)  # which knows the sequences that Rich needs
    assert shown == ["done"]


def test_names_and_folders_of_a_config_steer_nothing(here: Any, tmp_path: Path) -> None:
    config = tmp_path / f"{EVIL.replace(chr(0xD800), '')}.yaml"
    folder = json.dumps(f"{EVIL.replace(chr(0xD800), '')}nowhere")
    config.write_text(f"data: {{name: mnist, dir: {folder}}}\ntrain: {{epochs: 1}}\n")
    for more in (["--dry-run"], []):
        _, said, errors = here("train", "--config", config, *more)
        assert "nowhere" in said + errors
        assert_steers_nothing(said)
        assert_steers_nothing(errors)
    for name in ("\x1b[2J", "a\nb", "-x", ".hidden", "", "a/b"):
        code, _, errors = here("train", "--config", QUICKSTART, f"--name={name}", "--dry-run")
        assert code == 2
        assert "must be a plain name" in errors
        assert_steers_nothing(errors)
