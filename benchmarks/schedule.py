"""Whether the scheduler keeps every rule, and how near its plans come to the best there are.

    python -m benchmarks.schedule [--quick] [--json]

A case is one person's hours to come: his zone (half of them at a change of clocks), hours, weekdays, earlier mails, gap, week's cap, the
end of his offer, his own curve over the week, and room in hours, providers' hours, org days and warm-up that he shares with hundreds of
others (`benchmarks.schedule_cases`). `pacing.schedule.plan` plans; a checker that shares no code with it reads the plans with `datetime`
and the rules of the sender's last look.

violations             broken rules in all plans
cases, mails           people planned for, and mails in their plans
violations_unshared    the same when everybody takes his best hour: that the rules bind, and the checker finds what breaks them
share_of_lp_optimum    worth of the plans over the optimum of the linear programme (HiGHS), which may split mails: an upper bound
share_of_lp_greedy     the same of the best mail first, wherever there is room
worst_case_share       the lowest of a week's share
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded

import time
from collections import Counter

import numpy as np

from benchmarks.harness import Result, main
from benchmarks.schedule_cases import Case, drawn, greedy, optimum, people_of, violations
from revenue_engine.pacing.schedule import HOUR, People, Plan, plan

PEOPLE = 1_000
WEEKS, QUICK_WEEKS = 1_000, 20  # planned and checked
BOUNDED, QUICK_BOUNDED = 60, 6  # and held against the linear programme
BOUNDED_PEOPLE, BOUNDED_HOURS = 300, 168
FIRST_BOUNDED = 1_000_000


def measure(quick: bool) -> Result:
    """Check many weeks, bound some."""
    broken: Counter[str] = Counter()
    unshared: Counter[str] = Counter()
    mails, seconds = 0, 0.0
    weeks = QUICK_WEEKS if quick else WEEKS
    for seed in range(weeks):
        case = drawn(seed, PEOPLE, hours=int(np.random.default_rng([seed, 9]).integers(12, 169)))
        people = people_of(case)
        begin = time.process_time()
        made = plan(people, case.places)
        seconds += time.process_time() - begin
        mails += len(made.row)
        broken.update(violations(case, made))
        unshared.update(violations(case, _best_hours(case, people)))
    shares = np.array([_shares(seed) for seed in range(FIRST_BOUNDED, FIRST_BOUNDED + (QUICK_BOUNDED if quick else BOUNDED))])
    worth, by_greedy, best = shares.sum(axis=0)
    some = shares[shares[:, 2] > 0]
    names = sorted(set(broken) | set(unshared))
    return Result(
        title=f"{weeks * PEOPLE:,} cases in {weeks:,} weeks, {mails:,} mails planned",
        columns=("rule", "broken by the plans", "broken when everybody takes his best hour"),
        rows=[(name, f"{broken[name]:,}", f"{unshared[name]:,}") for name in names],
        figures={
            "violations": float(broken.total()),
            "cases": float(weeks * PEOPLE),
            "mails": float(mails),
            "violations_unshared": float(unshared.total()),
            "share_of_lp_optimum": float(worth / best),
            "share_of_lp_greedy": float(by_greedy / best),
            "worst_case_share": float((some[:, 0] / some[:, 2]).min()),
        },
        notes=[
            f"{seconds / weeks:.2f} s of CPU a plan of {PEOPLE:,} people",
            f"bound: {len(some)} weeks of {BOUNDED_PEOPLE} people and {BOUNDED_HOURS} hours in which something could be planned",
        ],
    )


def _shares(seed: int) -> tuple[float, float, float]:
    case = drawn(seed, BOUNDED_PEOPLE, BOUNDED_HOURS)
    made = plan(people_of(case), case.places)
    return float(case.worth[made.row, made.hour].sum()), greedy(case), optimum(case)


def _best_hours(case: Case, people: People) -> Plan:
    """Everybody's hour of greatest worth, whatever the rules say."""
    row, hour = np.arange(len(case.zone)), case.worth.argmax(axis=1)
    return Plan(row, hour, case.start + HOUR * hour + people.offset, np.zeros(len(row)))


if __name__ == "__main__":
    main(__doc__ or "", measure)
