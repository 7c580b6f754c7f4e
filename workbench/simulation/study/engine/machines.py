"""Which of a day's opens and clicks the engine takes for machines': `intake.human` on arrays, for what a world can tell. Shapes: n rows."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.intake.human import BURST_WINDOW, HASTY_CLICK_WINDOW, MACHINE_CLICK_WINDOW
from workbench.simulation.worlds import Agent, DayEvents

_WINDOW = BURST_WINDOW.total_seconds()
_SLACK = 5e-4  # the engine's times are whole milliseconds


def mail_key(events: DayEvents) -> Ints:
    """One number a mail, (n,)."""
    return np.asarray(events.sent_day * (1 << 32) + events.row)


def machine_clicks(clicks: DayEvents, waited: Floats) -> tuple[Bools, Bools]:
    """Clicks taken for machines', (n,), and those of them in a burst. `waited`: seconds since their mails' delivery, (n,)."""
    burst, pairs = _together(clicks, 3), _together(clicks, 2)
    too_fast = waited < MACHINE_CLICK_WINDOW.total_seconds()
    hasty_pair = pairs & (waited < HASTY_CLICK_WINDOW.total_seconds())
    return (clicks.agent == Agent.SCANNER) | too_fast | burst | hasty_pair, burst


def machine_opens(opens: DayEvents, burst: DayEvents) -> Bools:
    """Opens taken for machines', (n,): by their agent, or since a burst of clicks with the same agent lies around them."""
    found = (opens.agent == Agent.APPLE_PROXY) | (opens.agent == Agent.SCANNER)
    if not len(burst) or not len(opens):
        return np.asarray(found)
    order = np.lexsort((burst.at, mail_key(burst)))
    mails, first = np.unique(mail_key(burst)[order], return_index=True)
    last = np.append(first[1:], len(order)) - 1
    at, agent = burst.at[order], burst.agent[order]
    place = np.minimum(np.searchsorted(mails, mail_key(opens)), len(mails) - 1)
    around = (opens.at >= at[first[place]] - _WINDOW - _SLACK) & (opens.at <= at[last[place]] + _WINDOW + _SLACK)
    return np.asarray(found | ((mails[place] == mail_key(opens)) & around & (opens.agent == agent[first[place]])))


def _together(clicks: DayEvents, links: int) -> Bools:
    """Clicks that stand among so many in a row of one mail, each on another link, within the window, (n,)."""
    found = np.zeros(len(clicks), dtype=bool)
    if len(clicks) < links:
        return found
    order = np.lexsort((clicks.at, mail_key(clicks)))
    mail, at, part = mail_key(clicks)[order], clicks.at[order], clicks.part[order]
    last = links - 1
    start = (mail[last:] == mail[:-last]) & (at[last:] - at[:-last] <= _WINDOW + _SLACK)
    for earlier in range(links):
        for later in range(earlier + 1, links):
            start &= part[later : len(part) - last + later] != part[earlier : len(part) - last + earlier]
    for place in range(links):
        found[order[place : len(order) - last + place]] |= start
    return found
