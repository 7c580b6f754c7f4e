"""What the engine relies on, on both emulators; where one of them differs from AWS, the difference is pinned.

A pinned difference that disappears fails too: then the emulator has become better, and the pin goes.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance import dynamodb_checks, service_checks  # noqa: F401  (they fill the registry)
from tests.conformance.checks import CHECKS
from tests.conformance.conftest import BACKENDS, World

DIVERGENCES: dict[str, dict[str, Any]] = {
    "moto": {
        "a_batch_writes_at_most_25": ["ok", "ok"],
        "a_number_has_at_most_38_digits": ["ok", "ok"],
        "a_page_that_is_just_full_has_a_key_to_go_on": False,
        "a_token_used_again_for_something_else_is_refused": ["ok", "ok"],
        "a_transaction_repeated_with_its_token_is_applied_once": [["ok", "ok"], {"N": "2"}],
        "a_value_outside_the_allowed_pattern_is_refused": "ok",
        "an_empty_body_is_refused": "ok",
        "an_item_has_at_most_400_kilobytes": ["ValidationException", "ValidationException"],
        "counting_begins_at_nothing_and_goes_down_too": [
            {"pk": {"S": "a"}, "sk": {"S": "-"}, "n": {"N": "5"}},
            {"n": {"N": "3"}},
        ],
        "numbers_are_normalised": ["0.100", "1E2", "-0"],
    },
    "ministack": {"a_delay_is_at_most_fifteen_minutes": ["ok", "ok"], "a_value_outside_the_allowed_pattern_is_refused": "ok"},
}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_an_emulator_behaves_as_aws_documents_or_exactly_as_pinned(world: World, backend: str, name: str) -> None:
    check = CHECKS[name]
    assert check.observe(world) == DIVERGENCES[backend].get(name, check.expected)


def test_every_pinned_divergence_is_one() -> None:
    for backend in BACKENDS:
        for name, observed in DIVERGENCES[backend].items():
            assert observed != CHECKS[name].expected, f"{backend}: {name}"
