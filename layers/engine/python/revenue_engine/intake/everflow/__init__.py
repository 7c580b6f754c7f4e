"""Everflow's formats, turned into records: postbacks, the conversion report, offers, tracking links (pydantic at the border)."""

from revenue_engine.intake.everflow.exact import Problem
from revenue_engine.intake.everflow.links import tracking_link
from revenue_engine.intake.everflow.offers import OfferImport, parse_offers
from revenue_engine.intake.everflow.postback import Sub1, check_amount, classify_sub1, understand_postback
from revenue_engine.intake.everflow.raw import RawPostback
from revenue_engine.intake.everflow.report import ApiError, ReportPage, api_error, conversions_request, parse_conversions_page

__all__ = [
    "ApiError",
    "OfferImport",
    "Problem",
    "RawPostback",
    "ReportPage",
    "Sub1",
    "api_error",
    "check_amount",
    "classify_sub1",
    "conversions_request",
    "parse_conversions_page",
    "parse_offers",
    "tracking_link",
    "understand_postback",
]
