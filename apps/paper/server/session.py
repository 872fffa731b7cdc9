"""One WebSocket session: commands in, replies and subscriptions out. No I/O.

Source: kalshi-ws-messages.json and docs: getting_started/quick_start_websockets (error codes).
What the documentation leaves open is decided here and listed in docs/paper-exchange.md.
"""

import logging
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

    def receive(self, text: str | bytes) -> None:
        """Act on one message of the client; every outcome is a reply, never an exception."""
        try:
            message = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.deliver(error_reply(1, command_id=_readable_id(text)))
            return
        try:
            self._act(message)
        except CommandError as refusal:
            self.deliver(error_reply(refusal.code, command_id=message.id, ticker=refusal.ticker))
        except Exception:
            logger.exception("command failed: %s", message.cmd[:40])
            self.deliver(error_reply(17, command_id=message.id))

    def close(self) -> None:
        """Forget all subscriptions (the socket is gone)."""
        for subscription in self.subscriptions.values():
            self.hub.remove(subscription)
        self.subscriptions.clear()

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
                self.deliver(error_reply(refusal.code, command_id=command_id, ticker=refusal.ticker))

    def _subscribe_one(self, command_id: int, name: str, params: Params) -> None:
        channel = self.hub.channels.get(name)
        if channel is None:
            raise CommandError(8)
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
            tickers=None if tickers is None else dict.fromkeys(tickers),
            params=params,
        )
        self.subscriptions[subscription.sid] = subscription
        self._reply(command_id, {"type": "subscribed", "msg": {"channel": name, "sid": subscription.sid}})
        self.hub.add(subscription, tickers)
        if channel.state_at_start or params.send_initial_snapshot:
            self._send_state(subscription, tickers or [])

    def _send_state(self, subscription: Subscription, tickers: list[str]) -> None:
        if subscription.kind.send_state is not None:
            subscription.kind.send_state(self.hub, subscription, tickers)

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
        if len(market_id) != 36:
            raise CommandError(11)
        market = self.hub.catalogue.market_by_id(market_id)
        if market is None:
            raise CommandError(16)
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
        tickers = self._markets_of(subscription.kind, params)
        if not tickers:
            raise CommandError(14)
        if params.action == "get_snapshot":
            self._send_state(subscription, tickers)
        else:
            self._change_markets(command_id, subscription, tickers, params)

    def _change_markets(self, command_id: int, subscription: Subscription, tickers: list[str], params: Params) -> None:
        if subscription.tickers is None:
            # It carries every market already: nothing to add, and "all but these" cannot be said.
            raise CommandError(13)
        adding = params.action == "add_markets"
        changed = [ticker for ticker in tickers if (ticker in subscription.tickers) != adding]
        if adding:
            subscription.tickers.update(dict.fromkeys(changed))
            self.hub.add(subscription, changed)
        else:
            self.hub.drop_markets(subscription, changed)
            for ticker in changed:
                del subscription.tickers[ticker]
        reply: dict[str, Any] = {"sid": subscription.sid, "seq": self._reply_seq(subscription), "type": "ok"}
        if not subscription.params.skip_ticker_ack:
            reply["msg"] = {"market_tickers": list(subscription.tickers)}
        self._reply(command_id, reply)
        if adding and (subscription.kind.state_at_start or params.send_initial_snapshot):
            self._send_state(subscription, changed)

    def _reply_seq(self, subscription: Subscription) -> int:
        """`ok` and `unsubscribed` carry a seq; whether they consume one is not documented (a switch of the hub)."""
        if self.hub.replies_consume_seq:
            return subscription.next_seq()
        return max(1, subscription.seq)

    def _reply(self, command_id: int, body: dict[str, Any]) -> None:
        head = {"id": command_id} if command_id else {}
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
