"""A log comes back as it was written; what is wrong in one is named."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

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
SALE = Conversion("main#conversion#t1#0", "abc", "s1", "1001", 1_772_430_000.0, "approved", 0, 12_500_000, "USD")


def _log(folder: Path) -> Path:
    write_outcomes(folder, [MAIL, replace(MAIL, decision_id="other")])
    write_conversions(folder, [SALE])
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = read_log(_log(tmp_path))
    assert log.outcomes == [MAIL, replace(MAIL, decision_id="other")]
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


def test_a_cut_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="missing"):
        read_log(tmp_path)
    with pytest.raises(BadInput, match="missing"):
        list(read_decisions(tmp_path))
    path = _log(tmp_path) / "outcomes.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(BadInput, match="not_readable"):
        read_log(tmp_path)
