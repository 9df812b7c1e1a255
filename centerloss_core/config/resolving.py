"""From a config file and a command line to the config of each run.

What wins, from the weakest: the file, the flags for λ, α, seed and device, the file's `overrides` that match,
and `--set`. A `--set` that changes what overrides are matched on counts in the matching too. A flag and a `--set` of
the same key are refused: one of them would be ignored without a word.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import ValidationError

from centerloss_core.config.checking import check, check_part, default_at
from centerloss_core.config.documents import MOST_NESTING, Document, load_document, parse
from centerloss_core.config.problems import ConfigError, Problem, shortened
from centerloss_core.config.schema import Config, Sweep, When
from centerloss_core.config.tree import Edit, Origin, Source, Tree, dotted

_LAMBDA = ("loss", "lambda")
_ALPHA = ("loss", "alpha")
_SEED = ("train", "seed")
_DEVICE = ("train", "device")

# The key of a run that each list of the `sweep` section, and each flag of that name, gives values for.
_SWEPT = {"lambda": _LAMBDA, "alpha": _ALPHA, "seed": _SEED}

_LONGEST_FLAG = 100
_TOO_DEEP = f"nested more than {MOST_NESTING} levels deep"

# Each is matched with each of up to a thousand runs.
_MOST_OVERRIDDEN = 100

# Each is a config to be checked; all other runs have one of them but for λ, α and seed.
_MOST_VARIANTS = 200

# A person needs no more of them, nor of runs whose overrides are wrong in ways of their own.
_ENOUGH_PROBLEMS = 100
_ENOUGH_WRONG_VARIANTS = 10

# Enough of a run for the other sections of a file to be checked without it.
_ANY_RUN = {"data": {"name": "mnist"}, "train": {"epochs": 1}}


def load_config(
    path: Path,
    *,
    lambda_: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
    may_be_a_pipe: bool = False,
) -> Config:
    """The config of one run, from a file and the command line; raises ConfigError with every problem."""
    document = load_document(path, may_be_a_pipe=may_be_a_pipe)
    return resolve(document, lambda_=lambda_, alpha=alpha, seed=seed, device=device, settings=settings)


def resolve(
    document: Document,
    *,
    lambda_: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> Config:
    """The config of one run, from a file that was read before; raises ConfigError with every problem.

    `settings` are texts such as `train.epochs=4` or `loss.ramp={start: 0.2}`; the later of two wins.
    """
    edits, problems = _parse_settings(settings)
    flags = _flags(lambda_, alpha, seed, device)
    problems += _said_twice(flags, edits)
    config, found = _resolve(document, flags, edits)
    if config is None or problems or found:
        raise ConfigError([*problems, *found])
    return config


def resolve_sweep(
    document: Document,
    *,
    lambdas: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> list[Config]:
    """The config of every run of a sweep: λ outermost, then α, then seed.

    Lists given here take the place of the file's `sweep` section. Raises ConfigError with the problems of
    all runs, each once; where there are very many, with enough of them.
    """
    lists = _lists(lambdas, alphas, seeds)
    edits, problems = _parse_settings(settings)
    problems += _said_twice([*lists, *_flags(None, None, None, device)], edits)
    sweep = _sweep_of(document, lists, edits)
    if sweep is None:
        _, found = _resolve(document, [*lists, *_flags(None, None, None, device)], edits)
        raise ConfigError([*problems, *found])
    given = _Given.of(document, [*lists, *_flags(None, None, None, device)], edits)
    problems += [*_settings_against(sweep, edits), *given.problems]
    configs: list[Config] = []
    variants: dict[tuple[int, ...], Config | None] = {}
    for lambda_, alpha, seed in itertools.product(
        sweep.lambda_, sweep.alpha or (None,), sweep.seed or (None,)
    ):
        # Runs that the same overrides match differ in nothing but λ, α and seed, which the section has checked.
        matching = given.matching(lambda_, alpha, seed)
        if matching not in variants:
            if len(variants) == _MOST_VARIANTS:
                message = f"they make more than {_MOST_VARIANTS} different configs of one"
                problems.append(document.tree.origin(("overrides",)).problem(("overrides",), message))
                break
            variants[matching], found = given.resolved(_flags(lambda_, alpha, seed, None), matching)
            problems = list(dict.fromkeys([*problems, *found]))
            wrong = sum(config is None for config in variants.values())
            if len(problems) > _ENOUGH_PROBLEMS or wrong == _ENOUGH_WRONG_VARIANTS:
                break
        config = variants[matching]
        configs += [] if config is None else [_at(config, lambda_, alpha, seed)]
    if problems:
        raise ConfigError(problems)
    return configs


def sweep_section(
    document: Document,
    *,
    lambdas: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    settings: Sequence[str] = (),
) -> Sweep:
    """How the sweep of this file is to be run; raises ConfigError with its problems."""
    lists = _lists(lambdas, alphas, seeds)
    edits, problems = _parse_settings(settings)
    sweep = _sweep_of(document, lists, edits)
    if sweep is None or problems:
        _, found = _resolve(document, lists, edits)
        raise ConfigError([*problems, *found])
    return sweep


@overload
def parse_list(text: str, kind: Literal["lambda", "alpha"]) -> tuple[float, ...]: ...
@overload
def parse_list(text: str, kind: Literal["seed"]) -> tuple[int, ...]: ...
def parse_list(text: str, kind: Literal["lambda", "alpha", "seed"]) -> tuple[float, ...] | tuple[int, ...]:
    """The values of `--lambda 0,0.01,0.1`, read and checked as the same list of the `sweep` section.

    `kind` is the flag's name without dashes; the ConfigError names the flag.
    """
    origin = Origin(f"--{kind} {shortened(text, _LONGEST_FLAG)}", None, Source.FLAG)
    # An empty part stays text: YAML would make it null, which nobody wrote.
    values = [parse(part, lambda _: origin).value if part.strip() else "" for part in text.split(",")]
    # One λ, unless λ is what is given: how many runs there are is seen when all lists are known.
    section = {"lambda": [0.0], kind: values}
    problems = check_part(Tree({"sweep": section}, {(): origin}))
    if problems:
        raise ConfigError(problems)
    try:
        sweep = Sweep.model_validate(section)
    except ValidationError as error:  # more than any sweep may have
        raise ConfigError([origin.problem((), error.errors()[0]["msg"])]) from error
    return {"lambda": sweep.lambda_, "alpha": sweep.alpha, "seed": sweep.seed}[kind] or ()


def _lists(
    lambdas: Sequence[float] | None, alphas: Sequence[float] | None, seeds: Sequence[int] | None
) -> list[Edit]:
    return [
        _flag(name, ("sweep", name), list(values), ",".join(map(str, values)))
        for name, values in (("lambda", lambdas), ("alpha", alphas), ("seed", seeds))
        if values is not None
    ]


def _flags(lambda_: float | None, alpha: float | None, seed: int | None, device: str | None) -> list[Edit]:
    given = (
        ("lambda", _LAMBDA, lambda_),
        ("alpha", _ALPHA, alpha),
        ("seed", _SEED, seed),
        ("device", _DEVICE, device),
    )
    return [_flag(name, path, value, str(value)) for name, path, value in given if value is not None]


def _flag(name: str, path: tuple[str, ...], value: object, text: str) -> Edit:
    return Edit(path, value, Origin(f"--{name} {shortened(text, _LONGEST_FLAG)}", None, Source.FLAG))


def _said_twice(flags: list[Edit], settings: list[Edit]) -> list[Problem]:
    by_path = {edit.path: edit for edit in flags}
    return [
        edit.origin.problem(
            (), f"{dotted(edit.path)} is also given by {by_path[edit.path].origin.file}; give it once"
        )
        for edit in settings
        if edit.path in by_path
    ]


def _parse_settings(settings: Iterable[str]) -> tuple[list[Edit], list[Problem]]:
    edits: list[Edit] = []
    problems: list[Problem] = []
    for text in settings:
        try:
            edits.append(_parse_setting(text))
        except ConfigError as error:
            problems += error.problems
    return edits, problems


def _parse_setting(text: str) -> Edit:
    """`train.epochs=4` as an edit; the value is YAML, read as in a file."""
    origin = Origin(f"--set {shortened(text, _LONGEST_FLAG)}", None, Source.SETTING)
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or len(path) == 1:
        raise ConfigError([origin.problem((), "expected section.key=value, for example train.epochs=4")])
    if path[0] == "overrides":
        raise ConfigError(
            [origin.problem((), "overrides belong in the file; --set wins over them for any key")]
        )
    if len(path) > MOST_NESTING:
        raise ConfigError([origin.problem(path, _TOO_DEEP)])
    if not value.strip():
        raise ConfigError([origin.problem(path, "no value after '='; write null for none")])
    parsed = parse(value, lambda _: origin)
    if parsed.problems:
        raise ConfigError(parsed.problems)
    return Edit(path, parsed.value, origin)


def _resolve(
    document: Document, flags: list[Edit], settings: list[Edit]
) -> tuple[Config | None, list[Problem]]:
    given = _Given.of(document, flags, settings)
    config, found = given.resolved([], given.matching())
    problems = [*given.problems, *found]
    return (None if problems else config), problems


@dataclass(frozen=True)
class _Given:
    """What a file and a command line say of all their runs, read and checked once.

    `run` holds the sections of a run as they are without overrides; `problems` are those of everything else.
    """

    run: Tree
    overrides: list[_Override]
    settings: list[Edit]
    problems: list[Problem]

    @classmethod
    def of(cls, document: Document, flags: list[Edit], settings: list[Edit]) -> _Given:
        tree = document.tree.copy()
        tree.apply(flags)
        tree.apply(settings)
        overrides, problems = _read_overrides(tree)
        others = {key: value for key, value in tree.values.items() if key not in Config.model_fields}
        _, found = check(Tree({**_ANY_RUN, **others}, tree.origins))
        run = tree.part(Config.model_fields)
        return cls(run, overrides, settings, [*document.problems, *problems, *found])

    def matching(
        self, lambda_: float | None = None, alpha: float | None = None, seed: int | None = None
    ) -> tuple[int, ...]:
        """The overrides, by their number, of the run with this λ, α and seed; None is what the file or a flag says."""
        values = [
            self.run.get(path, default_at(path)) if value is None else value
            for path, value in ((_LAMBDA, lambda_), (_ALPHA, alpha), (_SEED, seed))
        ]
        return tuple(number for number, override in enumerate(self.overrides) if override.matches(values))

    def resolved(self, flags: list[Edit], matching: Iterable[int]) -> tuple[Config | None, list[Problem]]:
        """The config of the run with these flags, to which these overrides are applied."""
        tree = self.run.copy()
        tree.apply(flags)
        for number in matching:
            tree.apply(self.overrides[number].edits)
        # Again: the first time for the matching, this time to win.
        tree.apply(self.settings)
        file, problems = check(tree)
        if file is None:
            return None, problems
        return Config(
            data=_with_absolute_dir(file).data, model=file.model, loss=file.loss, train=file.train
        ), []


def _at(config: Config, lambda_: float, alpha: float | None, seed: int | None) -> Config:
    """The same config with another λ, α and seed; None leaves what is there."""
    loss = {"lambda_": lambda_} if alpha is None else {"lambda_": lambda_, "alpha": alpha}
    train = {} if seed is None else {"seed": seed}
    return config.model_copy(
        update={"loss": config.loss.model_copy(update=loss), "train": config.train.model_copy(update=train)}
    )


def _with_absolute_dir(config: Config) -> Config:
    """`data.dir` from the root, so that the run can be repeated from another folder."""
    if config.data.dir is None:
        return config
    path = Path(os.path.expanduser(config.data.dir)).absolute()
    return config.model_copy(update={"data": config.data.model_copy(update={"dir": str(path)})})


@dataclass(frozen=True)
class _Override:
    """An override as edits that know their line; one whose `when` is wrong (None) never matches."""

    when: When | None
    edits: list[Edit]

    def matches(self, values: Sequence[object]) -> bool:
        """Whether it is for the run with these λ, α and seed."""
        if self.when is None:
            return False
        wanted = (self.when.lambda_, self.when.alpha, self.when.seed)
        return all(want is None or want == value for want, value in zip(wanted, values, strict=True))


def _read_overrides(tree: Tree) -> tuple[list[_Override], list[Problem]]:
    """The overrides of a file, and what is wrong with the values that they set, whether they match or not.

    What is wrong with their form is left to the check of the whole tree.
    """
    overrides: list[_Override] = []
    problems: list[Problem] = []
    overridden = 0
    items = tree.values.get("overrides")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        settings = item.get("set") if isinstance(item, dict) else None
        if not isinstance(settings, dict):
            continue
        overridden += len(settings)
        if overridden > _MOST_OVERRIDDEN:
            message = f"more than {_MOST_OVERRIDDEN} values are set by overrides"
            return [], [*problems, tree.origin(("overrides", index, "set")).problem(("overrides",), message)]
        edits = [_override_edit(tree, index, key, value) for key, value in settings.items()]
        # A key of thousands of parts would become a mapping too deep to walk.
        overrides.append(_Override(_when(item), [edit for edit in edits if len(edit.path) <= MOST_NESTING]))
        problems += _problems_of_override(edits)
    return overrides, problems


def _when(item: dict[str, Any]) -> When | None:
    try:
        return When.model_validate(item.get("when"))
    except ValidationError:
        return None


def _override_edit(tree: Tree, index: int, key: str, value: Any) -> Edit:
    origin = replace(tree.origin(("overrides", index, "set", key)), source=Source.OVERRIDE)
    return Edit(tuple(key.split(".")), value, origin)


def _problems_of_override(edits: list[Edit]) -> list[Problem]:
    problems: list[Problem] = []
    possible: list[Edit] = []
    for edit in edits:
        refusal = _cannot_be_set(edit)
        if refusal is None:
            possible.append(edit)
        else:
            problems.append(edit.origin.problem(edit.path, refusal))
    lengths = [edit for edit in possible if edit.path in (("train", "epochs"), ("train", "iterations"))]
    if len(lengths) > 1:
        problems.append(
            lengths[1].origin.problem(lengths[1].path, "give either epochs or iterations, not both")
        )
    for edit in possible:
        # Each on its own, so that epochs and iterations do not hide one another.
        part = Tree({}, {(): edit.origin})
        part.apply([edit])
        problems += check_part(part)
    return problems


def _cannot_be_set(edit: Edit) -> str | None:
    """Why an override may not set this key."""
    if len(edit.path) == 1:
        return "expected a dotted key such as train.iterations"
    if len(edit.path) > MOST_NESTING:
        return _TOO_DEEP
    if edit.path[0] in {"sweep", "overrides"}:
        return f"an override cannot set the section {edit.path[0]}"
    if edit.path in _SWEPT.values():
        return "an override cannot set what overrides are chosen by"
    return None


def _sweep_of(document: Document, lists: list[Edit], settings: list[Edit]) -> Sweep | None:
    tree = document.tree.copy()
    tree.apply(lists)
    tree.apply(settings)
    try:
        return Sweep.model_validate(tree.values.get("sweep", {}))
    except ValidationError:
        return None


def _settings_against(sweep: Sweep, settings: list[Edit]) -> list[Problem]:
    """A `--set` of a key that the sweep varies would make all its runs the same."""
    values = {"lambda": sweep.lambda_, "alpha": sweep.alpha, "seed": sweep.seed}
    varied = {path: name for name, path in _SWEPT.items() if values[name] is not None}
    return [
        edit.origin.problem(
            (), f"the sweep varies {dotted(edit.path)}; give its values with --{varied[edit.path]}"
        )
        for edit in settings
        if edit.path in varied
    ]
