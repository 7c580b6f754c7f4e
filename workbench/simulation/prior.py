"""The prior that everybody starts with, funnel and weekdays, learned in worlds: `python -m workbench.simulation.prior` writes it again,
byte for byte.

    --check   compare with what is in the package, and write nothing

Each world's constants are drawn, so that no single one is learned by heart; the engine mails every other one, chance the rest. What is
learned is how people differ around rates that fit their world: an org brings its own rates, and the funnel starts from these. Trees are
fitted in some worlds, told when to stop by others, and calibrated in others again: so its odds are pulled in as far as what is true of one
list does not hold for the next. What it is worth is measured in two more worlds that nothing was drawn for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.bundle import PRIOR_FOLDER, Parts, seal
from revenue_engine.context import Cycle
from revenue_engine.evaluation.calibration import auc, losses
from revenue_engine.learning.dataset import Arm
from revenue_engine.learning.funnel import fit_funnel
from revenue_engine.learning.gate import mean_over_people, meant
from revenue_engine.learning.rates import fit_rates
from revenue_engine.learning.rows import Rows
from revenue_engine.learning.stage import Shape
from revenue_engine.pacing import curve
from revenue_engine.pacing.curve import Answers, weekdays
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction import funnel as stored
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import FunnelTables, chances_of_sends
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import table
from revenue_engine.prediction.segments import segment_of
from revenue_engine.records.evidence import Evidence
from revenue_engine.served import inputs
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.catalogue import FIRST_NUMBER, offers_of
from workbench.simulation.study.engine.engine import START, Engine
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.policy import NO_MAIL, Calendar, Setting
from workbench.simulation.study.trial import CAP_SHARE
from workbench.simulation.worlds import Mailing, Observables, World, WorldSpec, named
from workbench.simulation.worlds.spec import TONES, drawn

WORLDS, PEOPLE, DAYS = 24, 2_500, 42
SETTLING_DAYS = 20  # without mail, until what was clicked has been bought
MAILED_SHARE = 0.15  # of a list, a day, where chance mails
UNSEEN = ("default", "fatigued")
CLICK_DAYS = 3
SEED = 1
# what an import may declare, or not
DECLARED: tuple[tuple[str, ...], ...] = (
    ("purchases", "days_since_purchase"),
    ("price_sensitivity",),
    ("hours_from_peak", "is_peak_hour"),
)
CLICK = Shape(leaves=8, rows_per_leaf=600, rate=0.06, ridge=30.0)  # few and broad leaves: it has to hold elsewhere
SALE = Shape(leaves=4, rows_per_leaf=300, rate=0.03, ridge=50.0)


@dataclass(frozen=True, slots=True)
class Sends:
    """Of a world, (n,) each."""

    rows: Rows
    who: Ints
    day: Ints
    segment: Ints
    arm: Ints  # position in `arms`
    payout_micros: Floats
    paid_micros: Floats
    arms: tuple[Arm, ...]


class Noted(Engine):
    """The engine, its sends noted as they are served."""

    def __init__(self, setting: Setting) -> None:
        # what is made here must not depend on what was made before
        rates = seal(
            Parts(PRIOR_RATES, solve(Habits())), trained_at=START, code_version="", prior=True, data_fingerprint="", metrics={}
        )
        super().__init__(setting, rates)
        self._notes: list[tuple[np.ndarray[Any, Any], ...]] = []

    def rows(self, seen: Observables, days: int) -> Sends:
        """All sends with what became of them, around rates that fit this world."""
        memory = self._memory
        assert memory is not None
        day, who, segment, arm, features, cross, _, p_sale, payout = (
            np.concatenate(column) for column in zip(*self._notes, strict=True)
        )
        categories = {offer.offer: offer.category for offer in offers_of(seen)}
        rates = fit_rates(memory.evidence(since=0, until=days), categories, START + timedelta(days=days))
        arms = [
            (str(FIRST_NUMBER + o), tone, categories[str(FIRST_NUMBER + o)]) for o in range(len(categories)) for tone in TONES
        ]
        clicked_on = memory.clicked_on(day, who)
        # a world's categories, countries and forms are nobody's
        features[:, len(SUBSCRIBER) + OFFER.index("category")] = np.nan
        features[:, [SUBSCRIBER.index(name) for name in ("country", "source")]] = np.nan
        rows = Rows(
            features=features,
            cross=cross,
            p_click=table(rates.click_level, rates.click_ratio, arms)[segment, arm],
            p_sale=p_sale,
            clicked=(clicked_on >= 0) & (clicked_on - day <= CLICK_DAYS),
            sold=memory.paid(day, who) > 0,
            propensity=np.full(len(day), np.nan),  # the study keeps none
            weight=np.ones(len(day)),
        )
        return Sends(rows, who, day, segment, arm, payout, memory.paid(day, who), tuple(arms))

    def evidence(self, days: int) -> list[Evidence]:
        """What the engine's own tables would hold."""
        assert self._memory is not None
        return list(self._memory.evidence(since=0, until=days))

    def _leave(self, memory: Memory, cycle: Cycle, day: int, hour: int, who: Ints, arm: Ints, segment: Ints) -> Mailing:
        page = packed.page(memory.rows, who, self._decided_at)
        given = inputs(page, cycle, np.arange(len(who)), arm, segment)
        offer = cycle.book.numbers[cycle.book.offer_of_arm] - FIRST_NUMBER
        mine = offer * len(TONES) + np.array([TONES.index(variant) for _, variant in cycle.book.arms])
        self._notes.append((np.full(len(who), day), who, segment, mine[arm], *(getattr(given, name) for name in given.__slots__)))
        return super()._leave(memory, cycle, day, hour, who, arm, segment)


