"""Commands about evidence: an org's log on disk, what another policy would have earned, what a mail adds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from revenue_engine.errors import BadInput
from revenue_engine.evaluation.answer import Answer, answer
from revenue_engine.evaluation.decided import Decided, decided
from revenue_engine.evaluation.evaluate import Evaluation
from revenue_engine.evaluation.ghosts import HORIZON_DAYS, Effect, Incremental, incremental
from revenue_engine.evaluation.intervals import Interval
from revenue_engine.evaluation.overlap import Refusal
from revenue_engine.evaluation.targets import NAMES, check_name, target_of
from revenue_engine.mixture import with_policy
from revenue_engine.money import format_micros, parse_micros
from workbench.cli import display
from workbench.cli.connection import Connection
from workbench.logs import read_log
from workbench.logs.evidence import became, bundles_in, ghost_log, read_receipts, stored_in, survey
from workbench.logs.export import export

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def logs() -> None:
    """Decisions, what became of the mails, and conversions, as files."""


@logs.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="UTC days, today among them.")
@click.option("--inputs", is_flag=True, help="Also what training needs: the rows people were decided by, and the evidence.")
@click.pass_obj
def logs_export(connection: Connection, folder: Path, days: int, inputs: bool) -> None:
    """Write the org's log into FOLDER, which must be empty. It names nobody: subscribers are opaque keys."""
    with bad_input():
        counts = export(
            connection.wiring,
            connection.org,
            folder,
            days=days,
            now=connection.now(),
            inputs=inputs,
            progress=lambda what: click.echo(what, err=True),
        )
    click.echo(", ".join(f"{n:,} {what}" for what, n in counts.items()))


