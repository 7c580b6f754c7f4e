"""One decision cycle at 10,000, 100,000 and a million due people with twenty offers, on one core.

    python -m benchmarks.cycle [--quick] [--json]

From the packed rows of the due index to the bodies of the `sends` messages, page by page as decide does it: rows are decoded, rails,
features, both forests of the funnel, tallied draws, index, price, lottery, budget and minutes, plans and columnar messages. The writes
are timed beside it: stored pages, receipts, the calls that move due times and queue messages. Processor time of one core. The peers
run in turn with it, on people of the same pages who have passed the rails; what is divided is time a pair of person and offer.

ratio_vs_lightgbm_predict_alone    LightGBM's batched `predict` of the same two forests on the ready matrix of those pairs, nothing else,
                                   over the whole cycle, with 256 joint draws a segment and cycle, tallied row by row
ratio_vs_lightgbm_predict_alone_without_tally   the same, the time of the tally taken off the cycle
ratio_vs_spec_loop                 the specification's loop: for every pair its four models predict (open, click, conversion, value; here
                                   forests of the same two sizes), a draw and a product in Python, on a sample
cpu_per_pair_1m_over_10k           of the cycle, its set-up included (in a quick run 50,000 over 10,000)
peak_mb_1m                         most memory of a fresh process that runs the million (in a quick run 50,000), receipts included
write_cpu_s_per_million            of the writes, a million decisions; calls to AWS are answered within the client
dollars_per_million_decisions      by the list of prices below: Lambda for cycle and writes, tables, queue and storage
"""

from __future__ import annotations

import gzip
import multiprocessing
import random
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import process_time
from typing import Any
from unittest.mock import patch

import boto3
import numpy as np
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config

from benchmarks import cycle_scene as scene
from benchmarks.harness import Result, alone, main
from revenue_engine import audit, ids, prospects
from revenue_engine.bundle import Bundle
from revenue_engine.context import Cycle
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import NOTHING_TAKEN, grant, places, supply_of
from revenue_engine.later import Taken
from revenue_engine.offers.choice import tally
from revenue_engine.plans import planned_sends
from revenue_engine.records.batch import Batch, decode
from revenue_engine.records.decisions import Decisions
from revenue_engine.services.send_messages import messages
from revenue_engine.snapshot import save_page

FULL, QUICK = (10_000, 100_000, 1_000_000), (10_000, 50_000)
LOOPED, QUICK_LOOPED = 2_000, 400  # pairs of the specification's loop
CALLS = 500  # of each kind of write, timed and scaled
_KEY = b"0" * 32

# dollars, us-east-1, of the vendor's pricing pages (Lambda, DynamoDB, SQS, S3, SES) as known: check them
PRICES = {
    "Lambda, arm64, a GB-second": 0.0000133334,
    "DynamoDB, a million write units on demand": 0.625,
    "DynamoDB, a million read units on demand": 0.125,
    "SQS, a million requests of 64 KB": 0.40,
    "S3, a thousand PUTs": 0.005,
    "SES, a thousand mails": 0.10,
}
GB_OF_A_CORE = 1.769  # memory that buys a Lambda one core
WRITE_UNITS = 4  # of a moved due time: the item, above a kilobyte, and out of and into its place in the index
READ_BYTES_PER_UNIT = 2 * 4_096  # eventually consistent
ITEM_BYTES = 300  # of the due index, a person


@dataclass
class Run:
    """Processor seconds of one cycle."""

    people: int
    pairs: int = 0  # of people who passed the rails
    mails: int = 0
    taken: Taken = NOTHING_TAKEN
    cycle: float = 0.0
    tally: float = 0.0  # within it
    local_writes: float = 0.0  # pages and receipts
    message_count: int = 0
    message_bytes: int = 0
    put_count: int = 0
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def per_pair(self) -> float:
        return self.cycle / self.pairs


@contextmanager
def _timed(run: Run, part: str) -> Iterator[None]:
    begin = process_time()
    yield
    run.parts[part] = run.parts.get(part, 0.0) + process_time() - begin


def play(bundle: Bundle, people: int) -> Run:
    """A cycle of so many."""
    run = Run(people)

    def counted(worth: Any, factors: Any, segment: Any, eligible: Any) -> Any:
        begin = process_time()
        votes = tally(worth, factors, segment, eligible)
        run.tally += process_time() - begin
        run.pairs += eligible.size
        return votes

    with patch.object(prospects, "tally", counted):
        begin = process_time()
        at_work = scene.cycle(bundle, people)
        run.cycle += process_time() - begin
        for number, packed in enumerate(scene.pages(people)):
            _page(run, at_work, number, packed)
    return run


