"""Whether the scheduler keeps every rule, and how near its plans come to the best there are.

    python -m benchmarks.schedule [--quick] [--json]

A case is one person whom a full cycle had no place for, and his next two days: his zone (half of the cycles lie near a change of clocks),
hours, weekdays, earlier mails, gap, week's cap, the end of the offers he may get, his own curve, and room in hours, providers' hours, org
days and warm-up that he shares with hundreds of others on several pages (`benchmarks.schedule_cases`). The cycles are played as they are
live: decide, grant, plan, page by page; a checker that shares no code with the planner reads when people are told to come, with
`datetime` and the rules of the sender's last look.

violations             broken rules in all plans
cases, mails           people planned for, and mails in their plans
violations_unshared    the same when everybody takes his best hour: that the rules bind, and the checker finds what breaks them
share_of_lp_optimum    worth of the plans over the optimum of the linear programme (HiGHS), which may split mails: an upper bound
share_of_lp_greedy     the same of the best mail first, wherever there is room
worst_case_share       the lowest of a page's share
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded

import time
from collections import Counter

import numpy as np

from benchmarks.harness import Result, main
from benchmarks.schedule_cases import best_hours, drawn, greedy, optimum, plans_of, played, told_otherwise, violations

PEOPLE, PAGES = 2_000, 3
CYCLES, QUICK_CYCLES = 1_200, 20  # planned and checked
BOUNDED, QUICK_BOUNDED = 60, 6  # and held against the linear programme
BOUNDED_PEOPLE = 1_200
FIRST_BOUNDED = 1_000_000


def measure(quick: bool) -> Result:
    """Check many cycles, bound some."""
    broken: Counter[str] = Counter()
    unshared: Counter[str] = Counter()
    cases, mails, pages, seconds = 0, 0, 0, 0.0
    cycles = QUICK_CYCLES if quick else CYCLES
    for seed in range(cycles):
        context, batches = drawn(seed, PEOPLE, PAGES)
        made = [page for page in played(context, batches) if len(page.cut)]
        begin = time.process_time()
        plans = plans_of(made)
        seconds += time.process_time() - begin
        cases += sum(len(page.cut) for page in made)
        mails += sum(len(of.row) for of in plans)
        pages += len(made)
        broken.update(violations(context, made, plans))
        broken["told_otherwise"] += sum(told_otherwise(page, of) for page, of in zip(made, plans, strict=True))
        unshared.update(violations(context, made, [best_hours(page) for page in made]))
    shares = np.array([s for n in range(QUICK_BOUNDED if quick else BOUNDED) for s in _shares(FIRST_BOUNDED + n)])
    worth, by_greedy, best = shares.sum(axis=0)
    names = sorted(set(broken) | set(unshared))
    return Result(
        title=f"{cases:,} cases in {cycles:,} cycles, {mails:,} mails planned",
        columns=("rule", "broken by the plans", "broken when everybody takes his best hour"),
        rows=[(name, f"{broken[name]:,}", f"{unshared[name]:,}") for name in names],
        figures={
            "violations": float(broken.total()),
            "cases": float(cases),
            "mails": float(mails),
            "violations_unshared": float(unshared.total()),
            "share_of_lp_optimum": float(worth / best),
            "share_of_lp_greedy": float(by_greedy / best),
            "worst_case_share": float((shares[:, 0] / shares[:, 2]).min()),
        },
        notes=[
            f"{1_000 * seconds / pages:.0f} ms of CPU a plan, {cases / pages:.0f} people each",
            f"bound: {len(shares)} pages in which something could be planned",
        ],
    )


def _shares(seed: int) -> list[tuple[float, float, float]]:
    """Worth of a cycle's plans, of the greedy ones and of the bound, by page."""
    made = played(*drawn(seed, BOUNDED_PEOPLE, PAGES))
    found = [
        (float(page.people.worth[of.row, of.hour].sum()), greedy(page.people, page.places), optimum(page.people, page.places))
        for page, of in zip(made, plans_of(made), strict=True)
    ]
    return [share for share in found if share[2] > 0]


if __name__ == "__main__":
    main(__doc__ or "", measure)
