"""Every name that infrastructure and engine must agree on: one place, no imports.

`infra/` imports this module and nothing else of the engine; the engine reads the same names from its environment.
"""

# --- environment variables -------------------------------------------------------------------------------------------
STAGE = "STAGE"
ORG = "ORG"  # whose stack this is: public routes serve no other org
SUBSCRIBERS_TABLE = "SUBSCRIBERS_TABLE"
TIMELINE_TABLE = "TIMELINE_TABLE"
SENDS_TABLE = "SENDS_TABLE"
LEDGER_TABLE = "LEDGER_TABLE"
OFFERS_TABLE = "OFFERS_TABLE"
SUPPRESSION_TABLE = "SUPPRESSION_TABLE"
CONTROL_TABLE = "CONTROL_TABLE"
MODELS_BUCKET = "MODELS_BUCKET"
DECISIONS_BUCKET = "DECISIONS_BUCKET"
POSTBACKS_BUCKET = "POSTBACKS_BUCKET"
POSTBACKS_QUEUE_URL = "POSTBACKS_QUEUE_URL"
ENGAGEMENT_QUEUE_URL = "ENGAGEMENT_QUEUE_URL"
SENDS_QUEUE_URL = "SENDS_QUEUE_URL"
ALERTS_TOPIC_ARN = "ALERTS_TOPIC_ARN"
BREAKER_MACHINE_ARN = "BREAKER_MACHINE_ARN"
CONFIGURATION_SET = "CONFIGURATION_SET"
PUBLIC_BASE_URL = "PUBLIC_BASE_URL"  # https origin of the HTTP API: the unsubscribe links of every mail start with it
EVERFLOW_BASE_URL = "EVERFLOW_BASE_URL"

# --- tables: keys and indexes (docs/data-model.md) ---------------------------------------------------------------------
PARTITION_KEY = "pk"  # every table
SORT_KEY = "sk"  # every table but Subscribers and Sends
EXPIRES_AT = "expires_at"  # TTL attribute (epoch seconds) of Timeline, Sends and Control

DUE_INDEX = "due"  # Subscribers: due_shard (S) / next_decision_at (N, epoch seconds); sparse
DUE_SHARD = "due_shard"
NEXT_DECISION_AT = "next_decision_at"
WAITS_UNTIL = "waits_until"  # epoch seconds: a mail to them waits for a person's approval; no attribute of anybody else
DUE_PROJECTION = ("subscriber", "row", "version", "decided_at")
DUE_SHARDS = 16

REVENUE_INDEX = "by_revenue"  # Subscribers: revenue_org (S) / revenue_micros (N, org currency); sparse: who has brought any
REVENUE_ORG = "revenue_org"
REVENUE_MICROS = "revenue_micros"
REVENUE_PROJECTION = ("subscriber",)

LOT_INDEX = "by_lot"  # Subscribers: lot (S) / created_at (N, epoch seconds); sparse: who was mailable when given an arm
LOT = "lot"
CREATED_AT = "created_at"
LOT_PROJECTION = ("subscriber", "arm", "status", "provider", "consent_at")

SENDS_BY_DAY_INDEX = "by_day"  # Sends: org_day (S) / claimed_at (N, epoch seconds)
SENDS_BY_STATE_INDEX = "by_state"  # Sends: org_state (S) / claimed_at; only while CLAIMED or UNKNOWN
LEDGER_BY_DAY_INDEX = "by_day"  # Ledger: org_day (S) / booked_at (N, epoch milliseconds)
ORG_DAY = "org_day"
ORG_STATE = "org_state"
CLAIMED_AT = "claimed_at"
ENGAGEMENTS = "engagements"  # Sends: how often its deliveries, opens and clicks were booked; the guard of the next booking
BOOKED_AT = "booked_at"

# --- Parameter Store -------------------------------------------------------------------------------------------------
PARAMETER_ROOT = "/revenue-engine"


def autonomy_parameter(stage: str, org: str) -> str:
    """`off | shadow | approval | canary | full`: the operator's switch. Nothing but the operator writes it."""
    return f"{PARAMETER_ROOT}/{stage}/{org}/autonomy"


def controls_parameter(stage: str, org: str) -> str:
    """One JSON document of goals, thresholds, caps and hours (`records.controls.Controls`)."""
    return f"{PARAMETER_ROOT}/{stage}/{org}/controls"


def breaker_parameter(stage: str, org: str) -> str:
    """`closed | open | half_open`, written by the breaker's state machine for people to see."""
    return f"{PARAMETER_ROOT}/{stage}/{org}/breaker"


def secret_parameter(stage: str, org: str, secret: str) -> str:
    """A SecureString; `secret` is one of SECRETS."""
    return f"{PARAMETER_ROOT}/{stage}/{org}/secrets/{secret}"


WEBHOOK_TOKENS = "webhook-tokens"  # JSON list of one or two live path tokens
TRACKING_KEY = "tracking-key"  # hex; authenticates sub1 and unsubscribe links
ADDRESS_KEY = "address-key"  # hex; hashes addresses
EVERFLOW_API_KEY = "everflow-api-key"
SECRETS = (WEBHOOK_TOKENS, TRACKING_KEY, ADDRESS_KEY, EVERFLOW_API_KEY)


def environment_parameter(stage: str) -> str:
    """JSON of the stack's own environment variables: how the command line finds tables, buckets and queues."""
    return f"{PARAMETER_ROOT}/{stage}/environment"


# --- metrics and dimensions ------------------------------------------------------------------------------------------
METRICS_NAMESPACE = "RevenueEngine"
METRIC_POSTBACKS_TAKEN = "PostbacksTaken"
METRIC_HUMAN_CLICKS = "HumanClicks"
METRIC_QUARANTINED = "PostbacksQuarantined"
METRIC_CYCLE_REFUSED = "CycleRefused"
METRIC_CYCLE_COMPLETED = "CycleCompleted"
METRIC_UNKNOWN_SENDS = "UnknownSends"
METRIC_REVERSALS_HELD = "ReversalsHeld"
METRIC_PROVISIONAL_GIVEN_UP = "ProvisionalGivenUp"
METRIC_OFFERS_NOT_UNDERSTOOD = "OffersNotUnderstood"
METRIC_SUPPRESSION_FILES_REFUSED = "SuppressionFilesRefused"
METRIC_CAUSES_STOPPED = "CausesStopped"
METRIC_ANOMALIES = "Anomalies"
METRIC_FX_RATE_MISSING = "FxRateMissing"
METRIC_MODEL_DRIFT = "ModelDrift"

# --- sending ----------------------------------------------------------------------------------------------------------
MAIL_WORKERS = 5  # messages of sends worked on at once: each has its part of the provider's rate

# --- routes (HTTP API, payload 2.0) -----------------------------------------------------------------------------------
ROUTE_POSTBACK = "/everflow/v1/{org}/{token}"
ROUTE_UNSUBSCRIBE = "/u/{org}/{token}"
ROUTE_CONSOLE = "/console/{proxy+}"

# --- message tags of every mail (alphabet [A-Za-z0-9_-]) ---------------------------------------------------------------
TAG_SEND = "send_id"
TAG_ORG = "org"
TAG_OFFER = "offer"
TAG_CAMPAIGN = "campaign"
