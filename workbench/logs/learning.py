"""A log on disk as training takes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from revenue_engine.errors import BadInput
from revenue_engine.learning.outcomes import Mail, Sale
from revenue_engine.log_pages import Stored
from revenue_engine.snapshot import load_context
from revenue_engine.training import Source
from workbench.logs.evidence import bundles_in, survey
from workbench.logs.files import DECISIONS, read_evidence, read_log
from workbench.logs.lines import Conversion, MailOutcome

_SUFFIX = ".ndjson.gz"


def source_in(folder: Path) -> tuple[Source, float]:
    """What a log that was exported with its inputs has to learn from, and up to when it knows, epoch seconds. The champion is the bundle
    of its last cycle.

    Raises BadInput naming the file and what is wrong; a log without inputs is refused.
    """
    known, log, evidence = survey(folder), read_log(folder), read_evidence(folder)
    contexts = sorted(folder.glob("cycles/*/*/context.json"), key=lambda path: path.parent.name)
    if not contexts:
        raise BadInput("cycles", "missing", "export the log with --inputs")
    find = bundles_in(folder)
    last = load_context(contexts[-1].read_bytes(), find)
    found = Source(
        evidence=evidence,
        categories={offer.offer: offer.category for offer in last.offers},
        champion=last.bundle,
        bundle_of=find,
        mails=(_mail(mail) for mail in log.outcomes if mail.delivered),
        sales=(_sale(sale, known.currency) for sale in log.conversions),
        pages=_pages(folder, contexts[-1].parent.parent),
    )
    return found, known.until


def _mail(mail: MailOutcome) -> Mail:
    left = mail.unsubscribed_at is not None or mail.complained_at is not None
    return Mail(mail.decision_id, mail.send_id, mail.sent_at, mail.first_human_click_at, left)


def _sale(sale: Conversion, currency: str) -> Sale:
    micros = sale.provisional_micros + sale.approved_micros
    stands = sale.state in ("provisional", "approved") and not sale.held
    return Sale(sale.send_id, sale.converted_at, stands, micros if sale.currency == currency else 0)


def _pages(folder: Path, cycles: Path) -> Iterator[Stored]:
    for path in sorted((folder / DECISIONS).glob(f"*/*{_SUFFIX}")):
        cycle_id, _, page = path.name.removesuffix(_SUFFIX).partition("-page-")
        rows, context = (cycles / cycle_id / name for name in (f"page-{page}.npz", "context.json"))
        yield Stored(path.read_bytes(), *(one.read_bytes() if one.is_file() else b"" for one in (rows, context)))
