"""The error tree.

RevenueEngineError
 ├── BadInput       outside data cannot be understood: names the field; goes to a quarantine or a line-numbered report
 ├── Refused        fail closed (D5): something needed is missing, stale or mismatched; carries the reason, means no mail
 └── Contention     an optimistic write lost too often; the queue delivers again

A business "no" (a rail, a cap, an opt-out) is a value with a reason, never an exception.
"""

from __future__ import annotations


class RevenueEngineError(Exception):
    """Base of every error the engine raises on purpose."""


class BadInput(RevenueEngineError):
    """Outside data that cannot be understood."""

    def __init__(self, field: str, reason: str, detail: str = "") -> None:
        super().__init__(f"{field}: {reason}" + (f" ({detail})" if detail else ""))
        self.field = field
        self.reason = reason
        self.detail = detail


class Refused(RevenueEngineError):
    """Fail closed: no mail, for a reason of its own."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason + (f": {detail}" if detail else ""))
        self.reason = reason
        self.detail = detail


class Contention(RevenueEngineError):
    """An optimistic write lost against other writers too often in a row."""
