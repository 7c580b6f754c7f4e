"""A postback as it came, before anyone understood it (M3)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from revenue_engine.clock import iso_millis, parse_iso
from revenue_engine.errors import BadInput


@dataclass(frozen=True, slots=True)
class RawPostback:
    """One HTTP request of the feed, kept word for word. The path, and the secret in it, is left out."""

    receipt_id: str
    org: str
    received_at: datetime  # aware UTC
    method: str
    query: str  # the raw query string, still percent-encoded
    body: str
    content_type: str

    def to_json(self) -> str:
        """The object the postbacks bucket keeps."""
        # ASCII, since what arrives may be no text at all: a lone surrogate has no UTF-8 form
        return json.dumps({**asdict(self), "received_at": iso_millis(self.received_at)})

    @classmethod
    def from_json(cls, text: str) -> RawPostback:
        """The reverse of `to_json`. Raises BadInput naming the member that is missing or wrong."""
        try:
            members = json.loads(text)
        except ValueError:
            raise BadInput("raw", "not_json") from None
        if not isinstance(members, dict):
            raise BadInput("raw", "not_an_object")
        names = ("receipt_id", "org", "received_at", "method", "query", "body", "content_type")
        for name in names:
            if not isinstance(members.get(name), str):
                raise BadInput(name, "missing" if members.get(name) is None else "not_text")
        try:
            received_at = parse_iso(members["received_at"])
        except ValueError:
            raise BadInput("received_at", "not_a_time") from None
        return cls(**{**{name: members[name] for name in names}, "received_at": received_at})
