"""How many steps go into a call."""

from centerloss_core.training.pace import Pace


def calls(pace: Pace, total: int, seconds_a_step: float) -> list[int]:
    taken: list[int] = []
    while sum(taken) < total:
        taken.append(pace.steps_after(sum(taken)))
        pace.note(taken[-1], taken[-1] * seconds_a_step)
    return taken


def test_calls_grow_on_a_fast_device_and_end_where_something_is_to_be_done() -> None:
    pace = Pace(64, lambda step: step % 50 == 0 or step == 120)
    assert calls(pace, 120, 0.001) == [1, 2, 4, 8, 16, 19, 32, 18, 20]


def test_no_call_takes_much_longer_than_a_second() -> None:
    assert max(calls(Pace(256, lambda step: step % 1000 == 0), 100, 0.2)) * 0.2 <= 1
    slow = calls(Pace(256, lambda step: step % 1000 == 0), 40, 3.0)
    assert set(slow) == {1}


def test_where_nothing_is_gained_each_call_is_one_step() -> None:
    assert calls(Pace(1, lambda step: step % 50 == 0), 5, 0.001) == [1] * 5
