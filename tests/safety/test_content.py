"""Variants whose mails cannot be made."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.records.causes import Cause
from revenue_engine.safety.content import content_findings
from revenue_engine.safety.findings import Remedy

SOFT = Cause("variant", "1001/soft")


def hour(dropped: int, sent: int) -> dict[str, int]:
    return {"content_incomplete!1001/soft": dropped, "sent!1001/soft": sent, "sent": sent}


@pytest.mark.parametrize(
    ("dropped", "sent", "stops"), [(9, 0, False), (10, 0, True), (19, 9, True), (19, 10, False), (30, 20, True), (30, 40, False)]
)
def test_a_variant_is_stopped_when_most_of_its_mails_were_dropped_for_their_content(dropped: int, sent: int, stops: bool) -> None:
    hours = [{"content_incomplete!1001/soft": dropped - 4, "sent": 500, "sent!1002/soft": 500}]
    hours.append({"content_incomplete!1001/soft": 4, "sent!1001/soft": sent, "content_incomplete!1002/soft": 11})
    found = content_findings(hours, ())
    assert [(f.cause, f.remedy, f.observed) for f in found] == ([(SOFT, Remedy.STOP_CAUSE, dropped / (dropped + sent))] * stops)
    assert content_findings(hours, {SOFT}) == []


@pytest.mark.parametrize("nameless", [0, 15])
def test_content_that_breaks_after_sound_days_is_seen_though_some_readers_never_had_a_mail(nameless: int) -> None:
    sound = [hour(nameless, 300)] * 69
    assert content_findings(sound, ()) == []
    (burst,) = content_findings([*sound, hour(15_000, 0)], ())
    assert burst.observed == 15_000 / 15_300
    # as many an hour as before, and nobody has a mail any more: seen when the second hour begins
    assert content_findings([*sound, hour(300, 0), hour(9, 0)], ()) == []
    assert len(content_findings([*sound, hour(300, 0), hour(10, 0)], ())) == 1


def test_the_drops_of_a_message_that_ends_in_the_next_hour_are_held_against_its_sends() -> None:
    assert content_findings([hour(0, 200), hour(50, 0)], ()) == []


@pytest.mark.parametrize("a_day", [50, 5_000])
@pytest.mark.parametrize("nameless", [0.1, 0.25])
def test_some_nameless_readers_among_a_sound_majority_stop_nothing(nameless: float, a_day: int) -> None:
    rng = np.random.default_rng(7)
    mails = rng.poisson(a_day / 24, 24 * 365)
    dropped = rng.binomial(mails, nameless)
    hours = [hour(int(d), int(n - d)) for n, d in zip(mails, dropped, strict=True)]
    assert not any(content_findings(hours[end - 72 : end], ()) for end in range(72, len(hours) + 1))
