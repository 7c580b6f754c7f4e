"""Training rows know what the page knew and no more, count what happened inside the horizon, and mind neither order nor pages."""

from __future__ import annotations

import gzip
from dataclasses import fields

import numpy as np
import pytest

from revenue_engine.audit import decision_id, receipts
from revenue_engine.cycle import decide_batch
from revenue_engine.errors import BadInput
from revenue_engine.grant import grant
from revenue_engine.learning.dataset import Dataset, Part, Plan, plan
from revenue_engine.learning.outcomes import CLICK_SECONDS, SALE_SECONDS, Mail, Outcomes, Sale, gather, key_of
from revenue_engine.learning.rows import Rows
from revenue_engine.log_pages import Stored
from revenue_engine.prediction.features import OFFER, SUBSCRIBER, subscriber_features
from revenue_engine.records.batch import Batch
from revenue_engine.served import dataset
from revenue_engine.snapshot import save_context, save_page
from tests.core_cases import DAY, PRIOR, T, a_crowd, a_cycle

LATER = T + 60 * DAY
SENT_AT = float(T + 60)
CYCLE, PAGE = a_cycle(), a_crowd(600)
DECISIONS = grant(decide_batch(PAGE, CYCLE), PAGE, CYCLE, 1_000)
MAILED = np.flatnonzero(DECISIONS.mail)
IDS = [decision_id(CYCLE.context.cycle_id, key) for key in DECISIONS.subscriber[MAILED].tolist()]


def _stored(page: Batch = PAGE) -> Stored:
    decisions = grant(decide_batch(page, CYCLE), page, CYCLE, 1_000)
    lines = receipts(decisions, page, CYCLE, page_key="p", context_key="c", granted=1_000)
    return Stored(gzip.compress(lines), save_page(page), save_context(CYCLE.context))


def _gathered(clicked_at: float | None = None, sales: tuple[tuple[float, int], ...] = (), ids: list[str] = IDS) -> Outcomes:
    """Of all mails alike."""
    mails = [Mail(name, f"m-{name}", SENT_AT, clicked_at) for name in ids]
    return gather(mails, [Sale(f"m-{name}", at, micros > 0, micros) for name in ids for at, micros in sales])


def _whole(as_of: float = LATER) -> Plan:
    return Plan(as_of, float(np.nextafter(as_of - SALE_SECONDS, np.inf)), 1.0, 1.0, 1.0)


def _read(outcomes: Outcomes, as_of: float = LATER) -> Dataset:
    return dataset([_stored()], PRIOR, outcomes, _whole(as_of))


def _in_page_order(part: Part) -> np.ndarray:
    place = {key_of(name): i for i, name in enumerate(IDS)}
    return np.argsort([place[key] for key in part.key.tolist()])


def test_every_mail_is_a_row_with_the_features_it_was_served_by() -> None:
    old = _read(_gathered()).old
    assert len(old) == len(MAILED) > 50
    old = old.where(_in_page_order(old))
    rows = old.rows
    own = subscriber_features(PAGE, CYCLE.now)[MAILED]
    assert rows.features[:, : len(SUBSCRIBER)].tobytes() == own.tobytes()
    payout = rows.features[:, len(SUBSCRIBER) + OFFER.index("payout_dollars")]
    assert payout.tolist() == (CYCLE.book.payout_micros[DECISIONS.arm[MAILED]] / 1e6).tolist()
    assert rows.p_click == pytest.approx(DECISIONS.p_click[MAILED])
    assert rows.p_sale == pytest.approx(DECISIONS.p_conversion[MAILED])
    assert rows.propensity.tolist() == DECISIONS.propensity_joint[MAILED].tolist()
    assert old.segment.tolist() == DECISIONS.segment[MAILED].tolist()
    arms = _read(_gathered()).arms
    assert [arms[a][:2] for a in old.arm] == [CYCLE.book.arms[a] for a in DECISIONS.arm[MAILED]]


