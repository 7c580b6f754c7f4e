"""Postback requests as nobody should send them: the contract's fixtures, mutated, and bytes without any sense; all from one seed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

from tests.http_events import http_event
from tests.shared_data import shared_path

OURS = "k7Qm2cV9xT4hL0pZ"  # what the fixtures have where our tracking id goes
Pairs = list[tuple[str, str]]  # names and values, percent-encoded

_ODD_TEXTS = (
    "", " ", "0", "-1", "-0", "null", "NaN", "inf", "1e3", "1e999", "0x10", "1_000", ".5", "5.", "1,5", "٣٢", "３２", "9" * 60,
    "0.0000001", "{payout_amount}", "{", "}{", "%", "%zz", "%00", "%ff%fe", "%ed%a0%80", "%F0%9F%92%B8", "é", "\ud800", "\U0010ffff",
    "a#b", "#", "../../etc", "';--", "<script>", "${jndi:x}", "%s%n", "__proto__", "\r\nset-cookie: a", "\x00", "x" * 101, "x" * 700,
    "event", "conversion", "77", "1042", "USD", "XQZ", "1" + "a" * 52,
)  # fmt: skip
_ODD_JSON: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", "32.5", "\ud800", "\x00", [], {}, [[[]]], {"a": {"a": {}}}, "1e999999", 1e308, "x" * 5_000,
)  # fmt: skip
_ODD_TOKENS = ("", "x", "%2e%2e", "a b", "é", "\ud800", "\x00", "{token}", "t" * 4_000, "null", "pat@recipient.example")
_ODD_ORGS = ("", "UPPER", "-a", "a" * 33, "main/x", "é", "\ud800", "../main", "MAIN", "main ")
_CONTENT_TYPES = (
    "", "application/json", "application/x-www-form-urlencoded", "text/plain; charset=latin-1", "multipart/form-data; boundary=x",
    "JSON", "\x00", "c" * 9_000,
)  # fmt: skip
_METHODS = ("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """One request of the HTTP API, and what its path is worth: ok | wrong (token) | stranger (org) | malformed."""

    event: dict[str, Any]
    path: str

    @property
    def tells(self) -> bool:
        """Whether the request is to be kept at all."""
        return self.path in ("ok", "wrong") and self.event["requestContext"]["http"]["method"] not in ("HEAD", "OPTIONS")


class Fuzzer:
    """`requests(n)` gives n of them, the same for the same seed.

    Parameters
    ----------
    org, token
        A path that is good.
    sub1
        Values of `sub1`, authentic or not, which the requests name.
    transactions
        How many clicks they tell of.
    """

    def __init__(self, *, seed: int, org: str, token: str, sub1: Sequence[str], transactions: int) -> None:
        self._chance = random.Random(seed)
        self._org, self._token, self._sub1, self._transactions = org, token, sub1, transactions
        cases = json.loads(shared_path("contracts/everflow-postback-cases.json").read_text())["cases"]
        lines = shared_path("contracts/everflow-postback.txt").read_text().splitlines()
        self._queries: list[Pairs] = [[(name, quote_plus(value)) for name, value in case["query"].items()] for case in cases]
        for line in lines:
            if line.startswith(("GET ", "https://")):
                query = urlsplit(line.removeprefix("GET ").split(" ")[0]).query
                self._queries.append([tuple(part.split("=", 1)) for part in query.split("&")])  # type: ignore[misc]
        self._hook = json.loads(shared_path("contracts/everflow-network-webhook-conversion.json").read_text())

    def requests(self, n: int) -> Iterator[Fuzzed]:
        for _ in range(n):
            yield self._request()

    def _request(self) -> Fuzzed:
        chance = self._chance
        shape = chance.choices((self._in_query, self._in_form, self._in_json, self._in_noise), (60, 12, 18, 10))[0]
        query, body, content_type = shape()
        org, token, path = self._org, self._token, "ok"
        draw = chance.random()
        if draw < 0.04:
            token, path = chance.choice(_ODD_TOKENS) or "x", "wrong"
        elif draw < 0.06:
            org, path = "other", "stranger"
        elif draw < 0.09:
            org, path = chance.choice(_ODD_ORGS), "malformed"
        headers = {"content-type": content_type} if content_type else {}
        if chance.random() < 0.02:
            headers |= {f"x-header-{n}": "h" * 500 for n in range(20)}
        method = chance.choice(_METHODS) if not body else chance.choice(("POST", "PUT"))
        event = http_event(method, f"/everflow/v1/{org}/{token}", query=query, headers=headers, org=org, token=token)
        return Fuzzed(event | self._carried(body), path)

    def _carried(self, body: bytes) -> dict[str, Any]:
        """The body as API Gateway may hand it over, and as it never should."""
        if not body:
            return {}
        draw = self._chance.random()
        if draw < 0.05:
            return {"body": body.decode("latin-1"), "isBase64Encoded": True}  # a lie
        if draw < 0.5:
            return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        return {"body": body.decode("utf-8", "surrogateescape"), "isBase64Encoded": False}

    # --- four kinds of content: query, body, content type ------------------------------------------------------------------
    def _in_query(self) -> tuple[str, bytes, str]:
        return self._written(), b"", self._chance.choice(_CONTENT_TYPES) if self._chance.random() < 0.05 else ""

    def _in_form(self) -> tuple[str, bytes, str]:
        form = self._written().encode("utf-8", "surrogatepass")
        also = self._written() if self._chance.random() < 0.2 else ""
        return also, form, self._chance.choice(_CONTENT_TYPES)

    def _in_json(self) -> tuple[str, bytes, str]:
        chance, hook = self._chance, json.loads(json.dumps(self._hook))
        hook["transaction_id"] = self._transaction()
        hook["sub1"] = chance.choice(self._sub1)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
            holder = chance.choice(
                (hook, hook, hook, hook["relationship"] if isinstance(hook.get("relationship"), dict) else hook)
            )
            name = chance.choice([*holder, "sub1", "new"])
            if chance.random() < 0.3:
                holder.pop(name, None)
            else:
                holder[name] = deepcopy(chance.choice(_ODD_JSON))
        text = json.dumps(hook)
        text = chance.choices(
            (
                text,
                text[: chance.randrange(len(text))],
                "\ufeff" + text,
                '{"a":' * 3_000,
                text[:-1] + ', "payout": NaN}',
                f"[{text}]",
            ),
            (80, 6, 2, 2, 6, 4),
        )[0]
        return (
            "",
            text.encode("utf-8", "surrogatepass"),
            chance.choice(("application/json", "application/json", "", "text/plain")),
        )

    def _in_noise(self) -> tuple[str, bytes, str]:
        chance = self._chance
        noise = chance.randbytes(chance.choice((1, 10, 100, 2_000, 70_000)))
        if chance.random() < 0.5:
            return noise.decode("latin-1")[:20_000], b"", ""
        return "", noise, chance.choice(_CONTENT_TYPES)

    # --- a query -------------------------------------------------------------------------------------------------------------
    def _written(self) -> str:
        chance = self._chance
        pairs = list(chance.choice(self._queries))
        if chance.random() < 0.7:
            pairs = [(name, self._transaction() if name == "transaction_id" else value) for name, value in pairs]
        if chance.random() < 0.8:
            pairs = [(name, chance.choice(self._sub1) if value == OURS else value) for name, value in pairs]
        mutations: tuple[Callable[[Pairs], None], ...] = (
            self._odd,
            self._odd,
            self._drop,
            self._double,
            self._swap,
            self._rename,
        )
        for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 4))):
            if pairs:
                chance.choice(mutations)(pairs)
        text = "&".join(f"{name}={value}" for name, value in pairs)
        draw = chance.random()
        if draw < 0.02:
            return text + "&" + "&".join(f"p{n}=" for n in range(300))
        if draw < 0.04:
            return text + "&x=" + "y" * 20_000
        if draw < 0.06:
            return text.replace("=", "%3D").replace("&", ";")
        return text[: chance.randrange(len(text) + 1)] if draw < 0.09 else text

    def _transaction(self) -> str:
        return f"{self._chance.randrange(self._transactions):032x}"

    def _odd(self, pairs: Pairs) -> None:
        at = self._chance.randrange(len(pairs))
        text = self._chance.choice(_ODD_TEXTS)
        if self._chance.random() < 0.5:
            text = quote_plus(text, errors="replace")
        pairs[at] = (pairs[at][0], text)

    def _drop(self, pairs: Pairs) -> None:
        pairs.pop(self._chance.randrange(len(pairs)))

    def _double(self, pairs: Pairs) -> None:
        name, value = self._chance.choice(pairs)
        pairs.append((name, self._chance.choice((value, "2", ""))))

    def _swap(self, pairs: Pairs) -> None:
        a, b = self._chance.randrange(len(pairs)), self._chance.randrange(len(pairs))
        pairs[a], pairs[b] = (pairs[a][0], pairs[b][1]), (pairs[b][0], pairs[a][1])

    def _rename(self, pairs: Pairs) -> None:
        at = self._chance.randrange(len(pairs))
        name = pairs[at][0]
        pairs[at] = (self._chance.choice((name.upper(), f" {name}", f"{name}[]", "%00", "", "pk")), pairs[at][1])
