"""Whether the arms were given to as many people as they should have been: if not, nothing compares them (sample-ratio mismatch).

Looked at every day: the Bayes factor of a multinomial with a Dirichlet prior about the due shares, which under the due shares ever
exceeds 1/α with a probability of at most α (Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022).
Looked at once, when a test is over: Pearson's chi-square, which finds more but not at every look.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, gamma, lgamma, log, sqrt

CONCENTRATION = 1_000.0  # people the prior is worth: shares of 0.04 are looked for between about 0.03 and 0.05


def anytime_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """p-value of these counts (k,) under these shares (k,), for looks at any time and any number of them.

    Raises ValueError where shares are no distribution. An arm whose share is nothing must be empty: otherwise 0.
    """
    arms = _arms(counts, shares)
    if arms is None:
        return 0.0
    total = sum(count for count, _ in arms)
    factor = lgamma(CONCENTRATION) - lgamma(CONCENTRATION + total)
    for count, share in arms:
        prior = CONCENTRATION * share
        factor += lgamma(prior + count) - lgamma(prior) - count * log(share)
    return 1.0 if factor <= 0 else exp(-factor)


def chi_square_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """p-value of these counts (k,) under these shares (k,), for one look. Raises and is 0 as `anytime_p`."""
    arms = _arms(counts, shares)
    if arms is None:
        return 0.0
    total = sum(count for count, _ in arms)
    if not total or len(arms) == 1:
        return 1.0
    return _upper_tail(len(arms) - 1, sum((count - total * share) ** 2 / (total * share) for count, share in arms))


def _arms(counts: Sequence[int], shares: Sequence[float]) -> list[tuple[int, float]] | None:
    """Count and share of the arms that people may be in, or None if somebody is in another."""
    if len(counts) != len(shares) or min(counts) < 0 or min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-9:
        raise ValueError("counts, shares: not as many counts as shares that add up to 1")
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return None
    return [(count, share) for count, share in zip(counts, shares, strict=True) if share]


def _upper_tail(degrees: int, value: float) -> float:
    """P(chi-square > value), by the recursion Q(a + 1, x) = Q(a, x) + xᵃ·e⁻ˣ / Γ(a + 1) (Abramowitz and Stegun 26.4)."""
    x = value / 2
    start, tail = (0.5, erfc(sqrt(x))) if degrees % 2 else (1.0, exp(-x))
    while start < degrees / 2:
        tail += x**start * exp(-x) / gamma(start + 1)
        start += 1
    return min(tail, 1.0)
