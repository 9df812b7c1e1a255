"""From a config file and a command line to the config of a run.

What wins, from the weakest: the file, the flags, the axes of a sweep, the file's `overrides` that match, and `--set`.
A `--set` that changes what overrides are matched on counts in the matching too. A flag and a `--set` of the same key
are refused: one of them would be ignored silently.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from centerloss_core.config.blocks import Block, as_asked, read_blocks
from centerloss_core.config.checking import check
from centerloss_core.config.documents import Document, load_document
from centerloss_core.config.flags import Flags
from centerloss_core.config.overrides import ANY_RUN, Override, edits_for, read_overrides
from centerloss_core.config.problems import ConfigError, Problem
from centerloss_core.config.schema import Config, ConfigFile
from centerloss_core.config.sweep import Sweep
from centerloss_core.config.tree import Edit, Origin, Tree


def load_config(
    path: Path | str,
    values: Mapping[str, Any] | None = None,
    *,
    settings: Sequence[str] = (),
    may_be_a_pipe: bool = False,
) -> Config:
    """The config of one run, from a file and the command line; see `resolve`."""
    return resolve(load_document(Path(path), may_be_a_pipe=may_be_a_pipe), values, settings=settings)


def resolve(
    document: Document, values: Mapping[str, Any] | None = None, *, settings: Sequence[str] = ()
) -> Config:
    """The config of one run, from a file that was read before.

    Args:
        document: the file.
        values: by dotted key, in place of the file's: `{"loss.lambda": 0.1}` for `--lambda 0.1`.
        settings: of `--set`, such as `train.epochs=4` or `loss.ramp={start: 0.2}`; the later of two wins.

    Raises:
        ConfigError: with every problem.
    """
    given = Given.of(document, Flags(values or {}, settings=settings))
    config, found = given.config_with(given.run)
    problems = [*given.problems, *found]
    if config is None or problems:
        raise ConfigError(problems)
    return config


@dataclass(frozen=True)
class Given:
    """What a file and a command line say of all their runs, read once.

    Attributes:
        run: the sections of a run as they are without axes and overrides.
        blocks: of the sweep; empty where they are wrong.
        launch: how the runs of the sweep are launched.
        values, settings: what the command line changes in the runs.
        sweep: where the sweep is given.
        problems: of everything but the single runs.
    """

    run: Tree
    blocks: list[Block]
    launch: Sweep
    overrides: list[Override]
    values: list[Edit]
    settings: list[Edit]
    sweep: Origin
    problems: list[Problem]

    @classmethod
    def of(cls, document: Document, flags: Flags) -> Given:
        values, settings, problems = flags.edits()
        of_runs = [edit for edit in settings if edit.path[0] != "sweep"]
        of_sweep = [edit for edit in settings if edit.path[0] == "sweep"]
        tree, refused = as_asked(document.tree.edited(values), flags.axes, of_sweep)
        blocks, launch, of_blocks = read_blocks(tree)
        tree = tree.edited(of_runs)
        axes = {edits[0].path for block in blocks for edits in block.axes.values()}
        variants = [name for block in blocks for name in block.variants]
        overrides, of_overrides = read_overrides(tree, axes, variants)
        others = {
            key: value for key, value in tree.values.items() if key not in (*Config.model_fields, "sweep")
        }
        _, found = check(replace(tree, values={**ANY_RUN, **others}), ConfigFile)
        every = [*document.problems, *problems, *refused, *found, *of_blocks, *of_overrides]
        run = tree.part(Config.model_fields)
        return cls(run, blocks, launch, overrides, values, of_runs, tree.origin(("sweep",)), every)

    def config_with(self, run: Tree, variant: str | None = None) -> tuple[Config | None, list[Problem]]:
        """The config of a run: `run` with what the overrides say of it."""
        if edits := edits_for(self.overrides, run, variant):
            run = run.edited(
                [*edits, *self.settings]
            )  # settings again: they win, and count in the matching too
        config, problems = check(run, Config)
        return None if config is None else _with_absolute_dir(config), problems


def _with_absolute_dir(config: Config) -> Config:
    """`data.dir` from the root, so that the run can be repeated from another folder."""
    if config.data.dir is None:
        return config
    path = Path(os.path.expanduser(config.data.dir)).absolute()
    return config.model_copy(update={"data": config.data.model_copy(update={"dir": str(path)})})