def test_what_happened_later_changes_labels_and_never_a_feature() -> None:
    before, after = _read(_gathered()).old, _read(_gathered(SENT_AT + 3_600, ((SENT_AT + 7_200, 20_000_000),))).old
    assert not before.rows.clicked.any() and after.rows.clicked.all() and after.rows.sold.all()
    assert set(after.paid_micros.tolist()) == {20_000_000.0}
    for field in fields(Rows):
        if field.name not in ("clicked", "sold"):
            assert getattr(before.rows, field.name).tobytes() == getattr(after.rows, field.name).tobytes(), field.name


@pytest.mark.parametrize(
    ("after_seconds", "clicks", "sells"),
    [
        (CLICK_SECONDS, True, True),
        (CLICK_SECONDS + 1, False, True),
        (SALE_SECONDS, False, True),
        (SALE_SECONDS + 1, False, False),
    ],
)
def test_only_what_happened_inside_the_horizon_counts(after_seconds: int, clicks: bool, sells: bool) -> None:
    at = SENT_AT + after_seconds
    rows = _read(_gathered(at, ((at, 20_000_000),))).old.rows
    assert set(rows.clicked.tolist()) == {clicks} and set(rows.sold.tolist()) == {sells}


def test_a_sale_that_was_taken_back_is_none() -> None:
    at = SENT_AT + 7_200
    assert not _read(_gathered(at, ((at, 0),))).old.rows.sold.any()
    both = _read(_gathered(at, ((at, 0), (at + 60, 5_000_000)))).old
    assert both.rows.sold.all() and set(both.paid_micros.tolist()) == {5_000_000.0}


def test_young_mails_are_censored_and_never_failures() -> None:
    horizon = SENT_AT + SALE_SECONDS
    found = _read(_gathered(), as_of=horizon - 1)
    assert (len(found.old), len(found.test), len(found.young)) == (0, 0, len(MAILED))
    assert found.left_out["not_matured"] == len(MAILED)
    assert len(_read(_gathered(), as_of=horizon).old) == len(MAILED)


def test_what_was_not_delivered_is_no_row() -> None:
    found = _read(_gathered(ids=IDS[1:]))
    assert (len(found.old), found.left_out["not_delivered"]) == (len(MAILED) - 1, 1)


def test_two_mails_of_one_decision_are_refused() -> None:
    with pytest.raises(BadInput, match="twice"):
        gather([Mail("d", "m1", 1.0, None), Mail("d", "m2", 2.0, None)], [])
    with pytest.raises(BadInput, match="twice"):
        gather([Mail("d1", "m", 1.0, None), Mail("d2", "m", 2.0, None)], [])


def test_outcomes_are_found_by_decision_whatever_their_order() -> None:
    mails = [Mail(f"d{i}", f"m{i}", 1e6 + i, 1e6 + i + 5 if i % 3 == 0 else None) for i in range(50)]
    sales = [Sale(f"m{i}", 1e6 + i + 9, i > 0, i) for i in range(0, 50, 5)] + [
        Sale("m7", 1e9, True, 3),
        Sale("strange", 1e6, True, 3),
        Sale("", 1e6, True, 3),
    ]
    one, other = gather(mails, sales), gather(mails[::-1], sales[::-1])
    for field in fields(Outcomes):
        assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()
    at = one.find(np.array([key_of("d10"), key_of("d99"), key_of("d7")], dtype=np.uint64))
    assert at[1] == -1
    assert (one.sales[at[[0, 2]]].tolist(), one.micros[at[[0, 2]]].tolist()) == ([1, 0], [10, 0])
    assert gather([], []).find(one.key).tolist() == [-1] * 50


def _spread() -> Outcomes:
    """Mails of forty days; every ninth was clicked."""
    return gather(
        [Mail(name, f"m-{name}", T + i * DAY / 3, T + i * DAY / 3 + 9 if i % 9 == 0 else None) for i, name in enumerate(IDS)], []
    )


