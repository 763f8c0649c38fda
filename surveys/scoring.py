"""What many answers say together: NPS, CSAT and CES, each with the interval it deserves."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
FEWEST_SHOWN = 5  # below this no figure is shown: it would be about persons, not about the survey
FEW = 30  # below this a figure is marked as resting on too few answers

Histogram = Mapping[int, int]  # score to how many gave it


@dataclass(frozen=True)
class Interval:
    """Where the true value lies, with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """One figure with its interval; `unit` is `points` (NPS), `%` or `mean`."""

    value: float
    interval: Interval
    n: int
    unit: str

    @property
    def is_few(self) -> bool:
        return self.n < FEW


@dataclass(frozen=True)
class Shares:
    """How many promote, are passive and detract; fractions occur in adjusted intervals only."""

    promoters: float
    passives: float
    detractors: float

    @property
    def n(self) -> float:
        return self.promoters + self.passives + self.detractors

    @property
    def score(self) -> float:
        """In points: the share of promoters less the share of detractors."""
        return 100 * (self.promoters - self.detractors) / self.n

    @property
    def standard_error(self) -> float:
        """In points: of a difference of two multinomial shares, sqrt((p + d - (p - d)^2) / n)."""
        p, d = self.promoters / self.n, self.detractors / self.n
        return 100 * sqrt(max(p + d - (p - d) ** 2, 0.0) / self.n)


def measure(kind: str, histogram: Histogram) -> Measure | None:
    """The figure a survey of this kind is known by; None where fewer than `FEWEST_SHOWN` answered.

    Kinds without a scale (`choice`, `text`) have no figure.
    """
    n = sum(histogram.values())
    if n < FEWEST_SHOWN:
        return None
    match kind:
        case "nps":
            return nps(histogram)
        case "csat":
            return satisfied_share(histogram)
        case "ces":
            return mean_score(histogram)
        case _:
            return None


def nps(histogram: Histogram) -> Measure:
    """Net promoter score in points from -100 to 100 (Reichheld, HBR December 2003)."""
    shares = nps_shares(histogram)
    return Measure(shares.score, nps_interval(shares), sum(histogram.values()), "points")


def nps_shares(histogram: Histogram) -> Shares:
    """Who gave 9 and 10, 7 and 8, and 0 to 6."""
    return Shares(
        promoters=_count(histogram, 9, 10),
        passives=_count(histogram, 7, 8),
        detractors=_count(histogram, 0, 6),
    )


def nps_interval(shares: Shares) -> Interval:
    """The normal interval, clipped to the scale.

    Where all answer alike it would have no width: then the adjusted Wald interval, which adds 3/4
    of an answer to each group, says how much may still be unseen.
    """
    if shares.standard_error:
        return _normal(shares.score, shares.standard_error, -100, 100)
    likelier = Shares(shares.promoters + 0.75, shares.passives + 0.75, shares.detractors + 0.75)
    adjusted = _normal(likelier.score, likelier.standard_error, -100, 100)
    return Interval(min(adjusted.low, shares.score), max(adjusted.high, shares.score))


def satisfied_share(histogram: Histogram) -> Measure:
    """CSAT: the percentage of 4 and 5 of 5."""
    return rate(_count(histogram, 4, 5), sum(histogram.values()))


def mean_score(histogram: Histogram) -> Measure:
    """CES: the mean agreement from 1 to 7, with the interval of a mean."""
    n = sum(histogram.values())
    mean = sum(score * count for score, count in histogram.items()) / n
    # Half a step is the least that rounding to whole scores hides where all answer alike.
    squares = sum(count * (score - mean) ** 2 for score, count in histogram.items())
    error = sqrt(max(squares / max(n - 1, 1), 0.25) / n)
    return Measure(mean, _normal(mean, error, 1, 7), n, "mean")


def easy_share(histogram: Histogram) -> Measure:
    """CES: the percentage of 5 to 7 of 7."""
    return rate(_count(histogram, 5, 7), sum(histogram.values()))


def rate(count: int, n: int) -> Measure:
    """A percentage with its Wilson interval; `n` must not be 0."""
    return Measure(100 * count / n, wilson(count, n), n, "%")


def response_rate(answered: int, delivered: int) -> Measure | None:
    """People who answered of people delivered to; None where too few were delivered to."""
    return rate(min(answered, delivered), delivered) if delivered >= FEWEST_SHOWN else None


def wilson(count: int, n: int) -> Interval:
    """Wilson's score interval of a share, in percent (Wilson 1927)."""
    share, square = count / n, Z95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    width = Z95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    return _clipped(100 * (middle - width), 100 * (middle + width), 0, 100)


def _count(histogram: Histogram, lowest: int, highest: int) -> int:
    return sum(count for score, count in histogram.items() if lowest <= score <= highest)


def _normal(value: float, error: float, least: float, most: float) -> Interval:
    return _clipped(value - Z95 * error, value + Z95 * error, least, most)


def _clipped(low: float, high: float, least: float, most: float) -> Interval:
    return Interval(max(low, least), min(high, most))
