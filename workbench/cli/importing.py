"""`revenue-engine import …`: the demo imports by the same functions."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import click

from revenue_engine import ids
from revenue_engine.aws.subscribers import ACTIVE
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import BadInput, Refused
from revenue_engine.intake.cells import time_of
from revenue_engine.intake.postmaster import parse_postmaster
from revenue_engine.intake.subscribers_csv import SubscriberRecord
from revenue_engine.records.offer import Offer
from revenue_engine.services import catalogue
from revenue_engine.services import import_subscribers as service
from workbench.cli import display
from workbench.cli.connection import Connection
from workbench.cli.files import catalogue_of, check_list_id, opt_outs_of, subscribers_of

_NOTHING_WRITTEN = " (dry run: nothing was written)"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("import")
def group() -> None:
    """Take subscribers, offers or an advertiser's opt-outs from a file."""


@group.command("subscribers")
@click.argument("file", type=_FILE)
@click.option("--map", "mappings", multiple=True, metavar="OURS=THEIRS", help="Where the file's column has another name.")
@click.option("--consent-source", default="", help="Where everybody in this file gave consent.")
@click.option("--consent-at", default="", metavar="TIME", help="When, as an ISO 8601 date or time.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, write nothing.")
@click.option("--skip-bad-lines", is_flag=True, help="Import the good lines of a file that has bad ones.")
@click.pass_obj
def subscribers(
    connection: Connection,
    file: Path,
    mappings: tuple[str, ...],
    consent_source: str,
    consent_at: str,
    dry_run: bool,
    skip_bad_lines: bool,
) -> None:
    """People from a CSV FILE. Importing again changes only what the file declares, and never undoes an opt-out.

    \b
    Columns read: email, consent, consent_source, consent_at, status, created_at,
    zone, country, first_name, last_name, topics, price_sensitivity, peak_hour,
    purchases, last_purchase_at,
    and profile.ANYTHING; a warning names the others.

    Where there is a `consent` column it must say yes (true, 1, y, granted) of everybody who is to get mail: a line with anything
    else is a bad line, unless its status is an opt-out.
    """
    columns, now = _mapping(mappings), connection.now()
    since = time_of(consent_at, field="--consent-at", now=now)
    found = subscribers_of(file, mapping=columns, now=now, consent_source=consent_source, consent_at=since)
    display.report_problems(file, found.warnings, kind="warning")
    if found.problems and not (skip_bad_lines and found.records):
        display.refuse(file, found.problems, advice="--skip-bad-lines imports the others" if found.records else "")
    display.report_problems(file, found.problems, kind="skipped")
    if dry_run:
        with display.bar("looking up", len(found.records)) as advance:
            outcomes = foresee_subscribers(connection.wiring, connection.org, found.records, progress=advance)
    else:
        outcomes = load_subscribers(connection.wiring, connection.org, found.records, now=now)
    _say(outcomes, "subscribers", dry_run=dry_run, skipped=len(found.problems))


@group.command("offers")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Say what would happen, write nothing.")
@click.pass_obj
def offers(connection: Connection, file: Path, dry_run: bool) -> None:
    """Offers and their creatives from a JSON FILE in the form of Everflow's `offersrunnable`."""
    found = catalogue_of(file)
    if found.problems:
        display.refuse(file, found.problems)
    display.report_problems(file, found.warnings, kind="warning")
    load = foresee_offers if dry_run else catalogue.import_offers
    _say(load(connection.wiring, connection.org, found.offers), "offers", dry_run=dry_run)


@group.command("suppression")
@click.argument("list_id")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Say what would happen, write nothing.")
@click.pass_obj
def suppression(connection: Connection, list_id: str, file: Path, dry_run: bool) -> None:
    """The opt-outs of an advertiser (LIST_ID is Everflow's suppression_list_id): addresses, MD5 or SHA-512, one a line."""
    check_list_id(list_id)
    found = opt_outs_of(file)
    if found.problems:
        display.refuse(file, found.problems)
    if not dry_run:
        w, now = connection.wiring, connection.now()
        catalogue.import_suppression_list(w, connection.org, list_id, found.hashes, people=found.people, now=now)
    _say(Counter({"people": found.people}), f"list {list_id}", dry_run=dry_run)


@group.command("postmaster")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Say what would happen, write nothing.")
@click.pass_obj
def postmaster(connection: Connection, file: Path, dry_run: bool) -> None:
    """Gmail's complaint rates: a JSON FILE as the Postmaster Tools API answers `domains.trafficStats.list`."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput("file", "not_utf8") from None
    days, untold = parse_postmaster(text)
    if not dry_run:
        for day in days:
            connection.wiring.safety.put_postmaster(connection.org, day, at=epoch_seconds(connection.now()))
    _say(Counter({"days": len(days), "days without a ratio": untold}), "postmaster", dry_run=dry_run)


def load_subscribers(
    w: Wiring,
    org: str,
    records: tuple[SubscriberRecord, ...],
    *,
    now: datetime,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Counter[str]:
    """Writes validated people, with a progress bar: created | updated | unchanged | opted_out."""
    with display.bar("importing subscribers", len(records)) as advance:
        return service.import_subscribers(w, org, records, now=now, random_bytes=random_bytes, progress=advance).outcomes


def foresee_subscribers(
    w: Wiring, org: str, records: Iterable[SubscriberRecord], *, progress: Callable[[], None] = lambda: None
) -> Counter[str]:
    """What an import would find, read only: new | known | opted_out (stays, or becomes so). Raises Refused where the import would."""
    _, refused = service.controls_or_refusal(w, org)
    key = w.parameters.address_key(org)
    outcomes: Counter[str] = Counter()
    left_out = 0
    for record in records:
        if refused is not None and record.status == ACTIVE:
            left_out += 1
            continue
        digest = ids.address_hash(key, record.email)
        known = w.subscribers.by_address(org, digest)
        if record.status != ACTIVE or (known or {}).get("status", ACTIVE) != ACTIVE or w.suppression.is_suppressed(org, digest):
            outcomes["opted_out"] += 1
        else:
            outcomes["known" if known else "new"] += 1
        progress()
    if refused is not None and left_out:
        said = service.opt_outs_only(refused, taken=outcomes.total(), left_out=left_out)
        raise Refused(said.reason, said.detail + _NOTHING_WRITTEN)
    return outcomes


def foresee_offers(w: Wiring, org: str, offers: Iterable[Offer]) -> Counter[str]:
    """What an import of offers would do, read only: created | updated | unchanged."""
    known = {offer.offer: offer.content_hash for offer in w.offers.catalogue(org)}
    return Counter(
        "created" if o.offer not in known else "unchanged" if known[o.offer] == o.content_hash else "updated" for o in offers
    )


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs) or ours in mapping:
            raise BadInput("--map", "duplicate_column" if ours in mapping else "not_ours_equals_theirs", pair[:60])
        mapping[ours] = theirs
    return mapping


def _say(outcomes: Counter[str], what: str, *, dry_run: bool, skipped: int = 0) -> None:
    counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(outcomes.items())) or "nothing"
    bad = f", {skipped:,} bad lines skipped" if skipped else ""
    click.echo(f"{what}: {counts}{bad}" + (_NOTHING_WRITTEN if dry_run else ""))
