"""Credit per arm under every view: what the books say by each model, and beside it what converting and silent readers suggest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.attribution.data_driven import Paths, markov, shapley
from revenue_engine.attribution.ledger import Entry
from revenue_engine.attribution.models import MODELS, PRIMARY

OLDER = "older mails"


@dataclass(frozen=True, slots=True)
class MailFacts:
    """One mail of the window, as its outbox row has it."""

    send_id: str
    subscriber: str
    arm: str
    touched_at: int | None  # epoch seconds of the first human click, else of the first human open
    conversions: int


@dataclass(frozen=True, slots=True)
class ArmCredit:
    """One arm. Micros of the org's currency by model are the books'; Markov and Shapley are conversions, and nobody's books."""

    arm: str
    mails: int
    touched: int
    micros: Mapping[str, int]
    markov_conversions: float
    shapley_conversions: float


def arm_credits(mails: Sequence[MailFacts], entries: Iterable[Entry], *, currency: str) -> tuple[ArmCredit, ...]:
    """By arm, those with most money first. Credit of mails before the window stands under OLDER."""
    arm_of = {mail.send_id: mail.arm for mail in mails}
    micros: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        if entry.position.place.currency != currency:
            continue
        for model, shares in entry.position.attribution.items():
            for share in shares:
                micros[arm_of.get(share.send_id, OLDER)][model] += share.micros
    arms, paths = paths_of(mails)
    removed, played = (markov(paths), shapley(paths)) if arms else (None, None)
    place = {arm: n for n, arm in enumerate(arms)}
    sent, touched = Counter(mail.arm for mail in mails), Counter(mail.arm for mail in mails if mail.touched_at is not None)
    rows = [
        ArmCredit(
            arm,
            sent[arm],
            touched[arm],
            {model: micros[arm][model] for model in (PRIMARY, *MODELS)},
            float(removed.conversions[place[arm]]) if removed and arm in place else 0.0,
            float(played.conversions[place[arm]]) if played and arm in place else 0.0,
        )
        for arm in {*sent, *micros}
    ]
    return tuple(sorted(rows, key=lambda row: (-row.micros[PRIMARY], row.arm)))


def paths_of(mails: Iterable[MailFacts]) -> tuple[tuple[str, ...], Paths]:
    """Each reader's touched mails in the order of their touch are one journey; who touched nothing has none."""
    journeys: defaultdict[str, list[MailFacts]] = defaultdict(list)
    for mail in mails:
        if mail.touched_at is not None:
            journeys[mail.subscriber].append(mail)
    counted: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for touched in journeys.values():
        ordered = sorted(touched, key=lambda mail: (mail.touched_at or 0, mail.send_id))
        bought = sum(mail.conversions for mail in ordered)
        count = counted[tuple(mail.arm for mail in ordered)]
        count[0] += max(bought, 0)
        count[1] += bought <= 0
    arms = tuple(sorted({arm for path in counted for arm in path}))
    number = {arm: n for n, arm in enumerate(arms)}
    conversions = np.array([bought for bought, _ in counted.values()], dtype=np.float64)
    paths = Paths(
        starts=np.cumsum([0, *(len(path) for path in counted)]),
        channels=np.array([number[arm] for path in counted for arm in path], dtype=np.int64),
        conversions=conversions,
        value=conversions,
        nulls=np.array([nulls for _, nulls in counted.values()], dtype=np.float64),
        n_channels=len(arms),
    )
    return arms, paths
