"""How often somebody who no longer answers is mailed. Shapes: n rows.

Never answering must not end a person for good, or a model's one bad guess would prove itself (nobody who is not mailed can answer),
and it must not go on for ever either: addresses that have been silent for years become spam traps. By days since the last human open,
click or conversion, or since he came:

- below COOLING_DAYS     `active`    no rule
- below WIN_BACK_DAYS    `cooling`   at most every two weeks
- then                   `win_back`  WIN_BACK_MAILS more, a month apart
- those unanswered       `sunset`    one every half a year
- above GONE_DAYS        `gone`      none, until he answers by himself

Any answer makes him active again. (Practice of mailbox providers' and senders' guides: M3AAWG, "Sender Best Common Practices" 3.0,
2015, on inactive recipients; the figures are ours.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Codes, Ints
from revenue_engine.records.batch import Batch

STAGES = ("active", "cooling", "win_back", "sunset", "gone")
COOLING_DAYS, WIN_BACK_DAYS, GONE_DAYS = 60, 120, 730
COOLING_GAP_DAYS, WIN_BACK_GAP_DAYS, SUNSET_GAP_DAYS = 14, 30, 180
WIN_BACK_MAILS = 3
NEVER = 1 << 40  # seconds
_DAY = 86_400
_ANSWERS = ("created_at", "last_human_open_at", "last_human_click_at", "last_conversion_at")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Of each row, (n,)."""

    stage: Codes  # position in STAGES
    gap_seconds: Ints  # at least this long after the last mail; NEVER for who is gone


def rhythm(batch: Batch, *, now: int, gap_seconds: Ints) -> Rhythm:
    """Stages and gaps at `now`, epoch seconds; `gap_seconds` (n,) is what the row's policy keeps anyway."""
    answered = np.max([batch.column(name).astype(np.int64) for name in _ANSWERS], axis=0)
    days = (now - answered) // _DAY
    sends = batch.column("recent_sends").astype(np.int64)
    tried = (sends >= (answered + WIN_BACK_DAYS * _DAY)[:, None]).sum(axis=1)
    stage = np.select(
        [days < COOLING_DAYS, days < WIN_BACK_DAYS, days >= GONE_DAYS, tried < WIN_BACK_MAILS],
        [STAGES.index(name) for name in ("active", "cooling", "gone", "win_back")],
        STAGES.index("sunset"),
    )
    rule = np.array([0, COOLING_GAP_DAYS * _DAY, WIN_BACK_GAP_DAYS * _DAY, SUNSET_GAP_DAYS * _DAY, NEVER])[stage]
    return Rhythm(stage.astype(np.uint8), np.maximum(gap_seconds, rule))
