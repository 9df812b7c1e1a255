"""What a person sees: progress, results, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from centerloss_core.errors import ExpectedError
from centerloss_core.formatting import duration, exact, number, percent
from cli.tables import cell_width, left_out, left_out_lines, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from centerloss_core.config import Config
    from centerloss_core.metrics.directory import Report, RunEvaluation, Step
    from centerloss_core.training.interval_log import Progress

_PLAIN_LINES_PER_RUN = 10
_LONGEST_LINE = 10_000


def prepare_streams() -> None:
    """Make printing safe: λ on a terminal that has no Greek becomes "?", a closed stream becomes nowhere."""
    for descriptor, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            mode = os.O_RDONLY if descriptor == 0 else os.O_WRONLY
            os.dup2(os.open(os.devnull, mode), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "r" if descriptor == 0 else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Exit with one message for an error that the user can mend; let anything else be a traceback."""
    try:
        yield
    except ExpectedError as problem:
        error(str(problem), problem)
        raise SystemExit(problem.exit_code) from None
    except SystemExit as stop:
        if stop.code == 130:  # Typer's own answer to Ctrl-C, given without a word
            error("stopped")
        raise
    except KeyboardInterrupt as stop:
        error("stopped", stop)
        raise SystemExit(130) from None
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        error(f"{where}{problem.strerror or problem}", problem)
        raise SystemExit(1) from None


def error(message: str, cause: BaseException | None = None) -> None:
    """Print an error to the standard error, and below it the advice that was noted on its cause."""
    for line in (f"error: {message}", *getattr(cause, "__notes__", ())):
        _print_or_go_on(plain(line), sys.stderr)


def warn(message: str) -> None:
    """Print a warning to the standard error."""
    _print_or_go_on(plain(f"warning: {message}"), sys.stderr)


def say_nothing(_: object) -> None:
    """Show nothing: what --quiet puts in the place of progress and warnings, which the run directory keeps."""


def say(message: str) -> None:
    """Print to the standard output."""
    _print_or_go_on(plain(message), sys.stdout)


def say_json(content: object) -> None:
    """Print what is for a program: ASCII, and whole however long."""
    _print_or_go_on(json.dumps(content, indent=2), sys.stdout)


def plain(message: str) -> str:
    """The message as a terminal may have it: names, reasons and titles in it are anybody's, and could steer it."""
    lines = (
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in message.split("\n")
    )
    return "\n".join(map(printable, lines))


