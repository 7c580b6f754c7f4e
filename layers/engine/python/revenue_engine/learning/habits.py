"""How the readers of one list tire and leave: the habits of the index's table (`pacing/index`), from the mails that a lot kept back.

Who is engaged is mailed more, and who clicked is mailed again soon: so in a log of targeted mail the slope of clicks on fatigue has any
sign, within a reader too. Of all that makes one mail find its reader more tired than another only one thing is chance: of the mails that
were to be sent, a known share was kept back by lot (ghosts). The *luck* of a would-be mail is 1 or 0, kept back or not, less the chance of
it, which nothing known at the draw can go with. A mail's *push* is what the lots of its reader's last few would-be mails made of his
fatigue: a fixed weight for the first before it, the second and so on, from the regression of fatigue on them. (By age it would be no
chance: a ghost brings the next mail nearer.)

    E[(y · e^(βF) − m) · push] = 0 at the true β         of clicks: a mail's worth falls as e^(−βF)
    E[(y / (1 + sF) − m) · push] = 0 at the true s       of exits: their hazard grows as 1 + sF

for any m that the lots do not move; here the reader's own mean, shrunk to the list's, times what mails at such an hour bring: who was
passed over is decided again at another hour than who was mailed, and hours differ more than fatigue does. (Mullahy,
"Instrumental-variable estimation of count data models", Review of Economics and Statistics 79, 1997; weights as in two-stage least
squares.) exp(−½ g²/Var g) of such a moment g is taken for the likelihood on a grid, which is honest about weak instruments too
(Chernozhukov and Hong, "An MCMC approach to classical estimation", Journal of Econometrics 115, 2003), and multiplied with a prior that is
log-normal between the public worlds: little evidence moves it little, none not at all. How often people leave at all is counted elsewhere
(`learning/rates`), by segment.

A slope of worth is served at its posterior mean, exits dearer than that: by a spread of their slope's posterior, and by one of their
level's, a Gamma's. A hazard held for too low is acted on before it is noticed, and readers who left do not come back: exits at twice what
was counted cost no cash that could be told in the default world and left more in the tired one (docs/decisions/0038). m would-be mails; n
mails whose outcome is known; p people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.pacing.index import PRIOR_EXITS, Habits

WORTH_SPREAD, EXITS_SPREAD = (
    0.4,
    0.4,
)  # of the prior's logarithm: the public worlds lie a spread and less either side of its middle
PRIOR_EXIT_MAILS = 2_000.0  # of which the prior's exits came, as it were (`prior.HAZARD_MAILS`)
GRID = np.geomspace(1 / 6, 6.0, 49)  # of slopes, times the prior's
LAGS = 4  # would-be mails before a mail: what came before is forgotten by then, or much alike for all
REMEMBERED = 6.0  # half-lives of fatigue
PRIOR_MAILS = 100.0  # what the list's mean is worth against a reader's own
_BY_PEAK = 7
HOURS = _BY_PEAK + 6
PRIOR_EVENTS = 5.0  # what an hour like any other is worth, in clicks or exits
FEWEST_GHOSTS = 100  # behind mails: fewer are no large sample


@dataclass(frozen=True, slots=True)
class WouldBe:
    """Mails that were to be sent, (m,) each, in any order: those that left, those that a lot kept back, and those that were lost."""

    person: Ints
    at: Floats  # days
    sent: Bools  # delivered
    ghost: Bools  # kept back by lot
    ghost_share: Floats  # the chance of that, 0 where no lot was drawn
    clicked: Bools
    left: Bools  # answered by an opt-out or a complaint
    closed: Bools  # what became of it is known
    hour: Ints  # `hour_of` its decision

    def __len__(self) -> int:
        return len(self.person)

    def where(self, chosen: Bools | Ints) -> WouldBe:
        """Some of them."""
        return WouldBe(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Belief:
    """A posterior, and the figure that is served of it."""

    mean: float
    spread: float
    served: float


@dataclass(frozen=True, slots=True)
class HabitsFit:
    """What is served, and what there is to say about it."""

    habits: Habits
    prior: Habits
    value_per_mail: Belief
    exits_per_mail: Belief
    mails: int
    ghosts: int  # that mails came after
    clicks: int
    exits: int

    @property
    def exits_level(self) -> Belief:
        """Of exits per mail, of the whole list; `served` is in times of the mean."""
        shape = PRIOR_EXITS + self.exits
        mean = shape / (PRIOR_EXIT_MAILS + self.mails)
        return Belief(mean, mean / shape**0.5, self.habits.exits_over)

    def figures(self) -> dict[str, float]:
        """By name, for a manifest: prior, posterior, evidence."""
        found = {
            "habits_mails": float(self.mails),
            "habits_ghosts": float(self.ghosts),
            "habits_clicks": float(self.clicks),
            "habits_exits": float(self.exits),
        }
        beliefs = {"value_per_mail": self.value_per_mail, "exits_per_mail": self.exits_per_mail, "exits_level": self.exits_level}
        for name, belief in beliefs.items():
            found |= {f"habits_{name}_mean": belief.mean, f"habits_{name}_spread": belief.spread}
        for name in ("value_per_mail", "exits_per_mail", "exits_over"):
            found |= {f"habits_{name}_prior": getattr(self.prior, name), f"habits_{name}": getattr(self.habits, name)}
        return found


@dataclass(frozen=True, slots=True)
class Pushes:
    """Mails whose outcome is known, (n,) each, by person and time."""

    person: Ints  # 0 … p − 1
    fatigue: Floats
    push: Floats
    clicked: Bools
    left: Bools
    hour: Ints
    ghosts: int


def pushes(log: WouldBe, half_life_days: float) -> Pushes:
    """Each mail's fatigue when it was decided, and what chance had to do with it."""
    ordered = log.where(np.lexsort((log.at, log.person)))
    fatigue, luck = np.zeros(len(ordered)), np.zeros((len(ordered), LAGS))
    drawn = ordered.ghost - ordered.ghost_share
    for lag in range(1, len(ordered)):
        same = ordered.person[lag:] == ordered.person[:-lag]
        age = ordered.at[lag:] - ordered.at[:-lag]
        near = same & (age <= REMEMBERED * half_life_days)
        if lag > LAGS and not near.any():  # by person and time: who has none so far back has none further
            break
        fatigue[lag:] += np.where(near & ordered.sent[:-lag], np.exp2(-np.where(near, age, 0.0) / half_life_days), 0.0)
        if lag <= LAGS:
            luck[lag:, lag - 1] = np.where(same, drawn[:-lag], 0.0)
    known = ordered.sent & ordered.closed
    tired, lots = fatigue[known], luck[known]
    push = np.zeros(len(tired))
    if lots.any():
        lots = lots - lots.mean(axis=0)
        push = lots @ np.linalg.lstsq(lots, tired - tired.mean(), rcond=None)[0]
    return Pushes(
        person=np.unique(ordered.person[known], return_inverse=True)[1].reshape(-1).astype(np.int64),
        fatigue=tired,
        push=push,
        clicked=ordered.clicked[known],
        left=ordered.left[known],
        hour=ordered.hour[known],
        ghosts=int((luck[known, 0] > 0).sum()),
    )


