"""pydantic's faults as ours."""

from __future__ import annotations

from pydantic import ValidationError

from revenue_engine.errors import BadInput


def bad_input(error: ValidationError, *, within: str = "") -> BadInput:
    """The first fault pydantic found, as ours: dotted field, short reason. The value itself is never repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join([within] * bool(within) + [str(part) for part in first["loc"]]) or "document"
    return BadInput(field, "missing" if first["type"] == "missing" else "wrong_type", first["msg"])
