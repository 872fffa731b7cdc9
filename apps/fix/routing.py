"""The sender's side of orders by FIX: a command in SQL, a word to the gateway, and the wait for what becomes of it.

Quotes and requests: `rfq_routing`. Runs in the workers. Raises what a REST call raises, with the same meaning
(apps/exchange/wire/errors.py). A command that the gateway has not taken is withdrawn by one conditional UPDATE, so it
certainly was not sent; one that it has taken may have been sent, and only reading tells.
"""

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import redis
from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import ExchangeAccount
from apps.core.errors import WireFormatError
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.exchange.clients import limiter_for
from apps.exchange.wire.client import MAX_WAIT
from apps.exchange.wire.errors import NotSent, OutcomeUnknown, RateLimited, Refused
from apps.exchange.wire.limits import Kind as Budget
from apps.exchange.wire.shared_limits import SharedLimiter
from apps.fix.engine.codec import Fields
from apps.fix.messages.common import Prices
from apps.fix.messages.groups import group_fields
from apps.fix.messages.orders import CancelOrder, NewOrder, ReplaceOrder
from apps.fix.models import COMMANDS, FixCommand, FixRoute, FixSession
from apps.orders.models import CancelIntent, ChangeIntent, GroupAction, Order, OrderIntent

logger = logging.getLogger(__name__)

TAKEN_WITHIN: Final = timedelta(seconds=2)  # a session that does not take it by then gets it no more
ANSWER_SECONDS: Final = 10.0  # as long as a REST write is waited for
CREATE_TOKENS: Final = 10
CANCEL_TOKENS: Final = 2
_TIMES: Final = {"good_till_canceled": "gtc", "immediate_or_cancel": "ioc", "fill_or_kill": "fok"}
UP: Final = (FixSession.State.LOGGED_ON, FixSession.State.RECOVERING)
_State = FixCommand.State
CREATES: Final = frozenset({"D", "UOG", "S", "R", "UA"})

_sessions = Prepared(lambda account_id, kind: FixSession.objects.filter(account_id=account_id, kind=kind))
_commands = Prepared(lambda pk: FixCommand.objects.filter(pk=pk))


def open_session(account_id: int, way: str) -> FixSession:
    """Return the session that something of an account leaves by. Raises NotSent."""
    session = _sessions.first(account_id, way)
    name = FixRoute.Way(way).label
    if session is None or session.is_listener or not session.is_wanted:
        raise NotSent("fix_stopped", f"This leaves by {name}, and that session is not started.")
    if session.state not in UP:
        raise NotSent("fix_down", f"{name} is not logged on ({session.get_state_display().lower()}).")
    return session