def _page(run: Run, at_work: Cycle, number: int, packed: scene.Packed) -> None:
    begin = process_time()
    with _timed(run, "decode"):
        batch = decode(*packed)
    with _timed(run, "decide"):
        decisions = decide_batch(batch, at_work)
    taken = run.taken
    with _timed(run, "grant"):
        granted = places(decisions, at_work, taken)
        decisions = grant(decisions, batch, at_work, granted, taken=taken)
        supply_of(decisions, batch, at_work)
        run.taken = taken.and_then(decisions, at_work)
    with _timed(run, "messages"):
        planned = planned_sends(decisions, at_work, _send_id)
        bodies = messages(planned)
    run.cycle += process_time() - begin
    run.mails += len(planned)
    run.message_count += len(bodies)
    run.message_bytes += sum(len(one.body) for one in bodies)
    run.put_count += 2
    begin = process_time()
    save_page(batch)
    _receipts(decisions, batch, at_work, number, granted, taken)
    run.local_writes += process_time() - begin


def _send_id(subscriber: str, decision_id: str) -> str:
    return ids.send_id(_KEY, org="benchmark", subscriber=subscriber, decision_id=decision_id)


def _receipts(decisions: Decisions, batch: Batch, at_work: Cycle, number: int, granted: int, taken: Taken) -> bytes:
    keys = {"page_key": f"cycles/benchmark/page-{number:04d}.npz", "context_key": "cycles/benchmark/context.json"}
    lines = audit.receipts(decisions, batch, at_work, **keys, granted=granted, taken=taken, send_id=_send_id)
    return gzip.compress(lines, compresslevel=6, mtime=0)


