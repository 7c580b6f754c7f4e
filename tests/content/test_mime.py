"""Raw MIME: headers that mailbox providers read, and none that a value could forge."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest

from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import Content
from revenue_engine.errors import BadInput

CONTENT = Content("Hello", "<p>Hällo</p>", "Hällo\n")
GOOD = {
    "from_name": "Daily Deals",
    "from_address": "news@mail.example.com",
    "to_address": "pat@recipient.example",
    "reply_to": "",
    "unsubscribe_url": "https://u.example.com/u/main/token",
}
FEEDBACK = ("20260304-1042-standard", "1042-standard", "main")


def built(content: Content = CONTENT, feedback: tuple[str, str, str] = FEEDBACK, **changes: Any) -> bytes:
    return build_mail(content, **(GOOD | changes), feedback_id=feedback)


def test_a_mail_has_a_text_and_an_html_part_that_read_as_they_were() -> None:
    message = email.message_from_bytes(built(), policy=email.policy.default)
    parts = {
        part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in message.walk() if not part.is_multipart()
    }
    assert parts == {"text/plain": "Hällo\n", "text/html": "<p>Hällo</p>\n"}
    assert "Reply-To" not in message


@pytest.mark.parametrize("length", [10, 100, 900])
def test_long_values_are_never_folded_nor_encoded(length: int) -> None:
    url = "https://u.example.com/u/main/" + "a" * length
    lines = built(unsubscribe_url=url, feedback=("c" * 60, "o" * 40, "main")).split(b"\r\n")
    assert f"List-Unsubscribe: <{url}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert f"Feedback-ID: {'c' * 60}:{'o' * 40}:main:revenue-engine".encode() in lines


def test_every_line_ends_as_smtp_wants_and_is_ascii() -> None:
    mime = built(Content("Grüße, " * 30, "<p>" + "ä" * 500 + "</p>", "ä\n"))
    assert mime.count(b"\n") == mime.count(b"\r\n")
    mime.decode("ascii")
    assert email.message_from_bytes(mime, policy=email.policy.default)["Subject"] == ("Grüße, " * 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"to_address": "pat@recipient.example\r\nBcc: x@y.example"},
        {"from_name": "Deals\r\nBcc: x@y.example"},
        {"from_address": "not an address"},
        {"reply_to": "a@b.example\nX: y"},
        {"unsubscribe_url": "https://u.example.com/a b"},
        {"unsubscribe_url": "https://u.example.com/ä"},
        {"unsubscribe_url": "https://u.example.com/\r\nX: y"},
        {"unsubscribe_url": "https://u.example.com/" + "a" * 1_000},
    ],
)
def test_a_value_that_cannot_stand_in_a_header_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="not_a_header"):
        built(**changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from_address": "not an address"}, "sender"),
        ({"from_address": "@"}, "sender"),
        ({"reply_to": "a@b.example\nX: y"}, "sender"),
        ({"from_name": "Deals\r\nBcc: x@y.example"}, "creative.from_name"),  # the creative's, not the org's
        ({"from_name": "=?utf-8?Q?Caf=E9?= é"}, "creative.from_name"),
        ({"content": Content("\u2764 =?utf-8?Q?Ren=E9?=", "", "")}, "creative.subject"),  # a reader's name, merged in
        ({"to_address": "pat@recipient.example\r\nBcc: x@y.example"}, "recipient"),
    ],
)
def test_what_no_mail_could_carry_is_told_from_what_this_one_cannot(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput, match="not_a_header") as bad:
        built(**changes)
    assert bad.value.field == field


@pytest.mark.parametrize("content", [Content("Hi", "<p>\ud83d</p>", "Hi"), Content("Hi", "<p>", "\ud83d\ude00")])
def test_half_a_character_is_the_bodys_fault(content: Content) -> None:
    with pytest.raises(BadInput, match=r"creative\.html: not_text"):
        built(content)


def test_a_subject_that_breaks_its_line_is_refused() -> None:
    with pytest.raises(BadInput):
        built(Content("a\r\nBcc: x@y.example", "", ""))
