"""An exchange that is stopped, or killed, and taken up again answers and goes on as if nothing had been."""

import tempfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.bots import BotPool
from apps.paper.engine.accounts import Account, Member
from apps.paper.engine.candles import HOUR_S, Candle
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import AmendOrder, Order
from apps.paper.engine.snapshot import KEPT_CLOSED_MS, take
from apps.paper.keeping import IDS_SKIPPED, Keeper
from apps.paper.world import World, build_world
from tests.paper.engine.support import (
    DAY_MS,
    NOON_MS,
    OTHER,
    TICKER,
    FixedClock,
    add_member,
    make_exchange,
    money,
    place,
)

SEED = 7
MEMBERS = ("m0", "m1", "m2")
Action = tuple[Any, ...]

prices = st.one_of(st.integers(45, 55).map(lambda p: p * 100), st.sampled_from([10, 550, 990, 9_010, 9_990]))
creates = st.tuples(
    st.just("create"),
    st.sampled_from(MEMBERS),
    st.sampled_from(["bid", "ask"]),
    prices,
    st.one_of(st.integers(1, 300), st.integers(1, 9).map(lambda c: c * 100)),
    st.fixed_dictionaries(
        {"ticker": st.sampled_from([TICKER, OTHER])},
        optional={
            "time_in_force": st.sampled_from(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]),
            "self_trade_prevention_type": st.sampled_from(["taker_at_cross", "maker"]),
            "post_only": st.booleans(),
            "reduce_only": st.booleans(),
            "subaccount": st.sampled_from([0, 1]),
            "expiration_s": st.integers(1, 20).map(lambda s: NOON_MS // 1000 + s),
            "client_order_id": st.sampled_from(["used", "twice"]),
            "group": st.integers(0, 5),
        },
    ),
)
changes = st.tuples(st.sampled_from(["cancel", "decrease", "amend"]), st.integers(0, 500), prices, st.integers(1, 900))
waits = st.tuples(st.just("wait"), st.sampled_from([1, 5, 61, 3_700, 90_000]))
others = st.one_of(
    st.tuples(st.just("deposit"), st.sampled_from(MEMBERS), st.integers(1, 5_000)),
    st.tuples(st.just("subaccount"), st.sampled_from(MEMBERS)),
    st.tuples(
        st.just("transfer"),
        st.sampled_from(MEMBERS),
        st.sampled_from(["one", "two", "three"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 50_000),
    ),
    st.tuples(st.just("netting"), st.sampled_from(MEMBERS), st.integers(0, 2), st.booleans()),
    st.tuples(
        st.just("pay"), st.sampled_from(MEMBERS), st.sampled_from(["deposit", "withdrawal"]), st.integers(1, 50_000)
    ),
    st.tuples(
        st.just("paid"), st.sampled_from(MEMBERS), st.integers(0, 5), st.sampled_from(["applied", "failed", "returned"])
    ),
    st.tuples(st.just("pause"), st.sampled_from([TICKER, OTHER])),
    st.tuples(st.just("resume"), st.sampled_from([TICKER, OTHER])),
    st.tuples(st.just("end"), st.sampled_from([TICKER, OTHER])),
    st.tuples(st.just("settle"), st.sampled_from([TICKER, OTHER])),
    st.tuples(st.just("group"), st.sampled_from(MEMBERS), st.sampled_from([200, 1_000, 50_000])),
    st.tuples(st.sampled_from(["limit", "reset", "delete"]), st.integers(0, 5)),
)
action_lists = st.lists(st.one_of(creates, creates, creates, changes, waits, others), max_size=40)


def perform(exchange: PaperExchange, action: Action, number: int) -> Any:
    """Do one action; what it answered, or the word it was refused with."""
    try:
        match action:
            case ("create", user_id, side, price, count, over):
                over = {"client_order_id": f"n{number}"} | over
                if "group" in over:
                    over["order_group_id"] = _group_id(exchange, over.pop("group"))
                return asdict(place(exchange, user_id, side, price, count / 100, **over))
            case ("wait", seconds):
                exchange.clock.ms += seconds * 1000
                return exchange.expire_due()
            case ("deposit", user_id, cents):
                return exchange.deposit(user_id, cents=cents, subaccount=1)
            case ("subaccount" | "transfer" | "netting" | "pay" | "paid", *_):
                return _change_accounts(exchange, action)
            case ("pause", ticker):
                return exchange.pause_market(ticker)
            case ("resume", ticker):
                return exchange.resume_market(ticker)
            case ("end", ticker):
                exchange.close_early(ticker)
                return asdict(exchange.determine(ticker, result="yes"))
            case ("settle", ticker):
                return asdict(exchange.settle(ticker))
            case ("group", user_id, limit):
                return asdict(exchange.create_group(user_id, limit=limit))
            case ("limit" | "reset" | "delete" as kind, which):
                return _change_group(exchange, kind, _group_id(exchange, which))
            case (kind, which, price, count):
                orders = sorted(exchange.all_orders.values(), key=lambda o: o.sequence)
                return asdict(_change(exchange, kind, orders[which % len(orders)], price, count)) if orders else None
    except ExchangeError as refusal:
        return refusal.code, refusal.details


def _change(exchange: PaperExchange, kind: str, order: Order, price: int, count: int) -> Any:
    if kind == "cancel":
        return exchange.cancel_order(order.user_id, order.order_id)
    if kind == "decrease":
        return exchange.decrease_order(order.user_id, order.order_id, reduce_by=count)
    request = AmendOrder(order.ticker, order.side, price, count, updated_client_order_id=f"a{price}-{count}")
    return exchange.amend_order(order.user_id, order.order_id, request)


def _change_accounts(exchange: PaperExchange, action: Action) -> Any:
    match action:
        case ("subaccount", user_id):
            return asdict(exchange.create_subaccount(user_id))
        case ("transfer", user_id, name, source, target, cents):
            return asdict(
                exchange.transfer(user_id, client_transfer_id=name, source=source, target=target, cents=cents)
            )
        case ("netting", user_id, number, enabled):
            return exchange.set_netting(user_id, number, enabled=enabled).netting
        case ("pay", user_id, kind, cents):
            return asdict(exchange.begin_payment(user_id, kind=kind, cents=cents))
        case (_, user_id, which, status):
            payment_ids = list(exchange.member(user_id).payments)
            return asdict(exchange.move_payment(user_id, payment_ids[which % len(payment_ids)], status=status))


def _group_id(exchange: PaperExchange, which: int) -> str:
    group_ids = list(exchange.order_groups)
    return group_ids[which % len(group_ids)] if group_ids else "none"


def _change_group(exchange: PaperExchange, kind: str, group_id: str) -> Any:
    user_id = exchange.order_groups[group_id].user_id if group_id in exchange.order_groups else "m0"
    if kind == "limit":
        return asdict(exchange.limit_group(user_id, group_id, limit=400))
    if kind == "reset":
        return asdict(exchange.reset_group(user_id, group_id))
    return exchange.delete_group(user_id, group_id)


def answers(exchange: PaperExchange) -> dict[str, Any]:
    """What every read says now."""
    now_s = exchange.clock.now_ms() // 1000
    return {
        "markets": [asdict(market) for market in exchange.markets.values()],
        "events": [asdict(event) for event in exchange.events.values()],
        "books": {ticker: exchange.book(ticker) for ticker in exchange.markets},
        "trades": exchange.trades(),
        "market trades": {ticker: exchange.trades(ticker=ticker) for ticker in exchange.markets},
        "candles": {
            (ticker, period): exchange.candlesticks(
                ticker, start_ts=now_s - 90_000, end_ts=now_s + 60, period=period, include_latest_before_start=True
            )
            for ticker in exchange.markets
            for period in (60, 1440)
        },
        "statistics": {ticker: exchange.statistics(ticker) for ticker in exchange.markets},
        "money": (exchange.deposited, exchange.fees, exchange.collateral, money(exchange)),
        "members": {m.user_id: member_answers(exchange, m.user_id) for m in exchange.members.values()},
    }


def member_answers(exchange: PaperExchange, user_id: str) -> dict[str, Any]:
    accounts = exchange.member(user_id).accounts
    return {
        "orders": [asdict(order) for order in exchange.orders(user_id)],
        "fills": exchange.fills(user_id),
        "settlements": list(exchange.member(user_id).settlements),
        "transfers": exchange.transfers(user_id),
        "payments": [
            asdict(row) for kind in ("deposit", "withdrawal") for row in exchange.payments(user_id, kind=kind)
        ],
        "subaccounts": [(account.subaccount, account.netting) for account in exchange.subaccounts(user_id)],
        "groups": [asdict(group) for group in exchange.groups(user_id)],
        "used": sorted(exchange.member(user_id).client_order_ids),
        "accounts": {n: (a.cash, a.held, a.available, a.updated_ms) for n, a in accounts.items()},
        "positions": {n: [asdict(p) for p in exchange.positions(user_id, subaccount=n)] for n in accounts},
        "balances": {n: exchange.balance(user_id, subaccount=n) for n in accounts},
        "queue": {
            n: [(order.order_id, ahead) for order, ahead in exchange.queue_positions(user_id, subaccount=n)]
            for n in accounts
        },
    }


def keep(exchange: PaperExchange, folder: Path, world: World | None = None) -> Keeper:
    keeper = Keeper(folder, exchange, seed=SEED, markets=None)
    assert keeper.open() is None
    keeper.begin(world)
    return keeper


def take_up(folder: Path, now_ms: int) -> tuple[PaperExchange, Keeper, World | None]:
    """What a new process has after its start."""
    exchange = PaperExchange(clock=FixedClock(now_ms), seed=SEED)
    keeper = Keeper(folder, exchange, seed=SEED, markets=None)
    state = keeper.open()
    assert state is not None
    world = keeper.restore(state)
    keeper.begin(world)
    return exchange, keeper, world


@settings(max_examples=60, deadline=None)
@given(first=action_lists, then=action_lists, later=action_lists, killed=st.booleans())
def test_the_restored_exchange_answers_and_goes_on_like_one_that_never_stopped(
    first: list[Action], then: list[Action], later: list[Action], killed: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        original = make_exchange(fee_type="quadratic_with_maker_fees", structure="tapered_deci_cent")
        keeper = keep(original, Path(name))
        for number, action in enumerate(first):
            perform(original, action, number)
        for actions, start, end_by_kill in ((then, 100, killed), (later, 200, not killed)):
            keeper.write_due()
            drawn = original.ids.drawn
            if end_by_kill:
                keeper.release()
            else:
                keeper.close()
            restored, keeper, _ = take_up(Path(name), original.clock.now_ms())
            original.expire_due()
            take(original)  # it joins old candles, as the restored one's first snapshot has done
            assert answers(restored) == answers(original)
            assert restored.ids.drawn >= (IDS_SKIPPED if end_by_kill else drawn)
            # Refused orders draw, too: nobody has heard of those, and a kill may lose them.
            original.ids.drawn, original.sequence = restored.ids.drawn, restored.sequence
            for number, action in enumerate(actions, start=start):
                assert perform(restored, action, number) == perform(original, action, number)
            assert answers(restored) == answers(original)
            assert money(restored) == restored.deposited
            original = restored
        keeper.release()


@settings(max_examples=25, deadline=None)
@given(actions=action_lists.filter(bool), data=st.data())
def test_every_acknowledged_action_is_there_after_a_kill_at_any_moment(
    actions: list[Action], data: st.DataObject
) -> None:
    until = data.draw(st.integers(1, len(actions)))
    with tempfile.TemporaryDirectory() as name:
        exchange = make_exchange()
        keeper = keep(exchange, Path(name))
        for number, action in enumerate(actions[:until]):
            perform(exchange, action, number)
        keeper.release()  # nothing is written any more: what the last lines say is all there is
        restored, keeper, _ = take_up(Path(name), exchange.clock.now_ms())
        keeper.release()

        exchange.expire_due()
        kept = {user_id: member_answers(restored, user_id) for user_id in MEMBERS}
        assert kept == {user_id: member_answers(exchange, user_id) for user_id in MEMBERS}


def test_ids_stay_unique_after_a_kill_that_lost_what_bots_did_last(tmp_path: Path) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    place(exchange, "m0", "bid", 4_000)
    told = {exchange.ids.uuid() for _ in range(100)}  # told to somebody, and never written
    keeper.release()

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    keeper.release()

    assert told.isdisjoint({restored.ids.uuid() for _ in range(200)})


def test_what_came_due_while_it_was_down_is_done_at_the_start(tmp_path: Path) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    expiring = place(exchange, "m0", "bid", 4_000, expiration_s=NOON_MS // 1000 + 60)
    staying = place(exchange, "m0", "bid", 4_100)
    keeper.release()

    hour_later, keeper, _ = take_up(tmp_path, NOON_MS + 3_600_000)
    assert hour_later.order("m0", expiring.order_id).cancel_reason == "EXPIRED"
    assert hour_later.order("m0", staying.order_id).status == "resting"
    keeper.release()
    days_later, keeper, _ = take_up(tmp_path, NOON_MS + 2 * DAY_MS)
    keeper.release()

    assert days_later.market(TICKER).status == "closed"
    assert days_later.order("m0", staying.order_id).cancel_reason == "CLOSE_CANCEL"
    assert days_later.account("m0", 0).held == 0


def test_resting_orders_keep_their_priority_among_each_other(tmp_path: Path) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    early, late = place(exchange, "m1", "bid", 4_000), place(exchange, "m0", "bid", 4_000)
    request = AmendOrder(TICKER, "bid", 4_000, 5_000)
    exchange.amend_order("m1", early.order_id, request)  # more: it loses its place
    keeper.release()

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    place(restored, "m2", "ask", 4_000, 10)
    keeper.release()

    assert restored.order("m0", late.order_id).status == "executed"
    assert restored.order("m1", early.order_id).filled == 0


def test_what_hangs_on_orders_and_markets_lives_on(tmp_path: Path) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    for ticker in (TICKER, OTHER):
        place(exchange, "m1", "ask", 5_000, 10, ticker=ticker)
        place(exchange, "m0", "bid", 5_000, 10, ticker=ticker)
    reducing = place(exchange, "m0", "ask", 6_000, 10, reduce_only=True)
    place(exchange, "m2", "bid", 4_000, 6)
    live, dead = (exchange.create_group("m0", limit=1_000).group_id for _ in range(2))
    exchange.delete_group("m0", dead)
    exchange.close_early(OTHER)
    exchange.determine(OTHER, result="yes")
    keeper.release()

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    place(restored, "m0", "ask", 4_000, 6, time_in_force="immediate_or_cancel")
    restored.clock.ms += restored.market(OTHER).settlement_timer_seconds * 1_000
    restored.expire_due()
    keeper.release()

    assert restored.order("m0", reducing.order_id).remaining == 400  # no more than is left to close
    assert [group.group_id for group in restored.groups("m0")] == [live]
    assert restored.market(OTHER).status == "finalized"
    assert [row.revenue for row in restored.member("m0").settlements] == [10_000_000]


def test_the_world_goes_on_days_later_with_its_tickers_its_bots_and_new_events(tmp_path: Path) -> None:
    exchange = PaperExchange(clock=FixedClock(), seed=SEED)
    world = build_world(exchange, seed=SEED)
    keeper = keep(exchange, tmp_path, world)
    add_member(exchange, "me", dollars=100_000)
    pool = BotPool(exchange, world, seed=SEED)
    last = max((m for m in exchange.markets.values() if m.status == "active"), key=lambda m: m.close_ms)
    taken = place(exchange, "me", "bid", last.yes_ask, 20, ticker=last.ticker)
    resting = place(exchange, "me", "bid", 100, 5, ticker=last.ticker)
    for _ in range(120):
        exchange.clock.ms += 1_000
        pool.step(exchange.clock.now_ms())
    keeper.write_due()
    definitions = {m.ticker: (m.title, m.close_ms, m.rules_primary) for m in exchange.markets.values()}
    before = member_answers(exchange, "me")
    kept_trades = exchange.trades(limit=100)
    keeper.release()

    later, keeper, kept_world = take_up(tmp_path, exchange.clock.now_ms() + 3 * DAY_MS)
    assert kept_world is not None
    assert taken.fill_count == 2_000
    after = member_answers(later, "me")
    for what in ("orders", "fills", "accounts", "positions"):
        assert after[what] == before[what]
    assert {t: (m.title, m.close_ms, m.rules_primary) for t, m in later.markets.items()} == definitions
    assert later.trades(limit=100) == kept_trades
    assert [o.order_id for o in later.books[last.ticker].yes.orders()] == [resting.order_id]
    _assert_contracts_and_money_are_whole(later)

    pool = BotPool(later, kept_world, seed=SEED)
    for _ in range(60):
        later.clock.ms += 1_000
        later.expire_due()
        pool.step(later.clock.now_ms())
    keeper.release()

    active = [m for m in later.markets.values() if m.status == "active"]
    assert {m.series_ticker for m in active} >= {"KXHIGHNY", "KXFED"}  # a daily one and a monthly one
    # A combo that was listed a moment ago may have no book yet: combos are dealt in by requests.
    assert all(m.yes_bid or m.yes_ask < 10_000 for m in active if not m.is_combo)
    one_sided = [m.ticker for m in active if not m.yes_bid or m.yes_ask == 10_000]  # those as good as decided
    assert len(one_sided) < 0.1 * len(active)
    assert not set(definitions) & {m.ticker for m in active if m.created_ms > exchange.clock.now_ms()}
    assert later.trades(limit=1)[0].ts_ms > exchange.clock.now_ms()
    _assert_contracts_and_money_are_whole(later)


def _assert_contracts_and_money_are_whole(exchange: PaperExchange) -> None:
    """Every contract has its other side, and every open pair its dollar."""
    counts: dict[str, int] = {}
    pairs = 0
    for member in exchange.members.values():
        for position in member.positions():
            counts[position.ticker] = counts.get(position.ticker, 0) + position.count
            pairs += max(0, position.count)
    assert set(counts.values()) == {0}
    assert exchange.collateral == pairs * 10_000
    assert money(exchange) == exchange.deposited


def test_a_new_event_listed_while_running_survives_a_kill(tmp_path: Path) -> None:
    exchange = PaperExchange(clock=FixedClock(), seed=SEED)
    world = build_world(exchange, markets=30, seed=SEED)
    keeper = keep(exchange, tmp_path, world)
    exchange.clock.ms += 3 * DAY_MS
    exchange.expire_due()
    new = world.roll(exchange)
    keeper.write_due()
    keeper.release()

    restored, keeper, kept_world = take_up(tmp_path, exchange.clock.now_ms())
    keeper.release()

    assert new
    assert kept_world is not None
    assert [asdict(m) for m in restored.markets.values()] == [asdict(m) for m in exchange.markets.values()]
    assert {e.event.ticker for e in new} <= {e.event.ticker for e in kept_world.events}
    assert kept_world.roll(restored) == world.roll(exchange) == []


def test_markets_closed_for_long_that_no_member_traded_are_forgotten_with_their_money(tmp_path: Path) -> None:
    exchange = make_exchange(members=1)
    keeper = keep(exchange, tmp_path)
    for name in ("bot-a", "bot-b"):
        exchange.add_member(name=name, user_id=name, cash_cents=100_000, keeps_history=False)
    for ticker in (TICKER, OTHER):
        place(exchange, "bot-a", "bid", 5_000, 10, ticker=ticker)
    with suppress(ExchangeError):
        place(exchange, "m0", "ask", 5_000, 4, ticker=OTHER)
    place(exchange, "bot-b", "ask", 5_000, 10, ticker=TICKER)
    keeper.close()
    later_ms = NOON_MS + DAY_MS + KEPT_CLOSED_MS

    until_then, keeper, _ = take_up(tmp_path, later_ms)
    keeper.close()
    assert set(until_then.markets) == {TICKER, OTHER}
    restored, keeper, _ = take_up(tmp_path, later_ms + 1_000)
    keeper.release()

    assert set(restored.markets) == {OTHER}
    assert restored.events["KXTEST-26DEC"].market_tickers == [OTHER]
    assert restored.deposited == exchange.deposited - 10 * 1_000_000
    _assert_contracts_and_money_are_whole(restored)


def test_old_minutes_become_hours_and_longer_periods_stay_exact(tmp_path: Path) -> None:
    exchange = make_exchange()
    exchange.move_close(TICKER, close_ms=NOON_MS + 9 * DAY_MS)
    for hour in range(60):
        for _ in range(5):
            place(exchange, "m0", "bid", 4_000 + 100 * (hour % 7), 1)
            place(exchange, "m1", "ask", 4_000 + 100 * (hour % 7), 1)
            exchange.clock.ms += 11 * 60_000
        exchange.clock.ms += 5 * 60_000
    now_s = exchange.clock.now_ms() // 1000

    def candles(of: PaperExchange, period: int, since_s: int) -> list[Candle]:
        return of.candlesticks(TICKER, start_ts=since_s, end_ts=now_s, period=period)

    before = {period: candles(exchange, period, NOON_MS // 1000) for period in (60, 1440)}
    minutes = candles(exchange, 1, now_s - 23 * HOUR_S)
    volume = exchange.statistics(TICKER).volume_24h
    keep(exchange, tmp_path).close()

    restored, keeper, _ = take_up(tmp_path, exchange.clock.now_ms())
    keeper.release()

    assert {period: candles(restored, period, NOON_MS // 1000) for period in (60, 1440)} == before
    assert candles(restored, 1, now_s - 23 * HOUR_S) == minutes
    assert restored.statistics(TICKER).volume_24h == volume
    assert len(restored.candles[TICKER].since(0)) < len(minutes)  # far fewer than were traded in


def test_every_part_of_the_state_is_kept_or_left_out_on_purpose() -> None:
    """Something new in the exchange must come into the snapshot and its changes, or into this list."""
    kept = {
        "series", "events", "markets", "candles", "all_trades", "market_trades", "members", "all_orders",
        "order_groups", "deposited", "fees", "collateral", "ids", "sequence", "collections",
        "board",
    }  # fmt: skip
    made_anew = {
        "books", "expirations", "openings", "closings", "determinations", "settlements_due", "combos_of_leg",
        "combo_creations", "maintenance_window", "in_maintenance",
    }  # fmt: skip
    given_or_set_by_control = {
        "clock", "seed", "keys", "exchange_active", "trading_active", "determine_after_ms", "group_triggers_at",
        "dedupe", "dedupe_window_ms", "past_expiration", "maintenance", "combo_rules",
        "transfer_repeat", "most_subaccounts", "rfq_rules", "history_age_ms", "history_step_ms",
    }  # fmt: skip
    in_a_file_of_its_own = {"archive", "cutoffs"}
    of_the_moment = {
        "on_whole", "_listeners", "_told", "_orders_touched", "_positions_touched", "_markets_touched",
        "_history_due_ms",
    }  # fmt: skip
    everything = kept | made_anew | given_or_set_by_control | in_a_file_of_its_own | of_the_moment
    assert set(vars(make_exchange())) == everything
    assert {field.name for field in fields(Member)} == {
        "user_id", "name", "accounts", "keeps_history", "client_order_ids", "orders", "fills", "settlements",
        "transfers", "payments", "subtraders",
    }  # fmt: skip
    made_anew = {"held", "exposures"}
    kept = {"user_id", "subaccount", "cash", "updated_ms", "netting", "created_ms"}
    assert {field.name for field in fields(Account)} == kept | made_anew
