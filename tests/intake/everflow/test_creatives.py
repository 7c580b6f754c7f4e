"""Creatives: what is approved to be said, and what each asset is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revenue_engine.content import proof
from revenue_engine.content.proof import prove
from revenue_engine.records.offer import Creative, ineligible_reason, offer_document, offer_of, tone_of
from tests.intake.everflow.offer_cases import EMAIL, LINKED, NOW, changed, detail, imported, mail, mails, one


def test_creatives_are_the_active_e_mail_ones_one_a_variant() -> None:
    entries = [
        {**EMAIL, "creative_type": "html"},
        {**EMAIL, "creative_status": "paused"},
        {**EMAIL, "variant": "soft"},
        {**EMAIL, "name": "Urgency"},
        EMAIL,
    ]
    assert [c.variant for c in one(r_creatives={"entries": entries}).creatives] == ["soft", "urgency", "standard"]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"email_subject": " "}, "email_subject", "missing"),
        ({"email_from": "Deals\r\nBcc: x@y.example"}, "email_from", "control_character"),
        ({"html_code": "x" * 60_001}, "html_code", "too_long"),
        ({"html_code": LINKED + "\ud83d"}, "html_code", "control_character"),
        ({"variant": "shouting"}, "variant", "unknown_variant"),
        ({"html_code": "<p>{{ offer_url }} {{ offer_url.name }}</p>"}, "html_code", "does_not_render"),
        ({"email_subject": "{{ 1 // 0 }}", "html_code": LINKED + "{{ first_name }}"}, "email_subject", "does_not_render"),
        ({"email_subject": "{{ born.split('-')[1] }}", "html_code": LINKED + "<!--"}, "html_code", "hides_the_footer"),
        ({"html_code": LINKED + "{{ 'x' * 300000000 }} {{ first_name }}"}, "html_code", "too_large"),
        (
            {"email_subject": "{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}"},
            "email_subject",
            "too_large",
        ),
        ({"html_code": LINKED + "".join(f"{{{{ f{n} }}}}" for n in range(31))}, "html_code", "too_many_fields"),
        ({"html_code": "<p>{{ born.split('-')[1] }}"}, "html_code", "no_offer_link"),
        ({"html_code": "<p>{{ offer_url </p>"}, "html_code", "does_not_render"),
        ({"html_code": "{{ offer_url }}" + "{% if n %}" * 2_000 + "{% endif %}" * 2_000}, "html_code", "does_not_render"),
        ({"email_subject": "{{ first_name | shout }}"}, "email_subject", "does_not_render"),
        ({"email_subject": "{{ 'a\\nb' }}"}, "email_subject", "line_break"),
        ({"html_code": LINKED + '{{ "\\ud83d\\ude00" }} {{ first_name }}'}, "html_code", "not_text"),
        ({"email_subject": "Größe =?utf-8?Q?Caf=E9?="}, "email_subject", "not_a_header"),
        ({"email_from": "é =?utf-8?Q?Caf=E9?="}, "email_from", "not_a_header"),
        ({"html_code": "<p>Hello</p>"}, "html_code", "no_offer_link"),
        ({"html_code": "<html>{{ offer_url }}<!-- </html>"}, "html_code", "hides_the_footer"),
    ],
)
def test_a_bad_asset_is_an_error_of_a_file_and_left_out_of_what_the_network_tells(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    got = imported(changed(r_creatives={"entries": [EMAIL, {**EMAIL, "name": "", **changes}]}))
    assert [(p.where, p.field, p.reason) for p in got.problems] == [("offer 7", f"relationship.creatives[1].{field}", reason)]
    assert (got.offers, got.warnings) == ((), ())
    told = detail(r_creatives=mails(mail(1), mail(2, **changes)))
    if reason != "unknown_variant":  # which is ours to give, and not the network's
        assert [(p.field, p.reason) for p in told.remarks] == [(f"relationship.creatives[1].{field}", reason)]
        assert [c.asset for c in told.offer.creatives] == ["1"]


def test_whatever_an_asset_brings_up_is_its_own_fault_and_no_other_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    def proved(creative: Creative) -> proof.Proof:
        if creative.asset == "2":
            raise KeyError("nobody thought of this")
        return prove(creative)

    monkeypatch.setattr(proof, "prove", proved)
    told = detail(r_creatives=mails(mail(1), mail(2), mail(3)))
    assert [c.asset for c in told.offer.creatives] == ["1", "3"]
    assert [(p.field, p.reason) for p in told.remarks] == [("relationship.creatives[1]", "does_not_render")]
    assert "nobody thought of this" in told.remarks[0].detail


@pytest.mark.parametrize("field", ["email_subject", "email_from"])
@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\u200c", "\u200d", "\u200f", "\u202b", "\u00ad"])
def test_spaces_joiners_and_marks_of_direction_are_text(field: str, space: str) -> None:
    (creative,) = one(r_creatives={"entries": [{**EMAIL, field: f"20{space}% off"}]}).creatives
    assert f"20{space}% off" in (creative.subject, creative.from_name)


@pytest.mark.parametrize("field", ["email_subject", "email_from"])
@pytest.mark.parametrize("character", ["\n", "\x00", "\x85", "\u2028", "\u2029", "\ud83d"])
def test_what_ends_or_breaks_a_line_is_no_text(field: str, character: str) -> None:
    (bad,) = imported(changed(r_creatives={"entries": [{**EMAIL, field: f"20{character}% off"}]})).problems
    assert (bad.field, bad.reason) == (f"relationship.creatives[0].{field}", "control_character")


def test_what_the_operator_said_of_an_offer_survives_its_detail() -> None:
    own = Creative("soft", "Us", "Ours", "<a>")
    known = replace(one(sub_slot="sub5"), creatives=(own, Creative("urgency", "Deals", "Hi", "<a>", asset="2")))
    got = detail(known, r_creatives=mails(mail(1), mail(2, email_subject="Newer")), sub_slot="sub2").offer
    assert got.sub_slot == "sub5"
    assert {c.variant: (c.asset, c.subject) for c in got.creatives} == {
        "soft": ("", "Ours"),
        "urgency": ("2", "Newer"),
        "standard-1": ("1", "Hi"),
    }


def test_a_known_asset_keeps_its_variant_against_a_new_one_listed_before_it() -> None:
    known = replace(one(), creatives=(Creative("standard", "Deals", "Hi", "<a>", asset="2"),))
    got = detail(known, r_creatives=mails(mail(1), mail(2)))
    assert [(c.variant, c.asset) for c in got.offer.creatives] == [("standard", "2"), ("standard-1", "1")]
    again = detail(got.offer, r_creatives=mails(mail(3), mail(1), mail(2))).offer
    assert {c.asset: c.variant for c in again.creatives} == {"2": "standard", "1": "standard-1", "3": "standard-3"}


def test_no_asset_ever_gets_another_s_name_whoever_rests_and_comes_back() -> None:
    """A name has evidence and stops: neither may pass to who comes next, nor be shaken off by a rest."""
    offer, names = replace(one(), creatives=()), dict[str, set[str]]()
    for listed in ((11, 12), (11, 13), (13,), (12, 11, 13), (14,), (13, 12), (11, 12)):
        offer = detail(offer, r_creatives=mails(*(mail(asset) for asset in listed))).offer
        for creative in offer.creatives:
            names.setdefault(creative.asset, set()).add(creative.variant)
    assert names == {str(asset): {f"standard-{asset}"} for asset in (11, 12, 13, 14)}


def test_subject_lines_of_one_tone_are_arms_of_their_own() -> None:
    entries = [{**EMAIL, "variant": tone, "email_subject": f"{tone} {n}"} for n in (1, 2, 3) for tone in ("soft", "urgency")]
    got = one(r_creatives={"entries": entries})
    assert [(c.variant, c.subject) for c in got.creatives] == [
        *(("soft", "soft 1"), ("urgency", "urgency 1")),
        *(("soft-b", "soft 2"), ("urgency-b", "urgency 2")),
        *(("soft-c", "soft 3"), ("urgency-c", "urgency 3")),
    ]
    assert {tone_of(c.variant) for c in got.creatives} == {"soft", "urgency"}
    assert offer_of(offer_document(got)) == got


@pytest.mark.parametrize(
    ("entries", "kept", "remarks"),
    [
        ([EMAIL] * 14, 12, {"relationship.creatives[12]": "too_many_assets", "relationship.creatives[13]": "too_many_assets"}),
        ([{**EMAIL, "html_code": LINKED + " " * 59_000}] * 6, 5, {"relationship.creatives[5].html_code": "too_many_bytes"}),
        (
            [{**EMAIL, "network_offer_creative_id": 7}] * 2,
            1,
            {"relationship.creatives[1].network_offer_creative_id": "duplicate_asset"},
        ),
    ],
)
def test_what_an_offer_has_no_room_for_is_left_out_by_name(entries: list[Any], kept: int, remarks: dict[str, str]) -> None:
    got = imported(changed(r_creatives={"entries": entries}))
    assert ({p.field: p.reason for p in got.problems}, got.offers) == (remarks, ())
    told = detail(r_creatives=mails(*({"network_offer_creative_id": n, **entry} for n, entry in enumerate(entries, 1))))
    assert len(told.offer.creatives) == kept
    assert {p.field: p.reason for p in told.remarks} == remarks


def test_a_network_asset_that_is_withdrawn_or_paused_goes() -> None:
    known = replace(
        one(), creatives=(Creative("soft", "Deals", "Hi", "<a>", asset="1"), Creative("urgency", "D", "Hi", "<a>", asset="2"))
    )
    got = detail(known, r_creatives=mails(mail(2, creative_status="paused")))
    assert got.offer.creatives == ()
    assert ineligible_reason(got.offer, now=NOW) == "no_approved_creative"


def test_members_of_ours_are_not_the_networks_to_give_and_an_asset_has_a_number() -> None:
    got = detail(r_creatives=mails(mail(1, variant="aggressive"), {**EMAIL, "name": "soft"}), sub_slot="sub9").offer
    assert (got.sub_slot, [(c.variant, c.asset) for c in got.creatives]) == ("sub1", [("standard-1", "1")])
    assert [w.reason for w in detail(r_creatives=mails({**EMAIL, "name": "soft"})).remarks] == [
        "creative_without_number",
        "no_approved_creative",
    ]


STYLED = """<html><head><style>p { color: red } .cta { padding: 3px } @media (max-width: 600px) { p { color: blue } }</style></head>
<body><p>Hi {{ first_name }}</p><a href="{{ offer_url }}" class="cta" ses:tags="slot:cta1;" alt="{{ first_name }}">Go</a></body></html>"""


def test_style_sheets_come_in_as_style_attributes_and_media_queries_stay() -> None:
    (creative,) = one(r_creatives={"entries": [{**EMAIL, "html_code": STYLED}]}).creatives
    assert '<p style="color: red;">Hi {{ first_name }}</p>' in creative.html
    assert 'style="padding: 3px;"' in creative.html and 'href="{{ offer_url }}"' in creative.html
    assert "@media (max-width: 600px)" in creative.html and 'ses:tags="slot:cta1;"' in creative.html


def test_a_template_without_a_style_sheet_comes_in_as_it_is() -> None:
    html = "<p>{% if 1 < 2 %}{{ offer_url }}{% endif %}</p>"
    assert one(r_creatives={"entries": [{**EMAIL, "html_code": html}]}).creatives[0].html == html


@pytest.mark.parametrize(
    "body", ["{% if 2 > 1 %}{{ offer_url }}{% endif %}", "<table>{% for i in x %}<tr><td>{{ i }}</td></tr>{% endfor %}</table>"]
)
def test_a_style_sheet_whose_inlining_would_change_the_template_is_refused_by_name(body: str) -> None:
    html = f"<style>p {{ color: red }}</style>{body}"
    got = imported(changed(r_creatives={"entries": [EMAIL, {**EMAIL, "name": "soft", "html_code": html}]}))
    assert [(p.field, p.reason) for p in got.problems] == [("relationship.creatives[1].html_code", "style_sheet_breaks_template")]


@pytest.mark.parametrize(
    ("subject", "html", "needed"),
    [
        ("Hi {{ first_name }}", LINKED, "first_name"),
        ("Hi", LINKED + "{{ last_name }}, {{ first_name }}", "first_name, last_name"),
        ("Hi {{ first_name | default('you') }}", LINKED + "{% if country is defined %}{{ country }}{% endif %}", ""),
        ("Hi", LINKED + "{% for n in range(2) %}{{ n }}{% endfor %}", ""),
    ],
)
def test_the_fields_that_an_asset_cannot_do_without_are_named(subject: str, html: str, needed: str) -> None:
    got = imported(changed(r_creatives={"entries": [{**EMAIL, "email_subject": subject, "html_code": html}]}))
    assert len(got.offers[0].creatives) == 1
    told = [(w.field, w.reason, w.detail.partition(":")[0]) for w in got.warnings]
    assert told == ([("relationship.creatives[0]", "needs_fields", needed)] if needed else [])


@pytest.mark.parametrize(
    ("changes", "member", "said"),
    [
        ({"html_code": LINKED + '{{ {"f": "Madam", "m": "Sir"}[gender] }}'}, "html_code", "gender: 'dict object' has no"),
        (
            {"html_code": LINKED + "{{ born.split('-')[1] }} {{ city | default('') }}"},
            "html_code",
            "born, city: list object has no",
        ),
        ({"email_subject": "{{ '%02d' % (100 // (points | int)) }}"}, "email_subject", "points: integer division"),
    ],
)
def test_what_may_render_with_a_readers_values_is_taken_and_its_fields_are_named(
    changes: dict[str, Any], member: str, said: str
) -> None:
    got = imported(changed(r_creatives={"entries": [{**EMAIL, **changes}]}))
    assert len(got.offers[0].creatives) == 1
    (warned,) = got.warnings
    assert (warned.field, warned.reason) == (f"relationship.creatives[0].{member}", "not_proved")
    assert warned.detail.startswith(said)


def test_the_other_part_of_what_is_not_proved_is_proved_all_the_same() -> None:
    entry = {**EMAIL, "email_subject": "{{ first_name }}", "html_code": LINKED + "{{ born.split('-')[1] }}"}
    told = [(w.field, w.reason) for w in imported(changed(r_creatives={"entries": [entry]})).warnings]
    where = "relationship.creatives[0]"
    assert told == [(f"{where}.html_code", "not_proved"), (where, "needs_fields")]
