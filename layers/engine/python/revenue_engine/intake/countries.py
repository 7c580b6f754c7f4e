"""Countries as other people's files and answers write them."""

from __future__ import annotations

_OTHER_NAMES = {"UK": "GB", "EL": "GR"}  # what ISO 3166 keeps for them without its being their code


def country_code(text: str) -> str:
    """Trimmed, upper case, GB for UK and GR for EL: an ISO 3166 alpha-2 code, if it is one at all."""
    code = text.strip().upper()
    return _OTHER_NAMES.get(code, code)
