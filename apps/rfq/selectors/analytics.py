"""How requests and quotes of an account did in a period: counted from stored rows, nothing from a model."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from apps.core.permissions import Actor
from apps.core.rfq import ConfirmationState, Decision, Outcome, QuoteState
from apps.orders.models import Fill
from apps.rfq.access import confirmations_visible_to, quotes_visible_to, rfqs_visible_to
from apps.rfq.models import Accept, Confirmation, Markout, Quote, QuoteDecision, StreamMinute
from apps.rfq.selectors.blotters import edge, improvement_of, span_ms
from apps.rfq.selectors.periods import Period
from apps.rfq.services.analytics import Ratio, Spread, spread
from apps.rfq.services.markouts import ALL_HORIZONS

_NOT_TAKEN = (Accept.State.COMMITTED, Accept.State.SENDING, Accept.State.REFUSED, Accept.State.NOT_SEEN)
_SETTLED = (Accept.State.LAPSED, Accept.State.FAILED, Accept.State.EXECUTED)
_CONFIRMED = (ConfirmationState.CONFIRMED, ConfirmationState.EXECUTED, ConfirmationState.FAILED)
_ON_HORIZON = {"10s": "10 s", "1m": "1 min", "10m": "10 min", "settle": "settlement"}


@dataclass(frozen=True, slots=True)
class RequesterFigures:
    """Requests made in the period. improvement: dollars a contract against sweeping the book at the send."""

    requests: int
    opened: int
    quoted: Ratio
    quotes_per_request: Decimal | None
    accepted: Ratio
    lapsed: Ratio
    first_quote: Spread[int]
    taken_quote: Spread[int]
    confirm: Spread[int]
    improvement: Spread[Decimal]
    improvement_total: Decimal
    fees: Decimal | None
    trades: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel. kept: how many of the step before got here; None for the first, or another unit."""

    name: str
    count: int
    kept: Ratio | None


@dataclass(frozen=True, slots=True)
class MarkoutFigure:
    """gain: dollars a contract. missing: why none was taken -> how often."""

    horizon: str
    gain: Spread[Decimal]
    missing: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class RuleFigure:
    name: str
    quoted: int
    won: Ratio
    executed: int
    markout: Spread[Decimal]  # 10 min, dollars a contract


@dataclass(frozen=True, slots=True)
class MakerFigures:
    funnel: list[Step]
    has_stream: bool
    dropped: int
    hits: Ratio
    confirmed: Ratio
    missed: int
    response: Spread[int]  # request to our quote, both by the exchange's clock, ms
    decision: Spread[int]  # frame to a rule's decision, ms
    slack: Spread[int]  # confirmation's answer to the end of the window, ms
    passes: list[tuple[str, int]]
    refusals: list[tuple[str, int]]
    lapses: list[tuple[str, int]]
    markouts: list[MarkoutFigure]
    rules: list[RuleFigure]


def requester_figures(actor: Actor, *, account_id: int, period: Period) -> RequesterFigures:
    """Raises NotAllowed."""
    rfqs = list(
        rfqs_visible_to(actor)
        .filter(account_id=account_id, created_at__gte=period.start, created_at__lt=period.end)
        .prefetch_related("quotes", "accepts__quote")
    )
    opened = [rfq for rfq in rfqs if rfq.rfq_id]
    accepts = [(rfq, accept) for rfq in opened for accept in rfq.accepts.all() if accept.state not in _NOT_TAKEN]
    executed = [(rfq, accept) for rfq, accept in accepts if accept.state == Accept.State.EXECUTED]
    settled = [accept for _, accept in accepts if accept.state in _SETTLED]
    quotes = {rfq.pk: list(rfq.quotes.all()) for rfq in opened}
    gains = [(gain, accept) for rfq, accept in executed if (gain := improvement_of(rfq, accept)) is not None]
    return RequesterFigures(
        requests=len(rfqs),
        opened=len(opened),
        quoted=Ratio(sum(bool(found) for found in quotes.values()), len(opened)),
        quotes_per_request=Decimal(sum(map(len, quotes.values()))) / len(opened) if opened else None,
        accepted=Ratio(len({rfq.pk for rfq, _ in accepts}), len(opened)),
        lapsed=Ratio(sum(accept.state == Accept.State.LAPSED for accept in settled), len(settled)),
        first_quote=_spans((rfq.created_at, min((q.seen_at for q in quotes[rfq.pk]), default=None)) for rfq in opened),
        taken_quote=_spans((rfq.created_at, accept.quote.seen_at) for rfq, accept in accepts),
        confirm=_spans((accept.accepted_at, accept.confirmed_at) for _, accept in accepts),
        improvement=spread(gain for gain, _ in gains),
        improvement_total=sum((gain * accept.contracts for gain, accept in gains if accept.contracts), Decimal(0)),
        fees=_fees(account_id, [accept.order_id for _, accept in executed if accept.order_id]),
        trades=len(executed),
    )


