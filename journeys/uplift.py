"""What a journey is worth: those it could reach against those held out, at any number of looks.

Intent to treat: everybody counts in the group that chance gave them, whatever they got of it. The
intervals hold at every look at once, so that nobody is misled by looking daily and stopping when it
looks good.

The difference of two means (of the goal as 0 or 1, or of the value) has the asymptotic confidence
sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", Annals of Statistics 52, 2024, theorem 2.2, for the differences
weighted by the groups' sizes. It needs some goals to go by.

Until there are, each group's share has an exact sequence: the mixture of the likelihood over all
shares, divided by that at q, is a martingale if q is true, and by Ville's inequality ever reaches
1/alpha with a chance of at most alpha (Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021). ALPHA is shared
between the two, so that changing over costs nothing.

The split of the groups is watched by the same martingale for the number held out (Lindon & Malek,
"Anytime-valid inference for multinomial count data", NeurIPS 2022).
"""

from dataclasses import dataclass
from math import lgamma, log, log1p, sqrt
from typing import Literal

ALPHA = 0.05  # the chance that an interval ever misses, over all looks
EXACT_ALPHA = 0.01  # the part of it for the time of few goals
SPLIT_ALPHA = 0.01  # the chance that a sound split is ever called unsound
FEWEST = 20  # customers in either group before anything is said
ENOUGH = 20  # in either group who reached the goal, and who did not
ENOUGH_BUYERS = 100  # in either group before money is compared: a few large orders decide much
TIGHTEST_AT = 2_000  # customers at which the interval is tightest; any choice is valid
JEFFREYS = 0.5  # the mixture over shares
SPLIT_WEIGHT = 100.0  # the mixture over splits: the expected one, give or take a few points
METHOD = (
    "intent to treat; confidence sequences, which hold at every look: asymptotic"
    " (Waudby-Smith et al. 2024), exact while goals are few (Howard et al. 2021)"
)

Standing = Literal["no_goal", "no_holdout", "bad_split", "too_few", "helps", "harms", "unclear"]


@dataclass(frozen=True)
class Group:
    """Customers whose window has closed, and what came of them."""

    customers: int = 0
    reached: int = 0  # the goal
    buyers: int = 0  # with a value other than nothing
    value: float = 0.0  # of all of them together
    squares: float = 0.0  # of each one's value, added up

    @property
    def share(self) -> float:
        return self.reached / self.customers if self.customers else 0.0

    @property
    def mean(self) -> float:
        return self.value / self.customers if self.customers else 0.0

    @property
    def variance(self) -> float:
        if not self.customers:
            return 0.0
        return max(self.squares / self.customers - self.mean**2, 0.0)


