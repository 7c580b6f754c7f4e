"""The mails that left, read again from their `.eml` files: nobody twice, nobody after an opt-out, nobody too soon (P1, P2, P3)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from itertools import pairwise
from pathlib import Path

from revenue_engine import ids
from revenue_engine.clock import day_in
from workbench.simulation.truth import Truth

_STAMP = re.compile(r"(\d{8}T\d{6}Z)-")


@dataclass(frozen=True, slots=True)
class Letter:
    """What one file says."""

    file: str
    at: datetime
    address: str
    subscriber: str
    send_id: str
    campaign: str
    one_click: bool


def read_outbox(folder: Path, *, org: str, tracking_key: bytes) -> list[Letter]:
    """All mails in the order of their leaving. Raises ValueError for a file that is no mail of ours."""
    return sorted((_letter(path, org, tracking_key) for path in folder.glob("*.eml")), key=lambda letter: letter.at)


def _letter(path: Path, org: str, tracking_key: bytes) -> Letter:
    head = message_from_bytes(path.read_bytes().split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n")
    token = str(head["List-Unsubscribe"] or "").strip("<>").rpartition("/")[2]
    known = ids.verify_unsubscribe_token(tracking_key, token, org=org)
    stamp = _STAMP.match(path.name)
    if known is None or stamp is None:
        raise ValueError(f"{path.name}: no authentic opt-out link of ours")
    return Letter(
        file=path.name,
        at=datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        address=str(head["To"]),
        subscriber=known[0],
        send_id=known[1],
        campaign=str(head["Feedback-ID"]),
        one_click=head["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click",
    )


def faults(
    letters: list[Letter],
    truth: Truth,
    *,
    gap: timedelta,
    per_week: int,
    most_per_day: int,
    zone: str,
    never: Collection[str],
    forbidden: Collection[tuple[str, str]],
) -> list[str]:
    """Every broken promise, in words.

    Parameters
    ----------
    gap, per_week
        Between two mails of one person, and the most of any seven days.
    most_per_day, zone
        What the budget of one day of the org's zone allows.
    never
        Addresses that were opted out before anything began.
    forbidden
        `(address, offer)` an advertiser forbids.
    """
    wrong: list[str] = []
    if len(letters) != truth.accepted:
        wrong.append(f"{len(letters)} mails in the outbox, {truth.accepted} accepted")
    for day, left in Counter(day_in(letter.at, zone) for letter in letters).items():
        if left > most_per_day:
            wrong.append(f"{left} mails left on {day}, the day's cap allows {most_per_day}")
    sends = [letter.send_id for letter in letters]
    if len(set(sends)) != len(sends):
        wrong.append("a send was mailed twice")
    by_person: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        by_person[letter.address].append(letter)
        opted_out = truth.opted_out_at.get(letter.address)
        offer = letter.campaign.split(":")[1].partition("-")[0]
        if opted_out is not None and letter.at > opted_out:
            wrong.append(f"{letter.file}: mailed after an opt-out")
        if letter.address in never:
            wrong.append(f"{letter.file}: mailed although opted out before the import")
        if (letter.address, offer) in forbidden:
            wrong.append(f"{letter.file}: the advertiser of offer {offer} forbids this reader")
        if not letter.one_click:
            wrong.append(f"{letter.file}: no one-click opt-out")
    for mails in by_person.values():
        for earlier, later in pairwise(mails):
            if later.at - earlier.at < gap:
                wrong.append(f"{later.file}: {later.at - earlier.at} after the mail before, {gap} is promised")
        for first, over in zip(mails, mails[per_week:], strict=False):
            if over.at - first.at < timedelta(days=7):
                wrong.append(f"{over.file}: more than {per_week} mails in a week")
    return wrong
