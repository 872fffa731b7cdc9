"""A past day for a member: fills and orders in the archive, as if they had left the live tier long ago.

Every order that buys is followed by one that sells as much, so that no position is left open; what the day cost (fees
and spread) is told as a deposit of before it and transfers, so that cash is still the sum of all that moved it. Rounds
are made once with the fee rules and used again and again under new ids and times: the day costs a few microseconds a
fill.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec

from apps.paper.engine.accounts import Payment, Position, Transfer
from apps.paper.engine.archive import FILLS, ORDERS, Row
from apps.paper.engine.catalogue import Market, MarketEvent, Series
from apps.paper.engine.events import PaymentChanged, Transferred
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.fees import FeeSchedule, fill_fees
from apps.paper.engine.historical import DAY_MS
from apps.paper.engine.ids import market_uuid
from apps.paper.engine.orders import Fill, Order
from apps.paper.engine.units import CENT, CENT_PRICE, CONTRACT, DOLLAR_PRICE, Side

SERIES = "KXPASTDAY"
MARKETS = 50
FILLS_PER_ORDER = 5
FILLS_PER_ROUND = 2 * FILLS_PER_ORDER
ROUNDS = 400  # different ones
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class PastDay:
    """What was made: from `start_ms` to before `end_ms`."""

    fills: int
    orders: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Round:
    """An order that buys and one that sells as much, each with its fills; `cost` is what both cost in micro-dollars."""

    orders: tuple[Order, Order]
    fills: tuple[Fill, ...]
    cost: int


def invent_day(exchange: PaperExchange, user_id: str, *, fills: int, subaccounts: int = 1) -> PastDay:
    """Add a day of `fills` over the subaccounts 0 to `subaccounts` - 1; each further one lies a day earlier.

    Raises:
        ValueError: not a multiple of ten, too many subaccounts, or no room before the cutoffs.
        sqlite3.Error: the archive cannot be written; nothing has changed.
    """
    if fills <= 0 or fills % FILLS_PER_ROUND:
        raise ValueError(f"fills must be a multiple of {FILLS_PER_ROUND}")
    if not 1 <= subaccounts <= exchange.most_subaccounts + 1:
        raise ValueError(f"subaccounts must be 1 to {exchange.most_subaccounts + 1}")
    count = fills // FILLS_PER_ROUND
    cutoffs, archive = exchange.cutoffs, exchange.archive
    days = (archive.figure(f"past_days:{user_id}") or 0) + 1
    oldest_ms = min(cutoffs.market_settled_ms, cutoffs.trades_created_ms, cutoffs.orders_updated_ms)
    start_ms = (oldest_ms // DAY_MS - days - 1) * DAY_MS
    if start_ms <= 0:
        raise ValueError("there is no room before the cutoffs")
    while len(exchange.member(user_id).accounts) < subaccounts:
        exchange.create_subaccount(user_id)
    markets = _markets(start_ms, volume=fills * CONTRACT // MARKETS)
    _list_event(exchange, markets[0], start_ms)
    rounds = [_round(Random(f"past:{exchange.seed}:{number}"), user_id) for number in range(min(ROUNDS, count))]
    for market in markets:
        archive.number(market.ticker)
    rows = _rows(exchange, user_id, rounds, markets, start_ms, count=count, subaccounts=subaccounts)
    archive.put(cutoffs=cutoffs, packed=rows, markets=[(market, []) for market in markets])
    archive.set_figure(f"past_days:{user_id}", days)
    costs = [0] * subaccounts
    for number in range(count):
        costs[number % subaccounts] += rounds[number % len(rounds)].cost
    _tell_where_the_money_came_from(exchange, user_id, costs, start_ms - HOUR_MS)
    return PastDay(fills, fills // FILLS_PER_ORDER, start_ms, start_ms + DAY_MS)


def _rows(
    exchange: PaperExchange,
    user_id: str,
    rounds: list[Round],
    markets: list[Market],
    start_ms: int,
    *,
    count: int,
    subaccounts: int,
) -> Iterator[Row]:
    """All rows of the day, oldest first. Fills are written without a `Fill` for each: there may be a million."""
    archive, names = exchange.archive, FILLS.names
    trade, order_at, sequence_at, subaccount_at, ts_at = (
        names.index(name) for name in ("trade_id", "order_id", "sequence", "subaccount", "ts_ms")
    )
    owner = archive.number(user_id)
    tickers = [archive.number(market.ticker) for market in markets]
    templates = [[FILLS.values(fill) for fill in one.fills] for one in rounds]
    encode = msgspec.msgpack.Encoder().encode
    sequence = exchange.sequence
    exchange.sequence += count * (FILLS_PER_ROUND + 2)
    total = count * FILLS_PER_ROUND
    for number in range(count):
        which, subaccount = number % len(rounds), number % subaccounts
        at = number // subaccounts % len(markets)
        ids = _ids(f"{exchange.seed}:{user_id}:{start_ms}:{number}", FILLS_PER_ROUND + 2)
        for half, order in enumerate(rounds[which].orders):
            sequence += 1
            first = number * FILLS_PER_ROUND + half * FILLS_PER_ORDER
            times = [start_ms + (first + index) * DAY_MS // total for index in range(FILLS_PER_ORDER)]
            kept = replace(
                order,
                order_id=_text(ids[half]),
                sequence=sequence,
                client_order_id=_text(ids[half]),
                subaccount=subaccount,
                ticker=markets[at].ticker,
                created_ms=times[0],
                updated_ms=times[-1],
            )
            yield archive.row(ORDERS, kept)
            for index, ts_ms in enumerate(times):
                sequence += 1
                place = half * FILLS_PER_ORDER + index
                values: list[Any] = templates[which][place].copy()
                values[trade], values[order_at] = ids[2 + place], ids[half]
                values[sequence_at], values[subaccount_at], values[ts_at] = sequence, subaccount, ts_ms
                yield (FILLS.number, owner, ts_ms, sequence, tickers[at], encode(values))


def _round(random: Random, user_id: str) -> Round:
    """Buys at one price and sells at another, some as taker and some as maker; positions and fees by the rules."""
    position = Position(user_id=user_id, subaccount=0, ticker="", event_ticker="")
    counts = [random.choice((1, 2, 5, 10, 25)) * CONTRACT for _ in range(FILLS_PER_ORDER)]
    price = random.randrange(10, 90) * CENT_PRICE
    sides: tuple[Side, Side] = ("bid", "ask") if random.random() < 0.5 else ("ask", "bid")
    prices = (price, price + random.choice((-2, -1, 1)) * CENT_PRICE * (1 if sides[0] == "bid" else -1))
    orders, fills, cost = [], [], 0
    for side, at in zip(sides, prices, strict=True):
        order = Order(
            order_id=_text(bytes(16)),
            sequence=0,
            user_id=user_id,
            subaccount=0,
            client_order_id="",
            ticker="",
            side=side,
            price=at,
            initial_count=sum(counts),
            remaining=0,
            time_in_force="good_till_canceled",
            self_trade_prevention_type="taker_at_cross",
            created_ms=0,
            updated_ms=0,
            status="executed",
            filled=sum(counts),
        )
        is_taker = random.random() < 0.6
        for count in counts:
            fills.append(_fill(order, position, count, is_taker=is_taker))
            cost -= fills[-1].balance_change
        orders.append(order)
    return Round((orders[0], orders[1]), tuple(fills), cost)


def _fill(order: Order, position: Position, count: int, *, is_taker: bool) -> Fill:
    trade_fee = FeeSchedule("quadratic").trade_fee(price=order.price, count=count, is_taker=is_taker)
    revenue = position.revenue(side=order.side, price=order.price, count=count)
    fees = fill_fees(revenue=revenue, trade_fee=trade_fee, accumulator=order.rounding_accumulator)
    position.apply(side=order.side, price=order.price, count=count, fee=fees.net_fee, ts_ms=0)
    order.rounding_accumulator = fees.accumulator
    if is_taker:
        order.taker_fill_cost += order.book_price * count
        order.taker_fees += fees.net_fee
    else:
        order.maker_fill_cost += order.book_price * count
        order.maker_fees += fees.net_fee
    return Fill(
        trade_id=order.order_id,
        sequence=0,
        order_id=order.order_id,
        client_order_id="",
        user_id=order.user_id,
        subaccount=0,
        ticker="",
        side=order.side,
        price=order.price,
        count=count,
        is_taker=is_taker,
        fee=fees.net_fee,
        trade_fee=fees.trade_fee,
        rounding_fee=fees.rounding_fee,
        rebate=fees.rebate,
        balance_change=fees.balance_change,
        post_position=position.count,
        ts_ms=0,
    )


def _markets(start_ms: int, *, volume: int) -> list[Market]:
    """The settled markets of the day; in every other one YES came true."""
    event_ticker = f"{SERIES}-{start_ms // DAY_MS}"
    end_ms = start_ms + DAY_MS
    return [
        Market(
            ticker=f"{event_ticker}-{number:02}",
            event_ticker=event_ticker,
            series_ticker=SERIES,
            market_id=market_uuid(f"{event_ticker}-{number:02}"),
            title=f"Question {number} of a past day",
            yes_sub_title=f"Answer {number}",
            no_sub_title=f"Answer {number}",
            rules_primary="It is long settled.",
            rules_secondary="",
            created_ms=start_ms - DAY_MS,
            open_ms=start_ms - DAY_MS,
            close_ms=end_ms,
            expected_expiration_ms=end_ms,
            latest_expiration_ms=end_ms,
            updated_ms=end_ms + HOUR_MS,
            status="finalized",
            result="yes" if number % 2 else "no",
            expiration_value="yes" if number % 2 else "no",
            settlement_value=DOLLAR_PRICE if number % 2 else 0,
            determined_ms=end_ms,
            settled_ms=end_ms + HOUR_MS,
            last_price=DOLLAR_PRICE // 2,
            volume=volume,
        )
        for number in range(MARKETS)
    ]


def _list_event(exchange: PaperExchange, market: Market, start_ms: int) -> None:
    """Series and events are live however old they are; the markets are in the archive only."""
    if SERIES not in exchange.series:
        exchange.list_series(
            Series(
                ticker=SERIES,
                title="Past days",
                category="Economics",
                frequency="daily",
                tags=[],
                settlement_sources=[],
                contract_url="",
                contract_terms_url="",
                fees=FeeSchedule("quadratic"),
                updated_ms=start_ms,
            )
        )
    if market.event_ticker not in exchange.events:
        exchange.list_event(
            MarketEvent(
                ticker=market.event_ticker,
                series_ticker=SERIES,
                title="A past day",
                sub_title="Long settled",
                category="Economics",
                mutually_exclusive=False,
                strike_ms=start_ms + DAY_MS,
                updated_ms=start_ms,
            )
        )
        exchange.flush()


def _tell_where_the_money_came_from(exchange: PaperExchange, user_id: str, costs: list[int], at_ms: int) -> None:
    """A deposit of what the day cost and transfers to where it was spent; no balance is other than it was."""
    member = exchange.member(user_id)
    cents = [cost // CENT for cost in costs]
    if sum(cents) > 0:
        payment = Payment(
            payment_id=exchange.ids.uuid(),
            sequence=exchange.next_sequence(),
            user_id=user_id,
            kind="deposit",
            method="wire",
            cents=sum(cents),
            fee_cents=0,
            steps=[(at_ms, "pending"), (at_ms, "applied")],
        )
        member.payments[payment.payment_id] = payment
        exchange.tell(PaymentChanged(payment))
    for number, amount in enumerate(cents):
        if number and amount:
            client_transfer_id = exchange.ids.uuid()
            transfer = Transfer(
                transfer_id=exchange.ids.uuid(),
                client_transfer_id=client_transfer_id,
                sequence=exchange.next_sequence(),
                user_id=user_id,
                source=0 if amount > 0 else number,
                target=number if amount > 0 else 0,
                cents=abs(amount),
                ts_ms=at_ms,
            )
            member.transfers[client_transfer_id] = transfer
            exchange.tell(Transferred(transfer, member.accounts[transfer.source], member.accounts[transfer.target]))
    exchange.flush()


def _ids(seed: str, count: int) -> list[bytes]:
    """UUIDs that look random (version 4), four from a digest."""
    found: list[bytes] = []
    for number in range(-(-count // 4)):
        digest = blake2b(f"{seed}:{number}".encode()).digest()
        for start in (0, 16, 32, 48):
            part = digest[start : start + 16]
            version, variant = bytes((part[6] & 0x0F | 0x40,)), bytes((part[8] & 0x3F | 0x80,))
            found.append(part[:6] + version + part[7:8] + variant + part[9:])
    return found[:count]


def _text(number: bytes) -> str:
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
