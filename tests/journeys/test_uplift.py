"""The comparison with the held-out is honest however often anybody looks."""

from math import sqrt

import numpy as np
import pytest

from journeys.uplift import (
    ALPHA,
    EXACT_ALPHA,
    SPLIT_ALPHA,
    Group,
    Split,
    check_split,
    measure_uplift,
    share_interval,
    write_verdict,
)

DAYS = 60
SOUND = Split(1000, 100, 0.1)


def looks(rng, *, a_day, conversion, lift=0.0, share=0.1, spent=None):
    """One shop's 60 daily looks at its uplift; the lift is what the journey adds in truth."""
    sums = np.zeros((2, 5))
    for _ in range(DAYS):
        people = rng.poisson(a_day)
        held_out = rng.binomial(people, share)
        for row, count, chance in (
            (0, people - held_out, conversion + lift),
            (1, held_out, conversion),
        ):
            bought = rng.binomial(count, chance)
            values = spent(bought) if spent else np.zeros(bought)
            sums[row] += (count, bought, len(values), values.sum(), (values**2).sum())
        mailed, control = (
            Group(int(n), int(y), int(b), float(v), float(s)) for n, y, b, v, s in sums
        )
        split = check_split(mailed.customers + control.customers, control.customers, share)
        yield measure_uplift(mailed, control, split)


def rate_of(wrong, runs, *, seed=3, **shop):
    """The share of shops in which `wrong` holds at any of their daily looks."""
    rng = np.random.default_rng(seed)
    found = [any(map(wrong, looks(rng, **shop))) for _ in range(runs)]
    return sum(found) / runs


def allowed(alpha: float, runs: int) -> float:
    """What a true rate of `alpha` stays below in all but one of a thousand simulations."""
    return alpha + 3.1 * sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.parametrize(("a_day", "conversion"), [(20, 0.02), (20, 0.5), (100, 0.1), (400, 0.02)])
def test_without_an_effect_hardly_any_shop_is_ever_told_of_one(a_day, conversion):
    def says_so(look):
        return look.standing in ("helps", "harms")

    wrong = rate_of(says_so, 120, a_day=a_day, conversion=conversion)

    assert wrong <= allowed(ALPHA, 120)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("a_day", "conversion"),
    [(5, 0.3), (20, 0.02), (20, 0.5), (100, 0.1), (100, 0.9), (400, 0.02), (400, 0.3)],
)
def test_without_an_effect_hardly_any_of_many_shops_is_ever_told_of_one(a_day, conversion):
    def says_so(look):
        return look.standing in ("helps", "harms")

    wrong = rate_of(says_so, 1_000, a_day=a_day, conversion=conversion)

    assert wrong <= ALPHA


@pytest.mark.parametrize("lift", [0.0, 0.05])
def test_the_interval_covers_the_true_uplift_at_all_looks_together(lift):
    def misses(look):
        found = look.conversion
        return found is not None and not found.low <= lift <= found.high

    missed = rate_of(misses, 120, a_day=100, conversion=0.1, lift=lift)

    assert missed <= allowed(ALPHA, 120)


@pytest.mark.deep
@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_the_interval_of_money_covers_the_truth_with_long_tails_too(sigma):
    rng = np.random.default_rng(5)
    true = 0.05 * float(np.exp(3 + sigma**2 / 2))

    def misses(look):
        return look.money is not None and not look.money.low <= true <= look.money.high

    missed = rate_of(
        misses, 500, a_day=400, conversion=0.1, lift=0.05,
        spent=lambda count: rng.lognormal(3, sigma, count),
    )  # fmt: skip

    assert missed <= allowed(ALPHA, 500)


def test_a_real_effect_is_found():
    def says_so(look):
        return look.standing == "helps"

    assert rate_of(says_so, 40, a_day=400, conversion=0.1, lift=0.05) == 1.0


def test_a_sound_split_is_hardly_ever_doubted_and_a_broken_one_is_found():
    def is_doubted(look):
        return look.standing == "bad_split"

    doubted = rate_of(is_doubted, 120, a_day=100, conversion=0.1)

    assert doubted <= allowed(SPLIT_ALPHA, 120)
    assert not check_split(5_000, 700, 0.1).is_sound


def test_an_exact_interval_holds_what_was_seen_and_shrinks():
    few, many = share_interval(3, 30, EXACT_ALPHA), share_interval(300, 3_000, EXACT_ALPHA)

    assert few[0] < many[0] < 0.1 < many[1] < few[1]
    assert share_interval(0, 30, EXACT_ALPHA)[0] == 0.0
    assert share_interval(30, 30, EXACT_ALPHA)[1] == 1.0


def test_nothing_is_said_of_a_handful():
    found = measure_uplift(Group(500, 60), Group(19, 0), SOUND)

    assert (found.standing, found.conversion) == ("too_few", None)
    assert "Too early to say" in write_verdict(found)


def test_a_control_group_that_never_reaches_the_goal_is_enough():
    found = measure_uplift(Group(900, 300), Group(100, 0), SOUND)

    assert found.standing == "helps"


def test_money_is_compared_once_enough_have_bought():
    mailed = Group(9_000, 900, 900, 36_000.0, 1_500_000.0)

    few = measure_uplift(mailed, Group(1_000, 80, 80, 3_000.0, 120_000.0), SOUND)
    enough = measure_uplift(mailed, Group(1_000, 120, 120, 3_000.0, 120_000.0), SOUND)

    assert few.money is None
    assert enough.money is not None
    assert enough.money.value == pytest.approx(1.0)
    assert enough.money.low < 1.0 < enough.money.high


def test_an_open_question_says_what_could_not_be_seen():
    found = measure_uplift(Group(900, 90), Group(100, 12), SOUND)

    assert found.standing == "unclear"
    assert "10.0% reached the goal, and 12.0% of the held-out" in write_verdict(found)
    assert "could not be seen so far" in write_verdict(found)
