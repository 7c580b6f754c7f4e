"""The command line on a running system, for an org of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.builders import NOW, Org
from workbench.cli.connection import Connection
from workbench.cli.main import main
from workbench.local.plane import Plane

Run = Callable[..., Result]


@pytest.fixture
def run(system: Plane, org: Org) -> Run:
    """`run("import", "offers", path)`: what the command said and its exit code."""

    def runner(*arguments: str | Path, input: str | None = None, columns: int = 200) -> Result:
        connection = Connection(org.name, system.stage, clock=lambda: NOW)
        # a wide terminal, unless a test asks for another: tables are not folded
        return CliRunner(env={"COLUMNS": str(columns)}).invoke(main, [str(a) for a in arguments], obj=connection, input=input)

    return runner
