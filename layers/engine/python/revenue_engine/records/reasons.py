"""Why a subscriber was mailed or not: the specification's names first, in its order; a receipt carries one of them."""

from __future__ import annotations

# A reason's number is its position: only ever appended to.
REASONS: tuple[str, ...] = (
    "holdout",
    "outside_hours",
    "daily_limit_reached",
    "subscriber_frequency_limit",
    "too_soon_since_last_email",
    "high_churn_risk",
    "high_complaint_risk",
    "engagement_too_low",
    "no_suitable_offer",
    "predicted_revenue_too_low",
    "below_shadow_price",
    "velocity_limit",
    "ghost",
    "revenue_opportunity",
    "exploration",
    "fixed_policy",
    "breaker_half_open",
    "segment_stopped",
    "provider_stopped",
    "negative_long_term_value",
    "silent_too_long",
    "provider_warm_up",
    "provider_rate",
    "worth_unknown",
)
NUMBER_OF = {name: number for number, name in enumerate(REASONS)}
