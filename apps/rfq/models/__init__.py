"""Rows of the RFQ desk: `requests` (we ask), `quotes` (we answer), `rules` (we answer by rule), `team`."""

from apps.rfq.models.quotes import Confirmation, IncomingRfq, Markout, PassedRequest, Quote
from apps.rfq.models.requests import Accept, ComboResolution, ComboTicker, ReceivedQuote, Rfq
from apps.rfq.models.rules import (
    FairMark,
    QuoteDecision,
    QuoteRule,
    QuoteRuleVersion,
    ShadowGrade,
    StreamFilter,
    StreamHit,
    StreamMinute,
)
from apps.rfq.models.team import Approval, ApprovalThreshold, Comment

__all__ = [
    "Accept",
    "Approval",
    "ApprovalThreshold",
    "ComboResolution",
    "ComboTicker",
    "Comment",
    "Confirmation",
    "FairMark",
    "IncomingRfq",
    "Markout",
    "PassedRequest",
    "Quote",
    "QuoteDecision",
    "QuoteRule",
    "QuoteRuleVersion",
    "ReceivedQuote",
    "Rfq",
    "ShadowGrade",
    "StreamFilter",
    "StreamHit",
    "StreamMinute",
]
