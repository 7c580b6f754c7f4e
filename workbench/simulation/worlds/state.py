"""What a day leaves behind in people: tiredness, silence, anger, dead mailboxes, orders of their own. n people, O offers."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.people import People, Profile
from workbench.simulation.worlds.spec import WorldSpec

WEAR_OUT_HALF_LIFE_DAYS = 14.0
_WEEK = np.array([bin(bits).count("1") for bits in range(128)], dtype=np.float64)


class State:
    """Of every person, as of the morning of a day."""

    def __init__(self, spec: WorldSpec, people: People, profile: Profile) -> None:
        n = len(people.keys)
        self._spec, self._people = spec, people
        self._decay = np.exp2(-1.0 / people.half_life_days)
        self._days = np.zeros(n, dtype=np.uint8)  # one bit for each of the last seven days with a mail
        self._worn = np.zeros((n, spec.offers), dtype=np.float32)
        self._worn_on = np.zeros((n, spec.offers), dtype=np.int16)
        self._loyal = np.ones(n, dtype=bool)
        self._extra_lapse = np.zeros(n)
        self.fatigue: Floats = np.zeros(n)
        self.mailable: Bools = np.ones(n, dtype=bool)  # as far as we were told
        self.hostile: Bools = np.zeros(n, dtype=bool)  # opted out or complained, told or not: sees none of our mail
        self.dead: Bools = people.dead.copy()
        self.lapsed: Bools = np.zeros(n, dtype=bool)
        self.last_order: Floats = -30.4 * (profile.months_since_order - 0.5)  # day
        self.visits: Ints = np.zeros(n, dtype=np.int64)
        self.visit_orders: Ints = np.zeros(n, dtype=np.int64)
        self.orders: Ints = np.zeros(n, dtype=np.int64)

    def mails_of_week(self, who: Ints) -> Floats:
        """Seen in the last seven days."""
        return _WEEK[self._days[who]]

    @property
    def week(self) -> Codes:
        """(n,) one bit for each of the last seven days with a mail that was seen; this morning's lowest bit is free."""
        return self._days

    def worn(self, who: Ints, offer: Ints, day: int) -> Floats:
        """Mails of this offer seen, decayed; broadcast."""
        age = day - self._worn_on[who, offer]
        return np.asarray(self._worn[who, offer] * np.exp2(-age / WEAR_OUT_HALF_LIFE_DAYS), dtype=np.float64)

    def mailed(self, day: int, who: Ints, offer: Ints, seen: Bools, lapse: Floats) -> None:
        """One row a person: `seen` mails tire; `lapse` is what each adds to the chance of silence."""
        row, what = who[seen], offer[seen]
        self._worn[row, what] = self.worn(row, what, day) + 1
        self._worn_on[row, what] = day
        self.fatigue[row] += 1
        self._days[row] |= 1
        self._extra_lapse[row] = lapse[seen]

    def evening(self, day: int) -> None:
        """The end of a day, for everybody."""
        spec, people = self._spec, self._people
        keys = keyed.day_keys(people.keys, day)
        self.fatigue *= self._decay
        self._days = np.bitwise_and(np.left_shift(self._days, np.uint8(1)), np.uint8(0x7F))
        mood = keyed.uniforms(keys, Of.MOOD)
        falls = mood < spec.lapse_per_day + self._extra_lapse
        self.lapsed = np.where(self.lapsed, mood >= spec.return_per_day, falls)
        self._extra_lapse[:] = 0.0
        self.dead |= keyed.uniforms(keys, Of.DIES) < spec.death_per_day
        self._outside(day, keys)

    def _outside(self, day: int, keys: Keys) -> None:
        """Visits and orders of their own accord: nothing a mail changes, nothing an affiliate is paid for."""
        spec, people = self._spec, self._people
        visits = keyed.uniforms(keys, Of.VISITS) < spec.visits_per_day * people.visit_rate
        self.visits += visits
        buys = np.flatnonzero(visits)
        buys = buys[keyed.happens(keys[buys], Of.VISITS, spec.visit_converts, 1)]
        self.visit_orders[buys] += 1
        orders = np.flatnonzero((keyed.uniforms(keys, Of.SHOPS) < -np.expm1(-people.shop_per_day)) & self._loyal)
        self.orders[orders] += 1
        self._loyal[orders] = ~keyed.happens(keys[orders], Of.LEAVES_SHOP, people.shop_leaves[orders])
        self.last_order[orders] = self.last_order[buys] = day
