"""The browsers' one socket. Protocol: docs/realtime.md.

Close codes: 4401 sign in again, 4403 not allowed, 4409 less is theirs to see than before (the page begins anew), 4429
too many messages, 1009 message too large, 1011 our fault (the page reconnects). Nothing is remembered about the person
but who they are: what they may do is read afresh for each message, and every few seconds while nothing comes.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from apps.accounts.access import actor_for_session, only_looks
from apps.accounts.permissions import may_open
from apps.accounts.sign_ins import acted, idle_left
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, WireFormatError
from apps.core.permissions import Actor, Permission
from apps.core.ports import Command
from apps.core.topics import TopicName, parse_topic
from apps.core.trace import tracing
from apps.web import threads
from apps.web.checks import Asked, Checks, Judged, goes_first, may_watch, numbers_of
from apps.web.client import FAULT, Client
from apps.web.hub import Hub, hub_of_loop
from apps.web.lanes import session_noted

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 5.0
MAX_MESSAGE = 32_768  # characters
MAX_TOPICS = 300  # per tab
BURST = 100  # messages at once
RATE = 30.0  # messages per second over time

SIGN_IN, NOT_ALLOWED, LESS, TOO_MANY, TOO_LARGE = 4401, 4403, 4409, 4429, 1009

_sockets: Counter[int] = Counter()  # how many are open, by person
_checks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Checks]" = WeakKeyDictionary()
T = TypeVar("T")


class Message(msgspec.Struct):
    """What a browser may send; `ack` stands alone, everything else has `id` and `cmd`."""

    id: int = 0
    cmd: str = ""
    topics: list[str] = []
    params: dict[str, Any] = {}
    at: float | None = None
    ack: float | None = None


_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder(decimal_format="string", enc_hook=str).encode
_WATCHING = (Permission.DESK_VIEW, Permission.MARKET_VIEW)


def _checks_of_loop() -> Checks:
    loop = asyncio.get_running_loop()
    if loop not in _checks:
        _checks[loop] = Checks(lambda: RECHECK_SECONDS)
    return _checks[loop]


class DeskConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own goes to the shared thread first, to close old connections of the database.

        Here `database_sync_to_async` does that, in whichever thread the work is done.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"no handler for message type {message['type']}")
        await handler(message)

    async def connect(self) -> None:
        user = self.scope.get("user")
        self._user_id: int = user.pk if user is not None and user.is_authenticated else 0
        self._session_key: str = getattr(self.scope.get("session"), "session_key", None) or ""
        self._allowance = float(BURST)
        self._counted_at = time.monotonic()
        self._hub: Hub | None = None
        # Accepted before it is judged: a browser cannot read the code of a refused handshake.
        await self.accept()
        actor = await self._actor()
        if actor is None:
            return
        if _sockets[self._user_id] >= settings.TABS_PER_PERSON:
            logger.warning("user %s has %s tabs open: another is refused", self._user_id, settings.TABS_PER_PERSON)
            await self.close(TOO_MANY)
            return
        hub = hub_of_loop()
        if not await self._has_room(hub, actor):
            await self.close(TOO_MANY)
            return
        _sockets[self._user_id] += 1
        self._hub = hub
        self._client = Client(self._send_text, self.close, self._hub.pace)
        self._rank(actor)
        self._hub.join(self._client)
        _checks_of_loop().join(self)

    async def _has_room(self, hub: Hub, actor: Actor) -> bool:
        """Whether this process takes one more. Whoever acts takes the place of who only looks (RELIABILITY F16)."""
        if hub.count() < settings.SOCKETS_AT_MOST:
            return True
        oldest = hub.oldest_viewer() if goes_first(actor) else None
        logger.warning("%s sockets are open: %s", hub.count(), "a viewer's is closed" if oldest else "one is refused")
        if oldest is not None:
            await oldest.dismiss(TOO_MANY)
        return oldest is not None

    async def disconnect(self, code: int) -> None:
        _checks_of_loop().leave(self)
        if self._hub is not None:
            hub, self._hub = self._hub, None
            _sockets[self._user_id] -= 1
            if not _sockets[self._user_id]:
                del _sockets[self._user_id]
            await hub.leave(self._client)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._hub is None:
            return
        if text_data is None or len(text_data) > MAX_MESSAGE:
            await self.close(TOO_LARGE)
            return
        try:
            message = _decode(text_data)
        except (msgspec.DecodeError, RecursionError):
            self._refuse(0, "bad_message", "The desk could not read this message. Reload the page.")
            await self._count()
            return
        if not await self._count():
            return
        if message.ack is not None:
            self._client.acknowledge(message.ack)
            return
        await self._handle(message)

    # --- who -----------------------------------------------------------------------------------
    async def _actor(self) -> Actor | None:
        """Return who this socket speaks for at this moment; closes it when nobody may."""
        actor = await self._asked_of(self._thread, self._actor_now) if self._user_id else None
        return actor if await self._stays(actor) else None

    @property
    def _thread(self) -> ThreadPoolExecutor:
        return threads.commands if self._hub is not None and self._client.goes_first else threads.checks

    async def _asked_of(self, executor: ThreadPoolExecutor, run: Callable[..., T], *values: Any, **named: Any) -> T:
        """Run what asks the database in one of the threads meant for it."""
        called = database_sync_to_async(run, thread_sensitive=False, executor=executor)
        answer: T = await called(*values, **named)
        return answer

    def _actor_now(self) -> Actor | None:
        return actor_for_session(self._user_id, self._session_key) if self._user_id else None

    async def _stays(self, actor: Actor | None) -> bool:
        """Close the socket of who may not watch this desk; returns whether it stays open."""
        if actor is None:
            await self.close(SIGN_IN)
        elif not actor.may(Permission.MARKET_VIEW):
            await self.close(NOT_ALLOWED)
        else:
            return True
        return False

    def asked(self) -> Asked:
        return Asked(self._user_id, self._session_key, tuple(self._client.topics), dict(self._client.sieve.numbers))

    async def judged(self, found: Judged) -> bool:
        """Take what the check of every few seconds found; returns whether the socket stays open."""
        if self._hub is None or not await self._stays(found.actor) or found.actor is None:
            session_noted(self._session_key, acts=False)
            return False
        if found.is_less or found.is_other:
            # Nothing more until the page asks anew. What it shows goes where something of it is no longer theirs.
            for topic in tuple(self._client.topics):
                self._hub.unsubscribe(self._client, topic)
            await self.close(LESS if found.is_less else FAULT)
            return False
        self._rank(found.actor)
        return True

    def _rank(self, actor: Actor) -> None:
        self._client.goes_first = goes_first(actor)
        session_noted(self._session_key, acts=self._client.goes_first)

    async def unjudged(self) -> None:
        await self.close(FAULT)

    async def _count(self) -> bool:
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._counted_at) * RATE) - 1
        self._counted_at = now
        if self._allowance < 0:
            await self.close(TOO_MANY)
            return False
        return True

    # --- what ----------------------------------------------------------------------------------
    async def _handle(self, message: Message) -> None:
        try:
            answer = await self._answer(message)
        except DeskError as exc:
            self._refuse(message.id, exc.code, exc.text, exc.fields)
        except WireFormatError as exc:
            self._refuse(message.id, "bad_value", str(exc))
        except Exception:
            logger.exception("command %s failed", message.cmd[:60])
            self._refuse(message.id, "fault", "This failed on our side and is logged. Check before trying again.")
        else:
            if answer is not None:
                self._client.reply(_encode({"id": message.id, "ok": answer}).decode())

    async def _answer(self, message: Message) -> dict[str, Any] | None:
        """Return what to answer; None when the socket closes instead."""
        command = ports.commands.get(message.cmd)
        if command is not None:
            # Two hundred people who only look, and ask for their alerts at once, keep no order waiting.
            executor = threads.commands if self._client.goes_first else threads.reads
            actor, told = await self._asked_of(executor, self._command, command, message.params)
            return told if await self._stays(actor) else None
        actor = await self._actor()
        if actor is None:
            return None
        if message.cmd == "ping":
            return {"at": message.at, "server_ms": time.time_ns() // 1_000_000}
        if message.cmd == "session":
            told = {name: message.params.get(name) is True for name in ("is_act", "is_watched")}
            return await self._asked_of(self._thread, self._session, **told)
        if message.cmd == "subscribe":
            return await self._subscribe(message.topics, actor)
        if message.cmd == "unsubscribe":
            for topic in message.topics:
                self._required_hub().unsubscribe(self._client, topic)
            return {}
        raise DeskError("unknown_command", "The desk does not know this command. Reload the page.")

    def _command(self, command: Command, params: dict[str, Any]) -> tuple[Actor | None, dict[str, Any] | None]:
        """Ask who this is and run one command, in one go to the database's thread: orders wait for this.

        Returns who it was, and None as the answer when they may not even watch.
        """
        actor = self._actor_now()
        if actor is None or not actor.may(Permission.MARKET_VIEW):
            return actor, None
        if not may_open(actor, command.permission, command.within):
            raise NotAllowed
        with tracing():
            if command.permission in _WATCHING:  # previews come with each key that is pressed
                return actor, command.handler(actor, params)
            acted(self._user_id, self._session_key)
            try:
                return actor, command.handler(actor, params)
            finally:
                # Behind it: the log waits for whoever reads it, and an order waits for nobody.
                logger.info("command %s of user %s on desk %s", command.name, actor.user_id, actor.desk_id)

    def _session(self, *, is_act: bool, is_watched: bool) -> dict[str, Any]:
        """Say how long the sign-in lasts without an act, after noting one if this is one.

        is_watched: the wall is on the screen. To look at it is all that a viewer does; it lasts no longer than the
        sign-in (DESK_SESSION_HOURS).
        """
        if is_act or (is_watched and only_looks(self._user_id)):
            acted(self._user_id, self._session_key)
        return {"left_s": idle_left(self._session_key)}

    async def _subscribe(self, topics: list[str], actor: Actor) -> dict[str, Any]:
        names = list(dict.fromkeys(parse_topic(topic) for topic in topics))
        allowed = await self._asked_of(self._thread, _allowed, actor, names)
        if not actor.may(Permission.DESK_VIEW):
            # Pages of markets ask for own orders, too: who sees no amounts gets the markets alone.
            names = [name for name in names if name in allowed]
        for name in names:
            if name not in allowed:
                # The same words for what does not exist and for what is another desk's.
                raise DeskError("not_found", f"There is no live topic {name} for you on this desk.")
        if len(self._client.topics | {str(name) for name in names}) > MAX_TOPICS:
            raise DeskError("too_many_topics", f"A tab may watch {MAX_TOPICS} topics. Close some panels.")
        for name in names:
            if str(name) not in self._client.topics:
                self._client.sieve.keep_to(str(name), numbers_of(actor, name))
        given = [str(name) for name in names]
        numbers = self._client.sieve.numbers
        parts = {topic: sorted(numbers[topic]) for topic in given if topic in numbers}
        await self._required_hub().subscribe(self._client, names)
        return {"topics": given, "parts": parts}

    def _required_hub(self) -> Hub:
        if self._hub is None:
            raise DeskError("closed", "This socket is closed.")
        return self._hub

    def _refuse(self, message_id: int, code: str, text: str, fields: dict[str, str] | None = None) -> None:
        error = {"code": code, "text": text, "fields": fields or {}}
        self._client.reply(_encode({"id": message_id, "error": error}).decode())

    async def _send_text(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})


def _allowed(actor: Actor, names: list[TopicName]) -> set[TopicName]:
    return {name for name in names if may_watch(actor, name)}
