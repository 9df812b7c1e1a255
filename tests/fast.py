"""`pytest --fast`: the tests that train nothing, draw nothing and start no process."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

import pytest

_HEAVY = "keras|tensorflow|jax|selenium|comparing|centerloss_core.(losses|networks|optimizers|training|plotting|report)"
_IMPORTS_AT_THE_TOP = re.compile(rf"^(?:from|import) (?:{_HEAVY})\b|^import centerloss_core$", re.MULTILINE)
_USES = re.compile(rf"(?:{_HEAVY})\b.*|subprocess|Popen|fork|cl|here|train|main|CliRunner")


def is_heavy_file(path: Path) -> bool:
    """Whether a file of tests loads at its top what takes seconds, or draws: its tests are not even collected."""
    return bool(_IMPORTS_AT_THE_TOP.search(path.read_text(encoding="utf-8")))


def is_fast(item: pytest.Item) -> bool:
    """Whether neither the test, nor a fixture, nor a function of its file that they call, names anything heavy."""
    assert isinstance(item, pytest.Function)
    definitions = item._fixtureinfo.name2fixturedefs
    functions = [item.function, *(each[-1].func for each in definitions.values())]
    return not any(_USES.fullmatch(name) for function in functions for name in _names(function, set()))


def _names(function: object, seen: set[object]) -> Iterator[str]:
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    for name in _names_of_code(function.__code__):
        yield name
        helper = function.__globals__.get(name)
        if getattr(helper, "__module__", None) == function.__module__:
            yield from _names(helper, seen)


def _names_of_code(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_of_code(constant)
