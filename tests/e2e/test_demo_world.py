"""`demo --world`: a named world on the plane, by the command that people type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workbench.cli.main import main

# An afternoon in America and an evening in Europe.
SMALL = ("--subscribers", "100", "--start", "2026-03-02T18:30", "--cycles", "8")


def _demo(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["demo", *arguments])


def _told(ran: Result) -> str:
    (line,) = re.findall(r"^what the world told: .+$", ran.stdout, re.MULTILINE)
    return str(line)


@pytest.mark.slow
def test_a_sealed_world_plays_and_its_books_are_reconciled_the_same_way_twice(tmp_path: Path) -> None:
    secret = tmp_path / "seed"
    secret.write_bytes(b"nobody knows")
    world = ("--world", "sealed", "--seed-file", str(secret), *SMALL)
    ran, again = (_demo(*world, "--out", str(tmp_path / name)) for name in ("one", "two"))
    assert (ran.exit_code, ran.stderr.count("MISMATCH")) == (0, 0)
    assert re.search(r"books reconciled\s+│ yes", ran.stdout)
    assert "100 people of the sealed world" in ran.stdout
    assert len(list((tmp_path / "one" / "outbox").glob("*.eml"))) == 40  # the cap: two readers in five
    assert _told(ran) == _told(again)
    assert not _told(ran).startswith("what the world told: 0 ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--world", "sealed"), "a seed file belongs to the sealed world"),
        (("--world", "default", "--seed-file", __file__), "a seed file belongs to the sealed world"),
        (("--seed-file", __file__), "a seed file belongs to the sealed world"),
        (("--world", "somewhere"), "'somewhere' is not one of"),
        (("--world", "default", "--start", "2026-03-02T04:45"), "may not come before"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = _demo(*arguments, "--out", str(tmp_path / "out"))
    assert ran.exit_code == 2
    assert said in " ".join(ran.stderr.split())
    assert not (tmp_path / "out").exists()
