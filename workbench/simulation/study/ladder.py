"""What a policy's mails are worth, rung by rung: `python -m workbench.simulation.study.ladder [--days 150] [--seeds 3] POLICY...`

Each rung is the true worth of a mail with one more of the policy's choices made as it made it and the others by chance, over the rung
before: whom it mails, with which offer, in which tone, at what hour. Beside persons and offers the best there are on those days: the
third of the list that is worth most (nobody can be mailed every day), and each reader's best offer.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from revenue_engine.arrays import Floats
from workbench.simulation.study.policy import Setting
from workbench.simulation.study.registry import ENGINE, ORACLE, policy
from workbench.simulation.study.trial import CAP_SHARE
from workbench.simulation.worlds import Mailing, Observables, World, WorldSpec, named
from workbench.simulation.worlds.spec import TONES

HOURS = (7, 11, 15, 19)  # among which chance chooses
EVERY_DAYS = 5


@dataclass(frozen=True, slots=True)
class Rungs:
    """Dollars of a mail, means over mails."""

    anybody: float
    persons: float
    offer: float
    tone: float
    hour: float  # as it was sent
    best_third: float
    best_offer: float  # of the persons mailed

    @property
    def factors(self) -> tuple[float, ...]:
        """Persons over anybody, offer over persons, tone over offer, hour over tone; the best third over anybody, and the best offers over
        persons."""
        steps = (self.anybody, self.persons, self.offer, self.tone, self.hour)
        climbed = tuple(upper / lower for lower, upper in itertools.pairwise(steps))
        return (*climbed, self.best_third / self.anybody, self.best_offer / self.persons)


def ladder(spec: WorldSpec, seed: int, name: str, *, people: int, days: int) -> Rungs:
    """Of one policy from a cold start. Raises ValueError where it mails nobody on the days that are looked at."""
    world = World(spec, seed, people)
    mine = policy(name, Setting(people, spec.offers, days, round(CAP_SHARE * people), seed), world)
    found = []
    for day in range(days):
        seen = world.observables(day)
        mailing = mine.mail(seen, day)
        if len(mailing.who) and day % EVERY_DAYS == EVERY_DAYS - 1:
            found.append(_climbed(world, seen, mailing))
        mine.told(world.step(day, mailing), day)
    if not found:
        raise ValueError(f"{name} mails nobody in {days} days")
    mails = np.array([len(one[0]) for one in found], dtype=np.float64)
    means = np.array([[float(rung.mean()) for rung in one] for one in found])
    return Rungs(*(mails @ means / mails.sum()).tolist())


def _climbed(world: World, seen: Observables, sent: Mailing) -> tuple[Floats, ...]:
    """Dollars of each mail of a day, (m,), in the order of `Rungs`; what is of nobody in particular is the same of all."""
    who, running = np.arange(len(seen.mailable)), np.flatnonzero(seen.offer_running)
    tones = np.arange(len(TONES))
    worth = np.mean(
        [
            world.truth.chances(
                who[:, None, None], running[None, :, None], tones[None, None, :], np.full((len(who), 1, 1), hour)
            ).expected_micros
            for hour in HOURS
        ],
        axis=0,
    )
    worth = worth / 1e6
    person, offer = worth.mean(axis=(1, 2)), worth.mean(axis=2)
    mailable = np.sort(person[seen.mailable])
    third, place = mailable[-max(len(mailable) // 3, 1) :].mean(), np.searchsorted(running, sent.offer)
    same = np.ones(len(sent.who))
    return (
        same * mailable.mean(),
        person[sent.who],
        offer[sent.who, place],
        worth[sent.who, place, sent.content % len(TONES)],
        world.truth.chances(sent.who, sent.offer, sent.content, sent.hour).expected_micros / 1e6,
        same * third,
        offer[sent.who].max(axis=1),
    )


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policies", nargs="*", default=[ORACLE, ENGINE])
    parser.add_argument("--world", default="default")
    parser.add_argument("--people", type=int, default=1_500)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    names = ("persons", "offer", "tone", "hour", "best third", "best offer")
    table = Table("policy", "seed", "anybody $", *(f"{name} ×" for name in names), "a mail $")
    for name in asked.policies:
        for seed in range(asked.seeds):
            rungs = ladder(named(asked.world), seed, name, people=asked.people, days=asked.days)
            table.add_row(name, str(seed), f"{rungs.anybody:.4f}", *(f"{f:.2f}" for f in rungs.factors), f"{rungs.hour:.4f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
