"""What somebody who takes over an account has to know, as lists and as text to pass on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from apps.accounts.models import ExchangeAccount
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor
from apps.core.rfq import ConfirmationState, QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.rfq.access import confirmations_visible_to, quotes_visible_to, rfqs_visible_to, rules_visible_to
from apps.rfq.events import quotes as quote_events
from apps.rfq.events import requests as rfq_events
from apps.rfq.events.approvals import approval_row
from apps.rfq.models import Accept, Approval, IncomingRfq, Quote, QuoteRule, Rfq
from apps.rfq.selectors.blotters import name_of
from apps.rfq.services.quotes import LIVE as LIVE_QUOTES
from apps.rfq.services.requests import LIVE as LIVE_RFQS

# A missed window or a failed execution is told for so long.
TOLD_FOR = timedelta(hours=24)
_DOUBTFUL = (Accept.State.UNKNOWN, Accept.State.NOT_SEEN)


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    lines: list[str]
    nothing: str


@dataclass(frozen=True, slots=True)
class ShiftReport:
    account: str
    at: datetime
    zone: str
    sections: list[Section] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole report, for a message or a mail."""
        local = self.at.astimezone(ZoneInfo(self.zone))
        lines = [f"Shift report, {self.account}, {local:%-d %b %Y %H:%M} {self.zone}"]
        for section in self.sections:
            lines += ["", f"{section.title} ({len(section.lines)})"]
            lines += [f"- {line}" for line in section.lines] or [f"- {section.nothing}"]
        return "\n".join(lines)


def shift_report(actor: Actor, account: ExchangeAccount, *, zone: str, now: datetime | None = None) -> ShiftReport:
    """Return what is open, armed, missed or in doubt on an account of the actor's desk. Raises NotAllowed."""
    now = now or utc_now()
    rfqs = rfqs_visible_to(actor).filter(account=account).select_related("account", "owner")
    quotes = quotes_visible_to(actor).filter(account=account).select_related("incoming", "owner", "rule_version__rule")
    rules = rules_visible_to(actor).filter(account=account, state=QuoteRule.State.ARMED).select_related("owner")
    waiting = Approval.objects.filter(desk_id=actor.desk_id, account=account, state=Approval.State.OPEN)
    return ShiftReport(
        account=str(account),
        at=now,
        zone=zone,
        sections=[
            Section(
                "Open requests",
                [_rfq_line(rfq) for rfq in rfqs.filter(state__in=LIVE_RFQS).order_by("pk")],
                "No request is open.",
            ),
            Section(
                "Open quotes",
                [_quote_line(quote) for quote in quotes.filter(state__in=LIVE_QUOTES).order_by("pk")],
                "No quote is open.",
            ),
            Section("Armed rules", [_rule_line(rule) for rule in rules.order_by("priority")], "No rule is armed."),
            Section(
                "Waiting for approval",
                [
                    f"{row['title'] or 'unknown market'}: {row['text']}, asked by {row['asked_by']['name']}"
                    for row in map(approval_row, waiting.select_related("account", "asked_by", "decided_by"))
                ],
                "Nothing waits for approval.",
            ),
            Section("Missed windows, last 24 h", _missed(actor, account, now=now), "No window was missed."),
            Section("Breaks: outcomes in doubt", _breaks(actor, account, now=now), "Nothing is in doubt."),
        ],
    )


def _rfq_line(rfq: Rfq) -> str:
    accept = rfq.accepts.exclude(state__in=[Accept.State.LAPSED, Accept.State.REFUSED]).order_by("-pk").first()
    return f"{_market(rfq.ticker, rfq.legs)}, {_size(rfq)}: {rfq_events.state_text(rfq, accept)}{_owner(rfq)}"


def _quote_line(quote: Quote) -> str:
    bids = " / ".join(
        f"{side} {cents_text(bid)}" for side, bid in (("YES", quote.yes_bid), ("NO", quote.no_bid)) if bid
    )
    by = f", rule {quote.rule_version.rule.name}" if quote.rule_version else ""
    size = _size(quote.incoming)
    market = _market(quote.ticker, quote.incoming.legs)
    return f"{market}, {size}, {bids}: {quote_events.state_text(quote)}{by}{_owner(quote)}"


def _rule_line(rule: QuoteRule) -> str:
    return f"{rule.priority}. {rule.name}, owner {name_of(rule.owner)}"


def _missed(actor: Actor, account: ExchangeAccount, *, now: datetime) -> list[str]:
    rows = confirmations_visible_to(actor).filter(
        quote__account=account, state=ConfirmationState.MISSED, heard_at__gte=now - TOLD_FOR
    )
    return [
        f"{row.quote.ticker}, heard {row.heard_at:%H:%M:%S} UTC, window ended {row.window_ends_at:%H:%M:%S} UTC"
        f"{': ' + row.error_text if row.error_text else ''}"
        for row in rows.select_related("quote").order_by("pk")
    ]


def _breaks(actor: Actor, account: ExchangeAccount, *, now: datetime) -> list[str]:
    """What the exchange has not yet said, and executions that failed after a confirmation."""
    rfqs = rfqs_visible_to(actor).filter(account=account, state__in=[RfqState.UNKNOWN, RfqState.NOT_SEEN])
    accepts = Accept.objects.filter(rfq__in=rfqs_visible_to(actor).filter(account=account), state__in=_DOUBTFUL)
    doubtful = Q(state__in=[QuoteState.UNKNOWN, QuoteState.NOT_SEEN])
    unread = Q(state=QuoteState.CANCELLED, is_end_verified=False)
    quotes = quotes_visible_to(actor).filter(doubtful | unread, account=account)
    failed = confirmations_visible_to(actor).filter(
        quote__account=account, state=ConfirmationState.FAILED, heard_at__gte=now - TOLD_FOR
    )
    return [
        *(f"request on {rfq.ticker or 'a combo'}: {rfq_events.state_text(rfq, None)}" for rfq in rfqs),
        *(f"accept on {one.rfq.ticker}: {one.get_state_display()}" for one in accepts.select_related("rfq")),
        *(f"quote on {quote.ticker}: {quote_events.state_text(quote)}" for quote in quotes),
        *(f"confirmed on {row.quote.ticker}, not executed" for row in failed.select_related("quote")),
    ]


def _market(ticker: str, legs: list[dict[str, str]]) -> str:
    return f"{ticker or 'combo'} ({len(legs)} legs)" if legs else ticker


def _size(row: Rfq | IncomingRfq) -> str:
    if row.contracts is not None:
        return f"{count_text(row.contracts)} contracts"
    return "size not known" if row.target_cost is None else dollars_text(row.target_cost)


def _owner(row: Rfq | Quote) -> str:
    return f", {name_of(row.owner)} is on it" if row.owner else ", nobody is on it"
