"""Taking a quote by itself: set and unset on an open request, by whom and with what trace."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.core.timestamps import utc_now
from apps.rfq.commands import requests as commands
from apps.rfq.events.requests import rfq_key
from apps.rfq.models import Accept, Rfq
from apps.rfq.services import auto_accept, requests
from tests.rfq.scene import Scene
from tests.support.people import actor_of, make_person

WANTED = {"buys": "yes", "min_quotes": 1, "after_s": 0}
LIMIT = Decimal("0.35")


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def auto(scene: Scene, rfq: Rfq, wanted: dict[str, Any] | None = WANTED, *, by: Any = None) -> dict[str, Any]:
    row: dict[str, Any] = commands.auto(by or scene.quoter, {"rfq": rfq_key(rfq.pk), "auto": wanted})["rfq"]
    return row


def fire() -> int:
    return auto_accept.auto_accepts_fire(now=utc_now() + timedelta(seconds=1))


def actions() -> list[str]:
    rows = AuditEntry.objects.filter(action__startswith="rfq.auto.").order_by("pk")
    return list(rows.values_list("action", flat=True))


def test_it_is_set_on_an_open_request_fires_once_and_leaves_a_trace(scene: Scene) -> None:
    rfq = scene.request(limit_yes=LIMIT)
    scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()
    assert fire() == 0

    row = auto(scene, rfq)
    assert row["auto"] == WANTED | {"state": "waiting"}
    assert auto(scene, rfq)["v"] == row["v"]  # the same again changes nothing
    assert (fire(), fire()) == (1, 0)

    accept = Accept.objects.get()
    assert (accept.is_auto, accept.buys, accept.price_seen) == (True, "yes", LIMIT)
    assert actions() == ["rfq.auto.set"]
    assert code(lambda: auto(scene, rfq, None)) == "auto_fired"


def test_it_is_unset_and_then_takes_nothing(scene: Scene) -> None:
    rfq = scene.request(limit_yes=LIMIT)
    auto(scene, rfq)

    assert auto(scene, rfq, None)["auto"] is None
    scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()

    assert fire() == 0
    assert actions() == ["rfq.auto.set", "rfq.auto.unset"]


def test_it_waits_for_quotes_and_for_its_time(scene: Scene) -> None:
    rfq = scene.request(limit_yes=LIMIT)
    scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()
    auto(scene, rfq, WANTED | {"min_quotes": 2})
    assert fire() == 0
    auto(scene, rfq, WANTED | {"after_s": 60})
    assert fire() == 0

    assert auto_accept.auto_accepts_fire(now=utc_now() + timedelta(seconds=62)) == 1


def test_without_a_limit_for_that_outcome_it_is_refused(scene: Scene) -> None:
    rfq = scene.request(limit_no=LIMIT)

    assert code(lambda: auto(scene, rfq)) == "auto_needs_limit"
    assert code(lambda: auto(scene, rfq, {"buys": "both"})) == "bad_input"
    assert auto(scene, rfq, WANTED | {"buys": "no"})["auto"]["buys"] == "no"


def test_only_the_owner_or_a_lead_of_an_open_request_sets_it(scene: Scene) -> None:
    rfq = scene.request(limit_yes=LIMIT)

    with pytest.raises(NotAllowed):
        auto(scene, rfq, by=scene.place.viewer)
    assert code(lambda: auto(scene, rfq, by=scene.other)) == "not_owner"
    lead = replace(actor_of(make_person(scene.place.desk, "lead", "quoter")), account_id=rfq.account_id)
    assert auto(scene, rfq, by=lead)["auto"]["state"] == "waiting"
    requests.rfq_close(scene.quoter, rfq)
    assert code(lambda: auto(scene, rfq, None)) == "rfq_over"
