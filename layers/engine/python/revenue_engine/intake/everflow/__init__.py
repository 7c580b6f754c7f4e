"""Everflow's formats, turned into records: postbacks, the conversion report, offers, tracking links (pydantic at the border)."""

from revenue_engine.intake.everflow.exact import Problem
from revenue_engine.intake.everflow.links import tracking_link
from revenue_engine.intake.everflow.listing import ListedOffer, OffersPage, parse_offers_page
from revenue_engine.intake.everflow.offer_caps import with_left
from revenue_engine.intake.everflow.offers import OfferDetail, OfferImport, content_hash, parse_offer_detail, parse_offers
from revenue_engine.intake.everflow.postback import (
    Sub1,
    check_amount,
    check_replay,
    classify_sub1,
    most_transactions,
    understand_postback,
)
from revenue_engine.intake.everflow.raw import RawPostback
from revenue_engine.intake.everflow.report import (
    ApiError,
    ConversionsReport,
    ReportPage,
    api_error,
    conversions_request,
    parse_conversion,
    parse_conversions_page,
)

__all__ = [
    "ApiError",
    "ConversionsReport",
    "ListedOffer",
    "OfferDetail",
    "OfferImport",
    "OffersPage",
    "Problem",
    "RawPostback",
    "ReportPage",
    "Sub1",
    "api_error",
    "check_amount",
    "check_replay",
    "classify_sub1",
    "content_hash",
    "conversions_request",
    "most_transactions",
    "parse_conversion",
    "parse_conversions_page",
    "parse_offer_detail",
    "parse_offers",
    "parse_offers_page",
    "tracking_link",
    "understand_postback",
    "with_left",
]
