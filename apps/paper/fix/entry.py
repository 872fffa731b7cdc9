"""Order entry: D, F, G and q onto the engine that REST works on (docs: fix/order-entry, fix/error-handling)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING
from uuid import uuid4

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.maintenance import EASTERN
from apps.paper.engine.orders import AmendOrder, NewOrder, Order
from apps.paper.engine.units import CONTRACT, DOLLAR, Side, TimeInForce
from apps.paper.fix.codec import Fields
from apps.paper.fix.execution import Asked, pending, rejected
from apps.paper.fix.fields import BadField, account_of, client_id, count_of, group_id, price_of
from apps.paper.fix.refusals import cancel_refusal, order_refusal
from apps.paper.fix.validation import Body, parse_time
from apps.paper.server import order_requests
from apps.paper.server.http import ApiError

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

NO_ORDER = "NONE"  # tag 37 where there is no order
FOK = "fill_or_kill_insufficient_resting_volume"
LAST_OF_DAY = time(23, 59, 59)
SIDES: dict[str, Side] = {"1": "bid", "2": "ask"}


@dataclass(frozen=True, slots=True)
class _Change:
    """An F or G that names an order of this member."""

    order: Order
    body: Body


class _Unknown(Exception):
    """The order is not there, or is not the one that the request describes."""


class OrderEntry:
    """Requests of trading sessions."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._core = gateway.core
        self._exchange = gateway.exchange
        self.handlers: dict[str, Callable[[Session, Body], None]] = {
            "D": self._place,
            "F": self._cancel,
            "G": self._replace,
            "q": self._cancel_session,
        }

    # --- new orders ------------------------------------------------------------------------------
    def _place(self, session: "Session", body: Body) -> None:
        try:
            client_order_id, group = client_id(body), group_id(body)
        except BadField as bad:
            session.reject(body.seq, body.msg_type, bad.reason, bad.tag, bad.text)
            return
        if body.is_resend and self._gateway.tape.find(session.user_id, client_order_id) is not None:
            return  # it has come before
        if body.get(59) == "6" and body.get(126) is None:
            session.refuse(body, 5, "ExpireTime<126> is required with TimeInForce<59>=6", ref_id=client_order_id)
            return
        asked = _asked(body, order_id=NO_ORDER)
        now = self._gateway.now_ms()
        if not _skips_pending(session):
            session.send("8", pending(asked, "A", session.style, ms=now))
        tape = self._gateway.tape
        tape.placing = (client_order_id, session.session_id)
        try:
            request = self._request(session, body, client_order_id, group)
            order_requests.create(self._core, session.user_id, request)
        except (ExchangeError, ApiError) as exc:
            if exc.code == FOK:
                tape.add_unplaced(
                    self._unplaced(session, request), text="FOK_INSUFFICIENT_VOLUME", origin=session.session_id
                )
                return
            reason, text = order_refusal(exc, is_closed=self._is_closed(body.text(55)))
            session.send("8", rejected(asked, reason=reason, text=text, style=session.style, ms=now))
        finally:
            tape.placing = None

    def _request(self, session: "Session", body: Body, client_order_id: str, group: str | None) -> NewOrder:
        """Raises ExchangeError for what no order can be."""
        side = SIDES[body.text(54)]
        force = body.get(59) or "0"
        time_in_force: TimeInForce = "good_till_canceled"
        if force in "34":
            time_in_force = "immediate_or_cancel" if force == "3" else "fill_or_kill"
        cost = body.number(21009)
        max_cost = None
        if cost is not None:
            # An order that cannot be filled within its cost is cancelled: nothing of it may trade or rest.
            max_cost, time_in_force = int(cost * DOLLAR), "fill_or_kill"
        pause_default = session.flag(21006)
        return NewOrder(
            ticker=body.text(55),
            client_order_id=client_order_id,
            side=side,
            price=price_of(body.text(44), side, style=session.style),
            count=count_of(body.text(38)),
            time_in_force=time_in_force,
            self_trade_prevention_type="maker" if body.get(2964) == "2" else "taker_at_cross",
            expiration_s=None if max_cost is not None else self._expiration(force, body.get(126)),
            post_only=body.get(18) == "6",
            cancel_order_on_pause=body.flag(21006, default=pause_default),
            subaccount=account_of(self._exchange.member(session.user_id), body),
            order_group_id=group,
            max_cost=max_cost,
        )

    def _expiration(self, force: str, expire_time: str | None) -> int | None:
        """Unix seconds: the end of the day in New York, or as given; None for the rest."""
        if force == "6" and expire_time is not None:
            return (parse_time(expire_time) or 0) // 1000
        if force != "0":
            return None
        today = datetime.fromtimestamp(self._gateway.clock.now_ms() / 1000, tz=EASTERN).date()
        return int(datetime.combine(today, LAST_OF_DAY, tzinfo=EASTERN).timestamp())

    def _unplaced(self, session: "Session", request: NewOrder) -> Order:
        """An order that was never placed, for its one report."""
        now = self._exchange.clock.now_ms()
        return Order(
            order_id=self._exchange.ids.uuid(),
            sequence=0,
            user_id=session.user_id,
            subaccount=request.subaccount,
            client_order_id=request.client_order_id,
            ticker=request.ticker,
            side=request.side,
            price=request.price,
            initial_count=request.count,
            remaining=0,
            time_in_force=request.time_in_force,
            self_trade_prevention_type=request.self_trade_prevention_type,
            created_ms=now,
            updated_ms=now,
            status="canceled",
        )

    def _is_closed(self, ticker: str) -> bool:
        market = self._exchange.markets.get(ticker)
        return market is not None and (
            market.status not in ("initialized", "active", "inactive")
            or self._exchange.clock.now_ms() >= market.close_ms
        )

    # --- cancel and replace ----------------------------------------------------------------------
    def _cancel(self, session: "Session", body: Body) -> None:
        change = self._found(session, body, response_to="1")
        if change is None:
            return
        order = change.order
        if order.status != "resting":
            self._too_late(session, change, response_to="1")
            return
        self._acknowledge(session, change, "6")
        try:
            self._act(body, order, lambda: self._exchange.cancel_order(session.user_id, order.order_id))
        except ExchangeError as exc:
            self._refuse(session, body, order, exc, response_to="1")

    def _replace(self, session: "Session", body: Body) -> None:
        change = self._found(session, body, response_to="2")
        if change is None:
            return
        order = change.order
        if order.status != "resting":
            self._too_late(session, change, response_to="2")
            return
        self._acknowledge(session, change, "E")
        try:
            if body.text(11) == body.text(41):
                raise ExchangeError("order_already_exists", "ClOrdID has been used", 409)
            price = body.get(44)
            request = AmendOrder(
                ticker=order.ticker,
                side=order.side,
                price=order.price if price is None else price_of(price, order.side, style=session.style),
                count=count_of(body.text(38), least=0),
                updated_client_order_id=body.text(11),
            )
            self._exchange.amend_order(session.user_id, order.order_id, request)
        except ExchangeError as exc:
            self._refuse(session, body, order, exc, response_to="2")

    def _found(self, session: "Session", body: Body, *, response_to: str) -> _Change | None:
        """The order that an F or G names, after the refusal when there is none."""
        try:
            client_id(body)
            order = self._gateway.tape.find(session.user_id, body.text(41))
            if order is None:
                raise _Unknown
            known = self._gateway.tape.known(order.order_id)
            same = (
                order.user_id == session.user_id
                and (known is None or known.client_order_id == body.text(41) or order.client_order_id == body.text(41))
                and body.get(37) in (None, order.order_id)
                and body.text(55) == order.ticker
                and SIDES[body.text(54)] == order.side
                and account_of(self._exchange.member(session.user_id), body) == order.subaccount
            )
            if not same:
                raise _Unknown
        except BadField as bad:
            session.reject(body.seq, body.msg_type, bad.reason, bad.tag, bad.text)
            return None
        except (_Unknown, ExchangeError):
            self._send_reject(
                session, body, order_id=NO_ORDER, status="8", reason=1, text="ORDER_NOT_FOUND", to=response_to
            )
            return None
        return _Change(order, body)

    def _act(self, body: Body, order: Order, act: Callable[[], object]) -> None:
        """Change an order under the request's ClOrdID."""
        requests = self._gateway.tape.requests
        requests[order.order_id] = body.text(11)
        try:
            act()
        finally:
            requests.pop(order.order_id, None)

    def _acknowledge(self, session: "Session", change: _Change, status: str) -> None:
        if _skips_pending(session):
            return
        asked = self._asked_about(session, change)
        session.send("8", pending(asked, "6" if status == "6" else "E", session.style, ms=self._gateway.now_ms()))

    def _asked_about(self, session: "Session", change: _Change) -> Asked:
        order, body = change.order, change.body
        known = self._gateway.tape.known(order.order_id)
        return Asked(
            client_order_id=body.text(11),
            order_id=order.order_id,
            ticker=order.ticker,
            side=body.text(54),
            quantity=_count_text(order.filled + order.remaining),
            price=session.style.price(order.price, order.side),
            account=session.style.account(order.subaccount),
            orig_client_order_id=body.text(41),
            cum=order.filled,
            leaves=order.remaining,
            value=known.value if known else 0,
        )

    def _too_late(self, session: "Session", change: _Change, *, response_to: str) -> None:
        order, body = change.order, change.body
        filled = order.status == "executed"
        if response_to == "2" and filled:
            reason, text = 2, "CANNOT_UPDATE_FILLED_ORDER"
        else:
            reason, text = (0, "ORDER_ALREADY_FILLED") if filled else (1, "ORDER_NOT_FOUND")
        status = "2" if filled else "4"
        self._send_reject(
            session, body, order_id=order.order_id, status=status, reason=reason, text=text, to=response_to
        )

    def _refuse(self, session: "Session", body: Body, order: Order, exc: ExchangeError, *, response_to: str) -> None:
        reason, text = cancel_refusal(exc, is_closed=self._is_closed(order.ticker))
        status = "1" if order.filled else "0"
        self._send_reject(
            session, body, order_id=order.order_id, status=status, reason=reason, text=text, to=response_to
        )

    def _send_reject(
        self, session: "Session", body: Body, *, order_id: str, status: str, reason: int, text: str, to: str
    ) -> None:
        fields: Fields = [(37, order_id), (11, body.text(11)), (41, body.text(41)), (39, status), (434, to)]
        session.send("9", [*fields, (102, str(reason)), (58, text)])

    # --- many at once ----------------------------------------------------------------------------
    def _cancel_session(self, session: "Session", body: Body) -> None:
        operation = str(uuid4())
        try:
            self._exchange.check_exchange()
        except ExchangeError:
            session.send("r", [(11, body.text(11)), (37, operation), (531, "0"), (532, "99")])
            return
        session.send("r", [(11, body.text(11)), (37, operation), (531, "6")])
        self.cancel_all(session, request=body.text(11))

    def cancel_all(self, session: "Session", *, request: str | None = None) -> None:
        """Cancel a session's open orders (or its member's, by the rules); what cannot be cancelled stays."""
        requests = self._gateway.tape.requests
        for order_id in self._orders_of(session):
            if request is not None:
                requests[order_id] = request
            try:
                self._exchange.cancel_order(session.user_id, order_id)
            except ExchangeError:
                continue  # over meanwhile, or its market is closed
            finally:
                requests.pop(order_id, None)

    def _orders_of(self, session: "Session") -> list[str]:
        if self._gateway.rules.cancel_scope == "session":
            return [known.order_id for known in self._gateway.tape.placed_by(session.session_id)]
        accounts = self._exchange.member(session.user_id).accounts.values()
        exposures = [exposure for account in accounts for exposure in account.exposures.values()]
        return [order_id for exposure in exposures for order_id in (*exposure.bids, *exposure.asks)]


def _asked(body: Body, *, order_id: str) -> Asked:
    account: Fields = [(79, body.text(79))] if body.get(79) else []
    for entry in body.groups.get(453, ()):
        account = [(453, "1"), *sorted(entry.items()), *account]
    return Asked(
        client_order_id=body.text(11),
        order_id=order_id,
        ticker=body.text(55),
        side=body.text(54),
        quantity=body.text(38),
        price=body.text(44),
        account=account,
        leaves=int((body.number(38) or 0) * CONTRACT),
    )


def _skips_pending(session: "Session") -> bool:
    """21003 is the flag's old number, still taken (docs: fix/changelog, 1.0.17)."""
    return session.flag(21011) or session.flag(21003)


def _count_text(units: int) -> str:
    whole, rest = divmod(units, CONTRACT)
    return f"{whole}.{rest:02d}"
