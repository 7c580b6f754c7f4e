"""Simple policies that a log is asked about. Each is a table of probabilities, (n, A), that adds up to 1 along its rows."""

from __future__ import annotations

import re

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.errors import BadInput
from revenue_engine.evaluation.decided import Decided, Policy

ALWAYS = "always:"
_ALWAYS = re.compile(r"always:[^/\s]+/[^/\s]+")
NAMES = (f"{ALWAYS}OFFER/VARIANT", "even", "greedy")


def check_name(name: str) -> None:
    """Raises BadInput("target") for a name of no form that is known."""
    if name not in ("even", "greedy") and not _ALWAYS.fullmatch(name):
        raise BadInput("target", "unknown", f"one of {', '.join(NAMES)}")


def target_of(name: str, log: Decided, policy: Policy) -> Floats:
    """The target of this name. Raises BadInput("target") for another name, or an arm that the log does not know.

    `always:OFFER/VARIANT` mails that arm where it was eligible and does elsewhere what was done; `even` any eligible arm, all alike;
    `greedy` the eligible arm of which most revenue was predicted. None of them skips anybody by lot.
    """
    check_name(name)
    if name == "even":
        return np.asarray(policy.eligible / policy.eligible.sum(axis=1, keepdims=True), dtype=np.float64)
    if name == "greedy":
        best = np.where(policy.eligible, policy.expected, -np.inf).argmax(axis=1)
        return np.asarray(np.eye(len(log.arms))[best], dtype=np.float64)
    arm = name.removeprefix(ALWAYS)
    if arm not in log.arms[:-1]:
        raise BadInput("target", "unknown_arm", f"the log knows {', '.join(log.arms[:-1])}")
    chosen = log.arms.index(arm)
    target = policy.logging.copy()
    target[policy.eligible[:, chosen]] = np.eye(len(log.arms))[chosen]
    return target