def _print_or_go_on(message: str, stream: TextIO) -> None:
    """When the reader has gone (`cl … | head`) or the disk behind a stream is full, go on without it."""
    try:
        print(message, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# ---- Before a run -------------------------------------------------------------------------------------------


def show_plan(runs: Sequence[tuple[Path, Config]], launcher: str | None = None) -> None:
    """Print what `--dry-run` promises: the resolved config, the runs, device, data source and λ_eq; `launcher` too."""
    from centerloss_core import devices
    from centerloss_core.config import dump_yaml
    from centerloss_core.datasets import locate

    _, config = runs[0]
    with open(os.devnull, "wb") as nowhere, devices.chatter_to(nowhere):
        device = devices.find_device(config.train)
    say(dump_yaml(config))
    if len(runs) > 1:
        say("# … with these values of λ, α and seed:\n")
    table = new_table("run", "λ", "λ_eq", "α", "seed", "length")
    for path, each in runs:
        loss, train = each.loss, each.train
        length = f"{train.epochs} epochs" if train.epochs is not None else f"{train.iterations} iterations"
        table.add_row(
            str(path), exact(loss.lambda_), f"{each.lambda_eq:g}", exact(loss.alpha), str(train.seed), length
        )
    _print(table, spare=("length",))
    say(f"device: {device.label}, convolutions in {device.precision}")
    say(f"data:   {config.data.name}: {locate(config.data.name, dir=config.data.dir)}")
    if launcher is not None:
        say(f"by:     {launcher}")
    say("Nothing was started.")


# ---- During a run -------------------------------------------------------------------------------------------


@contextmanager
def training_progress(
    config: Config, path: Path, *, resumed_after: int | None = None, quiet: bool
) -> Iterator[Callable[[Progress], None]]:
    """Show one run: a line that renews itself in a terminal, a line now and then elsewhere."""
    if quiet:
        yield say_nothing
        return
    loss = config.loss
    say(
        f"λ = {exact(loss.lambda_)} ({loss.reduction}; λ_eq = {config.lambda_eq:g}), α = {exact(loss.alpha)}, "
        f"seed {config.train.seed} → {path}"
        + ("" if resumed_after is None else f", going on after step {resumed_after}")
    )
    if not sys.stdout.isatty():
        yield _plain_lines()
        return
    with _live_line() as live:
        yield lambda progress: live.update(_progress_line(progress))


@contextmanager
def _live_line() -> Iterator[Live]:
    """A line that renews itself, below whatever else is printed to the terminal meanwhile."""
    from rich.console import Console

    with live_display(Console(markup=False), refresh_per_second=4) as live:
        live.update("starting …", refresh=True)
        yield live


@contextmanager
def live_display(console: Console, refresh_per_second: float) -> Iterator[Live]:
    """What is drawn anew in place, and taken away at the end; a terminal that was closed meanwhile is no error."""
    from rich.live import Live

    live = Live(
        console=console,
        refresh_per_second=refresh_per_second,
        transient=True,
        redirect_stderr=sys.stderr.isatty(),  # a file gets its warnings itself
    )
    live.start()
    try:
        yield live
    finally:
        with suppress(OSError):
            live.stop()


def _plain_lines() -> Callable[[Progress], None]:
    printed = 0

    def show(progress: Progress) -> None:
        nonlocal printed
        if progress.step * _PLAIN_LINES_PER_RUN >= (printed + 1) * progress.total_steps:
            printed = progress.step * _PLAIN_LINES_PER_RUN // progress.total_steps
            say(_progress_line(progress))

    return show


def _progress_line(progress: Progress) -> str:
    return (
        f"epoch {progress.epoch:.2f}  step {progress.step}/{progress.total_steps}  "
        f"softmax loss {progress.softmax_loss:.4f}  center loss {progress.center_loss:.4g}  "
        f"accuracy {percent(progress.accuracy)}  {progress.images_per_second:.0f} images/s  "
        f"{duration(progress.seconds_left)} left"
    )


# ---- After a run --------------------------------------------------------------------------------------------


def show_result(path: Path, metrics: dict[str, Any]) -> None:
    """Print what one run reached, where it is, and what to do next."""
    table = new_table("split", "softmax", "nearest center", "intra", "inter", "inter/intra")
    for split in ("test", "validation", "train"):
        if split in metrics:
            table.add_row(split, *_separation_cells(metrics[split]))
    _print(table, spare=("intra", "inter"))
    say(f"{metrics['images_per_second']:.0f} images/s, {duration(metrics['seconds'])} in all")
    _say_next(path)


def show_completed(path: Path) -> None:
    """Say that there is nothing left to do for a run."""
    say(f"{path} is completed: there is nothing to resume")
    _say_next(path)


def show_sweep_result(directory: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Print the results of a sweep, where they are, and what to do next."""
    show_sweep_table(rows)
    say(f"table: {directory / 'summary.csv'}")
    _say_next(directory)


def show_sweep_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print what each point of a sweep reached on the test set."""
    # Summaries can be edited by hand: whatever is missing or is no number becomes a dash.
    one_row_per_lambda = len({(str(row.get("alpha")), str(row.get("seed"))) for row in rows}) == 1
    grid = ("λ", "λ_eq") if one_row_per_lambda else ("λ", "λ_eq", "α", "seed")
    table = new_table(*grid, "softmax", "nearest center", "intra", "inter", "inter/intra", "images/s", "time")
    for row in rows:
        cells = [exact(row.get("lambda")), number(row.get("lambda_eq"), "g")]
        if not one_row_per_lambda:
            cells += [exact(row.get("alpha")), exact(row.get("seed"))]
        if row.get("status") == "completed":
            cells += _separation_cells(row)
            cells += [number(row.get("images_per_second"), ".0f"), duration(row.get("seconds"))]
        else:
            cells.append(str(row.get("status")))
        table.add_row(*cells)
    say("\nOn the test images:")
    _print(table, spare=("images/s", "time", "intra", "inter", "λ_eq"))
    for row in rows:
        if row.get("warnings"):
            say(f"warning: {row.get('directory')}: {row['warnings']}")


def show_figures(written: Sequence[Path]) -> None:
    """Print the folders of the figures, and the one that shows most by name, last, where the eye is."""
    main, *others = written
    for folder in dict.fromkeys(path.parent for path in others):
        names = ", ".join(path.name for path in others if path.parent == folder)
        say(f"also:   {folder}/ ({names})")
    say(f"figure: {main}")


def _say_next(path: Path) -> None:
    say(f"results: {path}")
    say(f"figures: cl plot {shlex.quote(str(path))}")


def _separation_cells(row: dict[str, Any]) -> list[str]:
    return [
        percent(row.get("accuracy")),
        percent(row.get("nearest_center_accuracy")),
        number(row.get("intra_class_distance")),
        number(row.get("inter_class_distance")),
        number(row.get("separation_ratio")),
    ]


def new_table(*columns: str) -> Table:
    """An empty table: names flush left, figures flush right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def _print(table: Table, spare: Sequence[str] = ()) -> None:
    """Print a table, in a narrow terminal without spare columns: the first of them first, and no more than needed.

    It is as wide as what remains: a line that wraps beats a number that is cut off.
    """
    from rich.console import Console

    cells = {
        plain(str(column.header)): [plain(str(cell)) for cell in column.cells] for column in table.columns
    }
    widths = {name: max(map(cell_width, (name, *column))) for name, column in cells.items()}
    absent = left_out(widths, spare, edges=2)  # a blank on either side
    shown = {name: column for name, column in cells.items() if name not in absent}
    table = new_table(*shown)
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    # A dumb terminal has 80 columns for Rich, whatever the width, unless it is given a height too.
    width = max(Console(width=10_000, height=25, markup=False).measure(table).maximum, Console().width)
    console = Console(width=width, height=25, markup=False)  # a name such as x[/b] is a name
    with console.capture() as text:
        console.print(table)
    # Not said: the heads are bold in a terminal, and the cells were made plain above.
    _print_or_go_on("\n".join([text.get().rstrip("\n"), *left_out_lines(absent)]), sys.stdout)


# ---- `cl evaluate` ------------------------------------------------------------------------------------------


@contextmanager
def evaluation_progress(*, quiet: bool) -> Iterator[Callable[[Step], None]]:
    """Show what is being measured: a line that renews itself in a terminal, a line per step elsewhere."""
    if quiet:
        yield say_nothing
        return
    if not sys.stdout.isatty():
        yield lambda step: say(_evaluation_line(step))
        return
    with _live_line() as live:
        yield lambda step: live.update(plain(_evaluation_line(step)))


def _evaluation_line(step: Step) -> str:
    return f"{step.number}/{step.total}  {step.run}  {step.split}: {step.what}"


def show_evaluation(report: Report) -> None:
    """Print what was measured on each run, and where it was written."""
    for run in report.runs:
        _show_run_evaluation(run, classes=len(report.runs) == 1)
    if len(report.runs) > 1:
        say("\nSide by side:")
        _print(_evaluations_table(report.runs), spare=_LESS_TELLING)
    for name, status in report.skipped.items():
        say(f"left out: {name} ({status})")
    folder = report.written.parent
    say(
        f"figures and classes: {report.written}, {folder / 'evaluation.csv'}, {folder / 'evaluation-classes.csv'}"
    )


def _show_run_evaluation(run: RunEvaluation, *, classes: bool) -> None:
    from centerloss_core.metrics.names import FIGURES

    say(f"\n{run.path}: λ = {exact(run.origin['lambda'])}, seed {exact(run.origin['seed'])}")
    table = new_table("", *run.splits)
    for name in FIGURES:
        title = f"{name.title} (small is good)" if name.best == "least" else name.title
        table.add_row(title, *(name.write(split.figures[name.key]) for split in run.splits.values()))
    _print(table)
    for split_name, split in run.splits.items():
        figures = split.figures
        say(
            f"{split_name}: verification over all pairs of {figures['verification_images']:,} images, "
            f"{figures['verification_same_pairs']:,} of one class and {figures['verification_different_pairs']:,} "
            f"others; silhouette of {figures['silhouette_images']:,} images; "
            f"{figures['knn_neighbors']} nearest training images vote"
        )
        if classes:
            _print(_classes_table(split.per_class), spare=("images", "intra"))


def _classes_table(rows: Sequence[dict[str, Any]]) -> Table:
    from centerloss_core.metrics.names import CLASS_FIGURES

    table = new_table("class", *(name.title for name in CLASS_FIGURES))
    for row in rows:
        table.add_row(str(row["class"]), *(name.write(row[name.key]) for name in CLASS_FIGURES))
    return table


# Of the figures of runs side by side; the names of a sweep's runs say λ.
_LESS_TELLING = (
    *("EER Eucl.", "EER cos", "DB", "silhouette", "Fisher"),
    *("nearest training mean", "nearest training images", "λ"),
)


def _evaluations_table(runs: Sequence[RunEvaluation]) -> Table:
    """The figures that do not depend on the scale of the features, a row per run and split."""
    table = new_table(
        *(
            "run",
            "split",
            "λ",
            "softmax",
            "nearest center",
            "nearest training mean",
            "nearest training images",
        ),
        *("inter/intra", "Fisher", "silhouette", "DB", "EER cos", "EER Eucl."),
    )
    for run in runs:
        for name, split in run.splits.items():
            figures = split.figures
            table.add_row(
                run.path.name,
                name,
                exact(run.origin["lambda"]),
                percent(figures["accuracy"]),
                percent(figures["nearest_center_accuracy"]),
                percent(figures["nearest_train_mean_accuracy"]),
                percent(figures["knn_accuracy"]),
                number(figures["separation_ratio"]),
                number(figures["fisher_ratio"], ".4g"),
                number(figures["silhouette"]),
                number(figures["davies_bouldin"]),
                percent(figures["cosine_eer"]),
                percent(figures["euclidean_eer"]),
            )
    return table
