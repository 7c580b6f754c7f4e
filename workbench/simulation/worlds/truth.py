"""The chances of a world, for clairvoyant policies and for scoring. Index arrays broadcast against each other: (n, 1), (1, O) …"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.simulation.worlds.events import Facts
from workbench.simulation.worlds.people import People
from workbench.simulation.worlds.response import Response, respond
from workbench.simulation.worlds.sales import mean_micros

if TYPE_CHECKING:
    from workbench.simulation.worlds.mailbox import Outcome
    from workbench.simulation.worlds.world import World


@dataclass(frozen=True)
class Chances:
    """Of one mail more, given today's state of its reader; broadcast shape. Per mail sent, unless said otherwise."""

    open: Floats  # a person opens
    click: Floats  # a person clicks
    convert: Floats  # per human click, on a page that works
    micros: Floats  # expected per conversion: sale shares, rebills and reversals counted
    unsubscribe: Floats
    complaint: Floats  # known to us or not
    hard_bounce: Floats
    lapse: Floats  # falls silent because of this mail, on top of what happens without

    @property
    def expected_micros(self) -> Floats:
        """Of the mail, without its costs."""
        return self.click * self.convert * self.micros


class Truth:
    """What no policy that is to be judged may read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.facts: Facts | None = None  # of the last step: the day's events with what nobody tells, row for row
        self.outcome: Outcome | None = None  # of the last step's mails

    def chances(self, who: Ints, offer: Ints, content: Ints, hour: Ints) -> Chances:
        """On the day about to be stepped."""
        world = self._world
        response = respond(world, world.day, who, offer, content, hour)
        here = response.there
        opens = here * response.open
        offers = world.commons.offers
        return Chances(
            open=opens,
            click=response.reads,
            convert=response.convert + np.zeros_like(opens * response.click),
            micros=mean_micros(world.spec, offers, world.people.basket[who], offer),
            unsubscribe=self._exits(response, here),
            complaint=here * response.complaint,
            hard_bounce=response.gone * np.ones_like(opens),
            lapse=response.lapse * np.ones_like(opens),
        )

    def _exits(self, response: Response, here: Floats) -> Floats:
        return here * (response.open * response.unsubscribe_opened + (1 - response.open) * response.unsubscribe_unopened)

    @property
    def people(self) -> People:
        """Traits."""
        return self._world.people

    @property
    def lapsed(self) -> Bools:
        """(n,) silent today."""
        return self._world.state.lapsed

    @property
    def fatigue(self) -> Floats:
        """(n,) recent mails, decayed."""
        return self._world.state.fatigue

    @property
    def dead(self) -> Bools:
        """(n,) mailboxes that will bounce."""
        return self._world.state.dead

    @property
    def leaving(self) -> Bools:
        """(n,) gone for good, told or not: opted out, complained, bounced."""
        return ~self._world.state.mailable | self._world.state.hostile

    @property
    def visits(self) -> Ints:
        """(n,) days with a visit of their own accord so far."""
        return self._world.state.visits

    @property
    def orders(self) -> Ints:
        """(n,) orders of their habit so far."""
        return self._world.state.orders

    @property
    def visit_orders(self) -> Ints:
        """(n,) orders on visits of their own accord so far."""
        return self._world.state.visit_orders
