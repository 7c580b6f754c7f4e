"""Who gets credit: four models with known answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.models import MODELS, allocate_all, primary, touches_per_mail
from revenue_engine.records.conversion import Allocation
from revenue_engine.records.send import Touch

AT = datetime(2026, 3, 31, 12, tzinfo=UTC)


def touch(send: str, *, days: float = 1, kind: str = "click", human: bool = True) -> Touch:
    """A touch `days` before the conversion."""
    return Touch(kind, AT - timedelta(days=days), send, human, 0.95 if human else 0.02)


touches = st.lists(
    st.builds(
        touch,
        st.sampled_from("abcdefgh"),
        days=st.floats(min_value=-2, max_value=40, allow_nan=False),
        kind=st.sampled_from(["open", "click"]),
        human=st.booleans(),
    ),
    max_size=25,
)


def allocate(amount: int, some: Sequence[Touch]) -> Mapping[str, tuple[Allocation, ...]]:
    return allocate_all(amount, touches_per_mail(some, AT, 30), half_life_days=7, click_weight=2)


def test_a_mail_counts_once_by_its_latest_click() -> None:
    prefetches = [touch("a", days=d, kind="open") for d in (1, 2, 3)]
    clicks = [touch("a", days=6), touch("a", days=5)]
    assert touches_per_mail([*prefetches, *clicks], AT, 30) == (clicks[1],)


def test_without_a_click_the_latest_open_counts() -> None:
    assert touches_per_mail([touch("a", days=3, kind="open"), touch("a", days=2, kind="open")], AT, 30) == (
        touch("a", days=2, kind="open"),
    )


def test_machines_count_for_nothing() -> None:
    assert touches_per_mail([touch("a", human=False), touch("b", kind="open", human=False)], AT, 30) == ()


@pytest.mark.parametrize(("days", "counts"), [(-0.001, False), (0, True), (29.999, True), (30, False), (31, False)])
def test_the_window_ends_at_the_conversion_and_begins_its_length_before(days: float, counts: bool) -> None:
    assert bool(touches_per_mail([touch("a", days=days)], AT, 30)) is counts


@given(touches, st.randoms(use_true_random=False))
def test_the_order_in_which_touches_are_read_does_not_matter(some: list[Touch], shuffler: random.Random) -> None:
    shuffled = some.copy()
    shuffler.shuffle(shuffled)
    assert touches_per_mail(shuffled, AT, 30) == touches_per_mail(some, AT, 30)


def test_at_the_same_time_an_open_comes_before_a_click_and_then_the_mails_name_decides() -> None:
    some = [touch("c"), touch("b"), touch("d", kind="open"), touch("a", days=0.5)]
    assert [t.send_id for t in touches_per_mail(some, AT, 30)] == ["d", "b", "c", "a"]


@given(touches, st.integers(min_value=-(10**15), max_value=10**15), st.randoms(use_true_random=False))
def test_every_model_gives_out_the_amount_to_the_last_micro_in_any_order(
    some: list[Touch], amount: int, shuffler: random.Random
) -> None:
    shares = allocate(amount, some)
    assert tuple(shares) == MODELS
    for got in shares.values():
        assert sum(share.micros for share in got) == (amount if touches_per_mail(some, AT, 30) else 0)
        assert sum(share.weight for share in got) == pytest.approx(1 if got else 0, abs=1e-12)
        assert all(share.weight > 0 for share in got)
        assert len({share.send_id for share in got}) == len(got)
    shuffler.shuffle(some)
    assert allocate(amount, some) == shares


@given(touches, st.integers(min_value=1, max_value=10**6))
def test_weights_do_not_depend_on_the_amount(some: list[Touch], amount: int) -> None:
    def weights(of: int) -> dict[str, list[float]]:
        return {model: [share.weight for share in shares] for model, shares in allocate(of, some).items()}

    assert weights(amount) == weights(-amount) == weights(amount * 10**6) == weights(0)


def test_nobody_gets_anything_without_touches() -> None:
    assert allocate(10, []) == {model: () for model in MODELS}


def test_the_latest_click_has_it_all_by_last_click_and_the_others_are_left_out() -> None:
    got = allocate(25_996_000, [touch("a", days=3), touch("b", days=2), touch("c", days=1, kind="open")])
    assert got["last_click"] == (Allocation("b", 1.0, 25_996_000),)


def test_a_click_a_half_life_older_weighs_as_much_as_an_open() -> None:
    got = allocate(9, [touch("a", days=8), touch("b", days=1, kind="open")])["time_decay"]
    assert got == (Allocation("a", 0.5, 5), Allocation("b", 0.5, 4))


def test_primary_gives_everything_to_the_mail_the_click_names() -> None:
    assert primary(25_996_000, "a") == (Allocation("a", 1.0, 25_996_000),)
    assert primary(25_996_000, None) == ()
