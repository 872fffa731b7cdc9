"""A random life of an account on the paper exchange, and its reading into the desk."""

import uuid
from random import Random
from typing import Any

from apps.exchange.wire import api
from apps.markets.models import Market
from apps.orders.reports import fill_from_rest, order_from_rest
from apps.orders.services.bulk import fills_store, orders_store
from apps.paper.testing import DECI, LINEAR, LINEAR_2, TAPERED
from apps.portfolio import cash
from apps.portfolio.cash import cash_refresh
from apps.portfolio.services import portfolio_refresh
from apps.portfolio.subaccounts import subaccounts_refresh
from tests.orders.conftest import make_market
from tests.portfolio.paper_desk import PaperDesk

TICKERS = (LINEAR, LINEAR_2, DECI, TAPERED)


def live(desk: PaperDesk, *, seed: int, steps: int) -> None:
    """Trade in three subaccounts, move cash, be paid, and let markets settle as yes, scalar and void."""
    random = Random(seed)
    exchange, user_id = desk.paper.exchange, desk.paper.user_id("trader-1")
    for number in (1, 2):
        exchange.transfer(user_id, client_transfer_id=str(uuid.uuid4()), source=0, target=number, cents=300_000)
    tickers = list(TICKERS)
    ends: list[dict[str, Any]] = [{"result": "yes"}, {"result": "scalar", "value": 3_731}, {"result": "void"}]
    with desk.paper.client("trader-1") as trader, desk.paper.client("maker") as maker:
        for step in range(steps):
            desk.paper.clock.step(random.randrange(1, 2_000))
            match random.randrange(12):
                case 0:
                    source, target = random.sample(range(3), 2)
                    body = {
                        "client_transfer_id": str(uuid.uuid4()),
                        "from_subaccount": source,
                        "to_subaccount": target,
                        "amount_cents": random.randrange(1, 5_000),
                    }
                    trader.post("/portfolio/subaccounts/transfer", json=body)
                case 1:
                    _pay(desk, random)
                case _:
                    _trade(trader, maker, random, tickers)
            if step in (steps // 2, 2 * steps // 3, 4 * steps // 5):
                ticker = tickers.pop(0)
                exchange.close_early(ticker)
                exchange.determine(ticker, **ends.pop(0))
                exchange.settle(ticker)
    desk.paper.clock.step(10_000)


def _trade(trader: Any, maker: Any, random: Random, tickers: list[str]) -> None:
    ticker, price = random.choice(tickers), random.randrange(20, 80)
    count, subaccount = random.randrange(1, 2_000), random.randrange(3)
    side, other = random.choice([("bid", "ask"), ("ask", "bid")])
    first, second = (trader, maker) if random.random() < 0.5 else (maker, trader)
    for client, its in ((first, side), (second, other)):
        part = count if client is first else random.randrange(1, count + 1)
        body = {
            "ticker": ticker,
            "client_order_id": str(uuid.uuid4()),
            "side": its,
            "count": f"{part / 100:.2f}",
            "price": f"0.{price}00",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        if client is trader:
            body["subaccount"] = subaccount  # type: ignore[assignment]
        client.post("/portfolio/events/orders", json=body)


def _pay(desk: PaperDesk, random: Random) -> None:
    kind = random.choice(["deposit", "withdrawal"])
    body = {"member": "trader-1", "kind": kind, "amount_cents": random.randrange(500, 9_000), "fee_cents": 25}
    made = desk.paper.control("POST", "/payment", body)
    for status in random.choice([[], ["failed"], ["applied"], ["applied", "returned"]]):
        step = {"member": "trader-1", "payment_id": made["id"], "kind": kind, "status": status}
        desk.paper.clock.step(1_500)
        made = desk.paper.control("POST", "/payment", step)
        cash_refresh(desk.account.pk)  # the desk sees each step, as its sync does
        if made["status"] != status:
            return


def make_markets() -> None:
    for ticker in TICKERS:
        if not Market.objects.filter(ticker=ticker).exists():
            make_market(ticker=ticker)


def read_all(desk: PaperDesk) -> None:
    """Read the account over REST, as the syncs do."""
    account_id = desk.account.pk
    make_markets()
    client = cash.client_for(account_id, write=False)  # type: ignore[attr-defined]
    orders_store(account_id, [order_from_rest(order) for order in api.get_orders(client)], is_news=False)
    fills_store(account_id, [fill_from_rest(fill) for fill in api.get_fills(client)], is_news=False)
    subaccounts_refresh(account_id)
    cash_refresh(account_id)
    portfolio_refresh(account_id)
