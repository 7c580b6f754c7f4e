"""Where the optional test data lives: `../shared` beside the clone. Users lack it: such tests skip there and must run in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_path(relative: str) -> Path:
    """Path of a shared file; skips the test when it is absent, and fails it in CI, where it has to be there."""
    path = SHARED / relative
    if not path.exists():
        reason = f"needs ../shared/{relative}, which only the project's own CI has"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
