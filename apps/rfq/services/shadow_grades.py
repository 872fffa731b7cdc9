"""Grades what rules in the shadow would have quoted: a minute later, against the tape and the middle of the book.

What the tape or the book did not show then is not made up later. A rule that would quote very much is graded in part:
each sweep plans the newest decisions, and what is shown says how many were graded.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_price
from apps.core.rfq import Outcome, QuotePrices
from apps.core.shadow import Print, verdict
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange import live
from apps.orders.services.quotes import quotes_of
from apps.rfq.events.decisions import MOST, decision_key, decision_row, decisions_topic
from apps.rfq.events.rules import rule_publish
from apps.rfq.events.words import titles_of
from apps.rfq.models import QuoteDecision, ShadowGrade

logger = logging.getLogger(__name__)

AFTER: Final = timedelta(minutes=1)
LATE: Final = timedelta(seconds=15)  # more than that and the tape may have moved on
PLANNED_WITHIN: Final = timedelta(seconds=30)
MOST_AT_ONCE: Final = 100
# The exchange's clock against ours, and the time that a taker needs.
EARLY: Final = timedelta(seconds=1)

NO_TAPE: Final = "the market's trades were not followed then"
TOO_LATE: Final = "the desk was not running when it was due"
NO_BOOK: Final = "no live book with both sides"


def shadow_grades_sweep(*, now: datetime | None = None) -> int:
    """Plan the grading of new decisions and grade what is due; returns how many were graded. Twice is harmless."""
    now = now or utc_now()
    _plan(now=now)
    due = ShadowGrade.objects.filter(graded_at=None, due_at__lte=now).order_by("due_at")
    rows = list(due.select_related("decision__incoming", "decision__rule_version__rule__account")[:MOST_AT_ONCE])
    graded = [row for row in rows if _grade(row, now=now)]
    _tell(graded)
    return len(graded)


def wanted_tickers(environment: str) -> set[str]:
    """Return the markets whose tape and book are needed soon, for the gateway."""
    waiting = ShadowGrade.objects.filter(graded_at=None, decision__incoming__environment=environment)
    return set(waiting.order_by("-pk").values_list("decision__incoming__ticker", flat=True)[: 2 * MOST_AT_ONCE])


def _plan(*, now: datetime) -> None:
    fresh = QuoteDecision.objects.filter(
        action=QuoteDecision.Action.SHADOW, grade=None, decided_at__gt=now - PLANNED_WITHIN
    )
    rows = [
        ShadowGrade(decision_id=pk, due_at=decided_at + AFTER)
        for pk, decided_at in fresh.order_by("-pk").values_list("pk", "decided_at")[:MOST_AT_ONCE]
    ]
    ShadowGrade.objects.bulk_create(rows, ignore_conflicts=True)  # two sweeps at once plan the same


def _grade(row: ShadowGrade, *, now: datetime) -> bool:
    decision = row.decision
    if now - row.due_at > LATE or decision.yes_bid is None or decision.no_bid is None:
        return _write(row, {"why_not": TOO_LATE}, now=now)
    incoming = decision.incoming
    tape = live.state_read(f"tape:{incoming.environment}:{incoming.ticker}")
    if tape is None:
        return _write(row, {"why_not": NO_TAPE}, now=now)
    prices = QuotePrices(decision.yes_bid, decision.no_bid)
    found = verdict(
        prices,
        prints_of(tape[1]),
        contracts=incoming.contracts,
        target_cost=incoming.target_cost,
        from_ms=to_unix_ms(decision.decided_at - EARLY),
        until_ms=to_unix_ms(row.due_at),
    )
    facts: dict[str, Any] = {"standing": found.standing.value}
    if found.print is not None and found.side is not None:
        facts |= {"side": found.side.value, "contracts": found.contracts, "print_yes": found.print.yes_price}
    middle = _middle(incoming.environment, incoming.ticker)
    if middle is None:
        facts["why_not"] = NO_BOOK
    else:
        made = found.made(prices, middle)
        facts |= {"yes_mid": middle, "made": None if made is None else made.quantize(Decimal("0.0001"))}
    return _write(row, facts, now=now)


def prints_of(tape: dict[str, Any]) -> list[Print]:
    """Return the trades of a frame of the tape; one that cannot be read is left out."""
    found = []
    for trade in tape.get("trades", ()):
        try:
            price, count = parse_price(trade["price"]), parse_count(trade["count"])
            found.append(Print(price, count, Outcome(trade["side"]), int(trade["ts_ms"])))
        except (WireFormatError, LookupError, TypeError, ValueError) as exc:
            logger.debug("a trade of the tape cannot be read: %s", exc)
    return found


def _middle(environment: str, ticker: str) -> Decimal | None:
    quotes = quotes_of(environment, ticker)
    if quotes is None or not quotes.is_live or quotes.bid is None or quotes.ask is None:
        return None
    return (quotes.bid + quotes.ask) / 2


def _write(row: ShadowGrade, facts: dict[str, Any], *, now: datetime) -> bool:
    """Once: of two sweeps at once the first has graded it."""
    return ShadowGrade.objects.filter(pk=row.pk, graded_at=None).update(graded_at=now, **facts) == 1


def _tell(graded: list[ShadowGrade]) -> None:
    """Show the grades beside decisions that are still listed, and the sums of their rules."""
    decisions = QuoteDecision.objects.filter(pk__in=[row.decision_id for row in graded])
    by_account: dict[int, list[QuoteDecision]] = {}
    for one in decisions.select_related("incoming", "rule_version__rule", "grade"):
        by_account.setdefault(one.rule_version.rule.account_id, []).append(one)
    for account_id, ours in by_account.items():
        newest = QuoteDecision.objects.filter(rule_version__rule__account_id=account_id).order_by("-pk")
        listed = set(newest.values_list("pk", flat=True)[:MOST])
        titles = titles_of(ours[0].incoming.environment, [one.incoming.ticker for one in ours])
        rows = {
            decision_key(one.pk): decision_row(one, titles[one.incoming.ticker]) for one in ours if one.pk in listed
        }
        live.publish_rows(decisions_topic(account_id), rows)
        for pk in {one.rule_version.rule_id for one in ours}:
            rule_publish(pk)
