"""How the directions of features lie on the sphere: those of one class close together, all of them spread over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEEPNESS = 2.0  # t of the paper


def alignment_and_uniformity(
    distances: NDArray[np.floating[Any]], same: NDArray[np.bool_]
) -> dict[str, float | None]:
    """Measure pairs of directions x̂ = x/‖x‖ (Wang and Isola, ICML 2020, with α = 2 and t = 2).

    Args:
        distances: (p,) ‖x̂ − ŷ‖ of pairs of images.
        same: (p,) whether both are of one class.

    Returns:
        `alignment`, the mean of ‖x̂ − ŷ‖² over pairs of one class, 0 … 4: 0 where each class is a single direction.
        None without such a pair.
        `uniformity`, the log of the mean of exp(−2 ‖x̂ − ŷ‖²) over all pairs, −8 … 0: 0 where all images are a single
        direction, and the lower the more evenly they are spread. None without a pair.
    """
    squared = np.square(distances)
    return {
        "alignment": float(squared[same].mean()) if same.any() else None,
        "uniformity": math.log(float(np.exp(-_STEEPNESS * squared).mean())) if len(squared) else None,
    }
