"""A subscriber's packed row: the raw columns a decision reads, as one Binary attribute, and the pure events that change it.

No personal data is in a row. It is decoded by `struct` here (engage, execute) and by NumPy as an array of the same layout in
`records/batch.py` (decide); a test holds the two together. The schema number leads the row: a reader refuses what it does not know (D5).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from revenue_engine.errors import Refused
from revenue_engine.ids import stable_hash
from revenue_engine.records.zones import ZONES

RECENT = 8  # sends remembered one by one: the hard weekly limit is 7
RESTS = 8  # offers remembered that no mail could be made of
UNKNOWN = 0xFFFF
CLICKS = 8  # clicked mails whose topic is remembered
PART_HOURS = 3
PARTS = 24 // PART_HOURS  # of a reader's day
_FULL = 255  # of a count in one byte

# (name, struct code, count); little-endian, no padding
LAYOUT: tuple[tuple[str, str, int], ...] = (
    ("schema", "I", 1),
    ("decayed_at", "I", 1),  # epoch seconds the decayed counters refer to
    ("draw_key", "Q", 1),  # keys every random draw about this person
    ("revenue_micros", "q", 1),  # booked so far, org currency
    ("sends", "f", 1),
    ("deliveries", "f", 1),
    ("human_opens", "f", 1),
    ("machine_opens", "f", 1),
    ("human_clicks", "f", 1),
    ("conversions", "f", 1),
    ("created_at", "I", 1),
    ("first_send_at", "I", 1),  # of ours: what a person may have answered begins there
    ("last_send_at", "I", 1),
    ("last_human_open_at", "I", 1),
    ("last_human_click_at", "I", 1),
    ("last_conversion_at", "I", 1),
    ("recent_sends", "I", RECENT),  # epoch seconds, newest first, 0 = none
    ("recent_offers", "I", RECENT),  # offer numbers, beside recent_sends
    (
        "rested_at",
        "I",
        RESTS,
    ),  # epoch seconds, newest first, 0 = none: when a planned mail was dropped for what offer and person are
    ("rested_offers", "I", RESTS),  # offer numbers, beside rested_at
    ("recent_clicks", "B", CLICKS),  # topic numbers of the offers a person clicked, newest first, 0 = none
    ("hour_mails", "B", PARTS),  # of ours, by the part of the reader's day in which they left; the past fades by halving
    ("hour_clicks", "B", PARTS),  # those of them that a person clicked
    ("topics", "I", 1),  # bit mask of declared interests
    ("price_sensitivity", "f", 1),  # 0..1, NaN when not declared
    ("purchases", "H", 1),  # before he came to us, UNKNOWN when not declared
    ("last_purchase_at", "I", 1),  # the last of these
    ("source", "B", 1),  # source_number of his consent
    ("peak_hour", "h", 1),  # 0..23 in the reader's zone, -1 when not declared
    ("zone", "H", 1),  # index into records.zones.ZONES
    ("country", "H", 1),  # country_number, 0 = not declared
    ("provider", "B", 1),  # index into PROVIDERS
    ("arm", "B", 1),  # index into ARMS
)
_FORMAT = struct.Struct("<" + "".join(f"{count if count > 1 else ''}{code}" for _, code, count in LAYOUT))
SCHEMA = zlib.crc32(repr(LAYOUT).encode())
ROW_BYTES = _FORMAT.size

PROVIDERS = ("other", "gmail", "yahoo", "outlook", "icloud")
ARMS = ("engine", "fixed", "no_mail")

# Half-lives of the decayed counters: sends fade as fatigue does, engagement as interest does.
HALF_LIFE_DAYS = {
    "sends": 30.0,
    "deliveries": 30.0,
    "human_opens": 30.0,
    "machine_opens": 30.0,
    "human_clicks": 30.0,
    "conversions": 90.0,
}
_DAY_SECONDS = 86_400
_ROUNDING = 1e-5  # of sums in single precision


@dataclass(frozen=True, slots=True)
class Row:
    """One subscriber's decision state. Times are epoch seconds, 0 = never."""

    decayed_at: int
    draw_key: int
    created_at: int
    revenue_micros: int = 0
    sends: float = 0.0
    deliveries: float = 0.0
    human_opens: float = 0.0
    machine_opens: float = 0.0
    human_clicks: float = 0.0
    conversions: float = 0.0
    first_send_at: int = 0
    last_send_at: int = 0
    last_human_open_at: int = 0
    last_human_click_at: int = 0
    last_conversion_at: int = 0
    recent_sends: tuple[int, ...] = (0,) * RECENT
    recent_offers: tuple[int, ...] = (0,) * RECENT
    rested_at: tuple[int, ...] = (0,) * RESTS
    rested_offers: tuple[int, ...] = (0,) * RESTS
    recent_clicks: tuple[int, ...] = (0,) * CLICKS
    hour_mails: tuple[int, ...] = (0,) * PARTS
    hour_clicks: tuple[int, ...] = (0,) * PARTS
    topics: int = 0
    price_sensitivity: float = float("nan")
    purchases: int = UNKNOWN
    last_purchase_at: int = 0
    source: int = 0
    peak_hour: int = -1
    zone: int = 0
    country: int = 0
    provider: int = 0
    arm: int = 0


