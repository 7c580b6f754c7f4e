"""How fast the worlds on arrays run.

    python -m benchmarks.world [--quick] [--json]

Random mailing of the default world, a third of the list a day. Timed is the world itself (what a policy may see, the step, its truth
kept), not the policy; processor time of one core.

world_subscriber_days_per_minute   subscribers times days, for a list of 20,000
world_mails_per_minute             mails of the same run
world_chances_per_minute           true chances of a mail (person, offer, content, hour), for clairvoyant policies
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.harness import Result, main
from workbench.simulation.worlds import Mailing, World, named
from workbench.simulation.worlds.spec import CONTENTS

SEED = 2_026
SUBSCRIBERS, DAYS, QUICK_DAYS = 20_000, 180, 60
SHARE = 1 / 3  # of the list that gets a mail on a day


def timed(subscribers: int, days: int, share: float = SHARE) -> tuple[float, int]:
    """Processor seconds of the world alone, and its mails."""
    world, luck = World(named("default"), SEED, subscribers), np.random.default_rng(SEED)
    spent, mails = 0.0, 0
    for day in range(days):
        start = time.process_time()
        seen = world.observables(day)
        spent += time.process_time() - start
        who = np.flatnonzero(seen.mailable & (luck.random(subscribers) < share))
        offer = luck.choice(np.flatnonzero(seen.offer_running), len(who))
        mailing = Mailing(who, offer, luck.integers(0, CONTENTS, len(who)), luck.integers(0, 24, len(who)))
        start = time.process_time()
        world.step(day, mailing)
        spent += time.process_time() - start
        mails += len(who)
    return spent, mails


def chances_per_second(subscribers: int) -> float:
    """All offers and contents for each of these people."""
    world = World(named("default"), SEED, subscribers)
    offers, contents = np.arange(world.spec.offers)[None, :, None], np.arange(CONTENTS)[None, None, :]
    start = time.process_time()
    grid = world.truth.chances(np.arange(subscribers)[:, None, None], offers, contents, np.array([[[9]]]))
    return grid.expected_micros.size / (time.process_time() - start)


def measure(quick: bool) -> Result:
    """Lists of several sizes."""
    days = QUICK_DAYS if quick else DAYS
    rows, figures = [], {}
    for subscribers in (1_500, SUBSCRIBERS, 100_000):
        run = max(days * min(SUBSCRIBERS, subscribers) // subscribers, 10)
        seconds, mails = timed(subscribers, run)
        speed = subscribers * run / seconds * 60
        rows.append((f"{subscribers:,}", f"{run}", f"{mails:,}", f"{speed / 1e6:.1f} M", f"{mails / seconds * 60 / 1e6:.1f} M"))
        if subscribers == SUBSCRIBERS:
            figures["world_subscriber_days_per_minute"] = speed
            figures["world_mails_per_minute"] = mails / seconds * 60
    figures["world_chances_per_minute"] = chances_per_second(1_500) * 60
    return Result(
        title="the default world, a third of the list mailed each day, one core",
        columns=("subscribers", "days", "mails", "subscriber-days a minute", "mails a minute"),
        rows=rows,
        figures=figures,
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
