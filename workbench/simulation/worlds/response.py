"""How people respond to a mail: rates, not logits. Attention is a race of rates, tiredness saturates, patience breaks at a threshold.

Indices broadcast: `who`, `offer`, `content` and `hour` may be (n,), or (n, 1, 1), (1, O, 1), (1, 1, C) for all combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.worlds.offers import HORIZON
from workbench.simulation.worlds.spec import TONES, WorldSpec

if TYPE_CHECKING:
    from workbench.simulation.worlds.world import World

SOFT_BOUNCES = 0.004  # of mails
# Factors by tone: TONES in order. An aggressive call wins clicks that do not convert.
_TONE_CLICKS = np.array([0.93, 0.90, 1.06, 1.02, 1.18])
_TONE_CONVERTS = np.array([1.03, 1.08, 0.98, 1.05, 0.80])
_TONE_EXITS = np.array([0.92, 0.80, 1.12, 0.95, 1.35])
_DISCOUNT = TONES.index("discount")
# By format and weekday (Monday first), from the e-mail take-home exercise.
_FORMAT_OPENS = np.array([1.40, 1.09, 0.84, 0.66])
_FORMAT_CLICKS = np.array([1.05, 1.03, 0.935, 0.92])
_WEEKDAY_OPENS = np.array([1.107, 1.19, 1.144, 1.154, 0.721, 0.840, 0.847])
_WEEKDAY_CLICKS = np.array([0.89, 1.042, 1.215, 0.985, 0.88, 1.037, 0.905])
_HOUR_PULL = 0.7  # concentration of the von Mises curve of reading
_HOUR_MEAN = float(np.i0(_HOUR_PULL))
_SEASON = 0.06  # half the swing of a year around its peak in mid December
_HOLIDAYS = (315, 358, 0.30)  # days of the year over which buying ramps up, and by how much
_TIRED_POWER, _EXITS_POWER = 1.6, 1.5
_ANNOYED_READS, _ANNOYED_EXITS = 0.35, 6.0
_OPENED_EXITS, _UNOPENED_EXITS = 5.0, 0.55
# Exits by days since signing up: a plateau of two months, then a fifth (the Italian list study of GDMA's report).
_PLATEAU_DAYS, _PLATEAU_POWER, _SETTLED = 64.0, 6.0, 0.15
_BUYING_POWER = 0.6  # of interest, on conversion


@dataclass(frozen=True)
class Response:
    """Chances; broadcast shape, or that of `who` where offer and content do not matter."""

    gone: Floats  # 1 for a dead mailbox
    inbox: Floats  # delivered where it is seen
    attentive: Floats  # 0 for the silent
    open: Floats  # given inbox and attentive
    click: Floats  # given open
    convert: Floats  # given click and a page that works
    unsubscribe_opened: Floats
    unsubscribe_unopened: Floats
    complaint: Floats  # given inbox and attentive
    lapse: Floats  # falls silent after this mail
    exits: Floats  # the factor that opting out and complaining have in common

    @property
    def there(self) -> Floats:
        """A person finds the mail, per mail sent."""
        return self.inbox * self.attentive * (1 - self.gone) * (1 - SOFT_BOUNCES)

    @property
    def reads(self) -> Floats:
        """A person clicks, per mail sent."""
        return self.there * self.open * self.click


@dataclass(frozen=True)
class Mood:
    """What the mail of late has made of readers: factors of the rate of opening, of leaving, and of falling silent."""

    opens: Floats
    exits: Floats
    lapses: Floats


def mood(spec: WorldSpec, annoyed_above: Floats, fatigue: Floats, mails_of_week: Floats) -> Mood:
    """Most people tire smoothly; the others do not mind until a week has brought too much. Broadcast."""
    patient, annoyed = np.isinf(annoyed_above), mails_of_week >= annoyed_above
    tired = 1 / (1 + (fatigue / spec.tired_at) ** _TIRED_POWER)
    wearied = 1 + (fatigue / spec.exits_tired_at) ** _EXITS_POWER
    return Mood(
        opens=np.where(patient, tired, np.where(annoyed, _ANNOYED_READS, 1.0)),
        exits=np.where(patient, wearied, np.where(annoyed, _ANNOYED_EXITS, 1.0)),
        lapses=(0.3 + fatigue / spec.tired_at) * np.where(annoyed, 3.0, 1.0),
    )


def respond(
    world: World, day: int, who: Ints, offer: Ints, content: Ints, hour: Ints | Floats, *, rested: bool = False
) -> Response:
    """To one mail more on this day; `rested`: as if there had been none of late."""
    spec, people, state = world.spec, world.people, world.state
    tone, layout = content % len(TONES), content // len(TONES)
    weekday = (day + spec.start_weekday) % 7
    late = mood(
        spec,
        people.annoyed_above[who],
        np.zeros(1) if rested else state.fatigue[who],
        np.zeros(1) if rested else state.mails_of_week(who),
    )

    pull = _HOUR_PULL * np.cos(2 * np.pi * (hour + 0.5 - people.peak_hour[who]) / 24)
    timing = (np.exp(pull) / _HOUR_MEAN * _WEEKDAY_OPENS[weekday]) ** spec.time_strength
    open_rate = spec.open_rate * people.open_rate[who] * timing * late.opens * _FORMAT_OPENS[layout] ** spec.content_strength

    offers, today = world.commons.offers, min(day, HORIZON - 1)
    interest, thrift = people.interest[who, offers.category[offer]], people.thrift[who]
    bargain = np.where(tone == _DISCOUNT, 0.7 + 0.6 * thrift, 1.0)
    appeal = (people.tone[who, tone] * _TONE_CLICKS[tone] * _FORMAT_CLICKS[layout] * bargain) ** spec.content_strength
    fresh = 1.0 if rested else 1 / (1 + spec.wear_out * state.worn(who, offer, day))
    click_rate = spec.click_rate * people.click_rate[who] * interest * offers.click_path[offer, today] * fresh * appeal
    click_rate = click_rate * _WEEKDAY_CLICKS[weekday] ** spec.time_strength

    fit = 1 + 0.5 * offers.thrift_fit[offer] * (2 * thrift - 1)
    promise = (_TONE_CONVERTS[tone] * np.sqrt(bargain)) ** spec.content_strength
    convert_rate = spec.convert_rate * people.convert_rate[who] * interest**_BUYING_POWER * fit * promise
    convert_rate = convert_rate * offers.convert_path[offer, today] * _season(spec.start_day_of_year + day)

    tenure = world.profile.tenure_days[who] + day
    settling = _SETTLED + (1 - _SETTLED) / (1 + (tenure / _PLATEAU_DAYS) ** _PLATEAU_POWER)
    misfit = _TONE_EXITS[tone] ** spec.content_strength * (1.25 - 0.25 * np.minimum(interest, 2.0))
    exits = people.frailty[who] * late.exits * settling * misfit
    unsubscribe = spec.unsubscribe * people.unsubscribes[who] * exits
    return Response(
        gone=state.dead[who].astype(np.float64),
        inbox=np.where(state.hostile[who], 0.0, world.placement(day)[world.profile.provider[who]]),
        attentive=(~state.lapsed[who]).astype(np.float64),
        open=1 - np.exp(-open_rate),
        click=1 - np.exp(-click_rate),
        convert=1 - np.exp(-convert_rate),
        unsubscribe_opened=np.minimum(_OPENED_EXITS * unsubscribe, 1.0),
        unsubscribe_unopened=np.minimum(_UNOPENED_EXITS * unsubscribe, 1.0),
        complaint=np.minimum(spec.complaint * people.complains[who] * exits, 1.0),
        lapse=np.minimum(spec.lapse_per_mail * late.lapses, 1.0),
        exits=exits,
    )


def _season(day_of_year: int) -> float:
    """Of buying."""
    day = day_of_year % 365
    first, last, ramp = _HOLIDAYS
    holiday = ramp * (day - first) / (last - first) if first <= day <= last else 0.0
    return float(1 + _SEASON * np.cos(2 * np.pi * (day - 350) / 365) + holiday)
