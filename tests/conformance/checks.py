"""Registry of checks: each returns what it observed, beside what AWS documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.conftest import World


@dataclass(frozen=True)
class Check:
    """One piece of behaviour that the engine relies on."""

    name: str
    observe: Callable[[World], Any]
    expected: Any


CHECKS: dict[str, Check] = {}


def check(expected: Any) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    """Register a function under its own name."""

    def register(observe: Callable[[World], Any]) -> Callable[[World], Any]:
        name = getattr(observe, "__name__", "")
        if name in CHECKS:
            raise ValueError(f"two checks are named {name}")
        CHECKS[name] = Check(name, observe, expected)
        return observe

    return register