class ByChance(Noted):
    """Mails whom and what chance says, as far as the operator's caps allow."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._free = Calendar(setting)
        self._luck = np.random.default_rng(setting.seed)

    def _cycle(self, memory: Memory, cycle: Cycle, seen: Observables, day: int, hour: int, left: int) -> Mailing:
        open_arms = np.flatnonzero(cycle.book.open_offers[cycle.book.offer_of_arm])
        chance = self._luck.random(len(seen.mailable)) < MAILED_SHARE / len(self.hours)
        who = np.flatnonzero(seen.mailable & self._free.free(day) & chance)
        if not len(who) or not len(open_arms):
            return NO_MAIL
        self._free.mailed(who, day)
        page = packed.page(memory.rows, who, self._decided_at)
        segment = segment_of(page, cycle.now).astype(np.int64)
        return self._leave(memory, cycle, day, hour, who, self._luck.choice(open_arms, len(who)).astype(np.int64), segment)


def played(spec: WorldSpec, seed: int, *, people: int, days: int, by_chance: bool) -> tuple[Sends, list[Evidence]]:
    """Sends of a world with what became of them, and the evidence of it."""
    world = World(spec, seed, people)
    setting = Setting(people, spec.offers, days + SETTLING_DAYS, round(CAP_SHARE * people), seed)
    mine = ByChance(setting) if by_chance else Noted(setting)
    for day in range(days + SETTLING_DAYS):
        mailing = mine.mail(world.observables(day), day) if day < days else NO_MAIL
        mine.told(world.step(day, mailing), day)
    return mine.rows(world.observables(days + SETTLING_DAYS), days + SETTLING_DAYS), mine.evidence(days + SETTLING_DAYS)


def half_known(rows: Rows, who: Ints, luck: np.random.Generator) -> Rows:
    """Worlds know everything that a list may declare of a person; lists do not. Each is taken from half of the people, so that what is not
    known is learned as that, and not as the least there is."""
    features, cross = rows.features.copy(), rows.cross.copy()
    for names in DECLARED:
        without = (luck.random(int(who.max()) + 1) < 0.5)[who]
        for name in names:
            features[without, SUBSCRIBER.index(name)] = np.nan
    without = (luck.random(int(who.max()) + 1) < 0.25)[who]  # a third has declared no topics anyway
    for name in ("topic_declared", "topic_other"):
        cross[without, CROSS.index(name)] = 0.0
    return replace(rows, features=features, cross=cross)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several worlds, one after another."""
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__))


