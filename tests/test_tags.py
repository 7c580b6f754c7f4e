"""The core may not import `aws`, so it has the tags' names twice: here they are held together."""

from __future__ import annotations

from revenue_engine.aws import names
from revenue_engine.intake import ses


def test_the_tags_that_events_are_read_by_are_those_that_mails_carry() -> None:
    read = {name: value for name, value in vars(ses).items() if name.startswith("TAG_")}
    assert read == {name: getattr(names, name) for name in read}
    assert set(read) == {"TAG_SEND", "TAG_ORG", "TAG_OFFER"}
