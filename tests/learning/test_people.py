"""Whole people or nobody, whatever the order; and a value model that is judged on a window it has not seen."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from revenue_engine.bundle import dump, load, prior_bundle
from revenue_engine.errors import Refused
from revenue_engine.learning.gate import judge_value
from revenue_engine.learning.outcomes import Mail, Outcomes, Sale, gather, key_of
from revenue_engine.learning.people import MailPlan, Piece, mail_log, mail_plan
from revenue_engine.learning.train import Candidate, train_value
from revenue_engine.prediction.features import BASE
from tests.core_cases import DAY, NOW, T
from tests.value.test_model import DAYS
from tests.value.test_model import log as a_year

PEOPLE, EACH = 60, 5


def _outcomes() -> Outcomes:
    mails = [
        Mail(
            f"d{p}-{i}",
            f"m{p}-{i}",
            T + i * DAY + p,
            T + i * DAY + 90 if i == p % EACH else None,
            left=p % 7 == 0 and i == EACH - 1,
        )
        for p in range(PEOPLE)
        for i in range(EACH)
    ]
    return gather(mails, [Sale(f"m{p}-2", T + 3 * DAY, True, 5_000_000) for p in range(0, PEOPLE, 3)])


def _piece(outcomes: Outcomes, names: list[tuple[int, int]]) -> Piece:
    at = outcomes.find(np.array([key_of(f"d{p}-{i}") for p, i in names], dtype=np.uint64))
    features = np.array([[p + i / 10] * len(BASE) for p, i in names], dtype=np.float32)
    return Piece(np.array([p for p, _ in names], dtype=np.uint64), at, features, np.array([10.0 + i for _, i in names]))


def test_mails_of_people_are_the_same_in_any_order_and_pages() -> None:
    outcomes = _outcomes()
    by = mail_plan(outcomes, as_of=float(T + 40 * DAY))
    names = [(p, i) for p in range(PEOPLE) for i in range(EACH)]
    shuffled = [names[k] for k in np.random.default_rng(0).permutation(len(names)).tolist()]
    one = mail_log([_piece(outcomes, names)], outcomes, by)
    other = mail_log([_piece(outcomes, part) for part in (shuffled[:100], shuffled[100:101], shuffled[101:])], outcomes, by)
    for name in one.__slots__:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.person.tolist() == [p for p in range(PEOPLE) for _ in range(EACH)]
    assert one.day[:EACH].tolist() == [0, 1, 2, 3, 4]
    assert one.sent_before.tolist() == [10.0] * len(names)  # of each one's first mail
    assert one.features[:, 0].tolist() == pytest.approx([p + i / 10 for p, i in names])
    assert int(one.clicked.sum()) == PEOPLE and int(one.left.sum()) == len(range(0, PEOPLE, 7))
    assert one.paid_micros.sum() == 5e6 * len(range(0, PEOPLE, 3)) and int(one.sales.sum()) == len(range(0, PEOPLE, 3))


def test_a_person_is_kept_whole_or_not_at_all() -> None:
    people = np.random.default_rng(1).integers(0, 2**63, 5_000).astype(np.uint64)
    by = MailPlan(0.0, 1, 0.3)
    kept = by.keep(np.repeat(people, 4)).reshape(-1, 4)
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    assert kept.mean() == pytest.approx(0.3, abs=0.02)


def test_no_mails_are_no_log() -> None:
    nothing = gather([], [])
    log = mail_log([], nothing, mail_plan(nothing, as_of=float(T)))
    assert len(log.person) == 0
    with pytest.raises(Refused, match="value_too_young"):
        train_value(log, 0, code_version="1", champion=prior_bundle(NOW))


@cache
def _trained() -> Candidate:
    return train_value(a_year(), DAYS - 1, code_version="1", champion=prior_bundle(NOW))


def test_a_value_model_joins_the_champions_other_parts() -> None:
    found, champion = _trained(), prior_bundle(NOW)
    assert found.name == "value" and found.bundle.value is not None
    assert found.bundle.funnel is champion.funnel and found.bundle.rates == champion.rates
    assert dump(load(dump(found.bundle))) == dump(found.bundle)
    assert found.bundle.manifest.metrics["value_people"] > 500
    again = train_value(a_year(), DAYS - 1, code_version="1", champion=champion)
    assert again.bundle.version == found.bundle.version


def test_value_is_judged_by_what_came_and_not_by_its_own_window() -> None:
    random = np.random.default_rng(3)
    n = 6_000
    simple = random.gamma(2.0, 1e6, n)
    truth = simple * np.exp(random.standard_normal(n) - 0.5)
    revenue = np.where(random.random(n) < 0.1, truth * 10 * random.gamma(2.0, 0.5, n), 0.0)
    assert judge_value(revenue, truth, simple).passed
    assert "value_not_better" in judge_value(revenue, simple, simple).reasons
    assert "value_level" in judge_value(revenue, 1.6 * truth, simple).reasons
    assert judge_value(revenue[:300], truth[:300], simple[:300]).reasons == ("value_too_few_payers",)
