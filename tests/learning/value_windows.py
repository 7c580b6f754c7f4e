"""Windows of a made-up list: two features, of which one says who brings more."""

from __future__ import annotations

import numpy as np

from revenue_engine.learning.revenue import Window


def window(day: int, people: int = 2_000) -> Window:
    """Of the 60 days after `day`."""
    random = np.random.default_rng(day)
    keen, noise = random.random(people), random.random(people)
    noise[::13] = np.nan
    brings = random.random(people) < 0.1 + 0.2 * keen
    return Window(
        day, day + 70, {"keen": keen, "noise": noise}, np.full(people, 3.0), 20.0 * brings * random.gamma(2.0, 0.5, people)
    )
