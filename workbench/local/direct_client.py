"""A short way from boto3's clients to the wire, for the services that most calls go to.

Of a call's cost in botocore, half is what a network needs: resolving an endpoint, building, signing and retrying an HTTP request.
`DirectClient` goes from the serialised parameters to the answer; parameters are validated and calls authorised before it as ever.
Whatever does not succeed takes botocore's own way with the answer already given, so that errors and retries are botocore's.

DynamoDB's answers are JSON that needs no translation but of binary values. Tests compare both with botocore's own way. It overrides
methods of botocore that are not public: MiniStack, pinned exactly, pins botocore exactly.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient

SERVICES = ("dynamodb", "sqs", "ssm")  # each call is one JSON document, whatever its operation
Send = Callable[[str, AWSPreparedRequest], AWSResponse]

# Members that hold attribute values, keys and counts alone. An answer with any other is left to botocore.
_PLAIN = frozenset({"Attributes", "Count", "Item", "Items", "LastEvaluatedKey", "Responses", "ScannedCount", "UnprocessedKeys"})


class _Given(threading.local):
    """The outcome of the attempt that this thread has made, until botocore asks for it."""

    outcome: AWSResponse | Exception | None = None


_given = _Given()


def given_answer() -> AWSResponse | None:
    """What botocore's first attempt is answered with, once. Raises what the attempt raised."""
    outcome, _given.outcome = _given.outcome, None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def direct_client(sender: Callable[[], Send | None]) -> type[BaseClient]:
    """A base for boto3's client classes. `sender` tells what answers now; None while nothing does, and botocore works as ever."""

    class DirectClient(BaseClient):
        def _resolve_endpoint_ruleset(
            self, operation_model: Any, params: Any, request_context: Any, *more: Any, **named: Any
        ) -> Any:
            if sender() is not None:  # every service has the one endpoint that the plane's environment names
                return self.meta.endpoint_url, {}, {}
            return super()._resolve_endpoint_ruleset(operation_model, params, request_context, *more, **named)  # type: ignore[misc]

        def _make_request(self, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
            send = sender()
            if send is None:
                return super()._make_request(operation_model, request_dict, request_context)  # type: ignore[misc]
            request = AWSPreparedRequest(
                request_dict["method"], request_dict["url"], request_dict["headers"], request_dict["body"], stream_output=False
            )
            try:
                answer = send(f"{operation_model.service_model.service_id.hyphenize()}.{operation_model.name}", request)
            except Exception as error:
                _given.outcome = error
            else:
                if answer.status_code < 300:
                    return answer, _parsed(self._response_parser, operation_model, answer)  # type: ignore[attr-defined]
                _given.outcome = answer
            try:
                return super()._make_request(operation_model, request_dict, request_context)  # type: ignore[misc]
            finally:
                _given.outcome = None

    return DirectClient


def _parsed(parser: Any, operation_model: Any, answer: AWSResponse) -> Any:
    if operation_model.service_model.service_name == "dynamodb":
        document = parsed_items(answer.content)
        if document is not None:
            fields = {name.lower(): value for name, value in answer.headers.items()}
            document["ResponseMetadata"] = {
                "RequestId": fields.get("x-amzn-requestid"),
                "HTTPStatusCode": answer.status_code,
                "HTTPHeaders": fields,
                "RetryAttempts": 0,
            }
            return document
    response = {"headers": answer.headers, "status_code": answer.status_code, "body": answer.content, "context": {}}
    parsed = parser.parse(response, operation_model.output_shape)
    parsed["ResponseMetadata"]["RetryAttempts"] = 0
    return parsed


def parsed_items(body: bytes) -> dict[str, Any] | None:
    """DynamoDB's answer as botocore would give it, less the metadata; None when it holds what needs botocore's parser."""
    if b"null" in body:  # which botocore leaves out
        return None
    binary = b'"B"' in body or b'"BS"' in body
    document: dict[str, Any] = json.loads(body, object_hook=_with_bytes) if binary else json.loads(body)
    return document if _PLAIN.issuperset(document) else None


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Only a binary value has a text under "B" and a list under "BS": an attribute of that name has an object."""
    if len(value) == 1:
        if isinstance(text := value.get("B"), str):
            return {"B": base64.b64decode(text)}
        if isinstance(texts := value.get("BS"), list):
            return {"BS": [base64.b64decode(text) for text in texts]}
    return value
