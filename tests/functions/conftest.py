"""Handlers are tested on moto, whose resources come from the synthesised template."""

from __future__ import annotations

import pytest

from tests.moto_backend import MotoBackend


@pytest.fixture(scope="module")
def emulator() -> type[MotoBackend]:
    return MotoBackend