@click.command()
@click.argument("folder", metavar="LOGS", type=_FOLDER)
@click.option("--target", required=True, help=f"The policy asked about: {', '.join(NAMES)}.")
@click.option("--worth", default="0", show_default=True, help="What a lost subscriber would have brought, in the log's currency.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(folder: Path, target: str, worth: str, as_json: bool) -> None:
    """What another policy would have earned, from a log of what was done; or why the log cannot tell."""
    with bad_input():
        check_name(target)
        worth_micros = parse_micros(worth, field="worth")
        if worth_micros < 0:
            raise BadInput("worth", "negative", worth)
        outcomes, known = read_log(folder), survey(folder)
        log = decided(read_receipts(folder), became(outcomes, known.currency), as_of=known.until, worth_micros=worth_micros)
        with display.bar("policies", len(log.pages)) as advance:
            log = with_policy(log, stored_in(folder), bundles_in(folder), progress=advance)
        policy = log.policy
        assert policy is not None
        said = answer(log, policy, target_of(target, log, policy)) if len(log) else None
    document = _document(target, known.currency, worth_micros, log, said)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    display.table(
        f"{target}: {known.currency} per 1,000 decisions, by the surrogate", ("", "value", "95 %", "why not"), _rows(said)
    )
    display.table("decisions", ("", "count"), [("left to chance, answered", f"{len(log):,}"), *_counts(log.left_out)])
    if said is not None and said.overlap is not None:
        seen = said.overlap
        facts = (
            ("subscribers", f"{seen.subscribers:,}"),
            ("effective sample", f"{seen.effective:,.0f} ({seen.effective_share:.1%})"),
            ("largest weight", f"{seen.largest:.4g} ({seen.largest_share:.2%} of all on one subscriber)"),
            ("mean weight", f"{seen.mean:.4f} ± {seen.mean_error:.2g}"),
        )
        display.table("overlap", ("", ""), facts)
    if said is not None and said.agreement is not None:
        click.echo(said.agreement.bias_statement())
    if not worth_micros:
        click.echo("a lost subscriber costs nothing here: give --worth")


@click.command("incremental")
@click.argument("folder", metavar="LOGS", type=_FOLDER)
@click.option("--days", type=click.IntRange(1, 90), default=HORIZON_DAYS, show_default=True, help="After each decision.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def incremental_command(folder: Path, days: int, as_json: bool) -> None:
    """What a mail adds that later mails would not have brought: days after sends against days after ghosts."""
    with bad_input():
        outcomes, known = read_log(folder), survey(folder)
        log = ghost_log(read_receipts(folder), outcomes, known.currency)
        found = incremental(log.decisions, log.paid, log.exits, as_of=int(known.until), days=days)
    if as_json:
        click.echo(json.dumps(_effects_document(found, known.currency, days), indent=2))
        return
    rows = [
        (
            f"revenue, {known.currency}",
            *_effect(found.revenue_micros, lambda micros: format_micros(round(micros), "", decimals=4).strip()),
        ),
        ("exits", *_effect(found.exits, "{:.4%}".format)),
    ]
    display.table(f"the {days} days after a decision", ("", "after a send", "after a ghost", "added", "95 %", "why not"), rows)
    counts = {"certain": found.certain, "days_not_over": found.not_matured}
    display.table("decisions", ("", "count"), [("sends", f"{found.sends:,}"), ("ghosts", f"{found.ghosts:,}"), *_counts(counts)])


@contextmanager
def bad_input() -> Iterator[None]:
    """A log or an option that cannot be understood: one line that names the field, and exit code 2."""
    try:
        yield
    except BadInput as bad:
        click.echo(f"Error: {bad}", err=True)
        raise SystemExit(2) from None


def _counts(counted: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"left out: {name.replace('_', ' ')}", f"{n:,}") for name, n in sorted(counted.items()) if n]


# --- evaluate ---------------------------------------------------------------------------------------------------------------
def _parts(said: Answer) -> Mapping[str, Evaluation | Refusal]:
    return {"dr": said.dr, "snips": said.snips, "gain": said.gain}


_NAMES = {"dr": "doubly robust", "snips": "self-normalised", "gain": "more than the policy as played"}


def _rows(said: Answer | None) -> list[tuple[str, ...]]:
    if said is None:
        return [("nothing", "-", "-", "no decision was left to chance, answered and worked out again")]
    rows: list[tuple[str, ...]] = [] if said.played is None else [("the policy as played", *_thousand(said.played), "")]
    for name, part in _parts(said).items():
        if name != "dr" and part == said.dr and isinstance(part, Refusal):
            continue  # for the same reason
        shown = ("-", "-", _why(part)) if isinstance(part, Refusal) else (*_thousand(part.interval), "")
        rows.append((_NAMES[name], *shown))
    return rows


def _thousand(interval: Interval) -> tuple[str, str]:
    """Of a thousand decisions: one brings hundredths of a cent."""
    value, low, high = (
        format_micros(round(1_000 * micros), "", decimals=4).strip() for micros in (interval.value, *interval.both())
    )
    return value, f"{low} to {high}"


def _why(refusal: Refusal) -> str:
    return f"{refusal.reason}: {refusal.detail}"


def _document(target: str, currency: str, worth_micros: int, log: Decided, said: Answer | None) -> dict[str, Any]:
    """Values are micros per decision."""
    document: dict[str, Any] = {
        "target": target,
        "currency": currency,
        "worth_micros": worth_micros,
        "decisions": len(log),
        "left_out": dict(log.left_out),
        "arms": list(log.arms),
    }
    if said is None:
        return document | {"refused": "nothing_left_to_chance"}
    document["played"] = None if said.played is None else _interval(said.played)
    for name, part in _parts(said).items():
        document[name] = asdict(part) if isinstance(part, Refusal) else _interval(part.interval)
    document["overlap"] = None if said.overlap is None else asdict(said.overlap)
    document["agreement"] = None if said.agreement is None else said.agreement.bias_statement()
    return document


def _interval(interval: Interval) -> dict[str, float]:
    low, high = interval.both()
    return {"value": interval.value, "lower": low, "upper": high, "standard_error": interval.standard_error}


# --- incremental ------------------------------------------------------------------------------------------------------------
def _effect(effect: Effect | Refusal, shown: Any) -> tuple[str, ...]:
    if isinstance(effect, Refusal):
        return "-", "-", "-", "-", _why(effect)
    low, high = effect.added.both()
    return shown(effect.after_send), shown(effect.after_ghost), shown(effect.added.value), f"{shown(low)} to {shown(high)}", ""


def _effects_document(found: Incremental, currency: str, days: int) -> dict[str, Any]:
    document: dict[str, Any] = {"currency": currency, "days": days}
    document |= {name: getattr(found, name) for name in ("sends", "ghosts", "certain", "not_matured")}
    for name, part in (("revenue_micros", found.revenue_micros), ("exits", found.exits)):
        document[name] = (
            asdict(part)
            if isinstance(part, Refusal)
            else {"after_send": part.after_send, "after_ghost": part.after_ghost, "added": _interval(part.added)}
        )
    return document
