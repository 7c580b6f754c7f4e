"""What a decision's mail was worth, in words, from its receipt: what met the price, the offer that was chosen or would have been, what came
next, and by how much a mail missed its place. The money side of an `explanation`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from revenue_engine.context import CycleContext
from revenue_engine.money import format_micros
from revenue_engine.records.subscriber import PROVIDERS

_PRICES = ("hazard_price_micros", "fatigue_price_micros", "complaint_price_micros", "lapse_price_micros")
Line = tuple[str, str]  # what it is about, and what there is to say


def in_money(micros: int, currency: str) -> str:
    """To the micro."""
    return format_micros(micros, currency, decimals=6)


def reckoned(record: Mapping[str, Any], context: CycleContext) -> list[Line]:
    """Of a mail or of one that there might have been; nothing of a row that no offer was weighed for."""
    if record["offer"] is None and record.get("considered_offer") is None:  # receipts of before have none
        return []
    chosen = _chosen(record) if record["offer"] is not None else []
    return [("row index", _row_index(record)), *chosen, *_others(record, context)]


def _chosen(record: Mapping[str, Any]) -> list[Line]:
    currency, joint = record["currency"], record["propensity_joint"]
    parts = f"send {record['propensity_send']:.4f} × offer {record['propensity_offer']:.4f} × content {record['propensity_content']:.4f}"
    fixed = record["arm"] == "fixed"
    how = "explored" if record["explored"] else "the fixed policy's" if fixed else "by the vote of the posterior's draws"
    expected = in_money(record["expected_revenue_micros"], currency)
    funnel = (
        f"P(open) {record['p_open']:.4f}, P(click) {record['p_click']:.5f}, P(conversion | click) {record['p_conversion']:.5f}"
    )
    return [
        ("offer and content", f"{record['offer']} ({record['offer_name']}), {record['content']}: “{record['subject_line']}”, {how}"),
        ("propensity", f"{joint:.4f} = {parts}, ε {record['epsilon']:.4f}" if record["action"] == "send" else f"{joint:.4f}"),
        ("predictions", f"{funnel}, payout {in_money(record['payout_micros'], currency)}: revenue {expected}"),
        ("index", f"{_terms(record, record['expected_revenue_micros'])} = {in_money(record['index_micros'], currency)}"),
    ]  # fmt: skip


def _terms(record: Mapping[str, Any], revenue: int) -> str:
    """A mail that brings so much, less what it costs."""
    currency, heeds = record["currency"], record["arm"] != "fixed"  # which pays for no future
    prices = [
        f"− {name.removesuffix('_micros').replace('_', ' ')} {in_money(record[name], currency)}"
        for name in _PRICES
        if record.get(name) and heeds
    ]
    return " ".join([in_money(revenue, currency), f"− cost {in_money(record['cost_micros'], currency)}", *prices])


def _row_index(record: Mapping[str, Any]) -> str:
    """What met the price: of the mail as its arm was to be drawn, whichever was."""
    currency, own = record["currency"], record["row_index_micros"]
    line = f"{_terms(record, record['row_value_micros'] + record['cost_micros'])} = {in_money(own, currency)}"
    if record["arm"] == "fixed":
        return f"{line}; the fixed policy heeds no price"
    price = record["lambda_micros"]
    apart = f"{in_money(abs(own - price), currency)} {'above it' if own > price else 'short'}"
    line += f"; price λ {in_money(price, currency)}, {apart}"
    if record["kappa_micros"]:
        line += f"; price of a complaint κ {in_money(record['kappa_micros'], currency)}"
    return line


def _others(record: Mapping[str, Any], context: CycleContext) -> list[Line]:
    """What it would have been, where there is no mail, and what came next."""
    currency, steps, own = record["currency"], [], record["index_micros"]
    toll = record["cost_micros"] + record["row_value_micros"] - record["row_index_micros"]  # the same of every offer
    if record.get("considered_offer") is not None:
        own = record["considered_index_micros"]
        named = {offer.offer: offer.name for offer in context.offers}
        what = f"{record['considered_offer']} ({named[record['considered_offer']]}), {record['considered_content']}"
        steps.append(("offer considered", f"{what}: revenue {in_money(own + toll, currency)}, index {in_money(own, currency)}"))
    if record["runner_up_offer"] is not None:
        behind = own - record["runner_up_index_micros"]
        apart = f"{in_money(abs(behind), currency)} {'less' if behind >= 0 else 'more'}"
        name = f"{record['runner_up_offer']}, {record['runner_up_content']}"
        steps.append(("runner-up", f"{name}: index {in_money(record['runner_up_index_micros'], currency)}, {apart}"))
    return steps


@dataclass(frozen=True, slots=True)
class Cut:
    """By how much a mail missed its place, and what would have got it one."""

    detail: str
    otherwise: str


def cut_by_rank(record: Mapping[str, Any], page: Iterable[Mapping[str, Any]], context: CycleContext) -> Cut:
    """Places go by policy, then by the row's index, then by lot (`grant.grant`): whoever of the same policy, and where the provider bound
    of the same provider, got the last one is whom the mail had to beat."""
    alike = ("arm", "provider") if record["reason"].startswith("provider") else ("arm",)
    placed = [
        other["row_index_micros"]
        for other in page
        if (other["mailed"] or other["awaits_approval"]) and all(other[name] == record[name] for name in alike)
    ]
    places, money = _places(record, context), partial(in_money, currency=record["currency"])
    if not placed:
        return Cut(
            f"{places}; none was left for it, whatever its index", "one more place, or more: no index would have got it one"
        )
    own, last = record["row_index_micros"], min(placed)
    if own == last:
        detail = f"{places}; index {money(own)} is that of the last one placed, equals go by lot"
        return Cut(detail, "another draw among equals, or more places")
    away = money(last - own)
    detail = f"{places}; index {money(own)}, {away} less than the last one placed ({money(last)})"
    return Cut(detail, f"an index above {money(last)}, {away} more, or more places")


def _places(record: Mapping[str, Any], context: CycleContext) -> str:
    provider, earlier = record["provider"], "taken by earlier pages of the cycle"
    room = context.rooms.get(provider)
    if record["reason"].startswith("provider") and room is not None:
        taken = record["taken"][PROVIDERS.index(provider)]
        return f"{provider} takes {room.today:,} more today and {room.cycle:,} a cycle, {taken:,} were {earlier}"
    return f"the page got {record['granted']:,} places, {sum(record['taken']):,} were {earlier}"
