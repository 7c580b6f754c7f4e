"""Model bundles on S3: content-addressed files, and a pointer that names the champion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revenue_engine.aws.objects import Bucket
from revenue_engine.errors import Refused

REPORT = "report.json"  # no part of the bundle, and not in its hash


@dataclass(frozen=True)
class Bundles:
    """All reads and writes of the models bucket."""

    bucket: Bucket

    def publish(self, org: str, version: str, files: Mapping[str, bytes]) -> None:
        """Writes a version's files, always the same: contexts name it for good. The pointer is another step."""
        for name, body in files.items():
            self.bucket.put(f"models/{org}/{version}/{name}", body)

    def put_report(self, org: str, what: str, versions: Sequence[str], report: bytes) -> None:
        """What a training run of `funnel` or `value` found, beside each bundle it made, and as the org's last one."""
        for key in (*(f"models/{org}/{version}/{REPORT}" for version in versions), f"models/{org}/last_{what}.json"):
            self.bucket.put(key, report)

    def last_report(self, org: str, what: str = "funnel") -> dict[str, Any] | None:
        """Of the last training run of it, None before the first."""
        raw = self.bucket.get(f"models/{org}/last_{what}.json")
        return json.loads(raw) if raw else None

    def promote(self, org: str, version: str, *, at: str) -> None:
        """Makes a version the champion."""
        self.bucket.put(f"models/{org}/champion.json", json.dumps({"version": version, "promoted_at": at}).encode())

    def champion(self, org: str) -> dict[str, str] | None:
        """`version` and `promoted_at` of the champion, None before the first."""
        raw = self.bucket.get(f"models/{org}/champion.json")
        return json.loads(raw) if raw else None

    def files(self, org: str, version: str) -> dict[str, bytes]:
        """A version's files by name. Raises Refused("bundle_missing")."""
        prefix = f"models/{org}/{version}/"
        found = {key.removeprefix(prefix): self.bucket.get(key) for key in self.bucket.keys(prefix)}
        files = {name: body for name, body in found.items() if body is not None}
        if not files:
            raise Refused("bundle_missing", version)
        return files
