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
from workbench.simulation.worlds.response import SOFT_BOUNCES, respond
from workbench.simulation.worlds.sales import mean_micros
from workbench.simulation.worlds.spec import TONES

if TYPE_CHECKING:
    from workbench.simulation.worlds import World

_PRICES = np.array([0.0, 0.03, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0])  # of the price at which no choice is worth its exits
_SOME = 1e-12
_ALL_TONES = np.arange(len(TONES))[None, None, :]


@dataclass(frozen=True)
class Prospects:
    """Of n people on one day, rested and where all mail is seen that the provider's inbox takes."""

    seen: Floats  # (n,) chance that a mail is seen
    open_rate: Floats  # (n,) of somebody rested, at his best hour
    scale: Floats  # (n,) the price of exits per opening at which nothing is worth them
    envelope: Floats  # (n, P) micros per opening at the prices `_PRICES * scale`
    most: Floats  # (n,) the largest factor m
    unsubscribe: Floats  # (n,) given seen, of a rested reader, for a choice with factor 1: opened
    unsubscribe_unopened: Floats
    complaint: Floats

    def worth(self, price: Floats) -> Floats:
        """φ at prices (n, L), micros per opening."""
        at = np.clip(price / self.scale[:, None], 0.0, 1.0)
        low = np.minimum(np.searchsorted(_PRICES, at, side="right") - 1, len(_PRICES) - 2)
        share = (at - _PRICES[low]) / (_PRICES[low + 1] - _PRICES[low])
        below = np.take_along_axis(self.envelope, low, axis=1)
        return np.asarray(below + share * (np.take_along_axis(self.envelope, low + 1, axis=1) - below))


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
    spec = world.spec
    rows, offers = who[:, None, None], np.flatnonzero(there)
    answer = respond(
        world, day, rows, offers[None, :, None], _ALL_TONES, world.people.peak_hour[who][:, None, None] - 0.5, rested=True
    )
    micros = mean_micros(spec, world.commons.offers, world.people.basket[who][:, None], offers[None, :])
    click = answer.click
    if fresh is not None:
        click = -np.expm1(np.log1p(-click) * fresh[:, offers, None])
    per_opening = (click * answer.convert * micros[:, :, None]).reshape(len(who), -1)
    # exits are in proportion to each other over choices: the complaint's own factor stands for all
    factor = (answer.complaint / np.maximum(answer.complaint[:, :1, :1], _SOME)).reshape(len(who), -1)
    base = respond(
        world, day, who, np.full(len(who), offers[0]), np.zeros(1, dtype=np.int64), world.people.peak_hour[who] - 0.5, rested=True
    )
    scale = np.maximum(per_opening.max(axis=1) / factor.min(axis=1), _SOME)
    envelope = np.stack([(per_opening - factor * (price * scale)[:, None]).max(axis=1) for price in _PRICES], axis=1)
    return Prospects(
        seen=(base.inbox if inbox is None else inbox) * (1 - SOFT_BOUNCES),
        open_rate=-np.log1p(-base.open),
        scale=scale,
        envelope=envelope,
        most=factor.max(axis=1),
        unsubscribe=base.unsubscribe_opened,
        unsubscribe_unopened=base.unsubscribe_unopened,
        complaint=base.complaint,
    )
