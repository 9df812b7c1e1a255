"""What the points of the classes are, in words: a center loss has trained centers, other losses have other points."""

from collections.abc import Iterable

_WORDS = {"mean": "learnt mean", "weight": "class weight"}  # those that their kind alone does not explain


def word_of(*kinds: str | None) -> str:
    """`center`, `prototype`, `learnt mean` …; `class point` where there are several kinds. None is no points."""
    found = set(filter(None, kinds))
    if len(found) > 1:
        return "class point"
    kind = found.pop() if found else "center"
    return _WORDS.get(kind, kind.replace("_", " "))


def trained(kind: str) -> str:
    """The same as a legend says it: a center is a trained one, because the mean of the images is one too."""
    return "trained center" if kind == "center" else word_of(kind)


def renamed(text: str, kinds: Iterable[str | None]) -> str:
    """A text about centers, such as `nearest center`, in the word for the points that there are."""
    word = word_of(*kinds)
    return text if word == "center" else text.replace("trained center", word).replace("center", word)
