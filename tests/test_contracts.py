"""Every contract fixture is read by some test, or stands here with the reason why no code reads it yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared_data import shared_path

TESTS = Path(__file__).resolve().parent

NOT_READ_YET = {
    "everflow-clicks-stream-request.json": "our own clicks are counted; the network's are a second opinion nobody asks for yet",
    "everflow-clicks-stream-response.json": "our own clicks are counted; the network's are a second opinion nobody asks for yet",
    "everflow-entity-table-request.json": "revenue is counted from single conversions",
    "everflow-entity-table-response.json": "revenue is counted from single conversions",
    "everflow-offer-url-response.json": "the offer's detail tells its tracking link",
    "everflow-onhold-request.json": "no source says what the answer looks like",
    "everflow-pixel-create-request.json": "postbacks are made in Everflow's own platform",
}


def test_every_fixture_is_read_or_has_a_reason() -> None:
    texts = [path.read_text() for path in TESTS.rglob("*.py") if path != Path(__file__)]
    every = {path.name for path in shared_path("contracts").iterdir()} - {"README.md"}
    # tests/intake/test_ses_events.py takes all of ses-*.json by their pattern
    read = {name for name in every if name.startswith("ses-") or any(name in text for text in texts)}
    assert every - read == set(NOT_READ_YET)


@pytest.mark.parametrize("name", sorted(NOT_READ_YET))
def test_what_is_excused_exists(name: str) -> None:
    assert shared_path(f"contracts/{name}").is_file()
