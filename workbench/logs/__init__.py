"""An org's log in a folder: what was decided, what became of the mails, what converted. Studies and the twin read it.

    LOGS/decisions/*.ndjson[.gz]   receipts, as decide writes them (`revenue_engine.audit`)
    LOGS/cycles/ORG/CYCLE/context.json   what a cycle decided by, where it is at hand (`revenue_engine.mixture`)
    LOGS/cycles/ORG/CYCLE/page-*.npz   the rows it decided on, likewise
    LOGS/models/VERSION/*          the bundles that those contexts name
    LOGS/cycles/ORG/CYCLE/page-*.npz, LOGS/evidence.ndjson.gz   with --inputs: what `revenue-engine train LOGS` learns from
    LOGS/waiting.json              ids of the plans that waited for a person when the log was exported
    LOGS/outcomes.ndjson.gz        one line a mail that left: `MailOutcome`
    LOGS/conversions.ndjson.gz     one line a conversion, as the books have it: `Conversion`

Times are epoch seconds. The subscriber is the engine's opaque key: a log names nobody (P4).
"""

from workbench.logs.files import Log, read_decisions, read_log, write_conversions, write_outcomes
from workbench.logs.lines import Conversion, MailOutcome

__all__ = ["Conversion", "Log", "MailOutcome", "read_decisions", "read_log", "write_conversions", "write_outcomes"]
