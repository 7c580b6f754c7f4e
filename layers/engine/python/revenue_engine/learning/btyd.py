"""Buy till you die: how often somebody buys again and what an order is worth, from three numbers a customer.

Purchases: BG/NBD of Fader, Hardie and Lee, "Counting your customers the easy way", Marketing Science 24 (2005). Order values:
Gamma-Gamma of Fader and Hardie, "The Gamma-Gamma model of monetary value" (2013), after Colombo and Jiang (1999). Both by maximum
likelihood. Few customers are enough, so they carry small lists; what has more to go by learns a correction to them (`revenue`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.learning.purchases import History

_WIDEST = 12.0  # log of a parameter
_FLAT = 1e-4  # slope of a customer's mean log-likelihood


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Buying at a Gamma(r, α) rate, leaving after an order with a Beta(a, b) chance. Time in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, history: History) -> Floats:
        """(n,) of each customer; their equation (7)."""
        x, t_x, t = history.repeats, history.last_week, history.weeks
        shared = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) + betaln(self.a, self.b + x)
        shared = shared - betaln(self.a, self.b)
        stayed = -(self.r + x) * np.log(self.alpha + t)
        return np.asarray(shared + np.logaddexp(stayed, self._left(x, t_x)))

    def alive(self, history: History) -> Floats:
        """(n,) P(has not left), 1 before the first repeat: nobody leaves without an order."""
        x, t_x, t = history.repeats, history.last_week, history.weeks
        return np.asarray(1 / (1 + np.exp(self._left(x, t_x) + (self.r + x) * np.log(self.alpha + t))))

    def expected(self, history: History, weeks: float) -> Floats:
        """(n,) purchases in the weeks to come; their equation (10)."""
        x, t = history.repeats, history.weeks
        a, b, r, grown = self.a, self.b, self.r, self.alpha + t
        curve = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (grown + weeks))
        kept = (grown / (grown + weeks)) ** (r + x) * curve
        return np.asarray((a + b + x - 1) / (a - 1) * (1 - kept) * self.alive(history))

    def _left(self, x: Floats, t_x: Floats) -> Floats:
        """Log of the part of the likelihood in which the last order was the last."""
        odds = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1) - (self.r + x) * np.log(self.alpha + t_x)
        return np.where(x > 0, odds, -np.inf)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Orders vary around a customer's mean with shape p, the means between customers as an inverse Gamma of q and γ. Any currency."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, history: History) -> Floats:
        """(n,) of each customer with paid repeats, 0 of the others; their equation (1a)."""
        paid = history.paid_repeats > 0
        n, mean = np.where(paid, history.paid_repeats, 1.0), np.where(paid, history.mean_paid, 1.0)
        p, q, gamma = self.p, self.q, self.gamma
        value = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(gamma)
        value = value + (p * n - 1) * np.log(mean) + p * n * np.log(n) - (p * n + q) * np.log(gamma + mean * n)
        return np.where(paid, value, 0.0)

    def expected(self, history: History) -> Floats:
        """(n,) worth of an order: a customer's mean and everybody's, weighted by what is known of him; their equation (5)."""
        n = history.paid_repeats
        return np.asarray(self.p * (self.gamma + n * history.mean_paid) / (self.p * n + self.q - 1))


def fit_bg_nbd(history: History) -> BgNbd:
    """By maximum likelihood from (1, 1, 1, 1). Customers with the same three numbers are one row with a weight.

    Raises Refused `too_few_repeats` without any repeat purchase, `btyd_did_not_converge` otherwise.
    """
    if not (history.repeats > 0).any():
        raise Refused("too_few_repeats")
    rows, counts = np.unique(np.stack([history.repeats, history.last_week, history.weeks]), axis=1, return_counts=True)
    nothing = np.zeros(rows.shape[1])
    grouped = History(rows[0], rows[1], rows[2], nothing, nothing)
    return BgNbd(*_maximise(lambda p: float(BgNbd(*p).log_likelihood(grouped) @ counts / counts.sum()), np.zeros(4)))


def fit_gamma_gamma(history: History) -> GammaGamma:
    """By maximum likelihood, of customers with a paid repeat. Raises Refused as `fit_bg_nbd` does."""
    paid = history.paid_repeats > 0
    if not paid.any():
        raise Refused("too_few_repeats")
    rows = history.where(paid)
    return GammaGamma(*_maximise(lambda p: float(GammaGamma(*p).log_likelihood(rows).mean()), np.log([3.0, 3.0, 10.0])))


def _maximise(log_likelihood: Callable[[Floats], float], start: Floats) -> Floats:
    """Parameters are positive: the search is in their logarithms. What is asked of it is a flat place: near one, the line search may
    end without a success of its own."""
    limits = [(-_WIDEST, _WIDEST)] * len(start)
    found = minimize(lambda at: -log_likelihood(np.exp(at)), start, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-14})
    if np.abs(found.jac).max() > _FLAT or np.abs(found.x).max() >= _WIDEST:
        raise Refused("btyd_did_not_converge", str(found.message))
    return np.asarray(np.exp(found.x), dtype=np.float64)
