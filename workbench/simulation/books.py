"""The books compared with what the world knows: every click's money, and every event that was told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from revenue_engine.aws.items import Item
from workbench.simulation.recount import Recount
from workbench.simulation.truth import Truth


def counters_of(control: list[Item], org: str) -> Counter[str]:
    """All org days' counters, summed."""
    total: Counter[str] = Counter()
    for item in control:
        if item["pk"] == f"{org}#counters" and item["sk"].startswith("day#"):
            total.update({name: value for name, value in item.items() if name not in ("pk", "sk", "expires_at")})
    return total


def compare(truth: Truth, counted: Recount, counters: Mapping[str, int], sends: list[Item]) -> list[str]:
    """Everything that does not agree, in words; [] when the world and the books say the same."""
    wrong: list[str] = []

    def equal(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{what}: {found}, should be {wanted}")

    equal("provisional money and what postbacks said", counted.kept("provisional"), truth.provisional_micros())
    equal("approved money and what the report said", counted.kept("approved"), truth.approved_micros())
    equal("conversions in the ledger and in the world", counted.conversions, truth.conversions())
    equal("doubtful postbacks kept", counted.doubtful, truth.doubtful)
    wrong += _transactions(truth, counted)
    for name in ("human_opens", "machine_opens", "human_clicks", "machine_clicks", "complaints", "unsubscribes", "delivered"):
        equal(f"counter {name} and the world", counters.get(name, 0), getattr(truth, name))
    equal("counter sent and mails accepted", counters.get("sent", 0), truth.accepted)
    equal("counter bounces and the world", counters.get("bounces", 0), truth.hard_bounces)
    equal("outbox rows in state SENT and mails accepted", sum(send["state"] == "SENT" for send in sends), truth.accepted)
    return wrong


def _transactions(truth: Truth, counted: Recount) -> list[str]:
    """Each click's money by itself: a sum could hide two errors."""
    known: dict[str, int] = defaultdict(int)
    for deal in truth.deals:
        known[deal.transaction_id] += deal.approved_micros if deal.reported else deal.posted_micros or 0
    return [
        f"transaction {transaction}: {counted.by_transaction.get(transaction, 0)} micros booked, {known.get(transaction, 0)} paid"
        for transaction in sorted(set(known) | set(counted.by_transaction))
        if counted.by_transaction.get(transaction, 0) != known.get(transaction, 0)
    ]
