"""For every test: no credentials of the machine, chance from a seed. For those that ask: the synthesised system, an org of its own."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.builders import NOW, Org
from workbench.local.backend import Backend
from workbench.local.ministack_backend import MiniStackBackend
from workbench.local.plane import Plane

settings.register_profile("house", derandomize=True, database=None, deadline=None)
settings.load_profile("house")

_numbers = itertools.count(1)


@pytest.fixture(autouse=True, scope="session")
def no_real_account() -> Iterator[None]:
    """Whatever escapes the emulators finds neither credentials nor a metadata service."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(20_260_304)


@pytest.fixture(scope="module")
def emulator() -> type[Backend]:
    """Transactions, concurrency and exactly-once are tested on MiniStack; `tests/aws` and `tests/functions` ask for moto."""
    return MiniStackBackend


@pytest.fixture(scope="module")
def system(emulator: type[Backend]) -> Iterator[Plane]:
    """The synthesised template's whole system; its time stands still at NOW."""
    with Plane.start(now=NOW, backend=emulator()) as plane:
        yield plane


@pytest.fixture
def org(system: Plane) -> Iterator[Org]:
    """An org of the test's own in the system of its module: every key begins with the org."""
    made = Org.open(system, f"t{next(_numbers)}")
    yield made
    made.close()