def pack(row: Row) -> bytes:
    """The row's bytes, `ROW_BYTES` long."""
    values: list[int | float] = []
    for name, _, count in LAYOUT:
        value: Any = SCHEMA if name == "schema" else getattr(row, name)
        values += value if count > 1 else (value,)
    return _FORMAT.pack(*values)


def is_readable(raw: bytes) -> bool:
    """Whether these bytes are a row of this layout."""
    return len(raw) == ROW_BYTES and int.from_bytes(raw[:4], "little") == SCHEMA


def unpack(raw: bytes) -> Row:
    """The row of these bytes. Raises Refused on another layout (D5)."""
    if not is_readable(raw):
        raise Refused("row_schema_mismatch")
    flat = iter(_FORMAT.unpack(raw))
    fields: dict[str, Any] = {
        name: tuple(next(flat) for _ in range(count)) if count > 1 else next(flat) for name, _, count in LAYOUT
    }
    del fields["schema"]
    return Row(**fields)


def decay(row: Row, at: int) -> Row:
    """Counters as of `at`: each halves every half-life of its own. Late events do not turn time back."""
    if at <= row.decayed_at:
        return row
    days = (at - row.decayed_at) / _DAY_SECONDS
    faded = {name: getattr(row, name) * 0.5 ** (days / half_life) for name, half_life in HALF_LIFE_DAYS.items()}
    return replace(row, decayed_at=at, **faded)


def _add(row: Row, name: str, at: int, amount: float) -> Row:
    """Add an event of time `at` to a decayed counter; one that comes late counts as much as it would still be worth."""
    row = decay(row, at)
    worth = amount * 0.5 ** ((row.decayed_at - at) / _DAY_SECONDS / HALF_LIFE_DAYS[name])
    return replace(row, **{name: getattr(row, name) + worth})


