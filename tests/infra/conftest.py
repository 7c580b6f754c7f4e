"""The golden template for every test, and one real synthesis for those that ask whether it tells the truth."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.golden import GOLDEN, read_assembly
from infra.node import NodeMissingError, use_node
from tests.infra.acknowledgements import REASONS
from tests.infra.template import Template


@dataclass(frozen=True)
class Synthesis:
    """What one run of the app gave."""

    template: dict[str, Any]
    findings: list[str]  # of cdk-nag, unacknowledged


@pytest.fixture(scope="session")
def golden() -> Template:
    """The committed template."""
    return Template(json.loads(GOLDEN.read_text()))


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """One synthesis with both packs of cdk-nag; without Node it is skipped, but in CI that is an error."""
    try:
        use_node()
    except NodeMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    from aws_cdk import Acknowledgment, Validations
    from cdk_nag import AwsSolutionsChecks, ServerlessChecks

    from infra.app import build_app

    outdir = tmp_path_factory.mktemp("cdk")
    app = build_app(str(outdir))
    Validations.of(app).acknowledge(*(Acknowledgment(id=rule, reason=reason) for rule, reason in REASONS.items()))
    Validations.of(app).add_plugins(AwsSolutionsChecks(), ServerlessChecks())
    try:
        app.synth()
    except Exception as error:  # jsii's errors share no public type
        if not (outdir / "validation-report.json").exists():
            raise error
    return Synthesis(template=read_assembly(outdir), findings=_findings(outdir / "validation-report.json"))


def _findings(report: Path) -> list[str]:
    plugins = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    return [
        f"{violation['ruleName']} at {construct['constructPath']}"
        for plugin in plugins
        for violation in plugin.get("violations", [])
        for construct in violation["violatingConstructs"]
    ]
