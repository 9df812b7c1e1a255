"""What is shown while a command works: a line that renews itself in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from centerloss_core.formatting import duration, exact, figure_in_words, number
from centerloss_core.run_directory.reader import look_at

from .streams import note, plain, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from centerloss_core.inference.embed import Progress as Embedded
    from centerloss_core.metrics.directory import Step
    from centerloss_core.run_directory.progress import Progress
    from centerloss_core.training.run import Start

LINES_PER_RUN = 10  # in a file
_NOT_SHOWN = ("center_shift",)  # a line has no room for all figures


class Display(NamedTuple):
    """What a run tells: where it stands, and what it does before its first step."""

    show: Callable[[Progress], None] | None = None
    stage: Callable[[str], None] = lambda _: None


@contextmanager
def training_progress(start: Start) -> Iterator[Display]:
    """Show one run: its settings as soon as nothing refuses it any more, then where it stands."""
    config, loss = start.config, start.config.loss
    weight = f"λ = {exact(loss.lambda_)} ({loss.reduction_in_force}; λ_eq = {number(config.lambda_eq, 'g')})"
    parts: list[str] = []
    if loss.term.module is None or loss.head.name not in ("softmax", "none"):
        parts.append(loss.head.name)
    if loss.term.name == "center":
        parts.append(f"{weight}, α = {exact(loss.alpha)}")
    elif loss.term.module is not None:
        parts.append(f"{loss.term.name}, {weight}")
    what = " + ".join(parts)
    resumed = "" if start.resumed_after is None else f", resumed after step {start.resumed_after}"
    head = "\n".join([f"{what}, seed {config.train.seed} → {start.path}{resumed}", *config.allows()])
    if not sys.stdout.isatty():
        yield Display(_with_beginning(start, _plain_lines()), lambda stage: _announce(head, stage))
        return
    with _live_line() as live:

        def tell(stage: str) -> None:
            _announce(head, stage)
            live.update(f"{stage} …")

        yield Display(_with_beginning(start, lambda progress: live.update(training_line(progress))), tell)


def _announce(head: str, stage: str) -> None:
    from centerloss_core.datasets import DECODING
    from centerloss_core.training.run import BUILDING

    if stage == BUILDING:
        say(head)
    elif stage.startswith(DECODING):  # it takes long, and room on the disk
        say(stage)


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
def embedding_progress() -> Iterator[Callable[[Embedded], None]]:
    """Show how many images are embedded; in a file, at each tenth of them where their number is known."""
    if sys.stdout.isatty():
        with _live_line() as live:
            yield lambda progress: live.update(_embedding_line(progress))
        return
    printed = 0

    def show(progress: Embedded) -> None:
        nonlocal printed
        tenth = progress.done * LINES_PER_RUN // progress.total if progress.total else 0
        if tenth > printed and progress.done != progress.total:
            printed = tenth
            say(_embedding_line(progress))

    yield show


def _embedding_line(progress: Embedded) -> str:
    of_all = "" if progress.total is None else f" of {progress.total:,}"
    parts = [f"{progress.done:,}{of_all} images"]
    if progress.images_per_second is not None:
        parts.append(f"{progress.images_per_second:.0f} images/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return "  ".join(parts)


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


def _with_beginning(start: Start, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Say once, as soon as the pace is known, with what precision the run computes and how long it will take."""
    precision = PrecisionNote()
    is_told = False

    def tell(progress: Progress) -> None:
        nonlocal is_told
        precision.tell_of(start.path)
        steps = progress.total_steps - progress.step
        if not is_told and steps:
            images = in_images(steps, steps * start.config.train.batch_size)
            say(f"about {duration(progress.seconds_left)} left: {images}")
        is_told = True
        show(progress)

    return tell


def in_images(steps: int, images: int) -> str:
    """The length of a run in words."""
    return f"{images:,} images in {steps:,} step{'s' * (steps != 1)}"


def _plain_lines() -> Callable[[Progress], None]:
    printed = 0

    def show(progress: Progress) -> None:
        nonlocal printed
        if (tenth := tenths(progress)) > printed:
            printed = tenth
            say(training_line(progress))

    return show


def tenths(progress: Progress) -> int:
    """How much of a run is done; a line is printed for each."""
    return progress.step * LINES_PER_RUN // progress.total_steps


def training_line(progress: Progress) -> str:
    """Where a run stands, in a line."""
    figures = "  ".join(
        figure_in_words(name, value) for name, value in progress.figures.items() if name not in _NOT_SHOWN
    )
    return "  ".join(
        filter(
            None,
            (
                f"epoch {number(progress.epoch, '.2f')}",
                f"step {progress.step}/{progress.total_steps}",
                figures,
                f"{number(progress.images_per_second, '.0f')} images/s",
                f"{duration(progress.seconds_left)} left",
            ),
        )
    )


def _evaluation_line(step: Step) -> str:
    return f"{step.number}/{step.total}  {step.run}  {step.split}: {step.what}"
