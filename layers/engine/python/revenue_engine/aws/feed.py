"""When a postback came last, by each path token: one item of the Control table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from revenue_engine.aws.dynamo import Expression, Table

EVERY_SECONDS = 60
_FEED = "feed"
_FIRST, _LAST = "first_seen#", "last_seen#"


@dataclass(frozen=True, slots=True)
class Seen:
    """The use of one path token, epoch seconds. `last_at` may be a minute behind."""

    first_at: int
    last_at: int


@dataclass(frozen=True)
class Feed:
    """Tokens are known here by their marks (`services.tokens.mark_of`), never by themselves."""

    table: Table

    def note(self, org: str, mark: str, *, at: int) -> None:
        """A postback came under this token; written at most once a minute by a container, whatever the traffic is."""
        noted = self._noted.get((org, mark))
        if noted is not None and 0 <= at - noted < EVERY_SECONDS:
            return
        self.table.update(
            org,
            _FEED,
            Expression(
                update="SET #first = if_not_exists(#first, :at), #last = :at",
                names={"#first": _FIRST + mark, "#last": _LAST + mark},
                values={":at": at},
            ),
        )
        self._noted[org, mark] = at

    def seen(self, org: str) -> dict[str, Seen]:
        """By mark, of every token that a postback ever came with, the retired ones too."""
        item = self.table.get(org, _FEED) or {}
        marks = [name.removeprefix(_FIRST) for name in item if name.startswith(_FIRST)]
        return {mark: Seen(item[_FIRST + mark], item[_LAST + mark]) for mark in marks}

    @cached_property
    def _noted(self) -> dict[tuple[str, str], int]:
        return {}
