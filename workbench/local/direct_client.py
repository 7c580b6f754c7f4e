"""A short way from boto3's clients to the wire, for the services that most calls go to.

Of a call's cost in botocore, most is what a network needs: resolving an endpoint, building, signing and retrying an HTTP request.
`DirectClient` goes from the parameters to the answer; parameters are validated and calls authorised before it as ever.
Whatever does not succeed takes botocore's own way with the answer already given, so that errors and retries are botocore's.

Tests compare it with botocore's own way. It overrides methods of botocore that are not public: MiniStack, pinned exactly, pins
botocore exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.response import StreamingBody
from botocore.validate import ParamValidationDecorator

from workbench.local.attribute_values import Serializer, Validator, parsed_items

SERVICES = ("dynamodb", "s3", "sqs", "ssm")
_OF_OBJECTS = ("GetObject", "PutObject")  # of S3 these alone; with the other services a call is one JSON document
Send = Callable[[str, AWSPreparedRequest], AWSResponse]


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
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            if self.meta.service_model.service_name == "dynamodb":
                self._serializer = ParamValidationDecorator(Validator(), Serializer())

        def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
            send, service = sender(), self.meta.service_model.service_name
            if send is None or (service == "s3" and operation_name not in _OF_OBJECTS):
                return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
            model = self.meta.service_model.operation_model(operation_name)
            name = f"{model.service_model.service_id.hyphenize()}.{operation_name}"
            self.meta.events.emit(f"before-parameter-build.{name}", params=api_params, model=model, context={})
            written = self._serializer.serialize_to_request(api_params, model)
            if written["query_string"]:  # a version or a part of an object
                return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
            # every service has the one endpoint that the plane's environment names, with the bucket in its path
            url = self.meta.endpoint_url + (f"/{api_params['Bucket']}" if service == "s3" else "") + written["url_path"]
            request = AWSPreparedRequest(written["method"], url, written["headers"], written["body"], stream_output=False)
            try:
                answer = send(name, request)
            except Exception as error:
                _given.outcome = error
            else:
                if answer.status_code < 300:
                    return _parsed(self._response_parser, model, answer)  # type: ignore[attr-defined]
                _given.outcome = answer
            try:
                return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
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
    streaming = operation_model.has_streaming_output
    body: Any = StreamingBody(answer.raw, len(answer.raw.getvalue())) if streaming else answer.content
    response = {"headers": answer.headers, "status_code": answer.status_code, "body": body, "context": {}}
    parsed = parser.parse(response, operation_model.output_shape)
    parsed["ResponseMetadata"]["RetryAttempts"] = 0
    return parsed
