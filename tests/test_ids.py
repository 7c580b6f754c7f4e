"""Ids that leave the house are opaque and authenticated (P4)."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine import ids
from revenue_engine.errors import BadInput

KEY = bytes(range(32))
SEND = ids.send_id(KEY, org="main", subscriber="s" * 26, decision_id="d1")
TRACKING = ids.tracking_id(KEY, org="main", send_id=SEND)


def test_a_tracking_id_gives_its_send_back_without_a_look_up() -> None:
    assert ids.verify_tracking_id(KEY, TRACKING, org="main") == SEND


def test_a_tracking_id_fits_the_alphabet_and_the_length_of_a_sub() -> None:
    assert TRACKING.isascii() and TRACKING.isalnum() and TRACKING == TRACKING.lower()
    assert len(TRACKING) == ids.TRACKING_LENGTH <= 64


def test_a_send_id_is_the_same_on_a_retry_and_another_for_another_decision() -> None:
    assert ids.send_id(KEY, org="main", subscriber="s" * 26, decision_id="d1") == SEND
    assert ids.send_id(KEY, org="main", subscriber="s" * 26, decision_id="d2") != SEND
    assert ids.send_id(KEY, org="other", subscriber="s" * 26, decision_id="d1") != SEND


@given(st.integers(min_value=0, max_value=ids.TRACKING_LENGTH - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_changed_character_is_a_forgery(place: int, character: str) -> None:
    forged = TRACKING[:place] + character + TRACKING[place + 1 :]
    assert ids.verify_tracking_id(KEY, forged, org="main") == (SEND if forged == TRACKING else None)


def test_a_tracking_id_is_worth_nothing_in_another_org_or_under_another_key() -> None:
    assert ids.verify_tracking_id(KEY, TRACKING, org="other") is None
    assert ids.verify_tracking_id(b"x" * 32, TRACKING, org="main") is None


@given(st.text(max_size=80))
def test_any_text_at_all_can_be_checked(text: str) -> None:
    assert ids.verify_tracking_id(KEY, text, org="main") is None
    assert ids.verify_unsubscribe_token(KEY, text, org="main") is None


def test_an_unsubscribe_token_names_recipient_and_mail_and_is_no_tracking_id() -> None:
    subscriber = ids.new_subscriber_key(lambda n: bytes(n))
    token = ids.unsubscribe_token(KEY, org="main", subscriber=subscriber, send_id=SEND)
    assert ids.verify_unsubscribe_token(KEY, token, org="main") == (subscriber, SEND)
    assert ids.verify_unsubscribe_token(KEY, token, org="other") is None
    assert ids.verify_unsubscribe_token(KEY, token[:-1] + ("a" if token[-1] != "a" else "b"), org="main") is None
    assert ids.verify_tracking_id(KEY, token, org="main") is None


def test_new_keys_are_ids_and_differ() -> None:
    keys = {ids.new_subscriber_key() for _ in range(100)} | {ids.receipt_id() for _ in range(100)}
    assert len(keys) == 200
    assert all(re.fullmatch("[a-z2-7]{26}", key) for key in keys)


@pytest.mark.parametrize(
    ("given_text", "normal"),
    [
        ("  Pat@Example.COM ", "pat@example.com"),
        ("a.b+c@mail.example", "a.b+c@mail.example"),
        ("x@Bücher.example", "x@xn--bcher-kva.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@xn--a.example", "x@xn--a.example"),
    ],
)
def test_an_address_has_one_spelling(given_text: str, normal: str) -> None:
    assert ids.normalise_address(given_text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pat",
        "pat@",
        "@x.example",
        "pat@localhost",
        "a b@x.example",
        "pat@x..example",
        ".a@x.example",
        "a..b@x.example",
        "jörg@x.example",
        "pat@-x.example",
        "a\n@x.example",
        "Pat <pat@x.example>",
        "a" * 65 + "@x.example",
        "a@" + "x" * 250 + ".example",
        "a@" + "x" * 64 + ".example",
        "pat@" + "ü" * 70 + ".example",
        "pat@straße.example",  # which of two domains that is depends on the standard
    ],
)
def test_what_cannot_be_a_mailbox_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        ids.normalise_address(text)
    assert (caught.value.field, caught.value.reason, caught.value.detail) == ("email", "not_an_address", "")


def test_advertisers_hashes_are_those_of_the_lower_case_address() -> None:
    md5, sha512 = ids.advertiser_hashes("pat@x.example")
    assert md5 == "md5:" + hashlib.md5(b"pat@x.example").hexdigest()
    assert sha512 == "sha512:" + hashlib.sha512(b"pat@x.example").hexdigest()


@pytest.mark.parametrize(("address", "spellings"), [("a@xn--bcher-kva.example", 2), ("a@x.example", 1), ("a@xn--a.example", 1)])
def test_an_international_domain_is_found_in_either_spelling(address: str, spellings: int) -> None:
    found = ids.advertiser_hashes(address)
    assert len(found) == 2 * spellings
    if spellings == 2:
        assert "md5:" + hashlib.md5("a@bücher.example".encode()).hexdigest() in found


def test_an_address_is_a_key_only_under_the_orgs_own_key() -> None:
    assert ids.address_hash(KEY, "pat@x.example") != ids.address_hash(b"y" * 32, "pat@x.example")
    assert len(ids.address_hash(KEY, "pat@x.example")) == 64


def test_stable_hashes_stay_what_they_are() -> None:
    assert ids.stable_hash("main", "a") == int.from_bytes(hashlib.sha256(b"main\x1fa").digest()[:8], "big")
    assert ids.stable_hash("ab", "c") != ids.stable_hash("a", "bc")