def apply_claim(row: Row, *, at: int, offer_number: int) -> Row:
    """A send was claimed: caps and gaps count from here, whether or not the provider takes it (P1)."""
    row = _add(row, "sends", at, 1.0)
    if _FULL in row.hour_mails:
        row = replace(row, hour_mails=tuple(n // 2 for n in row.hour_mails), hour_clicks=tuple(n // 2 for n in row.hour_clicks))
    return replace(
        row,
        first_send_at=row.first_send_at or at,
        last_send_at=max(row.last_send_at, at),
        recent_sends=(at, *row.recent_sends[:-1]),
        recent_offers=(offer_number, *row.recent_offers[:-1]),
        hour_mails=_counted(row.hour_mails, part_of_day(row.zone, at), 1),
    )


def apply_rest(row: Row, *, at: int, offer_number: int) -> Row:
    """A planned mail was dropped because the offer has none for this person. Nothing was sent: no cap, gap or fatigue counts it."""
    others = [(n, then) for n, then in zip(row.rested_offers, row.rested_at, strict=True) if n != offer_number]
    kept = [(offer_number, at), *others, (0, 0)][:RESTS]
    return replace(row, rested_offers=tuple(n for n, _ in kept), rested_at=tuple(then for _, then in kept))


def apply_touch(row: Row, *, kind: str, at: int) -> Row:
    """A delivery, or a human or machine open or click. Machine clicks change nothing that a decision reads."""
    if kind == "delivery":
        return _add(row, "deliveries", at, 1.0)
    if kind == "human_open":
        return replace(_add(row, "human_opens", at, 1.0), last_human_open_at=max(row.last_human_open_at, at))
    if kind == "machine_open":
        return _add(row, "machine_opens", at, 1.0)
    if kind == "human_click":
        return replace(_add(row, "human_clicks", at, 1.0), last_human_click_at=max(row.last_human_click_at, at))
    return row


def retract_touch(row: Row, *, kind: str, at: int, newest: int) -> Row:
    """An open or click that was judged otherwise before; `newest`: a person's newest one of that sort that stands, 0 = none."""
    name = {"human_open": "human_opens", "machine_open": "machine_opens", "human_click": "human_clicks"}.get(kind)
    if name is None:
        return row
    row = _add(row, name, at, -1.0)
    left: Any = max(getattr(row, name), 0.0)
    changed: dict[str, Any] = {name: left if left > _ROUNDING else 0.0}
    last = f"last_{kind}_at"
    if kind.startswith("human_") and getattr(row, last) == at:
        changed[last] = newest
    return replace(row, **changed)


def remember_click(row: Row, topic: int, *, sent_at: int) -> Row:
    """A person clicked on a mail that left at `sent_at` and whose offer has this topic (`topic_number`; 0 = none, which says nothing)."""
    row = replace(row, hour_clicks=_counted(row.hour_clicks, part_of_day(row.zone, sent_at), 1))
    return replace(row, recent_clicks=(topic, *row.recent_clicks[:-1])) if topic else row


def forget_click(row: Row, topic: int, *, sent_at: int) -> Row:
    """No person did after all: the newest click on such a topic goes."""
    row = replace(row, hour_clicks=_counted(row.hour_clicks, part_of_day(row.zone, sent_at), -1))
    if not topic or topic not in row.recent_clicks:
        return row
    place = row.recent_clicks.index(topic)
    return replace(row, recent_clicks=(*row.recent_clicks[:place], *row.recent_clicks[place + 1 :], 0))


def part_of_day(zone: int, at: int) -> int:
    """Of the reader's day, 0..PARTS-1; `zone` is his number."""
    return datetime.fromtimestamp(at, ZoneInfo(ZONES[zone])).hour // PART_HOURS


def _counted(counts: tuple[int, ...], part: int, n: int) -> tuple[int, ...]:
    return (*counts[:part], min(max(counts[part] + n, 0), _FULL), *counts[part + 1 :])


def apply_conversion(row: Row, *, at: int, revenue_micros: int, conversions: int = 1) -> Row:
    """Booked revenue of this person changed. `conversions` is -1 for one that was taken back, 0 for a changed amount."""
    row = _add(row, "conversions", at, float(conversions)) if conversions else decay(row, at)
    last = max(row.last_conversion_at, at) if conversions > 0 else row.last_conversion_at
    return replace(row, revenue_micros=row.revenue_micros + revenue_micros, last_conversion_at=last)


def sends_within(row: Row, *, now: int, seconds: int) -> int:
    """Claims in the rolling window (now - seconds, now]."""
    return sum(1 for at in row.recent_sends if at > now - seconds)


def country_number(code: str) -> int:
    """An ISO 3166 alpha-2 code as a packed row keeps it; 0 = not declared."""
    return 1 + (ord(code[0]) - ord("A")) * 26 + ord(code[1]) - ord("A") if code else 0


def country_code(number: int) -> str:
    """The reverse of `country_number`."""
    return chr(ord("A") + (number - 1) // 26) + chr(ord("A") + (number - 1) % 26) if number else ""


def topic_number(topic: str) -> int:
    """1 to 32, by hash (collisions only blur a feature); 0 for no name."""
    name = topic.strip().lower()
    return 1 + stable_hash("topic", name) % 32 if name else 0


def topic_mask(topics: Iterable[str]) -> int:
    """The topics' numbers as bits: a declared interest matches an offer category whose bit is set."""
    mask = 0
    for topic in topics:
        mask |= 1 << (stable_hash("topic", topic.strip().lower()) % 32)
    return mask


def source_number(source: str) -> int:
    """1 to 255, by hash, of what a consent was given to; 0 for none. Lists differ by where people signed up."""
    name = source.strip().lower()
    return 1 + stable_hash("source", name) % 255 if name else 0


def provider_of(address: str) -> str:
    """The mailbox provider a normalised address belongs to, by its domain (table in docs/glossary.md)."""
    return _PROVIDER_OF.get(address.rpartition("@")[2], "other")


_PROVIDER_OF = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "gmail"),
    **dict.fromkeys(
        ("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "aim.com"), "yahoo"
    ),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "outlook.de"), "outlook"),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "icloud"),
}
