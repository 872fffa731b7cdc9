"""Socket commands and the topic of the combo builder. Each is a thin way into one service (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.accounts.access import account_get
from apps.accounts.models import ExchangeAccount
from apps.core.combos import Leg
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.markets import builder
from apps.markets.models import Collection
from apps.orders.access import require
from apps.rfq.asks import combo_from, name_from
from apps.rfq.events.combos import resolution_row
from apps.rfq.events.words import Row, ms, price, title_of
from apps.rfq.selectors.combos import resolution_rows_of
from apps.rfq.services import combos

Params = Mapping[str, Any]
Answer = dict[str, Any]
MOST_TEXT = 100


def list_(actor: Actor, params: Params) -> Answer:
    """{"text"?, "collection"?, "event"?}: collections that are open; events of one; markets of one event.

    Answer: {"collections": [..]}, {"collection", "events": [..]} or {"event", "markets": [..]}.
    """
    require(actor, Permission.DESK_VIEW)
    environment = _account(actor).environment
    text = params.get("text") or ""
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise DeskError("bad_input", "Say what to look for.", fields={"text": f"At most {MOST_TEXT} characters."})
    if params.get("event"):
        event = _name(params, "event")
        return {"event": event, "markets": [_market_row(one) for one in builder.event_markets(environment, event)]}
    if params.get("collection"):
        collection = builder.collection_get(environment, _name(params, "collection"))
        events = builder.collection_events(collection, text=text)
        return {"collection": _collection_row(collection), "events": [_event_row(one) for one in events]}
    found = builder.collections_open(environment, text=text, now=utc_now())
    return {"collections": [_collection_row(collection) for collection in found]}


def check(actor: Actor, params: Params) -> Answer:
    """{"collection", "legs"}. Answer: docs/rfq.md."""
    require(actor, Permission.RFQ_TRADE)
    collection, legs = _combo(params)
    return check_row(combos.combo_check(actor, _account(actor), collection, legs))


def resolve(actor: Actor, params: Params) -> Answer:
    """{"collection", "legs"}. Answer: {"ticker" or null, "combo" (its row on the topic, or null)}."""
    require(actor, Permission.RFQ_TRADE)
    collection, legs = _combo(params)
    ticker, wish = combos.combo_want(actor, _account(actor), collection, legs)
    return {"ticker": ticker, "combo": None if wish is None else resolution_row(wish)}


def check_row(found: combos.ComboCheck) -> Row:
    return {
        "collection": _collection_row(found.collection),
        "legs": [_leg_row(one) for one in found.legs],
        "problems": [
            {"code": problem.code, "text": problem.text, "tickers": list(problem.tickers)} for problem in found.problems
        ],
        "notes": list(found.notes),
        "lowest": _chance(found.bounds and found.bounds.lowest),
        "product": _chance(found.bounds and found.bounds.product),
        "highest": _chance(found.bounds and found.bounds.highest),
        "ticker": found.ticker,
        "budget": {"used": found.budget.used, "limit": found.budget.limit, "left": found.budget.left},
        "reasons": found.reasons,
    }


def combos_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": resolution_rows_of(int(topic.scope))}


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("combo.list", Permission.DESK_VIEW, list_))
    register_command(Command("combo.check", Permission.RFQ_TRADE, check))
    register_command(Command("combo.resolve", Permission.RFQ_TRADE, resolve))
    register_topic(
        Topic("combos", Permission.DESK_VIEW, scope="account", mode="rows", state=combos_state, within=Within.ACCOUNT)
    )


def _account(actor: Actor) -> ExchangeAccount:
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    return account_get(actor, actor.account_id)


def _combo(params: Params) -> tuple[str, tuple[Leg, ...]]:
    try:
        return combo_from({"collection": params.get("collection"), "legs": params.get("legs")})
    except ValueError as exc:
        raise DeskError("bad_input", str(exc), fields={"combo": str(exc)}) from exc


def _name(params: Params, name: str) -> str:
    try:
        return name_from(params.get(name))
    except ValueError as exc:
        raise DeskError("bad_input", str(exc), fields={name: str(exc)}) from exc


def _collection_row(collection: Collection) -> Row:
    return {
        "ticker": collection.ticker,
        "title": collection.title or collection.ticker,
        "description": collection.description,
        "open_ms": ms(collection.open_time),
        "close_ms": ms(collection.close_time),
        "size_min": collection.size_min,
        "size_max": collection.size_max or None,
        "is_ordered": collection.is_ordered,
        "is_single_market_per_event": collection.is_single_market_per_event,
        "is_all_yes": collection.is_all_yes,
        "events": len(collection.events),
    }


def _event_row(one: builder.MemberEvent) -> Row:
    return {
        "event_ticker": one.event.ticker,
        "title": one.event.title or one.event.ticker,
        "sub_title": one.event.sub_title,
        "is_exclusive": one.event.is_mutually_exclusive,
        "is_yes_only": one.is_yes_only,
        "size_min": one.size_min,
        "size_max": one.size_max,
        "markets": one.open_markets,
    }


def _market_row(one: builder.PricedMarket) -> Row:
    market, prices = one.market, one.prices
    return {
        "market_ticker": market.ticker,
        "event_ticker": market.event.ticker,
        "title": market.yes_sub_title or market.title or market.ticker,
        "full_title": title_of(market),
        "yes_bid": price(prices.bid),
        "yes_ask": price(prices.ask),
        "is_live": prices.is_live,
        "close_ms": ms(market.close_time),
    }


def _leg_row(one: combos.PricedLeg) -> Row:
    return {
        "event_ticker": one.leg.event_ticker,
        "market_ticker": one.leg.market_ticker,
        "side": one.leg.side,
        "title": one.title,
        "status": one.status,
        "bid": price(one.bid),
        "ask": price(one.ask),
        "chance": _chance(one.chance),
        "is_live": one.is_live,
    }


def _chance(value: Any) -> str | None:
    """A chance, 0 to 1, with four places: the product of many legs is finer than any price."""
    return None if value is None else f"{value:.4f}"