@dataclass(frozen=True)
class Estimate:
    """A difference between the groups, and where it lies with a certainty of 1 - ALPHA."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Split:
    """How many there are in either group, closed or not, and whether chance alone does that."""

    customers: int = 0
    held_out: int = 0
    expected: float = 0.0  # share held out
    is_sound: bool = True


@dataclass(frozen=True)
class Uplift:
    """Everything a report says; `conversion` in shares of 1, `money` for each customer."""

    standing: Standing
    mailed: Group = Group()
    held_out: Group = Group()
    split: Split = Split()
    conversion: Estimate | None = None
    money: Estimate | None = None  # None: no value is asked, or too few bought
    smallest_visible: float | None = None  # an uplift below this could not be seen yet


def write_verdict(uplift: Uplift) -> str:
    """What the figures say, for people; shares in points, which are hundredths."""
    match uplift.standing:
        case "no_goal":
            return "It has no goal, so nobody can say what it is worth."
        case "no_holdout":
            return "Nobody is held out, so nobody can say what it is worth."
        case "bad_split":
            split = uplift.split
            return (
                f"Do not trust any comparison: {split.held_out:,} of {split.customers:,} customers"
                f" are held out, where {split.expected:.0%} should be. Chance does not do that."
            )
        case "too_few":
            fewest = min(uplift.mailed.customers, uplift.held_out.customers)
            return (
                f"Too early to say: of the smaller group {fewest:,} customers have had their full"
                f" time, and it takes at least {FEWEST}."
            )
        case "helps":
            return f"It helps: {_write_difference(uplift)}."
        case "harms":
            return f"It does harm: {_write_difference(uplift)}."
        case "unclear":
            return (
                f"No effect can be seen yet: {_write_difference(uplift)}. One of less than"
                f" {100 * (uplift.smallest_visible or 0):.1f} points could not be seen so far."
            )


def _write_difference(uplift: Uplift) -> str:
    found = uplift.conversion
    assert found is not None
    return (
        f"{uplift.mailed.share:.1%} reached the goal, and {uplift.held_out.share:.1%} of the"
        f" held-out, {100 * found.value:+.1f} points"
        f" ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    )


def measure_uplift(mailed: Group, held_out: Group, split: Split) -> Uplift:
    """Compare the groups as they stand at one look; may be repeated as often as one likes."""
    if not split.is_sound:
        return Uplift("bad_split", mailed, held_out, split)
    if min(mailed.customers, held_out.customers) < FEWEST:
        return Uplift("too_few", mailed, held_out, split)
    conversion = _conversion(mailed, held_out)
    return Uplift(
        standing=_standing(conversion),
        mailed=mailed,
        held_out=held_out,
        split=split,
        conversion=conversion,
        money=_money(mailed, held_out),
        smallest_visible=conversion.value - conversion.low,
    )


def _standing(conversion: Estimate) -> Standing:
    if conversion.low > 0:
        return "helps"
    return "harms" if conversion.high < 0 else "unclear"


def _conversion(mailed: Group, held_out: Group) -> Estimate:
    groups = (mailed, held_out)
    if min(min(one.reached, one.customers - one.reached) for one in groups) >= ENOUGH:
        spread = tuple(one.share * (1 - one.share) for one in groups)
        return _asymptotic(mailed, held_out, (mailed.share, held_out.share), spread)
    ours, theirs = (share_interval(one.reached, one.customers, EXACT_ALPHA / 2) for one in groups)
    return Estimate(mailed.share - held_out.share, ours[0] - theirs[1], ours[1] - theirs[0])


def _money(mailed: Group, held_out: Group) -> Estimate | None:
    groups = (mailed, held_out)
    if min(one.buyers for one in groups) < ENOUGH_BUYERS:
        return None
    spread = tuple(one.variance for one in groups)
    return _asymptotic(mailed, held_out, (mailed.mean, held_out.mean), spread)


def _asymptotic(
    mailed: Group, held_out: Group, means: tuple[float, float], variances: tuple[float, ...]
) -> Estimate:
    value, n = means[0] - means[1], mailed.customers + held_out.customers
    variance = n * (variances[0] / mailed.customers + variances[1] / held_out.customers)
    width = sqrt(variance) * sequence_width(n, ALPHA - EXACT_ALPHA)
    return Estimate(value, value - width, value + width)


def sequence_width(n: int, alpha: float) -> float:
    """Half the width of the confidence sequence of a mean after `n`, in standard deviations."""
    # the authors' approximation of the parameter that is best at TIGHTEST_AT, squared
    rho = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / TIGHTEST_AT
    spread = n * rho + 1
    return sqrt(2 * spread / (n * n * rho) * log(sqrt(spread) / alpha))


def check_split(customers: int, held_out: int, expected: float) -> Split:
    """Whether the groups are as large as the holdout's share says, looked at as often as wanted."""
    if not 0 < expected < 1:
        return Split(customers, held_out, expected, is_sound=True)
    a, b = SPLIT_WEIGHT * expected, SPLIT_WEIGHT * (1 - expected)
    evidence = _evidence(held_out, customers, expected, a, b)
    return Split(customers, held_out, expected, is_sound=evidence < log(1 / SPLIT_ALPHA))


def share_interval(count: int, n: int, alpha: float) -> tuple[float, float]:
    """The confidence sequence of a share after `n` customers of whom `count` did it."""
    limit, found = log(1 / alpha), count / n
    low = 0.0 if count == 0 else _crossing(count, n, limit, 0.0, found)
    high = 1.0 if count == n else _crossing(count, n, limit, 1.0, found)
    return low, high


def _crossing(count: int, n: int, limit: float, outside: float, inside: float) -> float:
    """Where the evidence against a share reaches `limit`, between one refuted and one not."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if _evidence(count, n, middle, JEFFREYS, JEFFREYS) >= limit:
            outside = middle
        else:
            inside = middle
    return outside


def _evidence(count: int, n: int, share: float, a: float, b: float) -> float:
    """The logarithm of the martingale against `share`; `a` and `b` are the mixture's."""
    mixture = _log_beta(a + count, b + n - count) - _log_beta(a, b)
    return mixture - count * log(share) - (n - count) * log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
