"""Everything the exchange knows, for tests that compare the desk with it."""

from typing import Any

from apps.core.money import format_money_units
from apps.paper.engine.accounts import Member
from apps.paper.server.core import Core
from apps.paper.server.rfq_shapes import quote_json, rfq_json
from apps.paper.server.shapes import fill_json, levels_json, market_position_json, order_json


def truth(core: Core) -> dict[str, Any]:
    """Orders, fills, positions and balances of members with a history (not of bots), and the books they rest in.

    RFQs and quotes: those with such a member on either side, with what is private to one side and what faults hide.
    """
    board = core.exchange.board
    members = [member for member in core.exchange.members.values() if member.keeps_history]
    rows = {member.user_id: _member(core, member) for member in members}
    tickers = {order["ticker"] for row in rows.values() for order in row["orders"]}
    books = {ticker: core.catalogue.levels(ticker) for ticker in sorted(tickers) if core.catalogue.market(ticker)}
    return {
        "now_ms": core.clock.now_ms(),
        "exchange_active": core.exchange.exchange_active,
        "trading_active": core.exchange.trading_active,
        "members": rows,
        "rfqs": [
            rfq_json(rfq, core.exchange.markets.get(rfq.ticker), viewer=rfq.user_id)
            for rfq in board.rfqs.values()
            if rfq.kept
        ],
        "quotes": [
            quote_json(quote, viewer="", truth=True) | {"lapsed": quote.lapsed, "misreported": quote.misreported}
            for quote in board.quotes.values()
            if quote.kept
        ],
        "books": {ticker: {"yes": levels_json(yes), "no": levels_json(no)} for ticker, (yes, no) in books.items()},
    }


def _member(core: Core, member: Member) -> dict[str, Any]:
    exchange = core.exchange
    return {
        "name": member.name,
        "tier": core.tier(member.user_id),
        "orders": [order_json(order) for order in exchange.orders(member.user_id)],
        "fills": [fill_json(fill) for fill in exchange.fills(member.user_id)],
        "balances": {
            str(number): {
                "cash_dollars": format_money_units(account.cash),
                "held_dollars": format_money_units(account.held),
                "available_dollars": format_money_units(account.available),
            }
            for number, account in member.accounts.items()
        },
        "positions": [
            {"subaccount": position.subaccount}
            | market_position_json(
                position,
                resting_orders=len(
                    member.accounts[position.subaccount].exposures[position.ticker].bids
                    | member.accounts[position.subaccount].exposures[position.ticker].asks
                ),
            )
            for position in member.positions()
        ],
    }
