"""Combos on the exchange: creating, looking up, and following their legs to the end.

A combo closes with the last of its legs, or as soon as one of them is lost while the others still trade: its close
time is moved to that moment first, and it is determined at once. Nobody determines a combo by hand.
"""

from collections.abc import Sequence
from dataclasses import replace

from apps.paper.engine import combos
from apps.paper.engine.catalogue import Leg, Market, MarketEvent
from apps.paper.engine.combos import LOOKBACK_SECONDS, WEEK_MS, Collection
from apps.paper.engine.errors import ExchangeError, invalid_parameters
from apps.paper.engine.events import CollectionChanged, ComboLookedUp, MarketChanged, MarketLifecycle
from apps.paper.engine.ids import market_uuid
from apps.paper.engine.lifecycle import Lifecycle

OPEN_OR_CLOSED = ("initialized", "active", "inactive", "closed")


class Combos(Lifecycle):
    """Collections and the markets created in them."""

    # --- collections -----------------------------------------------------------------------------
    def keep_collection(self, collection: Collection) -> None:
        """Add a collection of a listed series, or tell that one has changed."""
        if collection.series_ticker not in self.series:
            raise ValueError(f"series {collection.series_ticker} is not listed")
        self.collections[collection.ticker] = collection
        self.tell(CollectionChanged(collection))
        self.flush()

    def collection(self, ticker: str, *, http_status: int = 404) -> Collection:
        """The collection, or a refusal (creating documents no 404 and answers 400)."""
        collection = self.collections.get(ticker)
        if collection is None:
            raise ExchangeError("collection_not_found", f"collection {ticker[:80]} not found", http_status)
        return collection

    # --- creating and looking up -----------------------------------------------------------------
    def create_combo(self, user_id: str, collection_ticker: str, legs: Sequence[Leg]) -> Market:
        """The market of a combination: the one there is, or a new one. `user_id` "" is the exchange itself.

        One that is there is found whatever has become of its legs.

        Raises:
            ExchangeError: 400, no such collection, not open, or legs against its rules; 429, too many this week.
        """
        collection = self.collection(collection_ticker, http_status=400)
        ordered, found = self._find(collection, legs)
        if found is not None:
            return found
        self.check_exchange()
        for leg in ordered:
            combos.check_open(self.markets[leg.market_ticker])
        now = self.clock.now_ms()
        if user_id and self.combos_created_since(user_id, now - WEEK_MS) >= self.combo_rules.creations_per_week:
            raise ExchangeError(
                "too_many_requests", f"at most {self.combo_rules.creations_per_week} new markets a week", 429
            )
        market = self._new_combo(collection, ordered, user_id, now)
        if market.event_ticker not in self.events:
            self.list_event(self._new_event(collection, market, now))
        self.list_market(market)
        return market

    def combos_created_since(self, user_id: str, since_ms: int) -> int:
        """How many combos a member has created after an instant."""
        return sum(created_ms > since_ms for created_ms in self.combo_creations.get(user_id, ()))

    def look_up_combo(self, collection_ticker: str, legs: Sequence[Leg]) -> Market:
        """The market of a combination that somebody has created before.

        Raises:
            ExchangeError: 404, no such collection or never created; 400, not open, or legs against its rules.
        """
        collection = self.collection(collection_ticker)
        _, market = self._find(collection, legs)
        if market is None:
            raise ExchangeError("market_not_found", "this combination has never been created", 404)
        now = self.clock.now_ms()
        market.looked_up_ms = now
        self.tell(ComboLookedUp(market, now))
        self.flush()
        return market

    def combo_lookups(self, collection_ticker: str, *, lookback_seconds: int) -> list[Market]:
        """Combos of a collection looked up lately, the latest first.

        Raises:
            ExchangeError: 400, no such collection, or another span than the documented ones.
        """
        collection = self.collection(collection_ticker, http_status=400)
        if lookback_seconds not in LOOKBACK_SECONDS:
            raise invalid_parameters(f"lookback_seconds must be one of {', '.join(map(str, LOOKBACK_SECONDS))}")
        since_ms = self.clock.now_ms() - lookback_seconds * 1000
        found = [
            (market.looked_up_ms, market)
            for market in self.markets.values()
            if market.collection_ticker == collection.ticker and (market.looked_up_ms or 0) >= since_ms
        ]
        return [market for _, market in sorted(found, key=lambda row: row[0] or 0, reverse=True)]

    def _find(self, collection: Collection, legs: Sequence[Leg]) -> tuple[tuple[Leg, ...], Market | None]:
        """The legs in order, and their market; None when there is none, though there may be."""
        status = collection.status(self.clock.now_ms())
        if status != "open":
            raise ExchangeError("collection_not_open", f"collection {collection.ticker} is {status}", 400)
        ordered = combos.in_order(collection, legs)
        found = self.markets.get(combos.market_ticker_of(collection, ordered)) if ordered else None
        if found is None:
            combos.check_selection(collection, ordered, markets=self.markets, events=self.events)
        return ordered, found

    def _new_combo(self, collection: Collection, legs: tuple[Leg, ...], user_id: str, now: int) -> Market:
        markets = [self.markets[leg.market_ticker] for leg in legs]
        title = ",".join(f"{leg.side} {_name(market)}" for leg, market in zip(legs, markets, strict=True))
        ticker = combos.market_ticker_of(collection, legs)
        event_ticker = combos.event_ticker_of(collection, legs)
        conditions = "; ".join(f"{leg.market_ticker} resolves to {leg.side.capitalize()}" for leg in legs)
        return Market(
            ticker=ticker,
            event_ticker=event_ticker,
            series_ticker=collection.series_ticker,
            market_id=market_uuid(ticker),
            title=title,
            yes_sub_title=title,
            no_sub_title=title,
            rules_primary=f"If all of these come true, then the market resolves to Yes: {conditions}.",
            rules_secondary="A component that settles between 0 and 1 dollar multiplies the value.",
            created_ms=now,
            open_ms=now,
            close_ms=max(market.close_ms for market in markets),
            expected_expiration_ms=max(market.expected_expiration_ms for market in markets),
            latest_expiration_ms=max(market.latest_expiration_ms for market in markets),
            price_level_structure=self.combo_rules.grid,
            updated_ms=now,
            settlement_timer_seconds=max(market.settlement_timer_seconds for market in markets),
            early_close_condition="This market will close and expire early once one of its components is lost.",
            strike_type="custom",
            custom_strike={"Multivariate Event Ticker": event_ticker},
            collection_ticker=collection.ticker,
            legs=legs,
            created_by=user_id,
        )

    def _new_event(self, collection: Collection, market: Market, now: int) -> MarketEvent:
        return MarketEvent(
            ticker=market.event_ticker,
            series_ticker=collection.series_ticker,
            title=collection.title,
            sub_title=", ".join(dict.fromkeys(self.events[leg.event_ticker].title for leg in market.legs)),
            category=self.series[collection.series_ticker].category,
            mutually_exclusive=False,
            updated_ms=now,
            collection_ticker=collection.ticker,
        )

    # --- following the legs ----------------------------------------------------------------------
    def follow_legs(self, leg: Market) -> None:
        """Bring the combos that depend on a market to where its close time, result or dispute takes them."""
        for ticker in self.combos_of_leg.get(leg.ticker, ()):
            combo = self.markets[ticker]
            self._read_values(combo)
            if combo.status != "finalized":
                self._follow(combo)

    def _read_values(self, combo: Market) -> None:
        legs = tuple(
            replace(leg, settlement_value=self.markets[leg.market_ticker].settlement_value) for leg in combo.legs
        )
        if legs != combo.legs:
            combo.legs = legs
            self.tell(MarketChanged(combo))

    def _follow(self, combo: Market) -> None:
        decision = combos.decide(combo.legs, market=self.markets.__getitem__, rules=self.combo_rules)
        if combo.status in ("determined", "amended"):
            if decision is None:
                self.put_in_dispute(combo)
            return
        if decision is not None:
            self._close_now(combo)
            self.put_result(combo, decision.result, decision.value)
        elif combo.status in OPEN_OR_CLOSED:
            close_ms = max(self.markets[leg.market_ticker].close_ms for leg in combo.legs)
            if close_ms != combo.close_ms:
                self.put_close(combo, close_ms)

    def _close_now(self, combo: Market) -> None:
        """A combo that trades is over: with its own step on the lifecycle channel, as any early close."""
        if combo.status not in ("initialized", "active", "inactive"):
            return
        now = self.clock.now_ms()
        if combo.close_ms > now:
            combo.close_ms = combo.updated_ms = now
            self.tell(MarketLifecycle("close_date_updated", combo, now, {"close_ts": now // 1000}))
        self.close_market(combo)


def _name(market: Market) -> str:
    """What a leg is about: the market's short title, where that says more than its side."""
    return market.title if market.yes_sub_title.lower() in ("", "yes") else market.yes_sub_title
