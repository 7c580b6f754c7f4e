"""Who may do what: every call that a function makes is held against its role's statements in the template, as IAM would.

A grant forgotten in `infra/` is answered with AccessDenied here too, and the loop breaks on this machine. What this leaves out:

- conditions of statements (the template's only ones scope `kms:Decrypt` to Parameter Store, which is where it is asked for here);
- policies of resources, boundaries and organisations: the template's resource policies only refuse plain HTTP or admit services;
- S3's habit of answering "forbidden" for a missing key to whoever may not list the bucket.

The plane's own clients, and code that runs outside an invocation, are the operator and may do everything.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from workbench.local.backend import BackendError
from workbench.local.deployment import Deployment, Statement
from workbench.local.stack import Made, Stack, account_arn, arn
from workbench.local.template import Properties, TemplateError

Needed = tuple[str, str]  # action, resource ARN
Parameters = Mapping[str, Any]

_SECRET_PATH = "/secrets/"  # SecureStrings: reading one in clear also decrypts
_KEY = arn("kms", "key/aws-ssm")
# Lambda polls a queue in the function's name, and refuses the mapping of a role that may not.
_SQS = (
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueUrl",
    "GetQueueAttributes",
)
_POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
# Services name the refusal differently; the engine's error handling sees what it would see in AWS.
_CODES = {"s3": "AccessDenied", "sqs": "AccessDenied", "sns": "AuthorizationError"}


@dataclass(frozen=True)
class Denial:
    """One refused call."""

    role: str
    action: str
    resource: str


class Permissions:
    """Asks the acting role's statements before every call; `denials` keeps what was refused.

    Raises TemplateError for an event source whose function may not poll it.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.denials: list[Denial] = []
        self._acting: list[str] = []
        self._roles = {role: list(map(_Compiled, statements)) for role, statements in deployment.roles.items()}
        # but for those about objects, nearly every call is one of a few hundred
        self._allows: Callable[[str, str, str], bool] = functools.lru_cache(4096)(self._looked_up)
        for source in deployment.event_sources:
            role = deployment.function(source.function_arn).role
            for action in _POLLING:
                if not self._allows(role, action, source.queue_arn):
                    raise TemplateError(f"the mapping of {source.queue_arn}: role {role} lacks {action}")

    @contextmanager
    def acting(self, role: str) -> Iterator[None]:
        """The calls of the block are the role's, in every thread: invocations run one after another."""
        self._acting.append(role)
        try:
            yield
        finally:
            self._acting.pop()

    def authorise(self, service: str, operation: str, parameters: Parameters) -> None:
        """Raises ClientError (access denied, with action and resource) unless whoever acts may make this call."""
        if self._acting:
            self.demand(self._acting[-1], service, operation, parameters)

    def demand(self, role: str, service: str, operation: str, parameters: Parameters) -> None:
        """The same for a role by name. Raises BackendError on an operation whose action is not known here."""
        for action, resource in needed(service, operation, parameters):
            if not self._allows(role, action, resource):
                self.denials.append(Denial(role, action, resource))
                said = f"role {role} is not authorized to perform {action} on resource {resource}"
                code = _CODES.get(service, "AccessDeniedException")
                error: Any = {"Error": {"Code": code, "Message": said}, "ResponseMetadata": {"HTTPStatusCode": 403}}
                raise ClientError(error, operation)

    def _looked_up(self, role: str, action: str, resource: str) -> bool:
        return any(each.allows(action, resource) for each in self._roles.get(role, ()))


def needed(service: str, operation: str, parameters: Parameters) -> list[Needed]:
    """The actions a call takes, each with the resource it takes it on. `service` is botocore's, as in `sesv2`."""
    mapping = _SERVICES.get(service)
    found = mapping(operation, parameters) if mapping is not None else None
    if found is None:
        raise BackendError(f"{service}.{operation}: no action known; add it to {__name__}")
    return found


# --- operations → actions ------------------------------------------------------------------------------------------------
def _dynamodb(operation: str, p: Parameters) -> list[Needed] | None:
    match operation:
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem":
            return [(f"dynamodb:{operation}", _table(p["TableName"]))]
        case "Query" | "Scan":
            index = f"/index/{p['IndexName']}" if "IndexName" in p else ""
            return [(f"dynamodb:{operation}", _table(p["TableName"]) + index)]
        case "BatchGetItem" | "BatchWriteItem":
            return [(f"dynamodb:{operation}", _table(name)) for name in p["RequestItems"]]
        case "TransactWriteItems" | "TransactGetItems":
            return [
                (f"dynamodb:{_TRANSACTION.get(verb, 'GetItem')}", _table(body["TableName"]))
                for item in p["TransactItems"]
                for verb, body in item.items()
            ]
    return None


