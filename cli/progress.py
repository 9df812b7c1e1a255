"""What is shown while a command works: a line that renews itself in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from centerloss_core.formatting import duration, exact, figure_in_words, number
from centerloss_core.run_directory.reader import look_at

from .streams import note, plain, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from centerloss_core.metrics.directory import Step
    from centerloss_core.training.observers import Progress
    from centerloss_core.training.run import Start

_PLAIN_LINES_PER_RUN = 10
_NOT_SHOWN = ("center_shift",)  # a line has no room for all figures


@contextmanager
def training_progress(start: Start) -> Iterator[Callable[[Progress], None]]:
    """Show one run: its settings first, then where it stands."""
    config, loss = start.config, start.config.loss
    if loss.term.name == "center":
        weight = f"λ = {exact(loss.lambda_)} ({loss.reduction}; λ_eq = {number(config.lambda_eq, 'g')})"
        what = f"{weight}, α = {exact(loss.alpha)}"
    else:
        what = loss.head.name
    resumed = "" if start.resumed_after is None else f", resumed after step {start.resumed_after}"
    say(f"{what}, seed {config.train.seed} → {start.path}{resumed}")
    precision = PrecisionNote()
    with _training_display() as draw:

        def show(progress: Progress) -> None:
            precision.tell_of(start.path)
            draw(progress)

        yield show


@contextmanager
def _training_display() -> Iterator[Callable[[Progress], None]]:
    if not sys.stdout.isatty():
        yield _plain_lines()
        return
    with _live_line() as live:
        yield lambda progress: live.update(_training_line(progress))


class PrecisionNote:
    """Says, once for all runs, why they compute in float32 where they have no choice."""

    def __init__(self) -> None:
        self._is_told = False

    def tell_of(self, run: Path) -> None:
        """Say it as soon as the run has begun."""
        if self._is_told:
            return
        record = look_at(run)
        self._is_told = bool(record.manifest)
        if record.precision_reason is not None:
            note(
                f"convolutions in float32, because {record.precision_reason}: "
                "a step takes 1.5 to 5 times as long as on one that has it"
            )


@contextmanager
def evaluation_progress() -> Iterator[Callable[[Step], None]]:
    """Show what is being measured."""
    if not sys.stdout.isatty():
        yield lambda step: say(_evaluation_line(step))
        return
    with _live_line() as live:
        yield lambda step: live.update(plain(_evaluation_line(step)))


@contextmanager
def _live_line() -> Iterator[Live]:
    from rich.console import Console

    with live_display(Console(markup=False), refresh_per_second=4) as live:
        live.update("starting …", refresh=True)
        yield live


@contextmanager
def live_display(console: Console, refresh_per_second: float) -> Iterator[Live]:
    """Draw in place, below all else that is printed, and clear that at the end; a closed terminal is no error."""
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
            say(_training_line(progress))

    return show


def _training_line(progress: Progress) -> str:
    figures = "  ".join(
        figure_in_words(name, value) for name, value in progress.figures.items() if name not in _NOT_SHOWN
    )
    return (
        f"epoch {progress.epoch:.2f}  step {progress.step}/{progress.total_steps}  {figures}  "
        f"{progress.images_per_second:.0f} images/s  {duration(progress.seconds_left)} left"
    )


def _evaluation_line(step: Step) -> str:
    return f"{step.number}/{step.total}  {step.run}  {step.split}: {step.what}"
