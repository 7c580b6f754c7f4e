"""Approved creatives and merge fields: escaped, sandboxed, complete or not at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.content.render import Content, plain_text, render
from revenue_engine.errors import BadInput
from revenue_engine.records.offer import Creative

URL = "https://track.example/a?x=1&sub1=s"
OUT = "https://u.example/u/main/t"


def rendered(html: str, subject: str = "Hi", **fields: str) -> Content:
    creative = Creative("standard", "Shop", subject, html)
    return render(creative, fields=fields, offer_url=URL, unsubscribe_url=OUT, postal_address="1 Main St & Co")


def test_merge_fields_are_filled_in_and_escaped_in_html_only() -> None:
    content = rendered(
        '<p>{{ first_name }}</p><a href="{{ offer_url }}">Go</a>', "For {{ first_name }}", first_name="<b>Pat & Co</b>"
    )
    assert content.subject == "For <b>Pat & Co</b>"
    assert "<p>&lt;b&gt;Pat &amp; Co&lt;/b&gt;</p>" in content.html
    assert 'href="https://track.example/a?x=1&amp;sub1=s"' in content.html
    assert "<b>Pat & Co</b>" in content.text
    assert f"Go : {URL}" in content.text


@given(st.text())
def test_no_field_can_break_out_of_its_place(name: str) -> None:
    content = rendered('<p>{{ n }}</p><a href="{{ offer_url }}">Go</a>', n=name)
    assert content.html.count("<p>") == 1
    assert content.html.count("<a ") == 2


def test_the_footer_says_who_and_how_to_leave_inside_the_body_and_untracked() -> None:
    content = rendered("<html><body>{{ offer_url }}</body></html>")
    footer, end = content.html.index("Advertisement. 1 Main St &amp; Co"), content.html.index("</body>")
    assert footer < end
    longer_in_lower_case = rendered("<html><body>İİİİ {{ offer_url }}</BODY></html>").html
    assert longer_in_lower_case.endswith("Unsubscribe</a></p></BODY></html>")
    assert f'<a ses:no-track href="{OUT}">Unsubscribe</a>' in content.html
    assert f"Unsubscribe : {OUT}" in content.text
    assert "Advertisement. 1 Main St & Co" in content.text


@pytest.mark.parametrize(
    "html",
    [
        "{{ offer_url }} {{ missing }}",
        "{{ offer_url }} {{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ offer_url }} {{ first_name + 1 }}",
        "{{ offer_url }} {{ 1 // 0 }}",
        "{{ offer_url }} {% include 'x' %}",
        "{{ offer_url",
        "{{ offer_url }} <![foo[a]]>",
        "{{ offer_url }}" + "{% if first_name %}" * 3_000 + "{% endif %}" * 3_000,
    ],
)
def test_a_template_that_fails_is_refused_by_name(html: str) -> None:
    with pytest.raises(BadInput, match=r"creative\.html: does_not_render"):
        rendered(html, first_name="Pat")


def test_a_creative_without_the_offers_link_earns_nothing_and_is_refused() -> None:
    with pytest.raises(BadInput, match="no_offer_link"):
        rendered("<p>Hello</p>")


def test_a_subject_cannot_carry_a_line_break_in() -> None:
    with pytest.raises(BadInput, match="line_break"):
        rendered("{{ offer_url }}", "{{ first_name }}", first_name="a\nBcc: x@y.example")


def test_the_text_part_leaves_out_what_is_not_read() -> None:
    html = "<head><title>t</title></head><style>p {}</style><h1>One</h1><p>Two <b>three</b><br>four</p><script>x()</script>"
    assert plain_text(html) == "One\nTwo three\nfour\n"


@pytest.mark.parametrize("end", ["<!-- </body>", "<style></body>", "<script></body>", "<!-- </body> -->", "<head>"])
def test_a_creative_that_would_hide_the_footer_is_refused(end: str) -> None:
    with pytest.raises(BadInput, match="hides_the_footer"):
        rendered("<html><body>{{ offer_url }}" + end)


def test_the_invisible_link_is_tracked_and_stands_in_no_text() -> None:
    creative = Creative("standard", "Shop", "Hi", "<html><body>{{ offer_url }}</body></html>")
    plain, trapped = (
        render(creative, fields={}, offer_url=URL, unsubscribe_url=OUT, postal_address="1 Main St", invisible_link=on)
        for on in (False, True)
    )
    assert "honeypot" not in plain.html
    assert trapped.text == plain.text
    (link,) = re.findall(r"<a[^>]*honeypot[^>]*>", trapped.html)
    assert "display:none" in link and f'href="{OUT}"' in link and "no-track" not in link
    assert trapped.html.index("honeypot") < trapped.html.index("</body>")
