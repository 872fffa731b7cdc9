"""The hub: one Redis subscription per web process, fanned out in memory to every browser's outbox.

Contract: docs/realtime.md. One hub per event loop; it starts with its first browser and ends with its last.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from apps.core import ports
from apps.core.topics import TopicName, parse_topic
from apps.exchange import live
from apps.web.client import Client
from apps.web.outbox import Frame
from apps.web.pace import Pace
from apps.web.threads import reads

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# A heartbeat and its answer cost half a millisecond of this process. They are spread over the second, so that an order
# never waits for those of two hundred browsers.
BEAT_PHASES = 20
WATCH_SECONDS = 0.5
SILENCE_MS = 2_400  # with the watch's own period and a Redis call: "down" within 3 s
INTEREST_SECONDS = 5.0
ATTACH_SECONDS = 1.0
STOP_SECONDS = 3.0
BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
GATEWAY_DOWN = "no gateway is running for this environment"
REDIS_DOWN = "live data is interrupted on our side"
WAITING = "waiting for the first data of this market"

_decode_publications = msgspec.json.Decoder(list[tuple[str, int, msgspec.Raw]]).decode
_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub_of_loop() -> "Hub":
    """Return the running loop's hub. All consumers of a web process share it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(settings.REDIS_URL)
    return _hubs[loop]


