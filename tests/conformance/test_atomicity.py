"""What must hold while threads race: on the local plane's emulator only, since moto's writes are not atomic across threads."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.conftest import TABLE, World, code
from tests.conformance.dynamodb_checks import add, get, key, put

THREADS = 6
ROUNDS = 40


@pytest.fixture
def backend() -> str:
    return "ministack"


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def race(work: Callable[[int], list[Any]]) -> list[list[Any]]:
    """Run `work(thread number)` in all threads at once; their results. An exception in a thread is raised here."""
    results: list[list[Any]] = [[] for _ in range(THREADS)]
    errors: list[BaseException] = []
    barrier = threading.Barrier(THREADS)

    def body(n: int) -> None:
        try:
            barrier.wait()
            results[n] = work(n)
        except BaseException as error:  # it is raised below, in the thread that can show it
            errors.append(error)

    threads = [threading.Thread(target=body, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    return results


def test_a_claim_is_won_by_exactly_one_of_many_threads(world: World) -> None:
    client = world.table()

    def claim(n: int) -> list[str]:
        won = []
        for lock in range(ROUNDS):
            request = {"TableName": TABLE, "Item": key(f"{lock}"), "ConditionExpression": "attribute_not_exists(pk)"}
            if code(client.put_item, **request) == "ok":
                won.append(str(lock))
        return won

    winners = Counter(lock for won in race(claim) for lock in won)
    assert winners == {str(lock): 1 for lock in range(ROUNDS)}


def test_no_count_is_lost(world: World) -> None:
    client = world.table()

    def count(n: int) -> list[Any]:
        return [client.update_item(**add("a")) for _ in range(ROUNDS)]

    race(count)
    assert get(client, "a")["n"] == {"N": str(THREADS * ROUNDS)}


def test_a_budget_is_never_exceeded_and_every_reservation_is_whole(world: World) -> None:
    client, cap = world.table(), 50
    put(client, "budget", n={"N": "0"})
    reserve = add("budget", 3, ConditionExpression="#n <= :room")
    reserve["ExpressionAttributeValues"] = {":amount": {"N": "3"}, ":room": {"N": str(cap - 3)}}

    def pages(n: int) -> list[str]:
        taken = []
        for page in range(ROUNDS):
            name = f"page-{n}-{page}"
            items = [{"Update": reserve}, {"Put": {"TableName": TABLE, "Item": key(name)}}]
            if code(client.transact_write_items, TransactItems=items) == "ok":
                taken.append(name)
        return taken

    taken = [name for names in race(pages) for name in names]
    assert len(taken) == cap // 3
    assert get(client, "budget")["n"] == {"N": str(3 * len(taken))}
    for n in range(THREADS):
        for page in range(ROUNDS):
            name = f"page-{n}-{page}"
            assert (get(client, name) is not None) == (name in taken)


def test_every_message_is_delivered_to_one_consumer(world: World) -> None:
    client, url = world.queue(VisibilityTimeout="600")
    for at in range(0, 200, 10):
        client.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": str(at + n)} for n in range(10)])

    def consume(n: int) -> list[str]:
        seen: list[str] = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=3, WaitTimeSeconds=0).get("Messages"):
            seen.extend(json.loads(message["Body"]) for message in messages)
        return seen

    delivered = Counter(body for seen in race(consume) for body in seen)
    assert delivered == dict.fromkeys(range(200), 1)
