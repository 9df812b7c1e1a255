"""The colours of the classes are told apart by all eyes, and in grey."""

import numpy as np
import pytest
from color_vision import difference, lab_of, smallest_differences
from matplotlib.colors import to_rgb

from centerloss_core.plotting.style import CLASS_COLORS, UNKNOWN

COLORS = [to_rgb(color) for color in CLASS_COLORS]


def test_the_difference_is_ciede2000() -> None:
    """Pairs 1, 7, 13 and 25 of the test data of Sharma, Wu and Dalal."""
    one = [[50, 2.6772, -79.7751], [50, 0, 0], [50, -0.001, 2.49], [60.2574, -34.0099, 36.2677]]
    other = [[50, 0, -82.7485], [50, -1, 2], [50, 0.0011, -2.49], [60.4626, -34.1751, 39.4387]]
    assert difference(one, other) == pytest.approx([2.0425, 2.3669, 4.7461, 1.2644], abs=1e-4)


def test_all_eyes_tell_ten_classes_apart() -> None:
    assert min(smallest_differences(COLORS).values()) > 16
    assert min(smallest_differences([*COLORS, to_rgb(UNKNOWN)]).values()) > 9


def test_grey_tells_them_apart_and_none_fades_into_white() -> None:
    lightness = np.sort(lab_of(COLORS)[:, 0])
    assert np.diff(lightness).min() > 4
    assert lightness[-1] < 77
