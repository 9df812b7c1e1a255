"""How a point of a sweep is doing, and how it ended, as its run directory tells."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from centerloss_core.config import Point
from centerloss_core.datasets import train_size
from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import FILE_BYTES, LAST_WORDS, MACHINE_LOSSES
from centerloss_core.metrics.separation import SeparationMetrics
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.lock import InUseError
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.progress import Progress, progress_of
from centerloss_core.run_directory.reader import look_at
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps.launchers.launcher import Ending, Started
from centerloss_core.sweeps.layout import log_path

_ENDS = ("completed", "failed", "interrupted")
_NO_MEMORY = ("cannot allocate memory", "bad_alloc", "out of memory", "memoryerror", "resource_exhausted")


# What `Config.in_short` says that a row keeps.
_OF_CONFIG = ("lambda", "alpha", "seed", "lambda_eq", "loss", "class_points", "is_angular")


@dataclass
class PointState:
    """What the live table shows and `summary.json` keeps.

    Attributes:
        status: waiting, running, completed, failed or interrupted.
        reason: why it is failed or interrupted.
        starts: how often it was started; `losses` of them ended with the loss of its machine.
        started: the point as its launcher has started it.
        place: where it runs or ran last.
        running_since: when it was first seen running after its last start, as `time.monotonic` has it.
    """

    point: Point
    path: Path
    status: str = "waiting"
    reason: str | None = None
    starts: int = 0
    losses: int = 0
    place: str | None = None
    started: Started | None = field(default=None, repr=False)
    running_since: float | None = field(default=None, repr=False)
    _before: tuple[Any, ...] = field(default=(), repr=False)
    _bytes_before: dict[Path, int] = field(default_factory=dict, repr=False)
    _row: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def waits(self) -> bool:
        """Whether it is to be started, and no launcher has it yet."""
        return self.status == "waiting" and self.started is None

    @cached_property
    def total_steps(self) -> int:
        """Of its whole run."""
        config = self.point.config
        return config.train.total_steps(train_size(config.data))

    @cached_property
    def program(self) -> str:
        """See `Config.program`."""
        return self.point.config.program

    @property
    def images(self) -> int:
        """That its whole run trains on, each as often as it comes."""
        return self.total_steps * self.point.config.train.batch_size

    @property
    def progress(self) -> Progress | None:
        """Where it stands by the newest row of its metrics log, or by the pace of its first steps."""
        row = last_row(self.path, kind="steps") or mapping(self.manifest().get("pace"))
        return progress_of(row, self.total_steps, self.point.config.train.batch_size) if row else None

    def manifest(self) -> dict[str, Any]:
        """Its `run.json`; empty where that is missing or damaged."""
        return look_at(self.path).manifest

    # ---- From its start to its end ---------------------------------------------------------------------------

    def remember(self) -> None:
        """Note the state before a start, to tell afterwards what it changed."""
        self._before = self._progress()
        self._bytes_before = {log: log.stat().st_size for log in (self._log, self._own_log) if log.exists()}

    def take_note(self, ending: Ending, *, stopping: bool) -> None:
        """Set the status after an end, from that and from the run directory."""
        never_ran = self.place is None
        self.started = None
        self.status, self.reason = self._after(ending, stopping=stopping)
        if ending.lost and self.status != "completed" and not stopping:
            self.losses += 1
            if self.losses <= MACHINE_LOSSES:
                self.status = "waiting"
        if stopping and never_ran and not self.manifest():
            self.status, self.reason = "waiting", None

    def _after(self, ending: Ending, *, stopping: bool) -> tuple[str, str | None]:
        manifest = self.manifest()
        ended_badly = "interrupted" if stopping else "failed"
        said_why = ending.code is not None and ending.code > 0
        # It neither began nor resumed nor ended the run.
        if not manifest or (ending.code != 0 and self._progress() == self._before):
            words = self._last_words() if said_why else None
            return ended_badly, words or self._in_words(ending, stopping=stopping)
        status, reason = manifest.get("status"), manifest.get("reason")
        if status == "running":  # it was killed, or another process has the directory
            words = self._last_words() if said_why and not stopping else None
            status, reason = ended_badly, words or self._in_words(ending, stopping=stopping)
            if ending.lost:  # it may still be saving, and is resumed in any case
                return ended_badly, reason
            try:
                with Run.open(self.path) as run:
                    run.finish("interrupted" if stopping else "failed", reason=reason)
            except InUseError as error:
                return "failed", str(error)
            except (OSError, ExpectedError):  # a full disk; its lock tells that the process has ended
                pass
        elif status == "interrupted" and ending.reason is not None and not stopping:
            reason = f"{ending.reason} ({reason})"  # what stopped it
        return (
            str(status) if status in _ENDS else "failed",
            reason if reason is None or isinstance(reason, str) else str(reason),
        )

    def _in_words(self, ending: Ending, *, stopping: bool) -> str:
        if stopping:
            return "stopped with the sweep"
        if ending.reason is not None or ending.code is None:
            return ending.reason or "its launcher does not know how it ended"
        if ending.code == -signal.SIGKILL:  # its log cannot say why
            return "its process ended with SIGKILL (out of memory?)"
        how = f"exit code {ending.code}" if ending.code >= 0 else _signal_name(-ending.code)
        last = (self._added_to(self._own_log) or [""])[-1][:LAST_WORDS]
        memory = " (out of memory?)" if any(sign in last.lower() for sign in _NO_MEMORY) else ""
        return f"its process ended with {how}{memory}{'; its log.txt ends with: ' * bool(last)}{last}"

    def _last_words(self) -> str | None:
        """What its process printed last: its error, or its last line; None if it said nothing."""
        lines = self._added_to(self._log)
        errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        if not errors:
            return lines[-1] if lines else None
        words = lines[errors[-1]].removeprefix("error: ")
        if errors[-1] + 1 < len(lines):
            words += f" … (all of it: {self._log})"
        return words

    def _added_to(self, log: Path) -> list[str]:
        """What was written since the last start, without empty lines."""
        try:
            with open_to_read(log) as file:
                file.seek(max(self._bytes_before.get(log, 0), file.seek(0, 2) - FILE_BYTES))
                text = file.read(FILE_BYTES).decode(errors="replace")
        except (OSError, ValueError):
            return []
        return [line.strip() for line in text.split("\n") if line.strip()]

    def _progress(self) -> tuple[Any, ...]:
        manifest = self.manifest()
        return tuple(manifest.get(key) for key in ("status", "finished", "resumed", "created"))

    @property
    def _log(self) -> Path:
        return log_path(self.path.parent, self.path.name)

    @property
    def _own_log(self) -> Path:
        return self.path / "log.txt"

    # ---- What is kept of it ----------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Its row in `summary.json`: its settings, the status, and the figures on the test set where there are any.

        A point that has ended is read once: a sweep of a thousand writes its summary a thousand times.
        """
        if self._row.get("status") != "completed":
            self._row = self._read_summary()
        return self._row

    def _read_summary(self) -> dict[str, Any]:
        in_short = self.point.config.in_short()
        record = look_at(self.path)
        metrics = mapping(record.manifest.get("metrics"))
        test = mapping(metrics.get("test"))
        return {
            "directory": self.path.name,
            "settings": self.point.settings,
            **{key: in_short[key] for key in _OF_CONFIG},
            "status": self.status,
            "reason": self.reason,
            "test_images": record.images("test"),
            **{figure.name: test.get(figure.name) for figure in fields(SeparationMetrics)},
            **{key: metrics.get(key) for key in ("images_per_second", "seconds")},
            "warnings": "; ".join(record.warnings) or None,
        }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"
