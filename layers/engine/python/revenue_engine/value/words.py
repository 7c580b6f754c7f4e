"""What the value model says of one reader, in words."""

from __future__ import annotations

from collections.abc import Iterable

from revenue_engine.money import format_micros
from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import topic_number
from revenue_engine.value.model import ValueModel, subscriber_ltv
from revenue_engine.value.segments import SEGMENTS
from revenue_engine.value.treatment import LEVELS, per_week
from revenue_engine.value.worth import people_of


def in_words(model: ValueModel, one: Batch, at: int, *, currency: str, categories: Iterable[str]) -> str:
    """Of a page of one row as it is at `at`, epoch seconds; `categories` are those whose topics have a name."""
    found = subscriber_ltv(model, people_of(one, at))
    names = {topic_number(category): category for category in categories}
    liked = [names.get(topic, f"topic {topic}") for topic in found.offer_types[0].tolist() if topic]
    total, left = (format_micros(round(float(of[0])), currency) for of in (found.predicted_micros, found.remaining_micros))
    return (
        f"{SEGMENTS[found.segment[0]]} value (sure by {found.confidence[0]:.2f}): {total}, of which {left} is to come; "
        f"{found.survival[0, -1]:.0%} stay for 90 days, best at {per_week(found.contact_interval_days)[0]:.1f} mails a week; "
        f"clicks {', '.join(liked) or 'nothing yet'}; price sensitivity {LEVELS[found.price_sensitivity[0]]}"
    )
