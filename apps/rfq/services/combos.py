"""Legs of a combo: what is wrong with them, what they are worth together, and the market that they are.

Nothing is sent here: the web process has no keys. Who has them: `combos_send`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.combos import Bounds, Contradiction, Leg, bounds, contradictions
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.markets import builder
from apps.markets.models import Collection, Event, Market
from apps.orders.access import require
from apps.rfq import queue
from apps.rfq.events import combos as events
from apps.rfq.events.words import title_of
from apps.rfq.models import ComboResolution, ComboTicker

# docs: create market in a multivariate event collection. Of one member, over any seven days.
CREATIONS_PER_WEEK = 5_000
WEEK = timedelta(days=7)
KEY_LENGTH = 2_000
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why legs cannot be a combo. tickers: of markets or events, to be marked; empty: the whole."""

    code: str
    text: str
    tickers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """A leg with what its side costs and brings now, dollars. chance: the middle of both, None without both."""

    leg: Leg
    title: str
    status: str  # of its market; "": the catalogue does not know it
    bid: Decimal | None
    ask: Decimal | None
    is_live: bool

    @property
    def chance(self) -> Decimal | None:
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Budget:
    """Creations of combos in the last seven days."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class ComboCheck:
    """legs: in the order that names the combo. bounds: None while a leg has no price, or legs contradict."""

    collection: Collection
    legs: tuple[PricedLeg, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    bounds: Bounds | None
    ticker: str | None
    budget: Budget
    reasons: dict[str, str] = field(default_factory=dict)


def combo_check(
    actor: Actor, account: ExchangeAccount, collection_ticker: str, legs: Sequence[Leg], *, now: datetime | None = None
) -> ComboCheck:
    """Say what is wrong with legs and what they are worth. Raises NotAllowed, NotFound (the collection)."""
    require(actor, Permission.RFQ_TRADE)
    now = now or utc_now()
    collection = builder.collection_get(account.environment, collection_ticker)
    ordered = canonical(collection, legs)
    markets = _markets(account.environment, ordered)
    problems = problems_of(collection, ordered, markets=markets, now=now)
    priced = priced_legs(account.environment, ordered, markets=markets)
    reasons: dict[str, str] = {}
    chances = [one.chance for one in priced]
    known = [chance for chance in chances if chance is not None]
    found = None
    if len(known) < len(chances) or not known:
        reasons["bounds"] = "A leg has no price on both sides."
    elif any(problem.code in ("duplicated_legs", "conflicting_leg_outcomes") for problem in problems):
        reasons["bounds"] = "The legs contradict each other."
    else:
        found = bounds(known)
    return ComboCheck(
        collection=collection,
        legs=priced,
        problems=problems,
        notes=tuple(_notes(ordered)),
        bounds=found,
        ticker=None if problems else known_ticker(account.environment, collection, ordered),
        budget=budget_of(account, now=now),
        reasons=reasons,
    )


def combo_want(
    actor: Actor, account: ExchangeAccount, collection_ticker: str, legs: Sequence[Leg], *, now: datetime | None = None
) -> tuple[str | None, ComboResolution | None]:
    """Return the combo's ticker where it is known, else the wish to know it, which a worker carries out.

    Raises:
        NotAllowed, NotFound: role, or no such collection.
        DeskError: `combo_refused`, with what is wrong in words and `fields` by ticker; `combo_budget`.
    """
    require(actor, Permission.RFQ_TRADE)
    now = now or utc_now()
    collection = builder.collection_get(account.environment, collection_ticker)
    ordered = canonical(collection, legs)
    # One that exists may be asked for, also when a leg has closed meanwhile.
    ticker = known_ticker(account.environment, collection, ordered)
    if ticker is not None:
        return ticker, None
    legs_check(account.environment, collection, ordered, now=now)
    return None, resolution_want(
        account, collection.ticker, ordered, key=legs_key(collection, ordered), actor=actor, now=now
    )


def resolution_want(
    account: ExchangeAccount, collection_ticker: str, legs: Sequence[Leg], *, key: str, actor: Actor, now: datetime
) -> ComboResolution:
    """Return the one waiting wish for these legs, made now if there is none. Raises DeskError `combo_budget`."""
    waiting = ComboResolution.objects.filter(
        account=account, collection_ticker=collection_ticker, legs_key=key, state=ComboResolution.State.WAITING
    )
    found = waiting.first()
    if found is not None:
        return found
    budget_check(account, now=now)
    try:
        with transaction.atomic():
            row = ComboResolution.objects.create(
                desk_id=account.desk_id,
                account=account,
                asked_by_id=actor.user_id,
                collection_ticker=collection_ticker,
                legs_key=key,
                legs=rows_of(legs),
                asked_at=now,
            )
            events.resolution_publish(row)
            queue.enqueue_on_commit(queue.COMBO_RESOLVE, row.pk)
            audit.record(
                "rfq.combo.wanted",
                actor_id=actor.user_id,
                desk_id=account.desk_id,
                environment=account.environment,
                target=f"combo_resolution:{row.pk}",
                data={"collection": collection_ticker, "legs": row.legs},
            )
    except IntegrityError:  # two clicks at once
        return waiting.get()
    return row


def legs_check(environment: str, collection: Collection, legs: Sequence[Leg], *, now: datetime) -> tuple[Leg, ...]:
    """Return the legs in their canonical order. Raises DeskError `combo_refused` with what is wrong."""
    ordered = canonical(collection, legs)
    problems = problems_of(collection, ordered, markets=_markets(environment, ordered), now=now)
    if problems:
        raise refusal(problems)
    return ordered


def refusal(problems: Sequence[Problem]) -> DeskError:
    """Return the refusal of legs: all texts, and by ticker what marks it."""
    fields = {ticker: problem.text for problem in problems for ticker in problem.tickers}
    return DeskError("combo_refused", " ".join(problem.text for problem in problems), fields={"combo": "", **fields})


def known_ticker(environment: str, collection: Collection, legs: Sequence[Leg]) -> str | None:
    """Return the combo's ticker where the desk knows it: asked for before, or listed in the catalogue."""
    key = legs_key(collection, legs)
    kept = ComboTicker.objects.filter(environment=environment, collection_ticker=collection.ticker, legs_key=key)
    ticker: str | None = kept.values_list("ticker", flat=True).first()
    if ticker is not None and Market.objects.filter(environment=environment, ticker=ticker).exists():
        return ticker
    # In which order the exchange lists the legs is not documented: one of ours is the first of them.
    names = [leg.market_ticker for leg in legs]
    listed = Market.objects.filter(environment=environment, mve_collection_ticker=collection.ticker)
    for market in listed.filter(legs__0__market_ticker__in=names).only("ticker", "legs"):
        if key == legs_key(collection, canonical(collection, legs_of(market.legs))):
            return market.ticker
    return None


