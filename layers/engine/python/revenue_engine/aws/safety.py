"""What the judge remembers in the Control table beside the breaker: stopped causes, its last look, queues, Postmaster's figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.records.postmaster import PostmasterDay
from revenue_engine.records.send import CONTENT_INCOMPLETE

_STOP, _POSTMASTER = "stop#", "postmaster#"
_NO_MAIL = f"{_STOP}content#"  # apart from what came of mails: neither may hide the other, or what a person judged of it
_KEEP_SECONDS = 400 * 86_400


@dataclass(frozen=True, slots=True)
class Freed:
    """A cause, why and since when it was stopped, and when it was let go. Times are epoch seconds."""

    cause: Cause
    reason: str
    since: int
    at: int


@dataclass(frozen=True)
class Safety:
    """All reads and writes of these items."""

    table: Table

    # --- stopped causes ----------------------------------------------------------------------------------------------
    def stop(self, org: str, stop: Stop) -> bool:
        """Stops a cause. False: it is stopped already; one without a mail may be for what came of its mails as well."""
        item: Item = {
            "pk": org,
            "sk": (_NO_MAIL if stop.reason == CONTENT_INCOMPLETE else _STOP) + stop.cause.key,
            **asdict(stop.cause),
            "reason": stop.reason,
            "since": stop.since,
            "detail": stop.detail,
        }
        if stop.until is not None:
            item["until"] = stop.until
        over = Expression(
            condition="attribute_not_exists(pk) OR attribute_exists(#lifted) OR #until <= :now",
            names={"#lifted": "lifted_at", "#until": "until"},
            values={":now": stop.since},
        )
        try:
            self.table.put(item, over)
        except ConditionFailed:
            return False
        return True

    def lift(self, org: str, cause: Cause, *, by: str, at: int) -> bool:
        """A person lets a cause be mailed again, whatever it is stopped for. False: it is not stopped."""
        return any([self._lift(org, prefix + cause.key, by=by, at=at) for prefix in (_STOP, _NO_MAIL)])

    def _lift(self, org: str, key: str, *, by: str, at: int) -> bool:
        expression = changes(
            set_={"lifted_by": by, "lifted_at": at},
            condition="attribute_exists(pk) AND attribute_not_exists(#gone) AND (attribute_not_exists(#until) OR #until > :at)",
            names={"#gone": "lifted_at", "#until": "until"},
            values={":at": at},
        )
        try:
            self.table.update(org, key, expression)
        except ConditionFailed:
            return False
        return True

    def stops(self, org: str, *, now: int) -> tuple[Stop, ...]:
        """Those in force, strongly consistent."""
        return tuple(stop for stop, lifted in self._stops(org) if lifted is None and stop.holds(now))

    def freed(self, org: str, *, now: int) -> tuple[Freed, ...]:
        """Stops that are not in force any more; a cause may have two, one for want of a mail."""
        return tuple(
            Freed(stop.cause, stop.reason, stop.since, lifted if lifted is not None else stop.until or 0)
            for stop, lifted in self._stops(org)
            if lifted is not None or not stop.holds(now)
        )

    def _stops(self, org: str) -> Iterable[tuple[Stop, int | None]]:
        for item in self._range(org, _STOP):
            cause = Cause(item["kind"], item["name"])
            yield Stop(cause, item["reason"], item["since"], item.get("until"), item["detail"]), item.get("lifted_at")

    # --- the judge's own -----------------------------------------------------------------------------------------------
    def put_look(self, org: str, *, at: int, findings: Sequence[str]) -> None:
        """What the last look has found, for people."""
        self.table.put({"pk": org, "sk": "look", "at": at, "findings": list(findings)})

    def look(self, org: str) -> Item | None:
        """`at` and `findings` of the last look."""
        return self.table.get(org, "look")

    def waiting_since(self, org: str, waiting: Mapping[str, bool], *, at: int) -> dict[str, int]:
        """Since when each queue has had messages at every look; the queues that have none are not in it."""
        before = self.table.get(org, "queues") or {}
        since = {name: int(before.get(name, at)) for name, some in waiting.items() if some}
        if since != {name: value for name, value in before.items() if name not in ("pk", "sk")}:
            self.table.put({"pk": org, "sk": "queues", **since})
        return since

    # --- Gmail's figures -----------------------------------------------------------------------------------------------
    def put_postmaster(self, org: str, day: PostmasterDay, *, at: int) -> None:
        """One day of one domain; importing it again replaces it."""
        facts = {"domain": day.domain, "day": day.day.isoformat(), "spam_ratio": day.spam_ratio, "loops": dict(day.loops)}
        expires_at = at + _KEEP_SECONDS
        self.table.put(
            {"pk": org, "sk": f"{_POSTMASTER}{day.day}#{day.domain}", **facts, "imported_at": at, "expires_at": expires_at}
        )

    def postmaster(self, org: str, *, since: date) -> tuple[PostmasterDay, ...]:
        """Days from this one on, oldest first."""
        return tuple(
            PostmasterDay(item["domain"], date.fromisoformat(item["day"]), float(item["spam_ratio"]), item["loops"])
            for item in self._range(org, _POSTMASTER, after=f"{_POSTMASTER}{since}")
        )

    def _range(self, org: str, prefix: str, *, after: str = "") -> Iterable[dict[str, Any]]:
        return self.table.query(
            "#pk = :org AND #sk BETWEEN :first AND :last",
            {":org": org, ":first": after or prefix, ":last": f"{prefix}~"},
            names={"#pk": "pk", "#sk": "sk"},
            consistent=True,
        )
