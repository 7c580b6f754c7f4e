"""moto behind the local plane's seam: the tables, buckets and queues of the synthesised template, on moto's semantics.

moto is not atomic across threads: what is about transactions and concurrency is tested on MiniStack.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from workbench.local.backend import REGION, response

_HOSTS = {"stepfunctions": "states"}
_SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260304/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class MotoBackend:
    """A fresh account on moto."""

    def __init__(self) -> None:
        self._mock = mock_aws()
        self._stubber = BotocoreStubber()

    def start(self) -> None:
        self._mock.start()

    def stop(self) -> None:
        self._mock.stop()

    def answer(self, service: str, request: AWSPreparedRequest) -> AWSResponse:
        """moto knows services by their hosts; the plane's requests all go to one host."""
        url = urlsplit(request.url)
        host = f"{_HOSTS.get(service, service)}.{REGION}.amazonaws.com"
        request.url = urlunsplit(url._replace(scheme="https", netloc=host))
        # The plane's clients do not sign; to moto's S3 that is a stranger, who is forbidden what is not there.
        request.headers["Authorization"] = _SIGNED
        answered = self._stubber.process_request(request)
        assert answered is not None, request.url
        status, headers, body = answered
        return response(request, status, headers, body.encode() if isinstance(body, str) else body)

    def expire(self, now: datetime) -> int:
        """moto leaves expired items where they are."""
        return 0
