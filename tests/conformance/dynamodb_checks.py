"""DynamoDB: conditions, transactions, indexes, numbers, limits."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.checks import check
from tests.conformance.conftest import TABLE, World, code


def key(pk: str, sk: str = "-") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def put(client: Any, pk: str, sk: str = "-", **attributes: dict[str, Any]) -> None:
    client.put_item(TableName=TABLE, Item={**key(pk, sk), **attributes})


def get(client: Any, pk: str, sk: str = "-") -> Any:
    return client.get_item(TableName=TABLE, Key=key(pk, sk), ConsistentRead=True).get("Item")


def add(pk: str, amount: int = 1, **more: Any) -> dict[str, Any]:
    """An update that counts `n` up."""
    values = {":amount": {"N": str(amount)}}
    return {
        "TableName": TABLE,
        "Key": key(pk),
        "UpdateExpression": "ADD #n :amount",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": values,
        **more,
    }


@check(["ok", "ConditionalCheckFailedException"])
def only_one_of_two_writers_with_the_same_version_wins(world: World) -> Any:
    client = world.table()
    put(client, "a", version={"N": "1"})
    update = {
        "TableName": TABLE,
        "Key": key("a"),
        "UpdateExpression": "SET #v = #v + :one",
        "ConditionExpression": "#v = :read",
        "ExpressionAttributeNames": {"#v": "version"},
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":read": {"N": "1"}},
    }
    return [code(client.update_item, **update) for _ in range(2)]


@check(["ok", "ConditionalCheckFailedException", {"S": "first"}])
def a_put_that_must_be_new_never_overwrites(world: World) -> Any:
    client = world.table()
    codes = [
        code(
            client.put_item, TableName=TABLE, Item={**key("a"), "v": {"S": text}}, ConditionExpression="attribute_not_exists(pk)"
        )
        for text in ("first", "second")
    ]
    return [*codes, get(client, "a")["v"]]


@check({"pk": {"S": "a"}, "sk": {"S": "-"}, "v": {"S": "there"}})
def a_failed_condition_returns_the_item_on_request(world: World) -> Any:
    client = world.table()
    put(client, "a", v={"S": "there"})
    try:
        client.put_item(
            TableName=TABLE,
            Item=key("a"),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        return error.response.get("Item")
    return None


@check([["None", "ConditionalCheckFailed"], None])
def a_cancelled_transaction_writes_nothing_and_gives_reasons_in_order(world: World) -> Any:
    client = world.table()
    put(client, "taken")
    new, taken = (
        {"Put": {"TableName": TABLE, "Item": key(pk), "ConditionExpression": "attribute_not_exists(pk)"}}
        for pk in ("new", "taken")
    )
    try:
        client.transact_write_items(TransactItems=[new, taken])
    except ClientError as error:
        return [[reason["Code"] for reason in error.response["CancellationReasons"]], get(client, "new")]
    return None


@check({"v": {"S": "there"}, **{"pk": {"S": "taken"}, "sk": {"S": "-"}}})
def a_cancellation_reason_carries_the_item_on_request(world: World) -> Any:
    client = world.table()
    put(client, "taken", v={"S": "there"})
    taken = {
        "TableName": TABLE,
        "Item": key("taken"),
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    try:
        client.transact_write_items(TransactItems=[{"Put": taken}])
    except ClientError as error:
        return error.response["CancellationReasons"][0].get("Item")
    return None


@check(["TransactionCanceledException", None])
def a_condition_check_on_another_item_guards_a_transaction(world: World) -> Any:
    client = world.table()
    put(client, "person", status={"S": "unsubscribed"})
    guard = {
        "TableName": TABLE,
        "Key": key("person"),
        "ConditionExpression": "#s = :active",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":active": {"S": "active"}},
    }
    items = [{"ConditionCheck": guard}, {"Put": {"TableName": TABLE, "Item": key("send")}}]
    return [code(client.transact_write_items, TransactItems=items), get(client, "send")]


@check("ValidationException")
def a_transaction_cannot_touch_an_item_twice(world: World) -> Any:
    client = world.table()
    return code(client.transact_write_items, TransactItems=[{"Update": add("a")}, {"Update": add("a")}])


@check(["ok", "ValidationException"])
def a_transaction_holds_at_most_a_hundred_actions(world: World) -> Any:
    client = world.table()
    return [code(client.transact_write_items, TransactItems=[{"Update": add(f"{n}-{i}")} for i in range(n)]) for n in (100, 101)]


@check([["ok", "ok"], {"N": "1"}])
def a_transaction_repeated_with_its_token_is_applied_once(world: World) -> Any:
    client = world.table()
    request = {"TransactItems": [{"Update": add("a")}], "ClientRequestToken": "token-1"}
    return [[code(client.transact_write_items, **request) for _ in range(2)], get(client, "a")["n"]]


@check(["ok", "IdempotentParameterMismatchException"])
def a_token_used_again_for_something_else_is_refused(world: World) -> Any:
    client = world.table()
    return [
        code(client.transact_write_items, TransactItems=[{"Update": add(pk)}], ClientRequestToken="token-1") for pk in ("a", "b")
    ]


@check({"N": "2"})
def a_token_is_forgotten_after_ten_minutes(world: World) -> Any:
    client = world.table()
    request = {"TransactItems": [{"Update": add("a")}], "ClientRequestToken": "token-1"}
    client.transact_write_items(**request)
    world.wait(601)
    client.transact_write_items(**request)
    return get(client, "a")["n"]


@check([{"n": {"N": "5"}}, {"n": {"N": "3"}}])
def counting_begins_at_nothing_and_goes_down_too(world: World) -> Any:
    client = world.table()
    return [client.update_item(**add("a", amount, ReturnValues="UPDATED_NEW"))["Attributes"] for amount in (5, -2)]


@check("9007199254740993000001")
def micros_beyond_a_floats_precision_are_exact(world: World) -> Any:
    client = world.table()
    put(client, "a", n={"N": "9007199254740993000000"})
    client.update_item(**add("a"))
    return get(client, "a")["n"]["N"]


@check(["ok", "ValidationException"])
def a_number_has_at_most_38_digits(world: World) -> Any:
    client = world.table()
    return [code(put, client, "a", n={"N": "1" * digits}) for digits in (38, 39)]


@check(["0.1", "100", "0"])
def numbers_are_normalised(world: World) -> Any:
    client = world.table()
    found = []
    for text in ("0.100", "1E2", "-0"):
        put(client, "a", n={"N": text})
        found.append(get(client, "a")["n"]["N"])
    return found


@check(bytes(range(256)))
def bytes_come_back_as_they_were(world: World) -> Any:
    client = world.table()
    put(client, "a", row={"B": bytes(range(256))})
    return get(client, "a")["row"]["B"]


def due(client: Any, at: int, **more: Any) -> Any:
    return client.query(
        TableName=TABLE,
        IndexName="due",
        KeyConditionExpression="due_shard = :shard AND due_at <= :at",
        ExpressionAttributeValues={":shard": {"S": "s"}, ":at": {"N": str(at)}},
        **more,
    )


def fill(client: Any, count: int) -> None:
    for n in range(count):
        put(client, f"p{n}", due_shard={"S": "s"}, due_at={"N": str(n)}, row={"B": b"r"}, other={"S": "not projected"})


@check([["p0", "p1", "p2", "p10"], ["due_at", "due_shard", "pk", "row", "sk"]])
def the_due_index_is_sparse_ordered_by_number_and_projects_what_it_says(world: World) -> Any:
    client = world.table()
    put(client, "absent", row={"B": b"r"})
    for n in (10, 2, 0, 1, 99):
        put(client, f"p{n}", due_shard={"S": "s"}, due_at={"N": str(n)}, row={"B": b"r"}, other={"S": "not projected"})
    items = due(client, 50)["Items"]
    return [[each["pk"]["S"] for each in items], sorted(items[0])]


@check([2, 1, 0])
def an_item_leaves_the_index_with_its_key_attribute(world: World) -> Any:
    client = world.table()
    fill(client, 2)
    counts = [due(client, 9)["Count"]]
    client.update_item(TableName=TABLE, Key=key("p0"), UpdateExpression="REMOVE due_shard")
    counts.append(due(client, 9)["Count"])
    client.delete_item(TableName=TABLE, Key=key("p1"))
    return [*counts, due(client, 9)["Count"]]


@check([["p0", "p1"], ["p2", "p3"], ["p4"]])
def pages_of_an_index_join_without_gap_or_repeat(world: World) -> Any:
    client = world.table()
    fill(client, 5)
    pages: list[list[str]] = []
    more: dict[str, Any] = {}
    while True:
        page = due(client, 9, Limit=2, **more)
        pages.append([each["pk"]["S"] for each in page["Items"]])
        if "LastEvaluatedKey" not in page:
            return pages
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@check([["p0", "p1"], ["p2", "p3"]])
def pages_go_on_after_equal_sort_keys(world: World) -> Any:
    client = world.table()
    for n in range(4):
        put(client, f"p{n}", due_shard={"S": "s"}, due_at={"N": "7"})
    first = due(client, 9, Limit=2)
    second = due(client, 9, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])
    pages = [sorted(each["pk"]["S"] for each in page["Items"]) for page in (first, second)]
    return sorted(pages)


@check(True)
def a_page_that_is_just_full_has_a_key_to_go_on(world: World) -> Any:
    client = world.table()
    fill(client, 2)
    return "LastEvaluatedKey" in due(client, 9, Limit=2)


@check("ValidationException")
def an_index_has_no_consistent_read(world: World) -> Any:
    client = world.table()
    return code(due, client, 9, ConsistentRead=True)


@check([["e#2", "e#1"], ["e#2", "f"]])
def a_query_selects_and_orders_by_the_sort_key(world: World) -> Any:
    client = world.table()
    for sk in ("d", "e#1", "e#2", "f", "g"):
        put(client, "a", sk)

    def query(condition: str, **values: str) -> list[str]:
        texts = {f":{name}": {"S": value} for name, value in values.items()}
        more = {"ScanIndexForward": False} if "begins" in condition else {}
        found = client.query(TableName=TABLE, KeyConditionExpression=condition, ExpressionAttributeValues=texts, **more)
        return [each["sk"]["S"] for each in found["Items"]]

    between = query("pk = :pk AND sk BETWEEN :a AND :b", pk="a", a="e#2", b="f")
    return [query("pk = :pk AND begins_with(sk, :e)", pk="a", e="e#"), between]


@check(["ok", "ValidationException"])
def an_item_has_at_most_400_kilobytes(world: World) -> Any:
    client = world.table()
    room = 400 * 1024 - len("pka" + "sk-" + "text")
    return [code(put, client, "a", text={"S": "x" * n}) for n in (room, room + 1)]


@check(["ok", "ValidationException"])
def a_batch_writes_at_most_25(world: World) -> Any:
    client = world.table()
    return [
        code(client.batch_write_item, RequestItems={TABLE: [{"PutRequest": {"Item": key(f"{i}")}} for i in range(n)]})
        for n in (25, 26)
    ]


@check([100, "ValidationException", "ValidationException"])
def a_batch_reads_at_most_100_different_keys(world: World) -> Any:
    client = world.table()
    for i in range(100):
        put(client, f"{i}")

    def read(keys: list[dict[str, Any]]) -> Any:
        return client.batch_get_item(RequestItems={TABLE: {"Keys": keys}})["Responses"][TABLE]

    hundred = [key(f"{i}") for i in range(100)]
    return [len(read(hundred)), code(read, [*hundred, key("x")]), code(read, [key("1"), key("1")])]


@check(["ValidationException", "ValidationException"])
def reserved_words_and_unused_placeholders_are_refused(world: World) -> Any:
    client = world.table()
    reserved = {"TableName": TABLE, "Key": key("a"), "UpdateExpression": "REMOVE state"}
    unused = {**add("a"), "ExpressionAttributeNames": {"#n": "n", "#other": "x"}}
    return [code(client.update_item, **request) for request in (reserved, unused)]


@check([{"a": {"N": "1"}, "b": {"N": "1"}}, {"a": {"N": "1"}, "b": {"N": "2"}}])
def a_map_member_is_written_alone(world: World) -> Any:
    client = world.table()
    put(client, "a", profile={"M": {"a": {"N": "1"}, "b": {"N": "1"}}})
    found = [get(client, "a")["profile"]["M"]]
    client.update_item(
        TableName=TABLE,
        Key=key("a"),
        UpdateExpression="SET profile.#b = if_not_exists(profile.#c, :two)",
        ExpressionAttributeNames={"#b": "b", "#c": "c"},
        ExpressionAttributeValues={":two": {"N": "2"}},
    )
    return [*found, get(client, "a")["profile"]["M"]]
