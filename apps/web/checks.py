"""Whether the sockets that are open still may be, and what they still may watch: asked again and again, many at once.

Each socket's turn comes every few seconds, spread evenly, in a thread that nothing else uses. Tabs of the same session
share the answer of their turn; nothing is remembered from one turn to the next.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from channels.db import database_sync_to_async
from django.conf import settings

from apps.accounts.access import account_is_seen, account_is_visible, actor_for_session
from apps.accounts.permissions import may_open
from apps.accounts.sign_ins import seen
from apps.core import ports
from apps.core.permissions import Actor, Permission, Within
from apps.core.topics import TopicName, parse_topic
from apps.web.threads import checks

logger = logging.getLogger(__name__)

TURNS = 20  # in which all sockets are asked about once
_SPREAD = 0.618_034  # of the golden ratio: however many come, their turns lie evenly
_ACTING = (Permission.ORDER_PLACE, Permission.RFQ_TRADE, Permission.RFQ_PULL, Permission.KILL_PULL)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a socket speaks for, and what it watches; numbers: of some topics, only rows of these subaccounts."""

    user_id: int
    session_key: str
    topics: tuple[str, ...]
    numbers: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """Who that is now (None: nobody any more), and which of the topics are no longer theirs to see.

    is_less: there are such topics, or of one that stays they see not all that they saw. is_other: of a topic that
    stays, they see other subaccounts than before.
    """

    actor: Actor | None
    lost: tuple[str, ...] = ()
    is_less: bool = False
    is_other: bool = False


class Socket(Protocol):
    def asked(self) -> Asked: ...

    async def judged(self, found: Judged) -> bool:
        """Act on it; returns whether the socket stays open."""
        ...

    async def unjudged(self) -> None:
        """Nobody can say what it may: it must close."""
        ...


class Checks:
    """The turns of one event loop. They begin with the first socket and end with the last.

    every: seconds between two checks of one socket.
    """

    def __init__(self, every: Callable[[], float]) -> None:
        self._every = every
        self._due: dict[Socket, float] = {}  # -> seconds of the loop's clock
        self._joined = 0
        self._task: asyncio.Task[None] | None = None

    def join(self, socket: Socket) -> None:
        self._joined += 1
        share = (self._joined * _SPREAD) % 1
        self._due[socket] = asyncio.get_running_loop().time() + self._every() * share
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="browser-checks")

    def leave(self, socket: Socket) -> None:
        self._due.pop(socket, None)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._due:
            await asyncio.sleep(self._every() / TURNS)
            now = clock()
            at_once = 2 * (len(self._due) // TURNS + 1)
            turn = [socket for socket, due in self._due.items() if due <= now][:at_once]
            for socket in turn:
                self._due[socket] = now + self._every()
            if turn:
                await self._check(turn)

    async def _check(self, turn: Sequence[Socket]) -> None:
        try:
            asked = [socket.asked() for socket in turn]
            found = await database_sync_to_async(judge, thread_sensitive=False, executor=checks)(asked)
        except Exception:
            # Rights that cannot be read are no rights.
            logger.exception("the rights of %d sockets could not be checked", len(turn))
            for socket in turn:
                await self._tell(socket, None)
            return
        for socket, one in zip(turn, found, strict=True):
            await self._tell(socket, one)

    async def _tell(self, socket: Socket, found: Judged | None) -> None:
        if socket not in self._due:
            return  # it left meanwhile
        try:
            if found is None:
                self.leave(socket)
                await socket.unjudged()
            elif not await socket.judged(found):
                self.leave(socket)
        except Exception:
            logger.exception("a socket could not be told what it still may")


def judge(asked: Iterable[Asked]) -> list[Judged]:
    """Ask the database about sockets, once for each session and once for each topic of each actor."""
    actors: dict[tuple[int, str], Actor | None] = {}
    visible: dict[tuple[Actor, str], bool] = {}
    found = []
    for one in asked:
        who = (one.user_id, one.session_key)
        if who not in actors:
            actors[who] = actor_for_session(*who)
            if actors[who] is not None:
                seen(*who)
        actor = actors[who]
        if actor is None:
            found.append(Judged(None))
            continue
        for topic in one.topics:
            if (actor, topic) not in visible:
                visible[actor, topic] = may_watch(actor, parse_topic(topic))
        lost = tuple(topic for topic in one.topics if not visible[actor, topic])
        kept = [topic for topic in one.topics if visible[actor, topic]]
        seen_parts = [(one.numbers.get(topic), numbers_of(actor, parse_topic(topic))) for topic in kept]
        found.append(
            Judged(
                actor,
                lost,
                is_less=bool(lost) or any(_is_less(before, now) for before, now in seen_parts),
                is_other=any(before != now for before, now in seen_parts),
            )
        )
    return found


def _is_less(before: frozenset[int] | None, now: frozenset[int] | None) -> bool:
    """Whether something of what was seen is no longer; None: the whole account."""
    return now is not None and (before is None or not before <= now)


def may_watch(actor: Actor, name: TopicName) -> bool:
    """Whether a topic is the actor's to see. Asks the database."""
    topic = ports.topics.get(name.kind)
    if topic is None:
        return False
    if topic.scope == "environment":
        may = actor.may(topic.permission) and actor.may(Permission.MARKET_VIEW)
        return may and name.scope in settings.EXCHANGE_HOSTS
    if not (name.scope.isascii() and name.scope.isdecimal() and len(name.scope) < 16):
        return False
    account_id = int(name.scope)
    if topic.within is Within.SUBACCOUNT and numbers_of(actor, name) is not None:
        return actor.reach(topic.permission).touches(account_id) and account_is_seen(actor, account_id)
    return may_open(actor, topic.permission, topic.within, account_id=account_id) and account_is_visible(
        actor, account_id
    )


def numbers_of(actor: Actor, name: TopicName) -> frozenset[int] | None:
    """Which subaccounts of an account's topic the actor sees; None: all of it, or it does not part them."""
    topic = ports.topics[name.kind]
    if topic.scope != "account" or topic.within is not Within.SUBACCOUNT:
        return None
    reach, account_id = actor.reach(topic.permission), int(name.scope)
    if reach.covers(account_id, None):
        return None
    return frozenset(number for one, number in reach.subaccounts if one == account_id)


def goes_first(actor: Actor) -> bool:
    """Whether somebody acts here, so that their sockets are served before those of people who only look."""
    return any(actor.reach(permission) for permission in _ACTING)