def _s3(operation: str, p: Parameters) -> list[Needed] | None:
    bucket = f"arn:aws:s3:::{p.get('Bucket')}"
    match operation:
        case "GetObject" | "PutObject" | "DeleteObject":
            return [(f"s3:{operation}", f"{bucket}/{p['Key']}")]
        case "HeadObject":
            return [("s3:GetObject", f"{bucket}/{p['Key']}")]
        case "ListObjectsV2":
            return [("s3:ListBucket", bucket)]
    return None


def _sqs(operation: str, p: Parameters) -> list[Needed] | None:
    action = operation.removesuffix("Batch")
    if action not in _SQS:
        return None
    name = p["QueueUrl"].rsplit("/", 1)[-1] if "QueueUrl" in p else p["QueueName"]
    return [(f"sqs:{action}", arn("sqs", name))]


def _ssm(operation: str, p: Parameters) -> list[Needed] | None:
    if operation not in ("GetParameter", "GetParameters", "PutParameter"):
        return None
    found: list[Needed] = []
    for name in p["Names"] if "Names" in p else [p["Name"]]:
        found.append((f"ssm:{operation}", arn("ssm", f"parameter/{name.lstrip('/')}")))
        if p.get("WithDecryption") and _SECRET_PATH in name:
            found.append(("kms:Decrypt", _KEY))
    return found


def _sns(operation: str, p: Parameters) -> list[Needed] | None:
    return [("sns:Publish", p["TopicArn"])] if operation in ("Publish", "PublishBatch") else None


def _sesv2(operation: str, p: Parameters) -> list[Needed] | None:
    """A raw mail is another action than a simple one; identity and configuration set are both looked at."""
    if operation == "GetAccount":
        return [("ses:GetAccount", "*")]
    if operation != "SendEmail":
        return None
    action = "ses:SendRawEmail" if "Raw" in p["Content"] else "ses:SendEmail"
    domain = p.get("FromEmailAddress", "").rpartition("@")[2].rstrip("> ")
    resources = [arn("ses", f"identity/{domain}")]
    if "ConfigurationSetName" in p:
        resources.append(arn("ses", f"configuration-set/{p['ConfigurationSetName']}"))
    return [(action, resource) for resource in resources]


def _sfn(operation: str, p: Parameters) -> list[Needed] | None:
    return [("states:StartExecution", p["stateMachineArn"])] if operation == "StartExecution" else None


def _lambda(operation: str, p: Parameters) -> list[Needed] | None:
    return [("lambda:InvokeFunction", p["FunctionName"])] if operation == "Invoke" else None


_SERVICES: Mapping[str, Callable[[str, Parameters], list[Needed] | None]] = {
    "dynamodb": _dynamodb,
    "lambda": _lambda,
    "s3": _s3,
    "sesv2": _sesv2,
    "sfn": _sfn,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}


def _table(name: str) -> str:
    return arn("dynamodb", f"table/{name}")


# --- statements ----------------------------------------------------------------------------------------------------------
class _Compiled:
    """A statement with its patterns ready: `*` and `?` as IAM knows them, actions in any case."""

    def __init__(self, statement: Statement) -> None:
        self._actions = re.compile("|".join(map(_pattern, statement.actions)), re.IGNORECASE)
        self._resources = re.compile("|".join(map(_pattern, statement.resources)))

    def allows(self, action: str, resource: str) -> bool:
        return self._actions.fullmatch(action) is not None and self._resources.fullmatch(resource) is not None


def _pattern(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in text)


def make_role(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::IAM::Role`; who may assume it is what the functions and machines that name it are."""
    name = properties.take("RoleName", logical_id)
    properties.ignore({"AssumeRolePolicyDocument": "whoever names the role acts as it", "Tags": "nothing reads tags"})
    stack.records.roles.setdefault(name, [])
    for policy in properties.take("Policies", []):
        stack.records.roles[name] += _statements(logical_id, policy["PolicyDocument"])
    return Made(name, {"Arn": account_arn("iam", f"role/{name}")})


def make_policy(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::IAM::Policy` of roles."""
    statements = _statements(logical_id, properties.require("PolicyDocument"))
    name = properties.require("PolicyName")
    for role in properties.require("Roles"):
        stack.records.roles.setdefault(role, []).extend(statements)
    return Made(name)


def _statements(logical_id: str, document: Mapping[str, Any]) -> list[Statement]:
    found: list[Statement] = []
    for statement in document["Statement"]:
        if unknown := set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}:
            raise TemplateError(f"{logical_id}: statement with unsupported {sorted(unknown)}")
        if statement["Effect"] != "Allow":
            raise TemplateError(f"{logical_id}: Effect {statement['Effect']} is not supported")
        found.append(Statement(_texts(statement["Action"]), _texts(statement["Resource"])))
    return found


def _texts(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
