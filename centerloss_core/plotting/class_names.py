"""The names of the classes of several runs; the report has them too, which loads no matplotlib."""

from collections.abc import Sequence


def merged(each: Sequence[Sequence[str]], originals: Sequence[str]) -> tuple[str, ...]:
    """Return all names of the classes of several runs, which mostly know the same.

    Where they know different ones of a data set, in the order that the originals have there.
    """
    most = max(each, key=len)
    if all(tuple(names) == tuple(most[: len(names)]) for names in each):
        return tuple(most)
    known = dict.fromkeys(name for names in each for name in names)
    return tuple(dict.fromkeys([*(name for name in originals if name in known), *known]))


def places_among(names: Sequence[str], originals: Sequence[str], most: int) -> list[int] | None:
    """Return where each class stands among the first so many originals; None where one of them is not there."""
    first = list(originals[:most])
    return [first.index(name) for name in names] if set(names) <= set(first) else None
