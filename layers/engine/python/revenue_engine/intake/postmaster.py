"""Gmail's Postmaster Tools: the `trafficStats` of its API, as `domains.trafficStats.list` answers them.

Source: developers.google.com/gmail/postmaster/reference/rest/v1/domains.trafficStats. Ratios are 0 to 1; Gmail leaves out what it
has too little mail to tell of, and tells of a day a day or two later.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from revenue_engine.errors import BadInput
from revenue_engine.intake.validation import bad_input
from revenue_engine.records.postmaster import PostmasterDay

_NAME = re.compile(r"domains/(?P<domain>[a-z0-9.-]{1,253})/trafficStats/(?P<day>\d{8})", re.ASCII | re.IGNORECASE)
Ratio = Annotated[float, Field(ge=0, le=1)]


class _Loop(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    spam_ratio: Annotated[Ratio, Field(alias="spamRatio")] = 0.0


class _Stats(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str
    spam_ratio: Annotated[Ratio | None, Field(alias="userReportedSpamRatio")] = None
    loops: Annotated[list[_Loop], Field(alias="spammyFeedbackLoops")] = []


class _Answer(BaseModel):
    traffic_stats: Annotated[list[_Stats], Field(alias="trafficStats", min_length=1)]


def parse_postmaster(text: str) -> tuple[tuple[PostmasterDay, ...], int]:
    """The days of an answer, oldest first, and how many days had no spam ratio (too little mail). Raises BadInput naming the field."""
    try:
        answer = _Answer.model_validate_json(text)
    except ValidationError as error:
        raise bad_input(error) from None
    days, untold = [], 0
    for number, stats in enumerate(answer.traffic_stats):
        named = _NAME.fullmatch(stats.name)
        if named is None:
            raise BadInput(f"trafficStats.{number}.name", "not_of_the_form", "domains/DOMAIN/trafficStats/YYYYMMDD")
        try:
            day = date.fromisoformat(named["day"])
        except ValueError:
            raise BadInput(f"trafficStats.{number}.name", "no_such_day", named["day"]) from None
        if stats.spam_ratio is None:
            untold += 1
            continue
        days.append(
            PostmasterDay(named["domain"].lower(), day, stats.spam_ratio, {loop.id: loop.spam_ratio for loop in stats.loops})
        )
    return tuple(sorted(days, key=lambda d: (d.day, d.domain))), untold
