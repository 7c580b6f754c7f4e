"""A log comes back as it was written; what is wrong in one is named."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from workbench.logs import Conversion, MailOutcome, read_decisions, read_log, write_conversions, write_outcomes

MAIL = MailOutcome(
    decision_id="20260302T0500.s1",
    send_id="abc",
    subscriber="s1",
    policy="engine",
    offer="1001",
    variant="soft",
    segment="new",
    provider="gmail",
    sent_at=1_772_427_600.0,
    delivered=True,
    hard_bounced=False,
    human_opens=1,
    human_clicks=0,
    first_human_click_at=None,
    unsubscribed_at=1_772_427_700.5,
    complained_at=None,
)
OTHER = replace(MAIL, decision_id="other", send_id="def")
SALE = Conversion("main#conversion#t1#0", "abc", "s1", "1001", 1_772_430_000.0, "approved", 0, 12_500_000, "USD")


def _log(folder: Path) -> Path:
    write_outcomes(folder, [MAIL, OTHER])
    write_conversions(folder, [SALE])
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = read_log(_log(tmp_path))
    assert log.outcomes == [MAIL, OTHER]
    assert log.conversions == [SALE]


def test_receipts_are_read_plain_and_zipped_in_the_order_of_files(tmp_path: Path) -> None:
    (tmp_path / "decisions" / "day").mkdir(parents=True)
    (tmp_path / "decisions" / "b.ndjson").write_bytes(b'{"row": 2}\n\n{"row": 3}\n')
    (tmp_path / "decisions" / "a.ndjson.gz").write_bytes(gzip.compress(b'{"row": 1}\n'))
    (tmp_path / "decisions" / "day" / "c.ndjson").write_bytes(b'{"row": 4}\n')
    assert [receipt["row"] for receipt in read_decisions(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"key": 1}', "conversions.ndjson.gz:2: key"),
        (b"{", "conversions.ndjson.gz:2: line"),
    ],
)
def test_a_bad_line_is_named_by_file_number_and_field(tmp_path: Path, line: bytes, said: str) -> None:
    path = _log(tmp_path) / "conversions.ndjson.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + line + b"\n"))
    with pytest.raises(BadInput) as raised:
        read_log(tmp_path)
    assert raised.value.field == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sent_at": 1_772_427_600_000.0}, "outcomes.ndjson.gz:3: sent_at"),  # milliseconds
        ({"sent_at": -5.0}, "outcomes.ndjson.gz:3: sent_at"),
        ({"complained_at": 1e300}, "outcomes.ndjson.gz:3: complained_at"),
        ({"human_clicks": -1}, "outcomes.ndjson.gz:3: human_clicks"),
        ({"send_id": "abc"}, "outcomes.ndjson.gz:3: send_id"),  # as in line 1
    ],
)
def test_a_mail_that_cannot_be_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    _log(tmp_path)
    write_outcomes(tmp_path, [MAIL, OTHER, replace(MAIL, **({"send_id": "new"} | changed))])
    with pytest.raises(BadInput) as raised:
        read_log(tmp_path)
    assert raised.value.field == said


@pytest.mark.parametrize("micros", [-1, 10**22])
def test_an_amount_that_cannot_be_is_named(tmp_path: Path, micros: int) -> None:
    path = _log(tmp_path) / "conversions.ndjson.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"12500000", str(micros).encode())))
    with pytest.raises(BadInput, match=r"conversions\.ndjson\.gz:1: approved_micros"):
        read_log(tmp_path)


def test_no_conversion_counts_twice(tmp_path: Path) -> None:
    _log(tmp_path)
    write_conversions(tmp_path, [SALE, SALE])
    with pytest.raises(BadInput, match=r"conversions\.ndjson\.gz:2: key: twice \(as in line 1\)"):
        read_log(tmp_path)


def test_a_cut_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="missing"):
        read_log(tmp_path)
    with pytest.raises(BadInput, match="missing"):
        list(read_decisions(tmp_path))
    path = _log(tmp_path) / "outcomes.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(BadInput, match="not_readable"):
        read_log(tmp_path)
