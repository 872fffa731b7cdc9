"""Passing on a request: hidden from the whole desk, on record with who and why, and taken back."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor
from apps.paper.testing import LINEAR
from apps.rfq.models import PassedRequest
from apps.rfq.services.incoming import incoming_keep
from apps.rfq.services.passes import passed_of
from apps.rfq.services.stream import reports
from tests.rfq.scene import RFQS, Scene, post
from tests.rfq.test_stream import Look, created, frames, look, looked_at, prices
from tests.rfq.window import Window, window

__all__ = ["frames", "look", "looked_at", "prices", "window"]


def ask(actor: Actor, command: str, **params: Any) -> dict[str, Any]:
    return ports.commands[f"quote.{command}"].handler(actor, params)


def actions() -> list[str]:
    return list(AuditEntry.objects.filter(action__contains="passed").values_list("action", flat=True).order_by("pk"))


def test_a_passed_request_is_hidden_from_the_desk_until_it_is_taken_back(scene: Scene, look: Look) -> None:
    for rfq_id in ("one", "two"):
        incoming_keep("paper", reports.rfq_from_ws(created(rfq_id)))
    assert [row["rfq_id"] for row in look(created("one"), created("two"))["rows"]] == ["two", "one"]

    ask(scene.quoter, "pass", rfq_id="two", reason="too close to the game")
    frame = look()
    assert [row["rfq_id"] for row in frame["rows"]] == ["one"]
    (row,) = frame["passed"]
    assert (row["rfq_id"], row["by"]["id"], row["reason"]) == ("two", scene.quoter.user_id, "too close to the game")

    assert ask(scene.other, "unpass", rfq_id="two") == {"shown": True}
    frame = look()
    assert ([row["rfq_id"] for row in frame["rows"]], frame["passed"]) == (["two", "one"], [])
    assert actions() == ["rfq.request.passed", "rfq.request.unpassed"]


def test_again_changes_nothing(scene: Scene) -> None:
    incoming_keep("paper", reports.rfq_from_ws(created("one")))
    first = ask(scene.quoter, "pass", rfq_id="one", reason="thin")["passed"]
    second = ask(scene.other, "pass", rfq_id="one", reason="other")["passed"]
    assert (second["by"], second["reason"]) == (first["by"], "thin")
    assert actions() == ["rfq.request.passed"]

    assert ask(scene.quoter, "unpass", rfq_id="one") == {"shown": True}
    assert ask(scene.quoter, "unpass", rfq_id="one") == {"shown": False}
    assert not PassedRequest.objects.exists()


def test_a_request_that_the_desk_has_not_kept_is_read_first(scene: Scene) -> None:
    rfq_id = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=50, rest_remainder=False)["id"]

    assert ask(scene.quoter, "pass", rfq_id=rfq_id)["passed"]["ticker"] == LINEAR


def test_what_is_quoted_is_pulled_before_it_is_passed_on(window: Window) -> None:
    quote = window.quote()
    with pytest.raises(DeskError) as refused:
        ask(window.scene.quoter, "pass", rfq_id=quote.incoming.rfq_id)
    assert refused.value.code == "quote_open"


@pytest.mark.parametrize("params", [{}, {"rfq_id": 5}, {"rfq_id": ""}, {"rfq_id": "one", "reason": "x" * 201}])
def test_what_cannot_be_read_is_said(scene: Scene, params: dict[str, Any]) -> None:
    incoming_keep("paper", reports.rfq_from_ws(created("one")))
    with pytest.raises(DeskError) as refused:
        ask(scene.quoter, "pass", **params)
    assert refused.value.fields


def test_another_desks_pass_hides_nothing_here_and_a_viewer_passes_nothing(window: Window) -> None:
    scene = window.scene
    incoming = incoming_keep("paper", reports.rfq_from_ws(created("one")))
    stranger = window.stranger()
    PassedRequest.objects.create(
        desk_id=stranger.desk_id, incoming=incoming, by_id=stranger.user_id, at=incoming.seen_at
    )

    assert passed_of(scene.quoter.desk_id, "paper", ["one"]) == {}
    assert list(passed_of(stranger.desk_id, "paper", ["one"])) == ["one"]
    assert passed_of(stranger.desk_id, "demo", ["one"]) == {}
    with pytest.raises(NotAllowed):
        ask(scene.place.viewer, "pass", rfq_id="one")