def maker_figures(actor: Actor, *, account_id: int, period: Period) -> MakerFigures:
    """Raises NotAllowed."""
    span: dict[str, Any] = {"created_at__gte": period.start, "created_at__lt": period.end}
    quotes = quotes_visible_to(actor).filter(account_id=account_id, **span)
    sent = quotes.exclude(quote_id=None)
    confirmations = confirmations_visible_to(actor).filter(quote__in=quotes.values("pk"))
    decisions = QuoteDecision.objects.filter(
        rule_version__rule__account_id=account_id,
        rule_version__rule__desk_id=actor.desk_id,
        decided_at__gte=period.start,
        decided_at__lt=period.end,
    )
    seen = StreamMinute.objects.filter(account_id=account_id, minute__gte=period.start, minute__lt=period.end)
    stream = seen.aggregate(seen=Sum("seen"), eligible=Sum("eligible"), dropped=Sum("dropped"))
    won, confirmed = confirmations.count(), confirmations.filter(state__in=_CONFIRMED).count()
    asked = confirmations.filter(decision=Decision.CONFIRM).exclude(
        state__in=[ConfirmationState.OPEN, ConfirmationState.CONFIRMING]
    )
    counts = {
        "Requests seen": stream["seen"] or 0,
        "Wanted by a rule or filter": stream["eligible"] or 0,
        "Quotes that reached the exchange": sent.count(),
        "Accepted": won,
        "Confirmed": confirmed,
        "Executed": confirmations.filter(state=ConfirmationState.EXECUTED).count(),
    }
    return MakerFigures(
        funnel=_steps(counts),
        has_stream=stream["seen"] is not None,
        dropped=stream["dropped"] or 0,
        hits=Ratio(won, sent.count()),
        confirmed=Ratio(asked.filter(state__in=_CONFIRMED).count(), asked.count()),
        missed=confirmations.filter(state=ConfirmationState.MISSED).count(),
        response=_spans(sent.values_list("incoming__created_at", "opened_at")),
        decision=spread(decisions.values_list("took_ms", flat=True)),
        slack=_spans(confirmations.filter(state__in=_CONFIRMED).values_list("answered_at", "window_ends_at")),
        passes=_pareto(decisions.filter(action=QuoteDecision.Action.PASS), "reason"),
        refusals=_pareto(quotes.filter(state=QuoteState.REFUSED), "error_code"),
        lapses=_pareto(confirmations.filter(state__in=[ConfirmationState.LAPSED, ConfirmationState.MISSED]), "reason"),
        markouts=_markouts(quotes),
        rules=_rules(quotes),
    )


def _steps(counts: Mapping[str, int]) -> list[Step]:
    steps: list[Step] = []
    for name, count in counts.items():
        before = steps[-1].count if steps else None
        # A quote may answer what no rule or filter wanted: then it is no part of the step before.
        kept = None if before is None or count > before else Ratio(count, before)
        steps.append(Step(name, count, kept))
    return steps


def _spans(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> Spread[int]:
    return spread(ms for start, end in pairs if (ms := span_ms(start, end)) is not None)


def _fees(account_id: int, order_ids: list[str]) -> Decimal | None:
    """Return what the exchange took on these orders, dollars; None before a fill of one is known."""
    total: Decimal | None = Fill.objects.filter(account_id=account_id, order_id_text__in=order_ids).aggregate(
        total=Sum("fee")
    )["total"]
    return total


def _pareto(rows: QuerySet[Any], field: str) -> list[tuple[str, int]]:
    """Return reason -> how often, the most frequent first."""
    found = rows.order_by().values_list(field).annotate(Count("pk"))
    return sorted(((code or "not said", count) for code, count in found), key=lambda one: (-one[1], one[0]))


def _gains(marks: Iterable[Markout]) -> list[Decimal]:
    found = []
    for mark in marks:
        side = _side_of(mark.quote)
        own = mark.quote.yes_bid if side is Outcome.YES else mark.quote.no_bid
        gain = edge(mark.yes_mid, side, own) if side is not None else None
        if gain is not None:
            found.append(gain)
    return found


def _side_of(quote: Quote) -> Outcome | None:
    confirmation: Confirmation | None = getattr(quote, "confirmation", None)
    return Outcome(confirmation.accepted_side) if confirmation and confirmation.accepted_side else None


def _markouts(quotes: QuerySet[Quote]) -> list[MarkoutFigure]:
    figures = []
    for horizon in ALL_HORIZONS:
        marks = Markout.objects.filter(quote__in=quotes.values("pk"), horizon=horizon)
        taken = marks.exclude(yes_mid=None).select_related("quote__confirmation")
        missing = Counter(marks.filter(yes_mid=None).exclude(taken_at=None).values_list("why_not", flat=True))
        waiting = marks.filter(taken_at=None).count()
        if waiting:
            missing["not due yet" if horizon != "settle" else "not settled yet"] = waiting
        figures.append(MarkoutFigure(_ON_HORIZON[horizon], spread(_gains(taken)), missing.most_common()))
    return figures


def _rules(quotes: QuerySet[Quote]) -> list[RuleFigure]:
    found = quotes.order_by().values_list("rule_version__rule_id", "rule_version__rule__name")
    counted = found.annotate(
        of_sent=Count("pk", filter=Q(quote_id__isnull=False)),
        of_won=Count("confirmation"),
        of_executed=Count("confirmation", filter=Q(confirmation__state=ConfirmationState.EXECUTED)),
    )
    figures = []
    for rule_id, name, of_sent, of_won, of_executed in counted:
        of_rule = quotes.filter(rule_version__rule_id=rule_id)
        marks = Markout.objects.filter(quote__in=of_rule.values("pk"), horizon="10m").exclude(yes_mid=None)
        gains = spread(_gains(marks.select_related("quote__confirmation")))
        figures.append(RuleFigure(name or "by hand", of_sent, Ratio(of_won, of_sent), of_executed, gains))
    return sorted(figures, key=lambda one: -one.quoted)
