"""S3 objects as bytes."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import ClientError

from revenue_engine.aws.clients import client


@dataclass(frozen=True)
class Bucket:
    """One bucket by its physical name."""

    name: str

    def get(self, key: str) -> bytes | None:
        """The object, or None when there is none."""
        try:
            body: bytes = client("s3").get_object(Bucket=self.name, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return body

    def put(self, key: str, body: bytes) -> None:
        """Writes or overwrites."""
        client("s3").put_object(Bucket=self.name, Key=key, Body=body)

    def put_once(self, key: str, body: bytes) -> bytes:
        """Writes unless it exists; returns what is there now, so that a retry goes on with the first attempt's bytes (D6)."""
        try:
            client("s3").put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                raise
            written = self.get(key)
            if written is None:
                raise
            return written
        return body

    def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix, sorted."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def delete(self, key: str) -> None:
        """Deletes if there."""
        client("s3").delete_object(Bucket=self.name, Key=key)
