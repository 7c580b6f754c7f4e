"""Entry point of CDK: `.venv/bin/python -m infra.app` (see cdk.json)."""

from typing import TYPE_CHECKING

from infra.node import use_node

if TYPE_CHECKING:
    from aws_cdk import App

STACK = "RevenueEngine"
# Here and not in cdk.json, so that a synthesis without the command line gives the same template.
CONTEXT = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "aws:cdk:enable-asset-metadata": False,
    "aws:cdk:enable-path-metadata": False,
}


def build_app(outdir: str | None = None, **context: str) -> "App":
    """The app with its one stack; `context` is what `cdk -c name=value` would give."""
    use_node()  # before CDK is imported: importing it starts the Node process
    from aws_cdk import App

    from infra.settings import Settings
    from infra.stack import EngineStack

    app = App(outdir=outdir, analytics_reporting=False, context={**CONTEXT, **context})
    settings = Settings.from_context(app)
    EngineStack(app, STACK, stack_name=f"revenue-engine-{settings.stage}", settings=settings)
    return app


if __name__ == "__main__":
    build_app().synth()
