"""Cycles that die, and who is left to finish them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.house import ORG, House

FIRST = "20260302T1400"


def raising(error: BaseException) -> Callable[..., Any]:
    def dies(*args: Any, **named: Any) -> Any:
        raise error

    return dies


def dead(made: House, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """The first cycle fails there in all its attempts."""
    made.judge()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, raising(RuntimeError("injected")))
        for _ in range(3):
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None


def unfinished(made: House) -> str | None:
    return (made.w.control.last_cycle(ORG) or {}).get("unfinished")