@dataclass(frozen=True, slots=True)
class FixWay:
    """See core.ports.OrderRoute."""

    account_id: int
    way: str

    def create(self, intent: OrderIntent) -> None:
        session = open_session(self.account_id, self.way)
        if intent.is_reduce_only:
            raise NotSent(
                "fix_reduce_only", "FIX has no reduce-only orders. Send this one on an account that uses REST."
            )
        by_date = intent.expires_at is not None
        order = NewOrder(
            client_order_id=str(intent.client_order_id),
            ticker=intent.ticker,
            book_side=intent.book_side,
            price=intent.price,
            count=intent.count,
            time_in_force="gtd" if by_date else _TIMES[intent.time_in_force],
            expires_at=intent.expires_at,
            post_only=intent.is_post_only,
            subaccount=intent.subaccount,
            order_group_id=intent.order_group_id,
            maker_self_trade=intent.self_trade_prevention == "maker",
            cancel_on_pause=intent.cancel_on_pause,
        )
        self._do(session, "D", order, f"intent:{intent.pk}", is_once=True)

    def cancel(self, cancel: CancelIntent) -> bool:
        order = cancel.order
        try:
            session = open_session(self.account_id, self.way)
            change = CancelOrder(
                client_order_id=str(uuid.uuid4()),
                original_id=present_name(order),
                ticker=order.ticker,
                book_side=order.book_side,
                order_id=order.order_id,
                subaccount=order.subaccount,
            )
            self._do(session, "F", change, f"cancel:{cancel.pk}", order_id=order.order_id)
        except NotSent as exc:
            logger.info("cancel %s goes by REST: %s", cancel.pk, exc.text)
            return False
        return True

    def amend(self, change: ChangeIntent) -> None:
        """OrderQty is the total, filled contracts included, as the desk's amend says it."""
        self._replace(change, count=change.count, price=change.price, is_once=True)

    def decrease(self, change: ChangeIntent) -> None:
        """The total of the same rest: absolute, so a repeat does nothing, and a fill in between leaves less."""
        self._replace(change, count=change.order.filled_count + change.count, price=None, is_once=False)

    def group(self, action: GroupAction) -> str | None:
        session = open_session(self.account_id, self.way)
        kind, group = GroupAction.Kind(action.kind), action.group
        needs_limit = kind in (GroupAction.Kind.CREATE, GroupAction.Kind.LIMIT)
        limit = action.contracts_limit
        if needs_limit and (limit is None or limit != limit.to_integral_value()):
            raise NotSent("fix_group_limit", "FIX takes limits of whole contracts only.")
        if group.subaccount is None and kind is not GroupAction.Kind.CREATE:
            raise NotSent("group_unplaced", "The group's subaccount is not known.")
        try:
            fields = group_fields(
                "update" if kind is GroupAction.Kind.LIMIT else kind.value,
                group_id=group.group_id or "",
                limit=int(limit) if needs_limit and limit is not None else None,
                subaccount=group.subaccount or 0,
            )
        except WireFormatError as exc:
            raise NotSent("fix_not_writable", str(exc)) from exc
        is_once = kind not in (GroupAction.Kind.TRIGGER, GroupAction.Kind.DELETE)
        tokens_take(self.account_id, CREATE_TOKENS, "write")
        subject = f"group:{action.pk}"
        done = wait_for(hand_over(session, "UOG", fields, subject, is_once=is_once, order_id=group.group_id or ""))
        return done.order_id or None if kind is GroupAction.Kind.CREATE else None

    def _replace(self, change: ChangeIntent, *, count: Decimal, price: Decimal | None, is_once: bool) -> None:
        order = change.order
        session = open_session(self.account_id, self.way)
        replace = ReplaceOrder(
            client_order_id=str(uuid.uuid4()),
            original_id=present_name(order),
            ticker=order.ticker,
            book_side=order.book_side,
            count=count,
            price=price,
            order_id=order.order_id,
            subaccount=order.subaccount,
        )
        self._do(session, "G", replace, f"change:{change.pk}", is_once=is_once, order_id=order.order_id)

    def _do(
        self,
        session: FixSession,
        msg_type: str,
        message: NewOrder | CancelOrder | ReplaceOrder,
        subject: str,
        *,
        is_once: bool = False,
        order_id: str = "",
    ) -> None:
        prices = Prices(in_dollars=session.use_dollars, sells_in_no=settings.FIX_SELLS_IN_NO)
        try:
            fields = message.fields() if isinstance(message, CancelOrder) else message.fields(prices)
        except WireFormatError as exc:
            raise NotSent("fix_not_writable", f"FIX cannot say this: {exc}.") from exc
        if msg_type == "F":
            tokens_take(self.account_id, CANCEL_TOKENS, "cancel")
        else:
            tokens_take(self.account_id, CREATE_TOKENS, "write")
        name = message.client_order_id
        wait_for(hand_over(session, msg_type, fields, subject, is_once=is_once, order_id=order_id, client_id=name))


def tokens_take(account_id: int, cost: int, kind: Budget, *, waits: bool = True) -> None:
    """Take tokens of the account's one budget, which FIX and REST share. Raises RateLimited."""
    limiter = limiter_for_account(account_id)
    waited = 0.0
    while True:
        try:
            wait = limiter.take(cost, kind=kind)
        except ValueError as exc:
            raise RateLimited(str(exc)) from exc
        if not wait:
            return
        if not waits or waited + wait > MAX_WAIT[kind]:
            text = f"The {kind} budget of this account is spent for {wait:.1f} s. Nothing was sent."
            raise RateLimited(text, wait_seconds=wait)
        time.sleep(wait)
        waited += wait


