"""A desk with a person and a browser socket that speaks the protocol of docs/realtime.md."""

import asyncio
import json
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from apps.accounts.models import Desk, ExchangeAccount, Membership, User
from apps.web.routing import websocket_urlpatterns

# For one message; it costs no more than it takes, and a busy machine takes its time.
PATIENCE = 90.0


def make_member(*, name: str = "tess", roles: tuple[str, ...] = ("trader",), desk: str = "north") -> Membership:
    team, _ = Desk.objects.get_or_create(slug=desk, defaults={"name": desk.title()})
    user = User.objects.create_user(username=name, password="pw-long-enough-1")
    return Membership.objects.create(user=user, desk=team, roles=list(roles))


def make_account(*, desk: str = "north", name: str = "Main", environment: str = "paper") -> ExchangeAccount:
    team, _ = Desk.objects.get_or_create(slug=desk, defaults={"name": desk.title()})
    return ExchangeAccount.objects.create(desk=team, name=name, environment=environment)


def sign_in(user: User) -> Any:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


class Browser:
    """One tab. Messages that no test has asked for yet wait in `seen`."""

    def __init__(self, user: User | None, session: Any) -> None:
        self.socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/")
        self.socket.scope["user"] = user
        self.socket.scope["session"] = session
        self.seen: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._last_id = 0

    async def open(self) -> None:
        connected, _ = await self.socket.connect(timeout=PATIENCE)
        assert connected

    async def send(self, message: dict[str, Any]) -> int:
        self._last_id += 1
        await self.socket.send_json_to({"id": self._last_id, **message})
        return self._last_id

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send one message and return its answer."""
        sent = await self.send(message)
        return await self.until(lambda heard: heard.get("id") == sent)

    async def until(self, wanted: Callable[[dict[str, Any]], bool], *, patience: float = PATIENCE) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while True:
            for index, message in enumerate(self.seen):
                if wanted(message):
                    del self.seen[: index + 1]
                    return message
            await self._hear(patience=max(0.01, deadline - time.monotonic()))

    async def frame(self, topic: str, **kwargs: Any) -> dict[str, Any]:
        return await self.until(lambda heard: heard.get("topic") == topic, **kwargs)

    async def closed(self) -> int:
        """Wait for the close and return its code."""
        deadline = time.monotonic() + PATIENCE
        while self.close_code is None:
            assert time.monotonic() < deadline, "the socket stayed open"
            await self._hear(patience=PATIENCE)
        return self.close_code

    async def _hear(self, *, patience: float) -> None:
        event = await self.socket.receive_output(patience)
        if event["type"] == "websocket.close":
            self.close_code = event.get("code", 1000)
            return
        message = json.loads(event["text"])
        for part in message if isinstance(message, list) else [message]:
            self.seen.append(part)
            if "hb" in part:
                await self.socket.send_json_to({"ack": part["hb"]})

    async def close(self) -> None:
        await self.socket.disconnect(timeout=PATIENCE)


async def eventually(condition: Callable[[], Any], *, patience: float = PATIENCE) -> Any:
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            assert value, "the condition did not come true in time"
            return value
        await asyncio.sleep(0.01)
