"""How far colours look apart to all eyes: colour blindness after Machado et al. 2009, differences by CIEDE2000."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Machado, Oliveira, Fernandes: A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009;
# severity 1.
EYES: dict[str, NDArray[np.float64]] = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab_of(colors: Sequence[tuple[float, float, float]], eye: str = "normal") -> NDArray[np.float64]:
    """CIELAB (n, 3) of sRGB colours in [0, 1], under D65, as an eye sees them."""
    srgb = np.array(colors)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    t = np.clip(linear @ EYES[eye].T, 0, 1) @ _TO_XYZ.T / [0.95047, 1, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def difference(one: Any, other: Any) -> NDArray[np.float64]:
    """CIEDE2000 of CIELAB colours (…, 3), after Sharma, Wu, Dalal 2005."""
    l1, a1, b1 = np.moveaxis(np.asarray(one, float), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, float), -1, 0)
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    a1, a2 = (a * (1.5 - np.sqrt(c7 / (c7 + 25**7)) / 2) for a in (a1, a2))
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    lightness, chroma, hue = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_mean, c_mean, h_mean = (l1 + l2) / 2 - 50, (c1 + c2) / 2, (h1 + turn / 2) % 360
    t = 1.0
    for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63)):
        t = t + weight * np.cos(np.radians(times * h_mean + shift))
    lightness /= 1 + 0.015 * l_mean**2 / np.sqrt(20 + l_mean**2)
    chroma /= 1 + 0.045 * c_mean
    hue /= 1 + 0.015 * c_mean * t
    rotation = -2 * np.sqrt(c_mean**7 / (c_mean**7 + 25**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2))))
    found: NDArray[np.float64] = np.sqrt(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue)
    return found


def smallest_differences(colors: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """The difference of the two colours that look most alike, to each kind of eye."""
    one, other = np.triu_indices(len(colors), 1)
    seen = {eye: lab_of(colors, eye) for eye in EYES}
    return {eye: float(difference(lab[one], lab[other]).min()) for eye, lab in seen.items()}
