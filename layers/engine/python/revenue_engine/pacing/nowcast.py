"""What the mails sent so far should have brought by now. Shapes: B buckets of sends, hours or days each.

Clicks and money come hours to days after the mail, so what came in a quarter of an hour says nothing of the mails that left in it. Of
what was predicted of a bucket's mails that part counts which should have come inside the window:

    Σ predicted[b] · (H(now - t) - H(window start - t)),   H = click delay, of conversions convolved with their delay after the click

Both are mixtures of exponentials, so H has a closed form: for rates a ≠ b, P(X + Y ≤ t) = 1 - (b e^-at - a e^-bt) / (b - a).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.prediction.rates import Delay

# From the mail to its human click: about a third within the hour, nine tenths within two days. Round figures, as the other priors are.
CLICK_DELAY = Delay(fast_share=0.5, fast_days=0.06, tail_days=0.9)
_POINTS = (np.arange(4) + 0.5) / 4  # a bucket's sends lie evenly between its ends


@dataclass(frozen=True, slots=True)
class Sends:
    """Mails that left, and what was expected of them when they did."""

    start_days: Floats  # (B,) days since 1970
    end_days: Floats  # (B,)
    clicks: Floats  # (B,) mails predicted to be clicked
    conversions: Floats  # (B,) predicted


def arrived(days: Floats, conversion: Delay) -> Floats:
    """H of conversions: the share that has come so many days (0 or more) after the mail, of the same shape."""
    result = np.zeros_like(days)
    for (share, x), (part, y) in product(_parts(CLICK_DELAY), _parts(conversion)):
        y = y * 1.001 if abs(x - y) < 1e-3 * x else y  # the form above has no value at equal scales, but a limit
        result += share * part * (1.0 - (x * np.exp(-days / x) - y * np.exp(-days / y)) / (x - y))
    return result


def _parts(delay: Delay) -> tuple[tuple[float, float], tuple[float, float]]:
    return (delay.fast_share, delay.fast_days), (1.0 - delay.fast_share, delay.tail_days)


def arrivals(sends: Sends, edges_days: Floats, *, now_days: float, conversion: Delay) -> Floats:
    """Clicked mails and conversions that should have come by each of E moments, none of them after now, (2, E)."""
    width = np.maximum(np.minimum(sends.end_days, now_days) - sends.start_days, 0.0)
    age = np.maximum(edges_days[:, None, None] - (sends.start_days[:, None] + width[:, None] * _POINTS), 0.0)
    clicked, converted = CLICK_DELAY.arrived(age, age).mean(axis=2), arrived(age, conversion).mean(axis=2)
    return np.stack([clicked @ sends.clicks, converted @ sends.conversions])


def expected(sends: Sends, *, since_days: float, now_days: float, conversion: Delay) -> tuple[float, float]:
    """Clicked mails and conversions that should have come in (since, now]."""
    by = arrivals(sends, np.array([min(since_days, now_days), now_days]), now_days=now_days, conversion=conversion)
    return float(by[0, 1] - by[0, 0]), float(by[1, 1] - by[1, 0])
