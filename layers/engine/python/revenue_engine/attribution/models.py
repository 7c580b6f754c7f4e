"""Who gets credit for a conversion: the deterministic click, and beside it four multi-touch views of one amount.

A mail counts once, by its best human interaction; machine opens and clicks count for nothing. Weights are for people; the books
carry micros that add up to the last one (M1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from revenue_engine.records.conversion import Allocation
from revenue_engine.records.send import Touch

Model = Literal["last_click", "linear", "time_decay", "position_based"]
MODELS: tuple[Model, ...] = get_args(Model)
PRIMARY = "primary"

_MILLISECOND = timedelta(milliseconds=1)


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


def allocate_all(
    amount_micros: int, touches: Sequence[Touch], *, half_life_days: float, click_weight: float
) -> Mapping[str, tuple[Allocation, ...]]:
    """By each of `MODELS`, shares of an amount that add up to it exactly (M1); () for no touches.

    `touches` are of `touches_per_mail`. Mails that a model gives nothing are left out.
    Raises ValueError for an amount too large to be split exactly (`shares.MAX_MICROS`).
    """
    if not touches:
        return dict.fromkeys(MODELS, ())
    # here, for functions that only read the books carry no numpy
    import numpy as np

    from revenue_engine.attribution.shares import decayed, micros_of, weights_of

    at_millis = np.array([[(touch.at - touches[-1].at) // _MILLISECOND] for touch in touches])
    clicked = np.array([[touch.kind == "click"] for touch in touches])
    decay = decayed(at_millis, clicked, half_life_days=half_life_days, click_weight=click_weight)
    weights = weights_of(clicked, decay)[:, :, 0].tolist()
    micros = micros_of(np.array([amount_micros]), clicked, decay)[:, :, 0].tolist()
    return {
        model: tuple(
            Allocation(touch.send_id, weight, part)
            for touch, weight, part in zip(touches, weights[k], micros[k], strict=True)
            if weight > 0
        )
        for k, model in enumerate(MODELS)
    }


def primary(amount_micros: int, send_id: str | None) -> tuple[Allocation, ...]:
    """All to the mail that the conversion's own tracking id names; () when it names none."""
    return () if send_id is None else (Allocation(send_id, 1.0, amount_micros),)
