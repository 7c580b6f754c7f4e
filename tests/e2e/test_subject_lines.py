"""Two subject lines of one tone are tried against each other: each is an arm with its own mails, evidence and probability."""

from __future__ import annotations

from collections import Counter

from tests.e2e.house import ORG, an_offer_to_mail, house


def test_two_subjects_of_a_tone_are_mailed_counted_and_told_apart() -> None:
    offer = an_offer_to_mail(1001, variants=("soft", "soft-2"))
    with house(60, catalogue=(offer,), by_hand=True) as made:
        made.cycle()
        made.run(14)
        subjects = Counter(dict(mail.headers)["Subject"] for mail in made.mails)
        assert set(subjects) == {"Subject soft 1001", "Subject soft-2 1001"} and min(subjects.values()) > 10
        for mail in made.mails:
            made.delivered(mail)
        made.run(1)
        evidence = Counter[str]()
        for item in made.w.offers.evidence(ORG, since_day="2026-03-01"):
            evidence[item["variant"]] += item["deliveries"]
        assert evidence == {"soft": subjects["Subject soft 1001"], "soft-2": subjects["Subject soft-2 1001"]}
        shares = {(r["content"], r["subject_line"]): r["propensity_content"] for r in made.receipts() if r["mailed"]}
        assert {(content, subject.split()[1]) for content, subject in shares} == {("soft", "soft"), ("soft-2", "soft-2")}
        assert all(0.2 < share < 0.8 for share in shares.values())