def hour_of(from_peak: Floats, local_hour: Floats) -> Ints:
    """(n,) group of hours: by their distance from the reader's peak hour (0 … 12, NaN where he has none), else by the time of day."""
    by_peak = np.where(np.isnan(from_peak), 0.0, from_peak) // 2
    return np.where(np.isnan(from_peak), _BY_PEAK + local_hour // 4, by_peak).astype(np.int64)


def rested_worth(slope: float, fatigue: Floats) -> Floats:
    """What a click of readers so tired is in those of rested ones, where worth falls by this slope."""
    return np.asarray(np.exp(slope * fatigue))


def rested_exits(slope: float, fatigue: Floats) -> Floats:
    """The same of exits."""
    return np.asarray(1.0 / (1.0 + slope * fatigue))


def fit_habits(log: WouldBe, prior: Habits) -> HabitsFit:
    """The habits of the list with this log. Slopes stay the prior's where hardly anything was left to chance."""
    seen = pushes(log, prior.half_life_days)
    worth = _belief(seen, seen.clicked, rested_worth, prior.value_per_mail, WORTH_SPREAD, dear=0.0)
    exits = _belief(seen, seen.left, rested_exits, prior.exits_per_mail, EXITS_SPREAD, dear=1.0)
    left = int(seen.left.sum())
    habits = replace(
        prior,
        value_per_mail=_rounded(worth.served),
        exits_per_mail=_rounded(exits.served),
        exits_over=_rounded(1.0 + (PRIOR_EXITS + left) ** -0.5),
    )
    return HabitsFit(habits, prior, worth, exits, len(seen.person), seen.ghosts, int(seen.clicked.sum()), left)


def _rounded(value: float) -> float:
    """What differs beyond, differs between machines."""
    return float(f"{value:.4g}")


def _belief(
    seen: Pushes, happened: Bools, rested: Callable[[float, Floats], Floats], served: float, spread: float, *, dear: float
) -> Belief:
    """The posterior of a slope, served at its mean and `dear` spreads, as `served` is of the prior."""
    weight = np.exp(-0.5 * (np.log(GRID) / spread) ** 2)
    prior = _figures(GRID, weight, dear)
    grid = GRID * (served / prior.served)
    told = support(seen, happened, rested, grid)
    return _figures(grid, weight * np.exp(told - told.max()), dear)


def _figures(grid: Floats, weight: Floats, dear: float) -> Belief:
    mean = float(np.average(grid, weights=weight))
    spread = float(np.sqrt(np.average((grid - mean) ** 2, weights=weight)))
    return Belief(mean, spread, mean + dear * spread)


def support(seen: Pushes, happened: Bools, rested: Callable[[float, Floats], Floats], grid: Floats) -> Floats:
    """Logarithm of the quasi-likelihood of each slope of the grid; flat where hardly anything was left to chance.

    The variance is what the data scatter, people apart, but never less than that of counts with these means: few events of which by chance
    none came after a ghost would say that they are sure.
    """
    if seen.ghosts < FEWEST_GHOSTS or not happened.any() or not seen.push.any():  # rested by every next mail, lots push nobody
        return np.zeros(len(grid))
    people = int(seen.person[-1]) + 1
    cell = seen.person * HOURS + seen.hour
    mails = np.bincount(cell, minlength=people * HOURS).reshape(people, HOURS).astype(np.float64)
    pushed = np.bincount(cell, seen.push, people * HOURS).reshape(people, HOURS)
    squares = np.bincount(seen.person, seen.push**2, people)
    who, hour = seen.person[happened], seen.hour[happened]
    fatigue, push = seen.fatigue[happened], seen.push[happened]
    usual, found = np.array([seen.fatigue.mean()]), []
    for slope in grid.tolist():  # one step a slope, not a mail
        outcome = rested(slope, fatigue)
        usual_of = PRIOR_MAILS * outcome.sum() / len(seen.person)
        mean = (np.bincount(who, outcome, people) + usual_of) / (mails.sum(axis=1) + PRIOR_MAILS)
        at_hour = (np.bincount(hour, outcome, HOURS) + PRIOR_EVENTS) / (mean @ mails + PRIOR_EVENTS)
        parts = np.bincount(who, outcome * push, people) - mean * (pushed @ at_hour)
        counted = float(rested(slope, usual)[0]) * float((mean * squares).sum())
        found.append(-0.5 * float(parts.sum()) ** 2 / max(float((parts**2).sum()), counted))
    return np.array(found)
