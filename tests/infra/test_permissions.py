"""Who may do what: reviewed wildcards, grants in one file, and the refusals the invariants rest on."""

from __future__ import annotations

import ast
import re

from infra.paths import ROOT
from tests.infra.conftest import Synthesis
from tests.infra.template import Template, as_list, flatten

# actions that AWS gives no resource to scope by
UNSCOPED = {
    "ses:GetAccount",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
GRANTING = re.compile(r"\bgrant(?!ed)|PolicyStatement|add_to_(principal|role|resource)_policy|ManagedPolicy")


def test_cdk_nag_finds_nothing_that_was_not_acknowledged(synthesis: Synthesis) -> None:
    assert synthesis.findings == []


def test_only_the_stack_grants() -> None:
    granting = set()
    for path in (ROOT / "infra").glob("*.py"):
        code = ast.unparse(_without_docstrings(ast.parse(path.read_text())))  # comments may speak of grants
        if GRANTING.search(code):
            granting.add(path.name)
    assert granting == {"stack.py"}


def test_a_star_stands_only_where_aws_offers_nothing_narrower(golden: Template) -> None:
    for policy, statement in golden.statements():
        assert statement["Effect"] == "Allow"
        actions = set(as_list(statement["Action"]))
        assert not [action for action in actions if "*" in action], policy
        if "*" in as_list(statement["Resource"]):
            assert actions <= UNSCOPED, f"{policy}: {actions - UNSCOPED}"


def test_no_function_may_delete_or_scan_a_table(golden: Template) -> None:
    actions = {action for _, statement in golden.statements() for action in as_list(statement["Action"])}
    assert not actions & {"dynamodb:DeleteItem", "dynamodb:Scan", "dynamodb:DeleteTable"}


def test_a_batch_which_could_delete_reaches_advertisers_lists_alone(golden: Template) -> None:
    assert _holders(golden, "dynamodb:BatchWriteItem") == {"reconcile"}
    found = [s for s in golden.statements_of("reconcile") if "dynamodb:BatchWriteItem" in as_list(s["Action"])]
    (statement,) = found
    assert "Suppression" in flatten(statement["Resource"])
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "main#advertiser#*"}}


def test_the_arms_are_read_from_their_index_alone(golden: Template) -> None:
    """reconcile looks at everybody, and may see nobody's address."""
    of_people = {
        (action, flatten(resource).rsplit("/", 2)[1:] == ["index", "by_lot"])
        for statement in golden.statements_of("reconcile")
        for resource in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
        if "Subscribers" in flatten(resource)
    }
    assert of_people == {("dynamodb:Query", True)}


def test_only_execute_may_send_mail(golden: Template) -> None:
    assert _holders(golden, "ses:SendEmail") == _holders(golden, "ses:GetAccount") == {"execute"}


def test_only_the_console_writes_parameters_and_never_a_secret(golden: Template) -> None:
    assert _holders(golden, "ssm:PutParameter") == {"console"}
    for statement in golden.statements_of("console"):
        if "ssm:PutParameter" in as_list(statement["Action"]):
            assert not [resource for resource in as_list(statement["Resource"]) if "secrets" in flatten(resource)]


def test_each_secret_is_read_by_those_who_need_it(golden: Template) -> None:
    readers: dict[str, set[str]] = {}
    for name in golden.functions():
        for statement in golden.statements_of(name):
            for resource in map(flatten, as_list(statement["Resource"])):
                if "/secrets/" in resource:
                    readers.setdefault(resource.rsplit("/", 1)[1], set()).add(name)
    assert readers == {
        "webhook-tokens": {"webhook"},
        "tracking-key": {"attribute", "reconcile", "execute", "engage", "decide"},
        "everflow-api-key": {"reconcile"},
    }


def test_the_breaker_machine_touches_four_things(golden: Template) -> None:
    (machine,) = golden.of_type("StepFunctions::StateMachine").values()
    role = machine["RoleArn"]["Fn::GetAtt"][0]
    own = [s for id_, s in golden.statements() if golden.resources[id_]["Properties"]["Roles"] == [{"Ref": role}]]
    scoped = {action: flatten(s["Resource"]) for s in own if s["Resource"] != "*" for action in as_list(s["Action"])}
    assert set(scoped) == {"dynamodb:UpdateItem", "ssm:PutParameter", "lambda:InvokeFunction", "sns:Publish"}
    assert "Control" in scoped["dynamodb:UpdateItem"]
    assert "Breaker" in scoped["ssm:PutParameter"]
    assert "SafetyFunction" in scoped["lambda:InvokeFunction"]
    assert "Alerts" in scoped["sns:Publish"]


def test_the_console_is_the_only_thing_behind_its_routes_and_they_need_iam(golden: Template) -> None:
    routes = {p["RouteKey"]: p["AuthorizationType"] for p in golden.of_type("ApiGatewayV2::Route").values()}
    assert routes == {
        "ANY /everflow/v1/{org}/{token}": "NONE",
        "GET /u/{org}/{token}": "NONE",
        "POST /u/{org}/{token}": "NONE",
        "GET /console/{proxy+}": "AWS_IAM",
        "POST /console/{proxy+}": "AWS_IAM",
    }


def _holders(template: Template, action: str) -> set[str]:
    return {
        name
        for name in template.functions()
        if any(action in as_list(statement["Action"]) for statement in template.statements_of(name))
    }


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
