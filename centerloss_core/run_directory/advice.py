"""What to say of a run that has not reached its end."""

from __future__ import annotations

import shlex

from centerloss_core.run_directory.names import CONFIG
from centerloss_core.run_directory.reader import RunRecord


def how_to_complete(run: RunRecord) -> str:
    """Say of a run that is not completed how it is doing, and how to complete it: `is stopped: resume it: …`."""
    if run.status == "running":
        return "is running: wait until it is completed"
    if run.status in ("missing", "damaged", "waiting"):
        return f"is {run.status}"
    reason = run.reason or ""
    if reason.startswith("DivergedError"):  # from its last checkpoint it would take the same steps again
        return (
            f"is {run.status} ({reason}): resumed, it would end the same way; begin another run at a lower rate: "
            f"cl train --config {shlex.quote(str(run.path / CONFIG))} --set train.learning_rate=…"
        )
    because = f" ({reason})" if reason else ""
    return f"is {run.status}{because}: resume it: cl train --resume {shlex.quote(str(run.path))}"
