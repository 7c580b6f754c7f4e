"""The demo's closing table."""

from __future__ import annotations

from collections.abc import Mapping

from revenue_engine.money import format_micros
from workbench.cli import display
from workbench.simulation.day import Outcome
from workbench.simulation.truth import Truth

MAILED = ("revenue_opportunity", "exploration", "fixed_policy")


def report(found: Outcome, truth: Truth, *, currency: str, seconds: float) -> None:
    """Rows of `what | how much | remarks`."""
    counters = found.counters
    sent = counters["sent"]
    skipped = {name: n for name, n in found.reasons.most_common() if name not in MAILED}
    dropped = {name: n for name, n in found.sends.items() if name != "SENT"}
    booked = sum(found.books.kept(kind).get(currency, 0) for kind in ("provisional", "approved"))
    clicked = f"{counters['machine_clicks']:,} more by machines; {_share(counters['clicked_mails'], sent)} of mails"
    disguised = truth.disguised_clicks
    scanned = f"{disguised:,} of these by scanners that looked like people; " if disguised else ""
    per_mail = format_micros(booked // sent, currency, decimals=4) if sent else "-"
    sums = f"{found.books.entries} ledger entries = counters = allocations + unattributed = what the world paid"
    kept = f"{truth.postbacks:,} postbacks; nobody mailed twice, after an opt-out or too soon" if not found.wrong else ""
    rows: list[tuple[str, str, str]] = [
        ("decided", f"{found.decided:,}", _counts({name: found.reasons[name] for name in MAILED})),
        ("skipped", f"{sum(skipped.values()):,}", _counts(skipped)),
        ("mails sent", f"{sent:,}", _counts(dropped)),
        ("delivered", f"{counters['delivered']:,}", f"{counters['bounces']} hard bounces, {counters['soft_bounces']} soft ones"),
        ("opens, human", f"{counters['human_opens']:,}", f"{counters['machine_opens']:,} more by machines"),
        ("clicks, human", f"{counters['human_clicks']:,}", scanned + clicked),
        ("opt-outs", f"{counters['unsubscribes']:,}", f"{counters['complaints']} complaints"),
        ("conversions", f"{found.books.conversions:,}", f"{found.books.doubtful} contradicting postbacks kept aside"),
        ("provisional revenue", _money(found.books.kept("provisional")), "by postback, not yet confirmed"),
        ("approved revenue", _money(found.books.kept("approved")), "confirmed by Everflow's report"),
        ("unattributed", _money(found.books.kept("unattributed")), "of these: sub1 blank or foreign"),
        ("revenue per mail", per_mail, f"{currency} alone, provisional and approved"),
        ("quarantined", f"{found.quarantined.total():,}", _counts(found.quarantined)),
        ("breaker", f"{len(found.trips)} trips", ", ".join(found.trips) or "closed all the time"),
        ("books reconciled", "NO" if found.wrong else "yes", sums),
        ("the world", f"{truth.accepted:,} mails", kept),
        ("wall time", f"{seconds:.1f} s", ""),
    ]
    display.table("", ("", "", ""), rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)


def _money(by_currency: Mapping[str, int]) -> str:
    return ", ".join(format_micros(micros, code) for code, micros in by_currency.items()) or "0.00"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
