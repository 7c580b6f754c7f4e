"""What the models must give, in exact fractions and one touch after another: slow, and by other code than the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def split(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Largest remainders, ties to the earlier part; of a negative total the negated parts."""
    shares = [abs(total) * Fraction(weight) / sum(weights) for weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    served = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in served[: abs(total) - sum(parts)]:
        parts[i] += 1
    return [part if total >= 0 else -part for part in parts]


def last_click(clicked: Sequence[bool]) -> list[int]:
    """All to the latest click, to the latest open where nobody clicked."""
    last = max((i for i, click in enumerate(clicked) if click), default=len(clicked) - 1)
    return [int(i == last) for i in range(len(clicked))]


def position_based(n: int) -> list[Fraction]:
    """40 / 20 / 40."""
    if n <= 2:
        return [Fraction(1, n)] * n
    return [Fraction(2, 5), *[Fraction(1, 5 * (n - 2))] * (n - 2), Fraction(2, 5)]
