"""Wrong usage that is answered with what to write instead."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import Any

from typer.core import TyperCommand

from .options import UsageError

_OUR_OPTIONS = {
    "--run-dir": "o out output output_dir out_dir save_dir log_dir logdir",
    "--config": "c cfg config_file",
}
_OPTION_MEANT = {theirs: ours for ours, names in _OUR_OPTIONS.items() for theirs in names.split()}


class Training(TyperCommand):
    """A command that answers a flag of another program (`--lr 0.01`) with the `--set` that does the same."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {name for parameter in self.params for name in parameter.opts}
        answers = []
        for argument, following in pairwise([*args, ""]):
            flag, equals, value = argument.partition("=")
            if not flag.startswith("-") or flag in own:
                continue
            if not equals:
                value = "" if following.startswith("-") else following
            if meant := _meant(flag.lstrip("-").replace("-", "_"), value, several=ctx.info_name == "sweep"):
                answers.append(f"{' '.join([flag, *filter(None, [value])])}: write {meant}")
        if answers:
            raise UsageError("\n".join(answers))
        return super().parse_args(ctx, args)


def _meant(name: str, value: str, *, several: bool) -> str | None:
    """What to write in place of an option that does not exist; `name` has underscores and no dashes before it."""
    from centerloss_core.config import Config
    from centerloss_core.config.axes import SHORT_NAMES
    from centerloss_core.config.checking import section_meant
    from centerloss_core.config.flags import DEVICE

    if name == "name":  # of `cl train` alone; what has a name in a config is no run
        name, value = "out", f"runs/{value or '…'}"
    if name in _OPTION_MEANT:
        return f"{_OPTION_MEANT[name]} {shlex.quote(value) if value else '…'}"
    if name in {"cpu", "no_cuda"}:
        return "--device cpu"
    key = name if name.partition(".")[0] in Config.model_fields else section_meant(name)
    if key is None:
        return None
    if key == DEVICE:
        return f"--device gpu:{value}" if value.isdecimal() and name != "gpus" else "--device gpu"
    value = value or "…"
    if key in SHORT_NAMES:
        return f"--{SHORT_NAMES[key]} {shlex.quote(value) if value != '…' else value}"
    option = "--grid" if several and "," in value and not value.startswith("[") else "--set"
    return f"{option} {shlex.quote(f'{key}={value}') if value != '…' else f'{key}={value}'}"
