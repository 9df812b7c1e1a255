"""The statistics of the study against SciPy, and against every resample and every order of tests, counted out."""

import itertools

import numpy as np
import pytest
from scipy import stats

from benchmarks.study.statistics import Values, compare, grouped, holm, interval, p_value


def of_seeds(*values: float) -> Values:
    return {("", seed): value for seed, value in enumerate(values)}


def test_an_interval_over_seeds_is_that_of_all_resamples() -> None:
    values = (1.0, 2.0, 4.0, 9.0)
    found = interval(of_seeds(*values))
    every = [np.mean(drawn) for drawn in itertools.product(values, repeat=len(values))]
    low, high = np.quantile(every, [0.025, 0.975])
    assert found.mean == 4.0
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.26)  # the step between two such means
    scipys = stats.bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(scipys), abs=0.26)


def test_splits_are_drawn_first_and_seeds_within_them() -> None:
    values = {("one", 0): 0.0, ("one", 1): 1.0, ("two", 0): 10.0}  # one of them with a seed more
    found = interval(values)
    assert found.mean == (0.5 + 10) / 2
    every = []
    for first, second in itertools.product([(0.0, 1.0), (10.0,)], repeat=2):
        for a in itertools.product(first, repeat=len(first)):
            for b in itertools.product(second, repeat=len(second)):
                weight = 4 // len(list(itertools.product(first, repeat=len(first))))
                weight *= 4 // len(list(itertools.product(second, repeat=len(second))))
                every += [(np.mean(a) + np.mean(b)) / 2] * weight
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, [0.025, 0.975])), abs=0.26)


def test_one_unit_has_no_interval() -> None:
    found = interval({("one", 0): 3.0})
    assert (found.mean, found.low, found.high) == (3.0, None, None)
    assert not found.excludes_zero
    assert p_value({("one", 0): 3.0}) is None


def test_equal_values_give_equal_intervals_whatever_their_order() -> None:
    values = {(split, seed): hash(split) % 7 + seed / 3 for split in ("a", "b", "c") for seed in range(3)}
    assert interval(values) == interval(dict(reversed(values.items())))
    assert [list(group) for group in grouped(values)] == [
        [values[split, seed] for seed in range(3)] for split in ("a", "b", "c")
    ]


def test_p_is_that_of_scipys_paired_test_over_the_means_of_splits() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.normal(1, 1, (5, 3)), random.normal(0, 1, (5, 3))
    arms = {
        name: {(f"split {i}", j): float(values[i, j]) for i in range(5) for j in range(3)}
        for name, values in (("ours", ours), ("theirs", theirs))
    }
    (found,) = compare(arms, "theirs")
    assert found.p == pytest.approx(stats.ttest_rel(ours.mean(axis=1), theirs.mean(axis=1)).pvalue)
    assert found.adjusted == found.p  # alone in its family
    assert (found.pairs, found.units) == (15, 5)
    assert found.difference.mean == pytest.approx((ours - theirs).mean())


def test_only_pairs_that_both_have_are_compared() -> None:
    (found,) = compare({"plain": of_seeds(1, 2, 3, 100), "other": of_seeds(2, 3, 4)}, "plain")
    assert (found.pairs, found.difference.mean) == (3, 1.0)


def test_holm_rejects_what_its_steps_reject() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        p = list(random.random(5) ** 3)
        adjusted = holm(p)
        for level in (0.01, 0.05, 0.2):
            # Step by step: the smallest at level / n, the next at level / (n − 1), …, until one is not small enough.
            rejected = set()
            for rank, index in enumerate(sorted(range(5), key=p.__getitem__)):
                if p[index] > level / (5 - rank):
                    break
                rejected.add(index)
            assert {index for index in range(5) if adjusted[index] <= level} == rejected
    assert holm([]) == []


def test_a_difference_is_told_only_by_test_and_interval() -> None:
    plain = of_seeds(0, 0, 0, 0)
    arms = {
        "plain": plain,
        "clear": of_seeds(10, 11, 10, 11),
        "open": of_seeds(-1, 1, -1, 1.5),
        "equal": plain,
    }
    told = {each.arm: each.is_told for each in compare(arms, "plain")}
    assert told == {"clear": True, "open": False, "equal": False}
    # A clear difference of one among many comparisons is not: 40 of no difference make p 41 times as large.
    many = {"plain": plain, "clear": of_seeds(1, 2, 3, 2.5)} | {
        f"none {i}": of_seeds(-1, 1, 1, -1) for i in range(40)
    }
    assert not any(each.is_told for each in compare(many, "plain"))
    assert compare({name: many[name] for name in ("plain", "clear")}, "plain")[0].is_told
