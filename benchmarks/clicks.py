"""How many clicks and opens of machines are counted as people's, and of people as machines'.

    python -m benchmarks.clicks [--quick] [--json]

Random mailing of the default world, a third of the list a day; every mail has three links. Its peer is the rule of the ten seconds and
the agent, which judges each event by itself; ours judges all that was told of a mail together.

machine_clicks_as_human           share of the machines' clicks
machine_share_of_human_clicks     of the clicks counted as people's, those of machines
human_clicks_as_machine           share of the people's clicks
machine_opens_as_human            share of the machines' opens
…_by_single_events                the same by the peer
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import numpy as np

from benchmarks.harness import Result, main
from revenue_engine.clock import from_epoch
from revenue_engine.intake.human import Interaction, judge
from workbench.simulation.stage.render import AGENTS
from workbench.simulation.worlds import Agent, Kind, Mailing, World, named
from workbench.simulation.worlds.events import Facts, joined
from workbench.simulation.worlds.spec import CONTENTS

SEED = 2_026
SUBSCRIBERS, DAYS, QUICK_DAYS = 20_000, 60, 8
SHARE = 1 / 3  # of the list that gets a mail on a day
_START = from_epoch(1_772_409_600)
_TRANSIT = timedelta(seconds=1)  # a world has no moment at which SES takes a mail


def facts_of(subscribers: int, days: int) -> Facts:
    """Deliveries, opens and clicks of a list mailed at random, with who they were."""
    world, luck = World(named("default"), SEED, subscribers), np.random.default_rng(SEED)
    found = []
    for day in range(days):
        seen = world.observables(day)
        who = np.flatnonzero(seen.mailable & (luck.random(subscribers) < SHARE))
        offer = luck.choice(np.flatnonzero(seen.offer_running), len(who))
        world.step(day, Mailing(who, offer, luck.integers(0, CONTENTS, len(who)), luck.integers(0, 24, len(who))))
        assert world.truth.facts is not None
        found.append(world.truth.facts.of(Kind.DELIVERY, Kind.OPEN, Kind.CLICK))
    return joined(found)


def verdicts(facts: Facts) -> dict[str, Counter[tuple[str, bool, bool]]]:
    """Of both rules: how often (kind, was a person, judged one)."""
    delivered: dict[tuple[int, int], datetime] = {}
    mails: dict[tuple[int, int], list[tuple[Interaction, bool]]] = defaultdict(list)
    columns = (facts.row, facts.sent_day, facts.at, facts.kind, facts.agent, facts.part, facts.human)
    for row, day, at, kind, agent, part, human in zip(*(column.tolist() for column in columns), strict=True):
        moment = _START + timedelta(milliseconds=round(1_000 * at))
        if kind == Kind.DELIVERY:
            delivered[row, day] = moment
        else:
            shown = Interaction(Kind(kind).name.lower(), moment, AGENTS[Agent(agent)][0], str(part), False, False)
            mails[row, day].append((shown, human))
    found: dict[str, Counter[tuple[str, bool, bool]]] = {"single": Counter(), "joint": Counter()}
    for mail, told in mails.items():
        since = {"mail_at": delivered[mail] - _TRANSIT, "delivered_at": delivered[mail]}
        joint = judge([shown for shown, _ in told], **since)
        for (shown, human), verdict in zip(told, joint, strict=True):
            (single,) = judge([shown], **since)
            found["single"][shown.kind, human, single.human] += 1
            found["joint"][shown.kind, human, verdict.human] += 1
    return found


def figures_of(counted: Counter[tuple[str, bool, bool]]) -> dict[str, float]:
    """The shares of one rule."""
    taken, known = counted["click", False, True], counted["click", False, False]
    people, lost = counted["click", True, True], counted["click", True, False]
    opened, seen = counted["open", False, True], counted["open", False, False]
    return {
        "machine_clicks_as_human": taken / (taken + known),
        "machine_share_of_human_clicks": taken / (taken + people),
        "human_clicks_as_machine": lost / (lost + people),
        "machine_opens_as_human": opened / (opened + seen),
    }


def measure(quick: bool) -> Result:
    """Both rules on the same mails."""
    counted = verdicts(facts_of(SUBSCRIBERS, QUICK_DAYS if quick else DAYS))
    single, joint = figures_of(counted["single"]), figures_of(counted["joint"])
    clicks = sum(n for (kind, _, _), n in counted["joint"].items() if kind == "click")
    return Result(
        title=f"{clicks:,} clicks in the default world, {SUBSCRIBERS:,} people",
        columns=("", "each event by itself", "a mail's events together"),
        rows=[(name.replace("_", " "), f"{single[name]:.2%}", f"{joint[name]:.2%}") for name in joint],
        notes=(
            "The world's quiet scanner follows three links in about two seconds; one that follows a single link, late, nothing gives away.",
        ),
        figures=joint | {f"{name}_by_single_events": share for name, share in single.items()},
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
