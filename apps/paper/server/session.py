"""One WebSocket session: commands in, replies and subscriptions out. No I/O.

Source: kalshi-ws-messages.json and docs: getting_started/quick_start_websockets (error codes).
What the documentation leaves open is decided here and listed in docs/paper-exchange.md.
"""

import logging
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from apps.paper.server.auth import AccessKey
from apps.paper.server.channels import Channel, CommandError, Params, Subscription
from apps.paper.server.messages import encode_msg, error_reply

if TYPE_CHECKING:
    from apps.paper.server.hub import Hub

logger = logging.getLogger(__name__)


class CommandMessage(msgspec.Struct):
    cmd: str = ""
    id: int = 0
    params: Params | None = None


_decoder = msgspec.json.Decoder(CommandMessage)


class Deliver(Protocol):
    """Hand a text frame to the socket; must not block. delay_ms: hold it, and all after it, that long."""

    def __call__(self, text: str, *, delay_ms: int = 0) -> None: ...


@dataclass(slots=True, eq=False)
class Session:
    """What one socket has subscribed to, and for which key."""

    key: AccessKey
    hub: "Hub"
    deliver: Deliver
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    _last_sid: int = 0
    _answers_lost: bool = False

    def receive(self, text: str | bytes) -> None:
        """Act on one message of the client; every outcome is a reply, never an exception."""
        try:
            message = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.deliver(error_reply(1, command_id=_readable_id(text)))
            return
        fault = self.hub.command_faults.take(message.cmd, user_id=self.key.user_id)
        if fault is not None and fault.when == "before":
            self.deliver(error_reply(fault.code, command_id=message.id))
            return
        try:
            self._answers_lost = fault is not None
            self._act(message)
        except CommandError as refusal:
            self._refuse(message.id, refusal)
        except Exception:
            logger.exception("command failed: %s", message.cmd[:40])
            self.deliver(error_reply(17, command_id=message.id))
        finally:
            self._answers_lost = False
        if fault is not None:
            # What the command did stands, and so does what it made the channel send.
            self.deliver(error_reply(fault.code, command_id=message.id))

    def fail(self, subscription: Subscription, *, command_id: int = 0) -> None:
        """The channel broke down: say so (code 10) and end this subscription; the others go on."""
        if self.subscriptions.pop(subscription.sid, None) is not None:
            self.hub.remove(subscription)
        self.deliver(error_reply(10, command_id=command_id))

    def _refuse(self, command_id: int, refusal: CommandError) -> None:
        if not self._answers_lost:
            self.deliver(
                error_reply(refusal.code, command_id=command_id, ticker=refusal.ticker, market_id=refusal.market_id)
            )

    def close(self) -> None:
        """Forget all subscriptions (the socket is gone)."""
        for subscription in self.subscriptions.values():
            self.hub.remove(subscription)
        self.subscriptions.clear()
        self.hub.sessions.pop(self, None)

    def _act(self, message: CommandMessage) -> None:
        if message.cmd == "list_subscriptions":
            rows = [{"channel": sub.channel, "sid": sub.sid} for sub in self.subscriptions.values()]
            self._reply(message.id, {"type": "ok", "msg": rows})
            return
        if message.cmd not in ("subscribe", "unsubscribe", "update_subscription"):
            raise CommandError(5)
        if message.params is None:
            raise CommandError(2)
        if message.cmd == "subscribe":
            self._subscribe(message.id, message.params)
        elif message.cmd == "unsubscribe":
            self._unsubscribe(message.id, message.params)
        else:
            self._update(message.id, message.params)

    def _subscribe(self, command_id: int, params: Params) -> None:
        if not params.channels:
            raise CommandError(3)
        for channel in params.channels:
            # Each channel is answered for itself; one refusal does not undo the others.
            try:
                self._subscribe_one(command_id, channel, params)
            except CommandError as refusal:
                self._refuse(command_id, refusal)

    def _subscribe_one(self, command_id: int, name: str, params: Params) -> None:
        channel = self.hub.channels.get(name)
        if channel is None:
            raise CommandError(8)
        if channel.private and "read" not in self.key.scopes:
            raise CommandError(9)
        if any(sub.kind is channel for sub in self.subscriptions.values()):
            raise CommandError(6)
        if channel.check is not None:
            channel.check(params)
        tickers = None if channel.markets == "ignored" else self._markets_of(channel, params)
        if tickers is None and channel.markets == "required":
            raise CommandError(14)
        self._last_sid += 1
        subscription = Subscription(
            sid=self._last_sid,
            kind=channel,
            session=self,
            tickers=None if tickers is None else dict.fromkeys(tickers, params.names_by_id),
            params=params,
        )
        self.subscriptions[subscription.sid] = subscription
        self._reply(command_id, {"type": "subscribed", "msg": {"channel": name, "sid": subscription.sid}})
        self.hub.add(subscription, tickers)
        if channel.state_at_start or params.send_initial_snapshot:
            self._send_state(command_id, subscription, tickers or [])

    def _send_state(self, command_id: int, subscription: Subscription, tickers: list[str]) -> None:
        if subscription.kind.send_state is None:
            return
        try:
            subscription.kind.send_state(self.hub, subscription, tickers)
        except Exception:
            logger.exception("channel %s broke down", subscription.channel)
            self.fail(subscription, command_id=command_id)

    def _markets_of(self, channel: Channel, params: Params) -> list[str] | None:
        """The tickers that a command names, each once; None when it names none."""
        tickers = _one_or_many(params.market_ticker, params.market_tickers)
        ids = _one_or_many(params.market_id, params.market_ids)
        if ids is not None:
            if not channel.by_id:
                # "not supported for this channel": for the book that leaves it without markets.
                raise CommandError(14 if channel.markets == "required" and tickers is None else 11)
            if tickers is not None:
                raise CommandError(11)
            tickers = [self._ticker_of(market_id) for market_id in ids]
        if tickers is None:
            return None
        for ticker in tickers:
            if self.hub.catalogue.market(ticker) is None:
                raise CommandError(16, ticker=ticker)
        return list(dict.fromkeys(tickers))

    def _ticker_of(self, market_id: str) -> str:
        try:
            wanted = str(uuid.UUID(market_id))
        except ValueError as exc:
            raise CommandError(11, market_id=market_id) from exc
        market = self.hub.catalogue.market_by_id(wanted)
        if market is None:
            raise CommandError(16, market_id=market_id)
        return market.ticker

    def _unsubscribe(self, command_id: int, params: Params) -> None:
        if not params.sids:
            raise CommandError(4)
        unknown = [sid for sid in params.sids if sid not in self.subscriptions]
        if unknown:
            raise CommandError(7)
        for sid in dict.fromkeys(params.sids):
            subscription = self.subscriptions.pop(sid)
            self.hub.remove(subscription)
            self._reply(command_id, {"sid": sid, "seq": self._reply_seq(subscription), "type": "unsubscribed"})

    def _update(self, command_id: int, params: Params) -> None:
        sids = [params.sid] if params.sid is not None else (params.sids or [])
        if len(sids) != 1 or (params.sid is not None and params.sids):
            raise CommandError(12)
        if not params.action:
            raise CommandError(15)
        subscription = self.subscriptions.get(sids[0])
        if subscription is None:
            raise CommandError(7)
        if params.action not in subscription.kind.actions:
            raise CommandError(13)
        if params.action == "get_snapshot" and params.market_ticker is not None:
            # The documents name `market_tickers` alone for this action.
            raise CommandError(14)
        tickers = self._markets_of(subscription.kind, params)
        if not tickers:
            raise CommandError(14)
        if params.action == "get_snapshot":
            self._send_state(command_id, subscription, tickers)
        else:
            self._change_markets(command_id, subscription, tickers, params)

    def _change_markets(self, command_id: int, subscription: Subscription, tickers: list[str], params: Params) -> None:
        if subscription.tickers is None:
            # It carries every market already: nothing to add, and "all but these" cannot be said.
            raise CommandError(13)
        adding = params.action == "add_markets"
        changed = [ticker for ticker in tickers if (ticker in subscription.tickers) != adding]
        if adding:
            subscription.tickers.update(dict.fromkeys(changed, params.names_by_id))
            self.hub.add(subscription, changed)
        else:
            self.hub.drop_markets(subscription, changed)
            for ticker in changed:
                del subscription.tickers[ticker]
        reply: dict[str, Any] = {"sid": subscription.sid, "seq": self._reply_seq(subscription), "type": "ok"}
        if not subscription.params.skip_ticker_ack:
            reply["msg"] = self._market_list(subscription.tickers)
        self._reply(command_id, reply)
        if adding and (subscription.kind.state_at_start or params.send_initial_snapshot):
            self._send_state(command_id, subscription, changed)

    def _market_list(self, tickers: dict[str, bool]) -> dict[str, list[str]]:
        """Every market of a subscription, each in the words that it was named with."""
        named = [ticker for ticker, by_id in tickers.items() if not by_id]
        markets = [self.hub.catalogue.market(ticker) for ticker, by_id in tickers.items() if by_id]
        ids = [market.market_id for market in markets if market is not None]
        if not ids:
            return {"market_tickers": named}
        return {"market_tickers": named, "market_ids": ids} if named else {"market_ids": ids}

    def _reply_seq(self, subscription: Subscription) -> int:
        """`ok` and `unsubscribed` carry a seq; whether they consume one is not documented (a switch of the hub)."""
        if self.hub.replies_consume_seq:
            return subscription.next_seq()
        return max(1, subscription.seq)

    def _reply(self, command_id: int, body: dict[str, Any]) -> None:
        if not self._answers_lost:
            head = {"id": command_id} if command_id > 0 else {}
            self.deliver(encode_msg(head | body))


def _one_or_many(one: str | None, many: list[str] | None) -> list[str] | None:
    if one is not None and many is not None:
        raise CommandError(11)
    if one is not None:
        return [one]
    return many or None


def _readable_id(text: str | bytes) -> int | None:
    """The id of a message that does not fit the schema, where it can be read at all."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None
