"""Wrong usage that is answered with what to write instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand

from .options import UsageError

_OUR_OPTIONS = {
    "--run-dir": "o out output output_dir out_dir save_dir log_dir logdir",
    "--config": "c cfg config_file",
}
_OPTION_MEANT = {theirs: ours for ours, names in _OUR_OPTIONS.items() for theirs in names.split()}


_ANSWERS = {
    **dict.fromkeys(("cpu", "no_cuda"), "--device cpu"),
    "init": "cl train --init RUN with the settings of each point, because a sweep begins all its points anew",
}
# What typer, or pydantic below it, says of a value.
_WORDS = (
    (r"^Value error, ", ""),
    (r"\.$", ""),
    (r"^Input should be a valid number.*", "expected a number"),
    (r"^Input should be a valid integer.*", "expected a whole number"),
    (r"^Input should be ", "expected a number "),
)


class Command(TyperCommand):
    """A command that answers a value it cannot take in our words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options: list[Any] = [each for each in self.params if each.param_type_name == "option"]
        for option in options:
            given = _given(args, option.opts)
            if len(given) > 1 and not (option.multiple or option.is_flag):
                raise UsageError(f"{' and '.join(given)}: give it once")
        try:
            return super().parse_args(ctx, [*args])  # of which it takes away
        except typer.BadParameter as error:
            if error.param is None or error.param not in options:
                raise
            words = error.message
            for pattern, ours in _WORDS:
                words = re.sub(pattern, ours, words)
            given = _given(args, error.param.opts) or error.param.opts
            raise UsageError(f"{given[0]}: {words}") from None


def _given(args: Sequence[str], names: Collection[str]) -> list[str]:
    """An option each time that it is given, with its value: `--width 0`."""
    given = []
    for argument, following in pairwise([*args, ""]):
        flag, equals, value = argument.partition("=")
        if flag in names:
            given.append(f"{flag} {value if equals else following}".strip())
    return given


class Training(Command):
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
    if name in _ANSWERS:
        return _ANSWERS[name]
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