def test_order_and_pages_make_no_difference() -> None:
    outcomes = _spread()
    by = plan(outcomes, as_of=T + 50 * DAY, most_rows=60)
    assert by.share < 1
    whole = dataset([_stored()], PRIOR, outcomes, by)
    pages = [
        _stored(Batch(PAGE.subscriber[part], PAGE.rows[part], PAGE.decided_at[part]))
        for part in np.array_split(np.arange(600), 7)
    ]
    for order in (pages, pages[::-1]):
        again = dataset(order, PRIOR, outcomes, by)
        assert again.fingerprint == whole.fingerprint
        assert again.old.rows.features.tobytes() == whole.old.rows.features.tobytes()


def test_the_newest_are_the_test_and_clicks_are_never_thinned() -> None:
    outcomes = _spread()
    by = plan(outcomes, as_of=T + 50 * DAY, most_rows=60)
    found = dataset([_stored()], PRIOR, outcomes, by)
    closed = by.closed(outcomes.sent_at)
    assert found.old.sent_at.max() < by.cut <= found.test.sent_at.min() <= found.test.sent_at.max() < found.young.sent_at.min()
    old = closed & (outcomes.sent_at < by.cut)
    assert int(found.old.rows.clicked.sum()) == int(outcomes.clicked[old].sum())
    assert set(found.old.rows.weight[found.old.rows.clicked].tolist()) == {1.0}
    assert (found.old.rows.weight[~found.old.rows.clicked] == 1 / by.share).all()
    assert (found.test.rows.weight == 1).all()
    assert found.left_out["thinned"] == len(MAILED) - len(found.old) - len(found.test) - len(found.young)


def test_weights_stand_for_those_that_are_left_out() -> None:
    mails = [Mail(f"d{i}", f"m{i}", T + i, None) for i in range(40_000)]
    outcomes = gather(mails, [])
    by = plan(outcomes, as_of=float(LATER), most_rows=8_000)
    kept, weight = by.keep(outcomes.key, outcomes.sent_at, outcomes.happened)
    old = outcomes.sent_at < by.cut
    assert (old & kept).sum() == pytest.approx(8_000, rel=0.05)
    assert weight[old & kept].sum() == pytest.approx(old.sum(), rel=0.05)
    assert (~old & kept).sum() == pytest.approx(4_000, rel=0.05)


def test_an_empty_log_has_no_rows() -> None:
    nothing = gather([], [])
    found = dataset([], PRIOR, nothing, plan(nothing, as_of=float(T)))
    assert (len(found.old), len(found.test), len(found.young), found.arms) == (0, 0, 0, ())


@pytest.mark.parametrize(
    ("torn", "counted"),
    [
        (Stored(b"\x1f\x8brubbish", _stored().page, _stored().context), {"pages_unreadable": 1}),
        (Stored(gzip.compress(b'{"action":"send"}\n'), _stored().page, _stored().context), {"pages_unreadable": 1}),
        (Stored(_stored().receipts, b"rubbish", _stored().context), {"inputs_unreadable": len(MAILED)}),
        (Stored(_stored().receipts, _stored().page, b"{}"), {"inputs_unreadable": len(MAILED)}),
        (
            Stored(
                _stored().receipts, _stored().page, _stored().context.replace(CYCLE.context.bundle.version.encode(), b"0" * 32)
            ),
            {"inputs_missing": len(MAILED)},
        ),
    ],
    ids=["receipts", "lines", "page", "context", "bundle"],
)
def test_what_cannot_be_read_is_counted_and_the_rest_is_read(torn: Stored, counted: dict[str, int]) -> None:
    found = dataset([torn, _stored()], PRIOR, _gathered(), _whole())
    assert len(found.old) == len(MAILED)
    assert {name: n for name, n in found.left_out.items() if n} == counted
