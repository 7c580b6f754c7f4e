"""How often somebody who no longer answers is mailed. Shapes: n rows.

Never answering must not end a person for good, or a model's one bad guess would prove itself (nobody who is not mailed can answer),
and it must not go on for ever either: addresses that have been silent for years become spam traps. By days since the last human open,
click or conversion, or since our first mail to him (before it he had nothing to answer: an old list begins afresh when it is imported):

- below COOLING_DAYS     `active`    no rule
- below WIN_BACK_DAYS    `cooling`   at most once a week
- then                   `win_back`  WIN_BACK_MAILS more, a month apart
- those unanswered       `sunset`    one every half a year
- and above GONE_DAYS    `gone`      none, until he answers by himself

Any answer makes him active again, and due within the hour (`services/touches`, `services/engage`). Nobody is gone who was not asked: whom
the engine left alone for years gets his win-back first.
(Practice of mailbox providers' and senders' guides: M3AAWG, "Sender Best Common Practices" 3.0, 2015, on inactive recipients; the
figures are ours.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Codes, Ints
from revenue_engine.records.batch import Batch

STAGES = ("active", "cooling", "win_back", "sunset", "gone")
COOLING_DAYS, WIN_BACK_DAYS, GONE_DAYS = 90, 180, 730
COOLING_GAP_DAYS, WIN_BACK_GAP_DAYS, SUNSET_GAP_DAYS = 7, 30, 180
WIN_BACK_MAILS = 3
_DAY = 86_400
_ANSWERS = ("first_send_at", "last_human_open_at", "last_human_click_at", "last_conversion_at")
_GAPS = np.array([0, COOLING_GAP_DAYS, WIN_BACK_GAP_DAYS, SUNSET_GAP_DAYS, SUNSET_GAP_DAYS]) * _DAY


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Of each row, (n,)."""

    stage: Codes  # position in STAGES
    gap_seconds: Ints  # at least this long after the last mail

    @property
    def gone(self) -> Bools:
        """Who gets no mail at all."""
        return np.asarray(self.stage == STAGES.index("gone"))


def answered_at(batch: Batch) -> Ints:
    """The last answer, or our first mail, epoch seconds, (n,); 0 for who was never mailed and never answered."""
    return np.asarray(np.max([batch.column(name).astype(np.int64) for name in _ANSWERS], axis=0))


def rhythm_of(batch: Batch, *, now: int, gap_seconds: Ints) -> Rhythm:
    """Stages and gaps at `now`, epoch seconds; `gap_seconds` (n,) is what the row's policy keeps anyway."""
    answered = answered_at(batch)
    # who was never mailed can have kept no silence, whatever he answered before
    days = np.where(batch.column("first_send_at") == 0, 0, (now - answered) // _DAY)
    sends = batch.column("recent_sends").astype(np.int64)
    tried = (sends >= (answered + WIN_BACK_DAYS * _DAY)[:, None]).sum(axis=1)
    stage = np.select(
        [days < COOLING_DAYS, days < WIN_BACK_DAYS, tried < WIN_BACK_MAILS, days < GONE_DAYS],
        [STAGES.index(name) for name in ("active", "cooling", "win_back", "sunset")],
        STAGES.index("gone"),
    ).astype(np.uint8)
    return Rhythm(stage, np.maximum(gap_seconds, _GAPS[stage]))
