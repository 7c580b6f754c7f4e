"""Advertisers' opt-out files: one entry a line, plain, MD5 or SHA-512 (contracts 1.10, 4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from revenue_engine.errors import BadInput
from revenue_engine.ids import advertiser_hashes, normalise_address

_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{128}")
_HEADINGS = frozenset(
    {"email", "e-mail", "email_address", "emailaddress", "email address", "address", "md5", "sha512", "sha-512", "hash"}
)
_MAX_LINE = 400
BAD_SHARE = 0.01  # of a list's lines: above it the file is something else, or damaged
FORGIVEN = 1  # a heading of an unknown form
SHRUNK = 0.5  # of what the list named before: opt-outs do not end, so a file that lost so many is not whole


@dataclass(frozen=True, slots=True)
class SuppressionLine:
    """One line of the file: the hashes under which the person is looked up, or what is wrong with it."""

    number: int
    hashes: tuple[str, ...]
    problem: BadInput | None


def read_suppression_list(lines: Iterable[str]) -> Iterator[SuppressionLine]:
    """Every line that says something. Blank lines and a heading in the first line are passed over.

    A plain address gives all prefixed hashes of `ids.advertiser_hashes`, a hash the one it is. A bad line is reported by number,
    never by content (P4).
    """
    for number, line in enumerate(lines, start=1):
        text = (line.removeprefix("\ufeff") if number == 1 else line).strip().rstrip(",;").strip().strip('"').strip()
        if not text or (number == 1 and text.lower() in _HEADINGS):
            continue
        try:
            yield SuppressionLine(number, _hashes(text), None)
        except BadInput as bad:
            yield SuppressionLine(number, (), bad)


def refusal(*, good: int, bad: int, known: int) -> str | None:
    """Why a file cannot be the whole list, or None.

    Parameters
    ----------
    good, bad
        Lines understood, and not.
    known
        People the list named when it was last loaded; 0 = never.
    """
    if not good:
        return "empty"
    if bad > FORGIVEN + BAD_SHARE * (good + bad):
        return "too_many_bad_lines"
    if good < SHRUNK * known:
        return "shrunk"
    return None


def refresh_due(refreshed_at: int, *, now: int, max_age_days: int) -> bool:
    """Whether a list has used up half of its time (epoch seconds): the other half is for what may go wrong with the next file."""
    return now - refreshed_at >= max_age_days * 86_400 // 2


def _hashes(text: str) -> tuple[str, ...]:
    if len(text) > _MAX_LINE:
        raise BadInput("line", "too_long")
    if "@" in text:
        return advertiser_hashes(normalise_address(text, field="line"))
    digest = text.lower()
    if not _HASH.fullmatch(digest):
        raise BadInput("line", "neither_address_nor_hash")
    return (("md5:" if len(digest) == 32 else "sha512:") + digest,)
