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

_OF_DOCUMENTS = ("dynamodb", "sqs", "ssm")  # each call is one JSON document, whatever its operation
_OF_OBJECTS = ("GetObject", "PutObject")  # of S3 these alone
SERVICES = (*_OF_DOCUMENTS, "s3")
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
            send = sender()
            if send is None or self.meta.service_model.service_name not in _OF_DOCUMENTS:
                return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
            model = self.meta.service_model.operation_model(operation_name)
            event = f"before-parameter-build.{model.service_model.service_id.hyphenize()}.{operation_name}"
            self.meta.events.emit(event, params=api_params, model=model, context={})
            written = self._serializer.serialize_to_request(api_params, model)
            url = self.meta.endpoint_url + written["url_path"]
            request = AWSPreparedRequest(written["method"], url, written["headers"], written["body"], stream_output=False)
            answer = _attempted(send, model, request)
            if answer is not None:
                return _parsed(self._response_parser, model, answer)  # type: ignore[attr-defined]
            try:
                return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
            finally:
                _given.outcome = None

        def _resolve_endpoint_ruleset(self, operation_model: Any, params: Any, *more: Any, **named: Any) -> Any:
            """Every service has the one endpoint that the plane's environment names, with the bucket in its path."""
            if sender() is None or (_service(operation_model) == "s3" and operation_model.name not in _OF_OBJECTS):
                return super()._resolve_endpoint_ruleset(operation_model, params, *more, **named)  # type: ignore[misc]
            bucket = f"/{params['Bucket']}" if _service(operation_model) == "s3" else ""
            return self.meta.endpoint_url + bucket, {}, {}

        def _make_request(self, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
            send = sender()
            if send is not None and operation_model.name in _OF_OBJECTS and _service(operation_model) == "s3":
                method, url, headers, body = (request_dict[part] for part in ("method", "url", "headers", "body"))
                request = AWSPreparedRequest(method, url, headers, body, stream_output=True)
                answer = _attempted(send, operation_model, request)
                if answer is not None:
                    return answer, _parsed(self._response_parser, operation_model, answer)  # type: ignore[attr-defined]
            try:
                return super()._make_request(operation_model, request_dict, request_context)  # type: ignore[misc]
            finally:
                _given.outcome = None

    return DirectClient


def _service(operation_model: Any) -> str:
    name: str = operation_model.service_model.service_name
    return name


def _attempted(send: Send, operation_model: Any, request: AWSPreparedRequest) -> AWSResponse | None:
    """The answer if it is a success; else None, and botocore's own first attempt will be given what this one was."""
    try:
        answer = send(f"{operation_model.service_model.service_id.hyphenize()}.{operation_model.name}", request)
    except Exception as error:
        _given.outcome = error
        return None
    if answer.status_code < 300:
        return answer
    _given.outcome = answer
    return None


def _parsed(parser: Any, operation_model: Any, answer: AWSResponse) -> Any:
    if _service(operation_model) == "dynamodb":
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
