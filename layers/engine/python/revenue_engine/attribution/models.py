"""Who gets credit for a conversion: the deterministic click, and beside it four multi-touch views of one amount.

A mail counts once, by its best human interaction; machine opens and clicks count for nothing. Weights are for people; the books
carry micros that add up to the last one (M1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from revenue_engine.money import split
from revenue_engine.records.conversion import Allocation
from revenue_engine.records.send import Touch

Model = Literal["last_click", "linear", "time_decay", "position_based"]
MODELS: tuple[Model, ...] = get_args(Model)
PRIMARY = "primary"

_ENDS, _MIDDLE = 0.4, 0.2  # position-based: first and last mail, and all between together


def touches_per_mail(touches: Iterable[Touch], converted_at: datetime, window_days: int) -> tuple[Touch, ...]:
    """One touch per mail, oldest first: its latest human click, else its latest human open.

    The window is `converted_at - window_days < at <= converted_at`. The order of `touches` does not matter.
    """
    start = converted_at - timedelta(days=window_days)
    best: dict[str, Touch] = {}
    for touch in touches:
        if not touch.human or not start < touch.at <= converted_at:
            continue
        kept = best.get(touch.send_id)
        if kept is None or _rank(touch) > _rank(kept):
            best[touch.send_id] = touch
    return tuple(sorted(best.values(), key=lambda t: (t.at, t.kind == "click", t.send_id)))


def _rank(touch: Touch) -> tuple[bool, datetime, float]:
    return touch.kind == "click", touch.at, touch.human_probability


def last_click(touches: Sequence[Touch]) -> tuple[float, ...]:
    """All to the latest click; to the latest open when nobody clicked. `touches` are of `touches_per_mail`, (n,)."""
    last = max(range(len(touches)), key=lambda i: (touches[i].kind == "click", i), default=-1)
    return tuple(float(i == last) for i in range(len(touches)))


def linear(touches: Sequence[Touch]) -> tuple[float, ...]:
    """1/n each, (n,)."""
    return (1 / len(touches),) * len(touches) if touches else ()


def time_decay(touches: Sequence[Touch], *, half_life_days: float, click_weight: float) -> tuple[float, ...]:
    """Halves every `half_life_days` before the conversion; a click weighs `click_weight` times an open. Sums to 1, (n,).

    Ages count from the latest touch: the age of that one cancels out, and old journeys do not underflow.
    """
    if not touches:
        return ()
    latest = touches[-1].at
    raw = [
        0.5 ** ((latest - touch.at) / timedelta(days=half_life_days)) * (click_weight if touch.kind == "click" else 1.0)
        for touch in touches
    ]
    total = sum(raw)
    return tuple(weight / total for weight in raw)


def position_based(touches: Sequence[Touch]) -> tuple[float, ...]:
    """40 / 20 / 40: first, all between together, last. One mail has it all, two share evenly, (n,)."""
    n = len(touches)
    if n <= 2:
        return linear(touches)
    return (_ENDS, *((_MIDDLE / (n - 2),) * (n - 2)), _ENDS)


def weights(model: Model, touches: Sequence[Touch], *, half_life_days: float, click_weight: float) -> tuple[float, ...]:
    """The model's weights of `touches_per_mail`, non-negative and summing to 1, (n,); () for no touches."""
    if model == "last_click":
        return last_click(touches)
    if model == "linear":
        return linear(touches)
    if model == "time_decay":
        return time_decay(touches, half_life_days=half_life_days, click_weight=click_weight)
    return position_based(touches)


def allocate(
    amount_micros: int, touches: Sequence[Touch], model: Model, *, half_life_days: float, click_weight: float
) -> tuple[Allocation, ...]:
    """Shares of an amount that add up to it exactly (M1). Mails the model gives nothing are left out; () for no touches."""
    shares = weights(model, touches, half_life_days=half_life_days, click_weight=click_weight)
    if not shares:
        return ()
    micros = split(amount_micros, shares)
    return tuple(
        Allocation(touch.send_id, share, part) for touch, share, part in zip(touches, shares, micros, strict=True) if share > 0
    )


def primary(amount_micros: int, send_id: str | None) -> tuple[Allocation, ...]:
    """All to the mail that the conversion's own tracking id names; () when it names none."""
    return () if send_id is None else (Allocation(send_id, 1.0, amount_micros),)
