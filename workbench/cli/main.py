"""The entry point of `revenue-engine`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click
from botocore.exceptions import BotoCoreError, ClientError

from revenue_engine import __version__
from revenue_engine.errors import RevenueEngineError
from revenue_engine.services.http import ORG
from workbench.cli import importing, operating, reports, syncing
from workbench.cli.anomalies import anomalies
from workbench.cli.audit import explain, replay
from workbench.cli.connection import Connection
from workbench.cli.demo import demo
from workbench.cli.evidence import evaluate, incremental_command, logs
from workbench.cli.forecasting import forecast
from workbench.cli.fx import fx
from workbench.cli.lift import lift
from workbench.cli.person import person
from workbench.cli.secret import secret
from workbench.cli.simulate import simulate
from workbench.cli.status import status
from workbench.cli.stops import stops
from workbench.cli.training import train


class Commands(click.Group):
    """What goes wrong on purpose or outside is one clear line, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (RevenueEngineError, BotoCoreError, OSError) as error:
            raise click.ClickException(_line(error)) from None
        except ClientError as error:
            told = error.response["Error"]
            raise click.ClickException(f"AWS {error.operation_name}: {told['Code']}: {told.get('Message', '')}") from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # nobody foresaw it, but people still get a line
            raise click.ClickException(f"{type(error).__name__}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _org(_: click.Context, __: click.Parameter, value: str) -> str:
    if not ORG.fullmatch(value):
        raise click.BadParameter("1 to 32 lower-case letters, digits and hyphens")
    return value


def _address(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:  # brackets of no address
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter("an address such as http://127.0.0.1:4566")
    return value


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="revenue-engine")
@click.option("--org", default="main", show_default=True, callback=_org, help="Whose subscribers, offers and books.")
@click.option("--stage", default="dev", show_default=True, help="Which deployed stack.")
@click.option("--endpoint-url", default=None, callback=_address, help="AWS under another address.")
@click.pass_context
def main(ctx: click.Context, org: str, stage: str, endpoint_url: str | None) -> None:
    """The Autonomous Revenue Engine: run a deployed stack, or see it all on this machine (`demo`)."""
    if ctx.obj is None:
        ctx.obj = Connection(org, stage, endpoint_url)


for command in (
    importing.group,
    syncing.group,
    operating.init,
    person,
    secret,
    operating.autonomy,
    operating.controls,
    operating.quarantine,
    anomalies,
    operating.approvals,
    operating.breaker,
    stops,
    status,
    reports.revenue,
    reports.kpis,
    reports.attribution,
    lift,
    fx,
    simulate,
    logs,
    evaluate,
    incremental_command,
    train,
    forecast,
    explain,
    replay,
    demo,
):
    main.add_command(command)
