"""Checks of open sockets: asked together, each person's own answer, and a close where nothing can be said."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.web import checks
from apps.web.checks import Asked, Checks, Judged, goes_first, judge
from tests.web.support import eventually, make_account, make_member, sign_in


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.django_db
def test_each_socket_gets_the_answer_of_its_own_person_and_desk() -> None:
    ours, theirs = make_account(), make_account(desk="south", name="Theirs")
    tess, sam = make_member(), make_member(name="sam", desk="south")
    keys = {one.user_id: sign_in(one.user).session_key for one in (tess, sam)}
    topics = (f"wall:{ours.pk}", f"wall:{theirs.pk}", "status:paper", "secret:1")

    found = judge(
        [
            Asked(tess.user_id, keys[tess.user_id], topics),
            Asked(sam.user_id, keys[sam.user_id], topics),
            Asked(sam.user_id, keys[tess.user_id], topics),  # another's session
            Asked(tess.user_id, "gone", topics),
        ]
    )

    assert [one.actor.desk_id if one.actor else None for one in found] == [tess.desk_id, sam.desk_id, None, None]
    assert [one.lost for one in found] == [
        (f"wall:{theirs.pk}", "secret:1"),
        (f"wall:{ours.pk}", "secret:1"),
        (),
        (),
    ]


@pytest.mark.django_db
def test_tabs_of_one_session_are_asked_about_once() -> None:
    member, account = make_member(roles=("viewer",)), make_account()
    key = sign_in(member.user).session_key
    asked = Asked(member.user_id, key, (f"wall:{account.pk}", f"kill:{account.pk}"))
    judge([asked])  # that it is in use is noted once a minute

    def queries(count: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            found = judge([asked] * count)
        assert len(found) == count
        assert {one.lost for one in found} == {()}
        return len(seen)

    assert queries(50) == queries(1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "first"),
    [("viewer", False), ("analyst", False), ("auditor", False), ("trader", True), ("quoter", True), ("lead", True)],
)
def test_who_acts_goes_first(role: str, first: bool) -> None:
    member = make_member(roles=(role,))
    (found,) = judge([Asked(member.user_id, sign_in(member.user).session_key, ())])

    assert found.actor is not None
    assert goes_first(found.actor) is first


class Socket:
    def __init__(self, stays: bool = True) -> None:
        self.stays = stays
        self.heard: list[Judged | None] = []

    def asked(self) -> Asked:
        return Asked(1, "key", ())

    async def judged(self, found: Judged) -> bool:
        self.heard.append(found)
        return self.stays

    async def unjudged(self) -> None:
        self.heard.append(None)


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "database_sync_to_async", sync_to_async)


@pytest.mark.anyio
@pytest.mark.usefixtures("no_database")
async def test_every_socket_is_asked_about_again_and_again_until_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "judge", lambda asked: [Judged(None) for _ in asked])
    turns = Checks(lambda: 0.01)
    sockets = [Socket() for _ in range(50)]
    closes = Socket(stays=False)
    for socket in [*sockets, closes]:
        turns.join(socket)

    await eventually(lambda: min(len(one.heard) for one in sockets) >= 3)
    assert len(closes.heard) == 1
    for socket in sockets:
        turns.leave(socket)
    await eventually(lambda: turns._task is not None and turns._task.done())
    late = Socket()
    turns.join(late)
    await eventually(lambda: late.heard)
    turns.leave(late)
    await eventually(lambda: turns._task.done())


@pytest.mark.anyio
@pytest.mark.usefixtures("no_database")
async def test_rights_that_cannot_be_read_are_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(asked: Any) -> Any:
        raise RuntimeError("no database")

    monkeypatch.setattr(checks, "judge", fails)
    turns = Checks(lambda: 0.01)
    sockets = [Socket(), Socket()]
    for socket in sockets:
        turns.join(socket)

    await eventually(lambda: all(one.heard for one in sockets))
    assert [one.heard for one in sockets] == [[None], [None]]
    await eventually(lambda: turns._task is not None and turns._task.done())