# --- peers ---------------------------------------------------------------------------------------------------------------
def predicted_alone(models: scene.Models) -> tuple[float, np.ndarray[Any, Any]]:
    """Seconds a pair, and the matrix, of half a page."""
    at_work = scene.cycle(models.bundle, scene.PAGE_ROWS)
    keys, rows, decided_at = scene.page(0, scene.PAGE_ROWS // 2)
    matrix = scene.pairs_of(decode(keys, rows, decided_at), at_work)
    begin = process_time()
    for booster in models.boosters:
        booster.predict(matrix, num_threads=1)
    return (process_time() - begin) / len(matrix), matrix


def spec_loop(models: scene.Models, matrix: np.ndarray[Any, Any], looped: int) -> float:
    """Seconds a pair of the specification's loop: its four models (section 4.3) predict, a draw, a product, the best is kept."""
    luck, best = random.Random(scene.SEED), 0.0
    click, sale = models.boosters
    sample = matrix[np.random.default_rng(scene.SEED).choice(len(matrix), looped, replace=False)]
    begin = process_time()
    for row in sample:
        opened, clicked, bought, value = (forest.predict(row[None], num_threads=1)[0] for forest in (click, click, sale, sale))
        best = max(best, opened * clicked * bought * value * luck.betavariate(2.0, 98.0))
    return (process_time() - begin) / looped


# --- writes --------------------------------------------------------------------------------------------------------------
def write_calls(run: Run) -> float:
    """Seconds of the client for the run's due times and messages; answers are made up within it, nothing is sent."""
    config = Config(region_name="us-east-1", retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    dynamo, sqs = (boto3.client(name, config=config, **keys) for name in ("dynamodb", "sqs"))  # type: ignore[call-overload]
    for one in (dynamo, sqs):
        one.meta.events.register("before-send", _answered)
    begin = process_time()
    for number in range(CALLS):
        dynamo.update_item(
            TableName="Subscribers",
            Key={"pk": {"S": f"benchmark#{number:026d}"}},
            UpdateExpression="SET #a = :a, #b = :b",
            ConditionExpression="#status = :active AND attribute_exists(#shard)",
            ExpressionAttributeNames={"#a": "next_decision_at", "#b": "decided_at", "#status": "status", "#shard": "due_shard"},
            ExpressionAttributeValues={":a": {"N": str(scene.T)}, ":b": {"N": str(scene.T)}, ":active": {"S": "active"}},
        )
    each = (process_time() - begin) / CALLS
    body = "x" * (run.message_bytes // max(run.message_count, 1))
    begin = process_time()
    for _ in range(CALLS // 10):
        sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/1/sends", MessageBody=body)
    queued = (process_time() - begin) / (CALLS // 10)
    return each * run.people + queued * run.message_count


def _answered(request: Any, **_: Any) -> AWSResponse:
    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield b"{}"

        def read(self) -> bytes:
            return b"{}"

    return AWSResponse(request.url, 200, HeadersDict(), Raw())  # type: ignore[arg-type]


def peak_mb(people: int) -> float:
    """Most memory of a process that runs so many, made for it alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one:
        return one.submit(_peak, scene.models().bundle, people).result()


def _peak(bundle: Bundle, people: int) -> float:
    play(bundle, people)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def dollars(run: Run, write_seconds: float) -> dict[str, float]:
    """Of the run, by what is paid for."""
    price = list(PRICES.values())
    return {
        "Lambda": (run.cycle + write_seconds) * GB_OF_A_CORE * price[0],
        "table writes": run.people * WRITE_UNITS * price[1] / 1e6,
        "table reads": run.people * ITEM_BYTES / READ_BYTES_PER_UNIT * price[2] / 1e6,
        "queue": max(run.message_count, run.message_bytes / 65_536) * price[3] / 1e6,
        "storage": run.put_count * price[4] / 1e3,
    }


def measure(quick: bool, sizes: tuple[int, ...] | None = None) -> Result:
    """The cycles, with the peers in turn."""
    sizes = sizes or (QUICK if quick else FULL)
    models = scene.models()
    play(models.bundle, min(sizes[0], 2_000))  # warm
    runs, alone, looped = [], [], []
    for people in sizes:
        repeats = 3 if people == sizes[0] else 1
        runs.append(sorted((play(models.bundle, people) for _ in range(repeats)), key=lambda run: run.cycle)[repeats // 2])
        each, matrix = predicted_alone(models)
        alone.append(each)
        looped.append(spec_loop(models, matrix, QUICK_LOOPED if quick else LOOPED))
    first, last = runs[0], runs[-1]
    lightgbm, loop = median(alone), median(looped)
    writes = last.local_writes + write_calls(last)
    paid = dollars(last, writes)
    million = 1e6 / last.people
    figures = {
        "ratio_vs_lightgbm_predict_alone": lightgbm / last.per_pair,
        "ratio_vs_lightgbm_predict_alone_without_tally": lightgbm / ((last.cycle - last.tally) / last.pairs),
        "ratio_vs_spec_loop": loop / last.per_pair,
        "cpu_per_pair_1m_over_10k": last.per_pair / first.per_pair,
        "peak_mb_1m": peak_mb(last.people),
        "cpu_s_per_million": last.cycle * million,
        "write_cpu_s_per_million": writes * million,
        "dollars_per_million_decisions": sum(paid.values()) * million,
    }
    trees = " and ".join(str(booster.num_trees()) for booster in models.boosters)
    return Result(
        title=f"a cycle of {', '.join(f'{run.people:,}' for run in runs)} due people × {scene.OFFERS} offers; forests of {trees} trees",
        columns=("due", "looked at", "mails", "cycle s", "us a pair", "of it tally", "decode", "decide", "grant", "messages"),
        rows=[_row(run) for run in runs],
        figures=figures,
        notes=(
            f"Us a pair: LightGBM's predict alone {lightgbm * 1e6:.2f} ({min(alone) * 1e6:.2f} to {max(alone) * 1e6:.2f}), "
            f"the specification's loop {loop * 1e6:.0f}.",
            f"Writes of {last.people:,} decisions: {last.local_writes:.1f} s for pages and receipts, "
            f"{writes - last.local_writes:.1f} s of the client's calls ({CALLS} timed).",
            "Dollars a million decisions: "
            + ", ".join(f"{name} {value * million:.4f}" for name, value in paid.items())
            + f"; the mails' own bill {last.mails * PRICES['SES, a thousand mails'] / 1e3 * million:.2f}.",
            "Prices: " + "; ".join(f"{name} {value:g}" for name, value in PRICES.items()) + ".",
        ),
    )


def _row(run: Run) -> tuple[str, ...]:
    parts = tuple(f"{run.parts.get(name, 0.0):.2f}" for name in ("decode", "decide", "grant", "messages"))
    looked = run.pairs // scene.OFFERS
    head = (f"{run.people:,}", f"{looked:,}", f"{run.mails:,}", f"{run.cycle:.2f}", f"{run.per_pair * 1e6:.3f}")
    return (*head, f"{run.tally / run.cycle:.0%}", *parts)


if __name__ == "__main__":
    alone("benchmarks.cycle")
    main(__doc__ or "", measure)
