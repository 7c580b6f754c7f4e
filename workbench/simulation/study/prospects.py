"""What a mail to a rested person would bring and cost on a day, over all offers and tones: the part that does not depend on tiredness.

With an offer and a tone chosen, a mail is worth  open · (g − m · r)  where g is revenue per opening, m the factor by which this choice
moves exits, and r the price of the exits per opening. So a person's choice is the envelope φ(r) = max (g − m · r) over choices, kept
at a few prices. φ is convex: reading it off by straight lines never understates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.simulation.worlds.response import SOFT_BOUNCES, Response, respond
from workbench.simulation.worlds.sales import mean_micros
from workbench.simulation.worlds.spec import TONES

if TYPE_CHECKING:
    from workbench.simulation.worlds import World

_PRICES = np.array([0.0, 0.03, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0])  # of the price at which no choice is worth its exits
_SOME = 1e-12
_SURE = 1 - 1e-15
_ALL_TONES = np.arange(len(TONES))[None, None, :]


@dataclass(frozen=True)
class Prospects:
    """Of n people on one day, rested and where all mail is seen that the provider's inbox takes."""

    seen: Floats  # (n,) chance that a mail is seen
    open_rate: Floats  # (n,) of somebody rested, at his best hour
    scale: Floats  # (n,) the price of exits per opening at which nothing is worth them
    envelope: Floats  # (n, P) micros per opening at the prices `_PRICES * scale`
    least: Floats  # (n,) the smallest factor m, and the largest
    most: Floats
    unsubscribe: Floats  # (n,) given seen, of a rested reader, for a choice with factor 1: opened
    unsubscribe_unopened: Floats
    complaint: Floats

    def worth(self, price: Floats) -> Floats:
        """φ at prices (n, L), micros per opening."""
        at = np.clip(price / self.scale[:, None], 0.0, 1.0)
        low = np.minimum(np.searchsorted(_PRICES, at, side="right") - 1, len(_PRICES) - 2)
        share = (at - _PRICES[low]) / (_PRICES[low + 1] - _PRICES[low])
        place = low + len(_PRICES) * np.arange(len(low))[:, None]
        below = np.take(self.envelope, place)
        return np.asarray(below + share * (np.take(self.envelope, place + 1) - below))


def prospects(
    world: World, who: Ints, day: int, there: Bools, *, inbox: Floats | None = None, fresh: Floats | None = None
) -> Prospects:
    """Of these people on this day.

    Parameters
    ----------
    there
        (O,) offers that may be sent.
    inbox
        (n,) placement; today's of the world when left out.
    fresh
        (n, O) what is left of an offer's appeal; all of it when left out.
    """
    answer, rate, sale = choices(world, who, day, np.flatnonzero(there))
    if fresh is not None:
        rate = rate * fresh[:, there, None]
    per_opening = (-np.expm1(-rate) * sale).reshape(len(who), -1)
    factor = (answer.exits / answer.exits[:, :1, :1]).reshape(len(who), -1)
    scale = np.maximum(per_opening.max(axis=1) / factor.min(axis=1), _SOME)
    envelope = np.stack([(per_opening - factor * (price * scale)[:, None]).max(axis=1) for price in _PRICES], axis=1)
    return Prospects(
        seen=(answer.inbox[:, 0, 0] if inbox is None else inbox) * (1 - SOFT_BOUNCES),
        open_rate=-np.log1p(-answer.open[:, 0, 0]),
        scale=scale,
        envelope=envelope,
        least=factor.min(axis=1),
        most=factor.max(axis=1),
        unsubscribe=answer.unsubscribe_opened[:, 0, 0],
        unsubscribe_unopened=answer.unsubscribe_unopened[:, 0, 0],
        complaint=answer.complaint[:, 0, 0],
    )


def choices(world: World, who: Ints, day: int, offers: Ints) -> tuple[Response, Floats, Floats]:
    """Of rested people at their best hour, (n, O, tones): how they respond, their rate of clicks, and micros a click brings."""
    rows, ideal = who[:, None, None], world.people.peak_hour[who][:, None, None] - 0.5
    answer = respond(world, day, rows, offers[None, :, None], _ALL_TONES, ideal, rested=True)
    micros = mean_micros(world.spec, world.commons.offers, world.people.basket[who][:, None], offers[None, :])
    return answer, -np.log1p(-np.minimum(answer.click, _SURE)), answer.convert * micros[:, :, None]
