"""Who may be mailed an offer: its channels and its targeting rules (contracts 1.10; Everflow's user guide, "Rulesets").

What is there and cannot be understood, or cannot be kept, makes the offer a problem: it is never read as "everybody".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from revenue_engine.errors import BadInput
from revenue_engine.intake.countries import country_code

# ISO 3166-1 alpha-2.
COUNTRIES = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG
    CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM
    GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ
    OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC
    TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW""".split()
)
# Rules about the click's device and hour: whoever is mailed may still click with another one. And what numbers and dates the ruleset.
_OF_THE_CLICK = frozenset(
    """platforms device_types os_versions browsers brands device_makes languages mobile_carriers connection_types ips isps is_block_proxy
    is_use_day_parting day_parting_apply_to day_parting_timezone_id days_parting""".split()
)
_OF_ITSELF = frozenset("network_ruleset_id network_id time_created time_saved".split())
_NEGATIONS = frozenset("no not non never without except excluding exclude excluded but".split())
_WORD = re.compile(r"[a-z]+")


class RawChannels(BaseModel):
    """`relationship.channels`."""

    total: int | None = None
    entries: list[dict[str, Any]] | None = None


def allows_email(channels: RawChannels | None) -> bool:
    """Whether e-mail is among the channels; an offer that names none limits none. Raises BadInput."""
    field = "relationship.channels"
    if channels is None:
        return True
    entries = channels.entries or []
    if channels.total is not None and channels.total != len(entries):
        raise BadInput(field, "not_the_whole_list", f"{len(entries)} of {channels.total}")
    if channels.entries is None and channels.total is None:
        raise BadInput(field, "missing")
    allowed = [_is_email(entry) for entry in entries if entry.get("status", "active") == "active"]
    return not entries or any(allowed)


def _is_email(entry: Mapping[str, Any]) -> bool:
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadInput("relationship.channels", "unreadable_channel")
    words = set(_WORD.findall(re.sub(r"\be[- ]mail", "email", name.lower())))
    if not any(word.startswith("email") for word in words):
        return False
    if words & _NEGATIONS:
        raise BadInput("relationship.channels", "unreadable_channel", name[:40])
    return True


def countries(ruleset: Mapping[str, Any] | None) -> tuple[frozenset[str], frozenset[str]]:
    """ISO codes of the countries included (none = all) and excluded. Raises BadInput naming the rule we cannot keep."""
    included: set[str] = set()
    excluded: set[str] = set()
    for name, rules in (ruleset or {}).items():
        if name == "countries":
            for rule in _list(name, rules):
                (excluded if _excludes(rule) else included).add(_code(rule))
        elif name not in _OF_THE_CLICK | _OF_ITSELF and _says_something(rules):
            raise BadInput(f"relationship.ruleset.{name[:40]}", "rule_we_cannot_keep")  # we know of a reader his country alone
    return frozenset(included), frozenset(excluded)


def _says_something(rules: Any) -> bool:
    return any(map(_says_something, rules.values())) if isinstance(rules, dict) else bool(rules)


def _list(name: str, rules: Any) -> list[Any]:
    if not isinstance(rules, list | None):
        raise BadInput(f"relationship.ruleset.{name}", "wrong_type")
    return rules or []


def _excludes(rule: Any) -> bool:
    if not isinstance(rule, dict):
        return False
    targeting, match = rule.get("targeting_type", "include"), rule.get("match_type", "exact")
    if targeting not in ("include", "exclude") or match != "exact":
        raise BadInput("relationship.ruleset.countries", "unknown_targeting", f"{targeting} {match}"[:40])
    return bool(targeting == "exclude")


def _code(rule: Any) -> str:
    said = rule.get("country_code") if isinstance(rule, dict) else rule
    code = country_code(str(said or ""))
    if code not in COUNTRIES:
        raise BadInput("relationship.ruleset.countries", "unknown_country", code[:20])
    return code