class Hub:
    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.pace = Pace()
        self._clients: dict[Client, int] = {}  # -> the phase of its heartbeat
        self._joined = 0
        # States under way, and those that begin after them for whoever asks meanwhile.
        self._states: dict[str, asyncio.Task[Frame | None]] = {}
        self._next_states: dict[str, asyncio.Task[Frame | None]] = {}
        self._subscribers: dict[str, set[Client]] = {}
        self._names: dict[str, TopicName] = {}
        self._begun: set[str] = set()  # topics of which somebody may have a state that was read before now
        self._down: dict[str, str] = {}  # environment -> why nothing of it is live
        self._attached = asyncio.Event()  # the Redis subscription is confirmed
        self._tasks: set[asyncio.Task[Any]] = set()  # strong references, or the loop may drop them
        self._redis: redis.asyncio.Redis | None = None
        # Loops look here as well as being cancelled: one was once seen to outlive its cancellation.
        self._is_running = False

    # --- browsers ----------------------------------------------------------------------------
    def join(self, client: Client) -> None:
        if not self._clients:
            self._start()
        self._clients[client] = self._joined % BEAT_PHASES
        self._joined += 1
        client.start()
        client.beat()

    def count(self) -> int:
        return sum(not client.is_dismissed for client in self._clients)

    def oldest_viewer(self) -> Client | None:
        """The browser that was here first of those of people who only look."""
        staying = (client for client in self._clients if not client.goes_first and not client.is_dismissed)
        return next(staying, None)

    async def leave(self, client: Client) -> None:
        self._clients.pop(client, None)
        for topic in list(client.topics):
            self.unsubscribe(client, topic)
        await client.stop()
        if not self._clients:
            await self._stop()

    async def subscribe(self, client: Client, names: Iterable[TopicName]) -> None:
        """Give `client` the present state of each topic, then its frames. Permission is the caller's to check."""
        wanted = [name for name in names if str(name) not in client.topics]
        fresh: list[str] = []
        for name in wanted:
            topic = str(name)
            client.outbox.hold(topic)
            client.topics.add(topic)
            if topic not in self._subscribers:
                self._subscribers[topic] = set()
                self._names[topic] = name
                fresh.append(topic)
            self._subscribers[topic].add(client)
        # Attached first, state second: what is published in between is held back, not lost.
        await self._is_attached()
        self._begun |= {str(name) for name in wanted} & self._names.keys()
        await self._announce(fresh)
        for name in wanted:
            client.release(str(name), await self._state_shared(name))

    def unsubscribe(self, client: Client, topic: str) -> None:
        client.topics.discard(topic)
        client.outbox.forget(topic)
        client.sieve.forget(topic)
        subscribers = self._subscribers.get(topic)
        if subscribers is not None:
            subscribers.discard(client)
            if not subscribers:
                del self._subscribers[topic]
                del self._names[topic]
                self._begun.discard(topic)

    def publish(self, frame: Frame) -> None:
        name = self._names.get(frame.topic)
        if name is None:
            return  # the last subscriber left while the state was being read
        topic = ports.topics[name.kind]
        is_urgent = topic.scope == "account" and not topic.is_on_demand
        for client in self._subscribers[frame.topic]:
            client.put(frame, is_urgent=is_urgent)

    # --- life --------------------------------------------------------------------------------
    def _start(self) -> None:
        self._is_running = True
        self._attached = asyncio.Event()
        self._down = {}
        self._redis = redis.asyncio.Redis.from_url(
            self._url, socket_timeout=2, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1)
        )
        for job in (self._read(), self._beat(), self._watch(), self._keep_interest()):
            task = asyncio.create_task(job)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.critical("a task of the hub ended", exc_info=task.exception())

    async def _stop(self) -> None:
        self._is_running = False
        tasks, self._tasks = list(self._tasks), set()
        client, self._redis = self._redis, None
        self.pace.stop()
        self._states, self._next_states = {}, {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        if client is not None:
            await client.aclose()

    # --- from Redis --------------------------------------------------------------------------
    async def _read(self) -> None:
        failures = 0
        while self._is_running:
            try:
                await self._listen()
            except (RedisError, OSError, msgspec.DecodeError) as exc:
                if self._attached.is_set():
                    failures = 0
                    logger.warning("the hub lost Redis: %s", type(exc).__name__)
                self._attached.clear()
                self._say_down(self._environments(), REDIS_DOWN)
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, no secret

    async def _listen(self) -> None:
        # No timeout: this reader may rightly wait for hours (redis-py 8 would end it after 5 s). No
        # retry: redis-py would reconnect silently, and what was published meanwhile would be missing.
        connection = redis.asyncio.Redis.from_url(
            self._url, socket_timeout=None, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        async with connection, connection.pubsub() as reader:
            await reader.subscribe(live.CHANNEL)
            async for message in reader.listen():
                if message["type"] == "message":
                    self._receive(message["data"])
                elif message["type"] == "subscribe":
                    self._attached.set()
                    # Who waits for this gets a state that is read from now on: not two.
                    await self._refresh([self._names[topic] for topic in self._names if topic in self._begun])

    def _receive(self, raw: bytes) -> None:
        for topic, version, data in _decode_publications(raw):
            if topic not in self._subscribers:
                continue
            self.publish(Frame(topic, version, bytes(data), ports.topics[self._names[topic].kind].mode))

    async def _refresh(self, names: list[TopicName]) -> None:
        """Send the present state of topics again: frames were missed, or an outage is over."""
        for name in names:
            frame = await self._state(name)
            if frame is not None:
                self.publish(frame)

    # --- states ------------------------------------------------------------------------------
    async def _is_attached(self) -> bool:
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await self._attached.wait()
        except TimeoutError:
            return False
        return True

    async def _state_shared(self, name: TopicName) -> Frame | None:
        """Return a state that was read after this was called, the same one for all who ask before its reading begins.

        Two hundred tabs that open at once cost two readings. One that had begun before would miss what was published
        since to those who were subscribed already.
        """
        topic = str(name)
        task = self._next_states.get(topic)
        if task is None:
            task = asyncio.create_task(self._state_after(self._states.get(topic), name))
            self._next_states[topic] = task
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _state_after(self, previous: "asyncio.Task[Frame | None] | None", name: TopicName) -> Frame | None:
        topic = str(name)
        if previous is not None:
            await asyncio.wait([previous])
        task = self._states[topic] = self._next_states.pop(topic)
        try:
            return await self._state(name)
        finally:
            if self._states.get(topic) is task:
                del self._states[topic]

    async def _state(self, name: TopicName) -> Frame | None:
        """Return the topic's present state as a frame, None while there is none.

        Its version is taken before the state is read, so that whatever is published after that wins.
        """
        topic = ports.topics[name.kind]
        version = live.next_version()
        value = None
        if topic.state is not None:
            try:
                value = await database_sync_to_async(topic.state, thread_sensitive=False, executor=reads)(name)
            except Exception:
                logger.exception("no state of topic %s", name.kind)
        if value is None:
            value = await self._kept(name)
        if topic.mode == "rows":
            return Frame.of(str(name), version, {"rows": (value or {}).get("rows", {}), "all": True}, "rows")
        why = self._down.get(name.scope)
        if why is not None:
            value = _downed(name, value, why) or value
        elif value is None and name.kind == "book":
            value = _empty_book(name, "stale", WAITING)
        return None if value is None else Frame.of(str(name), version, value, "whole")

    async def _kept(self, name: TopicName) -> dict[str, object] | None:
        """What the gateway last kept in Redis."""
        if self._redis is None or not self._attached.is_set():
            return None
        try:
            if ports.topics[name.kind].mode == "rows":
                rows: dict[bytes, bytes] = await self._redis.hgetall(f"{live.ROWS_PREFIX}{name}")  # type: ignore[assignment]
                return {"rows": {key.decode(): msgspec.Raw(row) for key, row in rows.items()}} if rows else None
            raw = await self._redis.hget(live.STATE, str(name))
        except (RedisError, OSError):
            return None
        if raw is None:
            return None
        _, frame = msgspec.json.decode(raw, type=tuple[int, dict[str, object]])
        return frame

    # --- heartbeats --------------------------------------------------------------------------
    async def _beat(self) -> None:
        phase = 0
        while self._is_running:
            await asyncio.sleep(BEAT_SECONDS / BEAT_PHASES)
            phase = (phase + 1) % BEAT_PHASES
            for client, its in self._clients.items():
                if its == phase:
                    client.beat()

    async def _watch(self) -> None:
        """Tell browsers within 3 s when an environment's gateway, or Redis itself, falls silent."""
        while self._is_running:
            await asyncio.sleep(WATCH_SECONDS)
            environments = sorted(self._environments())
            if not environments or self._redis is None or not self._attached.is_set():
                continue
            try:
                beats = await self._redis.mget([live.HEARTBEAT_PREFIX + name for name in environments])
            except (RedisError, OSError):
                self._say_down(environments, REDIS_DOWN)
                continue
            now_ms = time.time_ns() // 1_000_000
            for environment, beat in zip(environments, beats, strict=True):
                if beat is None or now_ms - int(beat) > SILENCE_MS:
                    self._say_down([environment], GATEWAY_DOWN)
                elif self._down.pop(environment, None) is not None:
                    await self._refresh([name for name in self._names.values() if name.scope == environment])

    def _environments(self) -> set[str]:
        return {name.scope for name in self._names.values() if ports.topics[name.kind].scope == "environment"}

    def _say_down(self, environments: Iterable[str], why: str) -> None:
        for environment in environments:
            if self._down.get(environment) == why:
                continue
            self._down[environment] = why
            # The books themselves stay on the screen, dimmed: `_state` gives them with the reason.
            task = asyncio.create_task(
                self._refresh([name for name in self._names.values() if name.scope == environment])
            )
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    # --- interest ----------------------------------------------------------------------------
    async def _announce(self, topics: list[str]) -> None:
        """Tell the gateway which of the frames that it makes on demand browsers need now."""
        needed = [topic for topic in topics if _is_on_demand(topic)]
        if not needed or self._redis is None or not self._attached.is_set():
            return
        now_ms = time.time_ns() // 1_000_000
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(live.INTEREST, dict.fromkeys(needed, now_ms))
                for topic in needed:
                    pipe.publish(live.INTEREST, topic)
                await pipe.execute()
        except (RedisError, OSError):
            logger.warning("interest in %d topics could not be announced; repeated in 5 s", len(needed))

    async def _keep_interest(self) -> None:
        while self._is_running:
            await asyncio.sleep(INTEREST_SECONDS)
            await self._announce(list(self._names))


def _is_on_demand(topic: str) -> bool:
    name = parse_topic(topic)
    kind = ports.topics[name.kind]
    return kind.is_on_demand or (bool(name.name) and kind.scope == "environment")


def _downed(name: TopicName, value: dict[str, object] | None, why: str) -> dict[str, object] | None:
    """The last known frame, marked; None for kinds that say nothing about their own health."""
    if name.kind == "book":
        return {**(value or _empty_book(name, "down", why)), "state": "down", "why": why}
    if name.kind == "status":
        unknown = {"exchange_active": None, "trading_active": None, "resume_at": None, "feed_ms": None}
        return {"clock_offset_ms": None, **unknown, **(value or {}), "feed": "down", "why": why}
    return None


def _empty_book(name: TopicName, state: str, why: str) -> dict[str, object]:
    return {"ticker": name.name, "yes": [], "no": [], "ts_ms": None, "recv_ms": None, "state": state, "why": why}