def learned(
    worlds: int, people: int, days: int, *, unseen: Sequence[str] = UNSEEN
) -> tuple[FunnelTables, Floats, dict[str, Any]]:
    """The funnel, the weekdays (168,), and what is said of them beside: the fingerprint of their data, and the funnel's worth in worlds
    that it has not seen.

    Weekdays are those of the worlds that chance mails: there a day's mails go to the same people as another's.
    """
    parts, by_chance = [], []
    for number in range(worlds):
        spec = drawn(f"prior world {number}".encode())
        found = played(spec, SEED + number, people=people, days=days, by_chance=number % 2 == 1)[0]
        parts.append(half_known(found.rows, found.who, np.random.default_rng([SEED, number])))
        if number % 2 == 1:
            by_chance.append(Answers(found.day % 7 * 24, found.rows.clicked.astype(np.float64), found.rows.p_click))
        print(
            f"world {number + 1} of {worlds}: {len(parts[-1]):,} mails, {int(parts[-1].clicked.sum()):,} clicks", file=sys.stderr
        )
    rows = joined(parts)
    digest = hashlib.sha256()
    for name in Rows.__slots__:
        digest.update(np.ascontiguousarray(getattr(rows, name)).tobytes())
    tables = fit_funnel(rows, seed=SEED, click=CLICK, sale=SALE).tables()
    metrics = {"mails": float(len(rows)), "clicks": float(rows.clicked.sum()), "sales": float(rows.sold.sum())}
    for name in unseen:
        found, _ = played(named(name), 1_000 + SEED, people=people, days=days, by_chance=False)
        rows = half_known(found.rows, found.who, np.random.default_rng([SEED, worlds]))
        metrics |= {f"{name}_{what}": value for what, value in worth(tables, rows, found.who).items()}
    week = weekdays(Answers(*(np.concatenate([getattr(one, name) for one in by_chance]) for name in Answers.__slots__)))
    return tables, week, {"data_fingerprint": digest.hexdigest(), "seed": SEED, "metrics": metrics}


def worth(tables: FunnelTables, rows: Rows, who: Ints) -> dict[str, float]:
    """Of the funnel beside the world's own rates and posteriors."""
    told = chances_of_sends(tables, rows.features, rows.cross, p_click=rows.p_click, p_sale=rows.p_sale)
    gains: Floats = losses(rows.clicked, rows.p_click) - losses(rows.clicked, told.click)
    gain, error = mean_over_people(gains, who.astype(np.uint64))
    found = meant(rows.clicked, told.click)
    assert found is not None
    return {
        "log_loss_gain": gain,
        "log_loss_gain_error": error,
        "auc": found.auc,
        "auc_of_rates": auc(rows.clicked, rows.p_click),
        "slope": found.slope,
        "level": found.level,
    }


def files(tables: FunnelTables, week: Floats, said: dict[str, Any]) -> dict[str, bytes]:
    """What lies in the package."""
    about = json.dumps(said, indent=1, sort_keys=True).encode() + b"\n"
    return {"funnel.npz": stored.dump(tables), "hours.json": curve.dump(week), "about.json": about}


def main() -> int:
    """Writes the prior, or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    made = files(*learned(WORLDS, PEOPLE, DAYS))
    if parser.parse_args().check:
        wrong = [name for name, raw in made.items() if (PRIOR_FOLDER / name).read_bytes() != raw]
        print("differs: " + ", ".join(wrong) if wrong else "the same, byte for byte")
        return 1 if wrong else 0
    Path(PRIOR_FOLDER).mkdir(exist_ok=True)
    for name, raw in made.items():
        (PRIOR_FOLDER / name).write_bytes(raw)
        print(f"{PRIOR_FOLDER / name}: {len(raw):,} bytes")
    print(made["about.json"].decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
