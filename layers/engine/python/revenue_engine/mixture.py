"""The whole policy as played, worked out again from a cycle's stored inputs: what every arm's chance was, not only that of the one drawn.

A receipt holds the propensity of what was done. What another policy would have done can only be judged where it is known what else
might have been done, and how likely that was (D2). Shapes: n rows, A arms of the cycle's book; a skip is one arm more, the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.bundle import Finder
from revenue_engine.context import Cycle, prepare
from revenue_engine.errors import Refused
from revenue_engine.evaluation.decided import SKIP, Decided, Policy
from revenue_engine.offers.choice import even_shares, mixed, tally
from revenue_engine.snapshot import load_context

_AGREES = 1e-9  # of a propensity worked out again with the one on record: the same but for rounding


def mixture(cycle: Cycle, *, segment: Codes | Ints, eligible: Codes, epsilon: Floats) -> Floats:
    """Probabilities of every arm and of the randomised skip, (n, A + 1), of rows that the engine's arm lets go.

    Parameters
    ----------
    segment, epsilon
        (n,): as decided.
    eligible
        (n, ⌈A/8⌉) bits as in `Decisions.eligible`. Each row needs an arm that some draw votes for, as every row that goes has one.
    """
    alike, of_row = np.unique(np.column_stack([segment.astype(np.uint8), eligible]), axis=0, return_inverse=True)
    of_row = of_row.reshape(-1)
    allowed = unpacked(alike[:, 1:], len(cycle.book.arms))
    votes = tally(cycle.order, cycle.scores, alike[:, 0].astype(np.intp), allowed)
    chosen = mixed(votes, even_shares(allowed, cycle.book.offer_of_arm), of_row, epsilon)
    ghost = cycle.context.controls.ghost_share
    return np.column_stack([(1.0 - ghost) * chosen, np.full(len(of_row), ghost)])


def unpacked(eligible: Codes, arms: int) -> Bools:
    """Bits as booleans, (n, A)."""
    return np.unpackbits(eligible, axis=1, count=arms).astype(np.bool_)


def with_policy(
    log: Decided, stored: Callable[[str], bytes | None], bundle_of: Finder, *, progress: Callable[[], None] = lambda: None
) -> Decided:
    """The decisions whose cycle's context `stored` finds by its name, and its bundle `bundle_of` by its version, with the whole policy.

    The others are left out and counted: `inputs_missing`, `inputs_unreadable`, and `inputs_disagree` when what was worked out is not
    what is on record (another NumPy may draw otherwise), for then nothing of that cycle can be trusted.
    """
    parts: list[tuple[Ints, tuple[str, ...], Policy]] = []
    left_out = Counter(log.left_out)
    for number, name in enumerate(log.contexts):
        rows = np.flatnonzero(log.context == number)
        found = _of_cycle(log, rows, stored(name), bundle_of)
        if isinstance(found, str):
            left_out[found] += len(rows)
        else:
            parts.append((rows, *found))
        progress()
    arms = (*sorted({arm for _, names, _ in parts for arm in names}), SKIP)
    place = {name: i for i, name in enumerate(arms)}
    kept = np.concatenate([rows for rows, _, _ in parts]) if parts else np.zeros(0, dtype=np.int64)
    shape = (len(kept), len(arms))
    policy = Policy(np.zeros(shape), np.zeros(shape, dtype=np.bool_), np.zeros(shape))
    begin = 0
    for rows, names, own in parts:
        at = slice(begin, begin + len(rows)), [place[name] for name in (*names, SKIP)]
        policy.logging[at], policy.eligible[at], policy.expected[at] = own.logging, own.eligible, own.expected
        begin += len(rows)
    number_of = np.array([place.get(name, -1) for name in log.arms], dtype=np.int64)
    those = log.only(kept)
    return replace(those, arms=arms, action=number_of[those.action], left_out=dict(left_out), policy=policy)


def _of_cycle(log: Decided, rows: Ints, raw: bytes | None, bundle_of: Finder) -> tuple[tuple[str, ...], Policy] | str:
    """Names of the cycle's arms and the policy of these rows of it; or why there is none."""
    if raw is None:
        return "inputs_missing"
    try:
        cycle = prepare(load_context(raw, bundle_of))
    except Refused as refused:
        return "inputs_missing" if refused.reason == "bundle_missing" else "inputs_unreadable"
    names = tuple(f"{offer}/{variant}" for offer, variant in cycle.book.arms)
    place = {name: i for i, name in enumerate((*names, SKIP))}
    played = np.array([place.get(log.arms[action], -1) for action in log.action[rows].tolist()])
    bits = [log.eligible[row] for row in rows.tolist()]
    if (played < 0).any() or {len(each) for each in bits} != {-(-len(names) // 8)}:
        return "inputs_disagree"
    eligible = np.frombuffer(b"".join(bits), dtype=np.uint8).reshape(len(rows), -1)
    logging = mixture(cycle, segment=log.segment[rows], eligible=eligible, epsilon=log.epsilon[rows])
    if not (np.abs(logging[np.arange(len(rows)), played] - log.propensity[rows]) <= _AGREES).all():
        return "inputs_disagree"
    return names, Policy(
        logging=logging,
        eligible=np.column_stack([unpacked(eligible, len(names)), np.zeros(len(rows), dtype=np.bool_)]),
        expected=np.column_stack([cycle.revenue[log.segment[rows]], np.zeros(len(rows))]),
    )
