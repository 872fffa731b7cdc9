"""A few requests at a time; who acts, the kill switch and probes do not wait for who only looks."""

import asyncio
from typing import Any

import pytest

from apps.web import lanes
from apps.web.lanes import ACTING_AT_ONCE, LOOKING_AT_ONCE, Lanes, session_acts, session_noted
from tests.web.support import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def nobody_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_acting", {})
    monkeypatch.setattr(lanes, "SLOW", 3_600.0)


class Desk:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.inside.append(scope["path"])
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(app: Lanes, path: str, session: str = "") -> "asyncio.Task[None]":
    async def send(message: Any) -> None:
        pass

    async def receive() -> Any:
        raise AssertionError("nobody reads here")

    headers = [(b"host", b"desk"), (b"cookie", f"theme=dark; sid={session}".encode())] if session else []
    return asyncio.create_task(app({"type": "http", "path": path, "headers": headers}, receive, send))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_of_many_who_look_a_few_are_answered_at_a_time_and_all_in_the_end() -> None:
    desk = Desk()
    app = Lanes(desk, cookie="sid")
    asked = [ask(app, f"/monitor/{number}/", session="v") for number in range(10)]
    await settle()

    assert desk.inside == [f"/monitor/{number}/" for number in range(LOOKING_AT_ONCE)]
    desk.go.set()
    await asyncio.gather(*asked)
    assert desk.inside == [f"/monitor/{number}/" for number in range(10)]


async def test_who_acts_the_kill_switch_and_probes_do_not_wait_for_them() -> None:
    session_noted("trader", acts=True)
    session_noted("was-one", acts=True)
    session_noted("was-one", acts=False)
    desk = Desk()
    app = Lanes(desk, cookie="sid")
    asked = [ask(app, f"/{number}/", session="viewer") for number in range(LOOKING_AT_ONCE)]
    asked += [
        ask(app, f"/waits/{name}", session=name)
        for name in ("", "was-one", "trader2", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
    ]
    asked += [
        ask(app, path, session)
        for path, session in (("/orders/", "trader"), ("/monitor/kill/pull/", ""), ("/health/live", ""))
    ]
    await settle()

    assert desk.inside[LOOKING_AT_ONCE:] == ["/orders/", "/monitor/kill/pull/", "/health/live"]
    asked += [ask(app, f"/more/{number}", session="trader") for number in range(ACTING_AT_ONCE)]
    await settle()
    assert sum(path.startswith("/more/") for path in desk.inside) == ACTING_AT_ONCE - 2
    desk.go.set()
    await asyncio.gather(*asked)


async def test_a_slow_request_gives_its_place_back_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SLOW", 0.001)
    desk = Desk()
    app = Lanes(desk, cookie="sid")
    asked = [ask(app, f"/{number}/") for number in range(3 * LOOKING_AT_ONCE)]
    await eventually(lambda: len(desk.inside) == 3 * LOOKING_AT_ONCE)
    desk.go.set()
    await asyncio.gather(*asked)

    monkeypatch.setattr(lanes, "SLOW", 3_600.0)
    desk.go.clear()
    desk.inside.clear()
    asked = [ask(app, f"/{number}/") for number in range(3 * LOOKING_AT_ONCE)]
    await settle()
    assert len(desk.inside) == LOOKING_AT_ONCE
    desk.go.set()
    await asyncio.gather(*asked)


async def test_a_request_that_fails_gives_its_place_back() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError(scope["path"])

    app = Lanes(fails, cookie="sid")
    for number in range(2 * LOOKING_AT_ONCE):
        with pytest.raises(ValueError, match=f"/{number}/"):
            await ask(app, f"/{number}/")


def test_sessions_that_act_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "REMEMBERED", 2)
    for key in ("a", "b", "a", "c"):
        session_noted(key, acts=True)

    assert [session_acts(key) for key in "abc"] == [True, False, True]