# --- rules ---------------------------------------------------------------------------------------


def canonical(collection: Collection, legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """Return the legs in the order that names the combo: as given where order matters, else sorted."""
    return tuple(legs if collection.is_ordered else sorted(legs, key=lambda leg: (leg.market_ticker, leg.side)))


def legs_key(collection: Collection, legs: Sequence[Leg]) -> str:
    """Return the text that is equal for equal combos."""
    key = ",".join(f"{leg.market_ticker}:{leg.side}" for leg in canonical(collection, legs))
    return key if len(key) <= KEY_LENGTH else f"sha256:{sha256(key.encode()).hexdigest()}"


def problems_of(
    collection: Collection, legs: Sequence[Leg], *, markets: dict[str, Market], now: datetime
) -> tuple[Problem, ...]:
    """Return all that is wrong with legs, as far as the desk knows: logic, the collection's rules, the markets."""
    found = [_collection_problem(collection, now=now), *_size_problems(collection, legs)]
    exclusive = Event.objects.filter(
        environment=collection.environment, ticker__in={leg.event_ticker for leg in legs}, is_mutually_exclusive=True
    )
    conflicts = contradictions(legs, exclusive_events=dict.fromkeys(exclusive.values_list("ticker", flat=True), True))
    found += [_of(conflict) for conflict in conflicts]
    rules = {str(rule["ticker"]): rule for rule in collection.events}
    found += [_leg_problem(collection, rules, leg, markets.get(leg.market_ticker), now=now) for leg in legs]
    found += _event_problems(collection, rules, legs)
    unique = {(problem.code, problem.text): problem for problem in found if problem is not None}
    return tuple(unique.values())


def _of(conflict: Contradiction) -> Problem:
    return Problem(conflict.code, conflict.text, conflict.tickers)


def _collection_problem(collection: Collection, *, now: datetime) -> Problem | None:
    if collection.open_time is not None and now < collection.open_time:
        return Problem("collection_not_open", f"This collection opens at {collection.open_time:%Y-%m-%d %H:%M} UTC.")
    if not collection.is_listed or (collection.close_time is not None and collection.close_time <= now):
        return Problem("collection_not_open", "This collection is closed: it takes no new combos.")
    return None


def _size_problems(collection: Collection, legs: Sequence[Leg]) -> list[Problem]:
    least, most = collection.size_min, collection.size_max
    if len(legs) < least:
        return [Problem("size", f"At least {least} legs; choose {least - len(legs)} more.")]
    if most and len(legs) > most:
        return [Problem("size", f"At most {most} legs; remove {len(legs) - most}.")]
    return []


def _leg_problem(
    collection: Collection, rules: dict[str, dict[str, Any]], leg: Leg, market: Market | None, *, now: datetime
) -> Problem | None:
    rule = rules.get(leg.event_ticker)
    where = (leg.market_ticker,)
    if rule is None:
        return Problem("event_not_in_collection", f"{leg.event_ticker} is not part of this collection.", where)
    if market is None or market.event.ticker != leg.event_ticker:
        text = f"{leg.market_ticker} is not a market of {leg.event_ticker}, as far as this desk has read."
        return Problem("market_not_in_event", text, where)
    if leg.side == "no" and (collection.is_all_yes or rule.get("is_yes_only")):
        return Problem("side_not_allowed", f"{title_of(market)} can be chosen with YES only.", where)
    if market.status != "active" or (market.close_time is not None and market.close_time <= now):
        state = market.status if market.status != "active" else "closed"
        return Problem("market_not_open", f"{title_of(market)} is {state}: it cannot be a leg now.", where)
    return None


def _event_problems(collection: Collection, rules: dict[str, dict[str, Any]], legs: Sequence[Leg]) -> list[Problem]:
    """An event with a minimum has to be there: none is less than it, too."""
    counts = Counter(leg.event_ticker for leg in legs)
    found = []
    for ticker, rule in rules.items():
        most = 1 if collection.is_single_market_per_event else rule.get("size_max")
        least = rule.get("size_min") or 0
        here = tuple(leg.market_ticker for leg in legs if leg.event_ticker == ticker)
        if most is not None and counts[ticker] > most:
            found.append(Problem("event_size", f"At most {most} market{_s(most)} of {ticker} in one combo.", here))
        if counts[ticker] < least:
            found.append(Problem("event_size", f"This collection needs {least} market{_s(least)} of {ticker}.", here))
    return found


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _notes(legs: Sequence[Leg]) -> Iterable[str]:
    """Say which legs move together. One game has events in several series, with the same last part of the ticker."""
    games: dict[str, list[Leg]] = {}
    for leg in legs:
        games.setdefault(leg.event_ticker.partition("-")[2] or leg.event_ticker, []).append(leg)
    for same in games.values():
        if len(same) > 1:
            names = ", ".join(leg.market_ticker for leg in same)
            yield f"{names} are about the same game or event: expect correlation, the product is no fair price."


# --- prices and budget ---------------------------------------------------------------------------


def priced_legs(environment: str, legs: Sequence[Leg], *, markets: dict[str, Market]) -> tuple[PricedLeg, ...]:
    prices = builder.prices_of(environment, markets.values())
    found = []
    for leg in legs:
        market = markets.get(leg.market_ticker)
        if market is None:
            found.append(PricedLeg(leg, leg.market_ticker, "", None, None, is_live=False))
            continue
        yes = prices[market.ticker]
        bid, ask = yes.bid, yes.ask
        if leg.side == "no":
            bid, ask = (None if ask is None else ONE - ask), (None if bid is None else ONE - bid)
        found.append(PricedLeg(leg, title_of(market), market.status, bid, ask, yes.is_live))
    return tuple(found)


def combo_bounds(environment: str, legs: Sequence[Leg]) -> Bounds | None:
    """Return what the legs' prices allow for the combo; None while a leg has no price on both sides."""
    chances = [one.chance for one in priced_legs(environment, legs, markets=_markets(environment, legs))]
    known = [chance for chance in chances if chance is not None]
    return bounds(known) if known and len(known) == len(chances) else None


def budget_of(account: ExchangeAccount, *, now: datetime) -> Budget:
    """Return what the account's member has created in the last seven days, through this desk."""
    rows = ComboResolution.objects.filter(is_created=True, created_at__gt=now - WEEK)
    if account.exchange_user_id:  # two rows of one member share one budget, as they do at the exchange
        rows = rows.filter(account__environment=account.environment, account__exchange_user_id=account.exchange_user_id)
    else:
        rows = rows.filter(account=account)
    return Budget(used=rows.count(), limit=CREATIONS_PER_WEEK)


def budget_check(account: ExchangeAccount, *, now: datetime) -> None:
    """Raises DeskError `combo_budget`."""
    budget = budget_of(account, now=now)
    if not budget.left:
        text = (
            f"All {budget.limit} new combos of seven days are used up at the exchange. "
            "Combos that exist can still be asked for."
        )
        raise DeskError("combo_budget", text, fields={"combo": text})


# --- plumbing ------------------------------------------------------------------------------------


def legs_of(rows: Iterable[dict[str, Any]]) -> tuple[Leg, ...]:
    return tuple(
        Leg(row.get("event_ticker", ""), row["market_ticker"], "no" if row["side"] == "no" else "yes") for row in rows
    )


def rows_of(legs: Iterable[Leg]) -> list[dict[str, str]]:
    return [{"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side} for leg in legs]


def _markets(environment: str, legs: Iterable[Leg]) -> dict[str, Market]:
    rows = Market.objects.select_related("event").filter(
        environment=environment, ticker__in={leg.market_ticker for leg in legs}
    )
    return {market.ticker: market for market in rows}
