"""The day-one figures: round ones of the order e-mail programmes see, the same for every org until its own evidence outweighs them."""

from __future__ import annotations

from revenue_engine.prediction.rates import Delay, Rates
from revenue_engine.records.evidence import SEGMENTS

HAZARD_MAILS = 2_000.0  # what a segment's hazards are worth: exits are rare
PRIOR_RATES = Rates(
    click_level=dict(zip(SEGMENTS, (0.012, 0.05, 0.02, 0.006, 0.002), strict=True)),
    open_level=dict(zip(SEGMENTS, (0.20, 0.50, 0.40, 0.10, 0.03), strict=True)),
    unsubscribe_hazard=dict(zip(SEGMENTS, (0.002, 0.0008, 0.0008, 0.0012, 0.0016), strict=True)),
    complaint_hazard=dict(zip(SEGMENTS, (0.0003, 0.0001, 0.0001, 0.0002, 0.0003), strict=True)),
    click_ratio={},
    open_ratio={},
    conversions_per_click={"*": 0.02},
    prior_clicks=12.0,
    # about 35 % of conversions within an hour of the click, 60 % within a day, then a tail of five days
    delay=Delay(fast_share=0.5, fast_days=0.035, tail_days=5.0),
)