def hand_over(
    session: FixSession,
    msg_type: str,
    fields: Fields,
    subject: str,
    *,
    is_once: bool,
    order_id: str = "",
    client_id: str = "",
    expires_at: datetime | None = None,
) -> FixCommand:
    """Make the command durable and wake the gateway. Raises OutcomeUnknown for what was handed over before."""
    now = utc_now()
    try:
        with transaction.atomic():
            command = FixCommand.objects.create(
                session=session,
                subject=subject,
                is_once=is_once,
                msg_type=msg_type,
                fields=fields,
                client_id=client_id,
                order_id=order_id,
                created_at=now,
                expires_at=min(now + TAKEN_WITHIN, expires_at or now + TAKEN_WITHIN),
            )
    except IntegrityError:
        raise OutcomeUnknown(f"{subject} was handed to the FIX session before; it is not sent again.") from None
    wake(session.pk)
    return command


def wait_for(command: FixCommand) -> FixCommand:
    """Wait until a command is answered. Raises ExchangeError."""
    began, pause = time.monotonic(), 0.002
    while True:
        now = _commands.first(command.pk)
        if now is None:
            raise OutcomeUnknown("The command is gone from the desk's database.")
        if now.state not in FixCommand.OPEN:
            return verdict(now)
        waited = time.monotonic() - began
        if now.state == _State.WAITING and utc_now() > command.expires_at and withdraw(command.pk):
            raise NotSent("fix_not_taken", "The FIX session did not take it in time. Nothing was sent.")
        if waited > ANSWER_SECONDS:
            raise OutcomeUnknown("The message may have been sent by FIX, and no report came back.")
        time.sleep(pause)
        pause = min(0.02, pause * 1.5)


def withdraw(command_id: int) -> bool:
    """WAITING -> NOT_SENT: whoever changes the row first decides whether it is sent."""
    rows = FixCommand.objects.filter(pk=command_id, state=_State.WAITING)
    return rows.update(state=_State.NOT_SENT, answered_at=utc_now(), code="fix_not_taken") == 1


def verdict(command: FixCommand) -> FixCommand:
    """Return an answered command; raise what its answer means otherwise."""
    match command.state:
        case _State.REFUSED:
            # 404: a cancel or change that was refused is a question, and what it was about is looked up.
            status = 400 if command.msg_type in CREATES else 404
            raise Refused(status=status, code=command.code, message=command.text or command.code)
        case _State.LIMITED:
            limiter_for_account(command.session.account_id).drain(kind="write")
            raise RateLimited(f"The exchange limits the rate by FIX: {command.text}")
        case _State.NOT_SENT:
            raise NotSent(command.code, command.text)
        case _State.DOUBT:
            raise OutcomeUnknown(command.text or command.code)
    return command


def present_name(order: Order) -> str:
    """Return the ClOrdID that an order goes by now: of the last change that was accepted, else its own.

    Raises NotSent: an order without one, placed elsewhere, cannot be named by FIX.
    """
    told = FixCommand.objects.filter(
        order_id=order.order_id, msg_type="G", state=_State.TOLD, session__account_id=order.account_id
    )
    name = told.order_by("-pk").values_list("client_id", flat=True).first() or order.client_order_id
    if not name:
        raise NotSent("fix_no_name", "This order has no client order id, which FIX needs to name it.")
    return name


def wake(session_id: int) -> None:
    """Tell the gateway at once; without Redis it looks five times a second."""
    try:
        live.redis_client().publish(COMMANDS, str(session_id))
    except (redis.RedisError, OSError) as exc:
        logger.info("the FIX session was not woken (%s); it looks by itself", type(exc).__name__)


def limiter_for_account(account_id: int) -> SharedLimiter:
    return limiter_for(ExchangeAccount.objects.get(pk=account_id))
