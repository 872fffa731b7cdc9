"""A desk and a paper exchange in one process, and a day of the exchange that the desk then has to find out about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from django.db import connection

from apps.accounts.models import ExchangeAccount
from apps.core.ports import FeedContext
from apps.core.timestamps import unix_ms_now
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas import Message, decode
from apps.history.models import HistoryAccount, SyncState
from apps.history.sync import work
from apps.orders import feed as orders_feed
from apps.paper.engine.archive import Cutoffs
from apps.paper.engine.past import invent_day
from apps.paper.server.auth import AccessKey
from apps.paper.server.http import Request
from apps.paper.testing import DAY_MS, LINEAR, LINEAR_2, InProcessPaper
from apps.portfolio import feed as portfolio_feed
from tests.faults.exchange import PREFIX, Signature

MEMBER = "trader-1"
SUBACCOUNTS = 10
ROUNDS_AT_MOST = 100_000


class Line(httpx.BaseTransport):
    """The way to the exchange. before(path): called with each request that is about to arrive; may raise.

    instead(request): an answer in place of the exchange's, None to let it answer.
    """

    def __init__(self, paper: InProcessPaper) -> None:
        self.paper = paper
        self.paths: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self.instead: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
        paper.server.core.keys.authenticate = self._key_of  # type: ignore[method-assign]

    def client(self) -> ExchangeClient:
        return ExchangeClient(
            [self.paper.base_url],
            Signature(self.paper.key_id(MEMBER)),
            None,
            self,
            sleep=lambda seconds: None,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(PREFIX)
        self.paths.append(path)
        # Budgets have tests of their own.
        for member in self.paper.exchange.members:
            self.paper.server.core.budgets.fill(member)
        self.before(path)
        self.paper.clock.step(1)
        other = self.instead(request)
        if other is not None:
            return other
        return self.paper.transport.handle_request(request)

    def _key_of(self, request: Request, *, now_ms: int) -> AccessKey | None:
        return self.paper.server.core.keys.get(request.headers.get("kalshi-access-key", ""))


@dataclass
class Rig:
    account: ExchangeAccount
    paper: InProcessPaper
    line: Line
    frames: list[Any] = field(default_factory=list)  # of the private channels, not delivered yet

    @property
    def user_id(self) -> str:
        return self.paper.user_id(MEMBER)

    # --- the desk ----------------------------------------------------------------------------
    def sync(self, *, again: bool = True) -> None:
        """Read until nothing is due. again: also what has its next turn later."""
        work.states_ensure(self.account.pk)
        if again:
            SyncState.objects.filter(account=self.account).update(next_at=None)
        self.work()

    def work(self) -> None:
        for _ in range(ROUNDS_AT_MOST):
            if work.account_read(self.account.pk) is None:
                return
        raise AssertionError("the sync does not come to an end")

    def full(self) -> None:
        """Ask for everything from the beginning, and read it."""
        SyncState.objects.filter(account=self.account).update(wants_full=True)
        self.sync()

    def recover(self) -> None:
        """What happens after a worker died: its lease runs out."""
        HistoryAccount.objects.filter(account=self.account).update(leased_until=None)

    def state(self, data_set: str, scope: str = "") -> SyncState:
        return SyncState.objects.get(account=self.account, data_set=data_set, scope=scope)

    # --- the private channels ----------------------------------------------------------------
    def listen(self) -> None:
        self._socket = self.paper.socket(MEMBER)
        self._socket.send("subscribe", channels=["fill", "user_orders", "market_positions"])

    def deliver(self, keep: Callable[[int], bool] = lambda number: True) -> int:
        """Give the gateway's handlers the frames since the last call that `keep` keeps; return how many were lost."""
        handlers = {
            "fill": orders_feed.fills_received,
            "user_order": orders_feed.orders_received,
            "market_position": portfolio_feed.positions_received,
        }
        lost = 0
        texts, self._socket.texts[:] = list(self._socket.texts), []
        # The exchange's clock moves by steps and ours by itself: a frame must not be newer than what is read after it.
        received_ms = min(self.paper.clock.now_ms(), unix_ms_now())
        context = FeedContext(self.account.pk, self.account.environment, received_ms)
        for number, text in enumerate(texts):
            message = decode(text.encode())
            if not isinstance(message, Message) or message.type not in handlers:
                continue
            if keep(number):
                handlers[message.type](context, [message.body])
            else:
                lost += 1
        return lost

    # --- the exchange ------------------------------------------------------------------------
    def past_day(self, fills: int) -> None:
        invent_day(self.paper.exchange, self.user_id, fills=fills, subaccounts=SUBACCOUNTS)

    def fund(self, *, cents: int = 100_000) -> None:
        """Move cash to each subaccount: transfers."""
        exchange = self.paper.exchange
        while len(exchange.member(self.user_id).accounts) < SUBACCOUNTS:
            exchange.create_subaccount(self.user_id)
        for number in range(1, SUBACCOUNTS):
            exchange.transfer(
                self.user_id, client_transfer_id=exchange.ids.uuid(), source=0, target=number, cents=cents
            )
        exchange.flush()

    def order(self, member: str, side: str, price: str, count: str, **over: Any) -> dict[str, Any]:
        body = {"action": "place", "member": member, "ticker": LINEAR, "side": side, "price": price, "count": count}
        return self.paper.control("POST", "/external", body | over)

    def trade(self, orders: int, *, ticker: str = LINEAR) -> None:
        """Orders of the member over its subaccounts that trade with the maker at once: a fill each, some two."""
        self.order("maker", "ask", "0.5500", "7.00", ticker=ticker)
        self.order("maker", "ask", "0.5600", f"{orders * 10}.00", ticker=ticker)
        self.order("maker", "bid", "0.4400", f"{orders * 10}.00", ticker=ticker)
        for number in range(orders):
            buys = number % 3 != 2
            self.order(
                MEMBER,
                "bid" if buys else "ask",
                "0.5600" if buys else "0.4400",
                f"{1 + number % 7}.00",
                ticker=ticker,
                subaccount=number % SUBACCOUNTS,
                time_in_force="immediate_or_cancel",
            )
            self.paper.clock.step(37)

    def settle(self, ticker: str, result: str = "yes", **over: Any) -> None:
        self.paper.exchange.close_early(ticker) if ticker == "" else self._close(ticker)
        self.paper.control("POST", "/market", {"ticker": ticker, "action": "determine", "result": result} | over)
        self.paper.control("POST", "/market", {"ticker": ticker, "action": "settle"})

    def _close(self, ticker: str) -> None:
        self.paper.control(
            "POST", "/market", {"ticker": ticker, "action": "close_at", "close_ms": self.paper.clock.now_ms() + 1}
        )
        self.paper.clock.step(2)
        self.paper.exchange.expire_due()

    def pay(self, kind: str, cents: int, *, status: str = "applied") -> None:
        self.paper.control(
            "POST",
            "/payment",
            {"member": MEMBER, "kind": kind, "type": "ach", "amount_cents": cents, "fee_cents": 0, "status": status},
        )

    def day(self, *, past_fills: int, orders: int) -> None:
        """A past day, and a present one with payments, transfers, trades of two markets, and settlements of one."""
        if past_fills:
            self.past_day(past_fills)
        self.pay("deposit", 5_000_000)
        self.fund()
        self.trade(orders)
        self.trade(orders, ticker=LINEAR_2)
        self.settle(LINEAR_2)
        self.pay("withdrawal", 12_345)

    def archive_until(self, ago: timedelta) -> None:
        """Move all cutoffs to a time before now."""
        at = self.paper.clock.now_ms() - ago // timedelta(milliseconds=1)
        self.paper.exchange.advance_cutoffs(Cutoffs(at, at, at))

    def cutoff_follows(self, *, every: int) -> None:
        """Let the cutoffs move forward with every few requests, through everything that there is."""
        exchange = self.paper.exchange
        times = [fill.ts_ms + 1 for fill in exchange.fills(self.user_id)]
        times += [order.updated_ms + 1 for order in exchange.orders(self.user_id) if order.status != "resting"]
        steps = sorted(set(times))[:: max(1, len(times) // 40)]

        def before(path: str) -> None:
            if len(self.line.paths) % every == 0 and steps:
                at = steps.pop(0)
                exchange.advance_cutoffs(Cutoffs(at, at, at))

        self.line.before = before

    def later(self, days: int) -> None:
        self.paper.clock.step(days * DAY_MS)
        self.paper.exchange.expire_due()


def rows(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
