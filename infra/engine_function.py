"""One Lambda function with the house defaults."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.paths import LAYERS, ROOT
from infra.settings import Settings
from revenue_engine.aws import names

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64
NO_BYTECODE = ["**/__pycache__", "**/*.pyc"]


class Layers(Construct):
    """The engine's source and the two sets of third-party packages."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings) -> None:
        super().__init__(scope, id)
        self.engine = self._layer("engine", ROOT / "layers" / "engine")
        self.runtime, self.scoring = (self._layer(name, settings.layer_folder(name)) for name in LAYERS)

    def _layer(self, name: str, folder: Path) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name.capitalize(),
            code=lambda_.Code.from_asset(str(folder), exclude=NO_BYTECODE, display_name=f"layers/{name}"),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            removal_policy=RemovalPolicy.DESTROY,
        )


class EngineFunction(Construct):
    """A function of `functions/NAME`: own role, own log group, traced, logging JSON.

    The role can do nothing until `stack.py` says so, not even write logs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        settings: Settings,
        layers: Sequence[lambda_.ILayerVersion] | None,
        timeout: Duration,
        memory_mb: int,
        reserved_concurrency: int | None = None,
    ) -> None:
        """`layers` is None for the one function that is a container image (its Dockerfile brings the same packages)."""
        super().__init__(scope, id)
        self.name = name
        self.timeout = timeout
        function_name = f"revenue-engine-{settings.stage}-{name}"
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{function_name}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,  # the audit trail is the decision log and the ledger, not these lines
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        common: dict[str, Any] = {
            "function_name": function_name,
            "architecture": ARCHITECTURE,
            "role": self.role,
            "timeout": timeout,
            "memory_size": memory_mb,
            "reserved_concurrent_executions": reserved_concurrency,
            "environment": {names.STAGE: settings.stage, names.ORG: settings.org},
            "log_group": self.log_group,
            "logging_format": lambda_.LoggingFormat.JSON,
            "tracing": lambda_.Tracing.ACTIVE,
        }
        self.function: lambda_.Function
        if layers is None:
            self.function = lambda_.DockerImageFunction(self, "Function", code=_image(name), **common)
        else:
            self.function = lambda_.Function(
                self, "Function", code=_source(name), runtime=RUNTIME, handler="handler.handle", layers=list(layers), **common
            )


def _source(name: str) -> lambda_.Code:
    folder = ROOT / "functions" / name
    if not (folder / "handler.py").is_file():
        raise FileNotFoundError(f"{folder}/handler.py: every function of the stack needs its handler")
    return lambda_.Code.from_asset(str(folder), exclude=NO_BYTECODE, display_name=f"functions/{name}")


def _image(name: str) -> lambda_.DockerImageCode:
    """The build context is the repository, of which the image needs only `functions/NAME` and the layers."""
    outside = sorted(path.name for path in ROOT.iterdir() if path.name not in ("functions", "layers"))
    others = sorted(f"functions/{path.name}" for path in (ROOT / "functions").iterdir() if path.name != name)
    return lambda_.DockerImageCode.from_image_asset(
        str(ROOT),
        file=f"functions/{name}/Dockerfile",
        platform=ecr_assets.Platform.LINUX_ARM64,
        exclude=[*outside, *others, *NO_BYTECODE],
        display_name=f"image/{name}",
    )
