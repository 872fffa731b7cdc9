"""The page History > Sync: what it says, who may ask for what, and what is told live."""

from typing import Any

import pytest
from django.db import transaction

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.topics import TopicName
from apps.exchange import live
from apps.history import selectors, services
from apps.history.events import state_row
from apps.history.models import ChosenMarket, SyncRun, SyncState
from apps.paper.testing import LINEAR
from tests.history.rig import Rig
from tests.support.people import actor_of, client_of, make_desk, make_person

MAY = ("trader", "analyst", "lead")
MAY_NOT = ("viewer", "quoter", "operator", "vault-admin", "auditor", "admin")


@pytest.fixture
def told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Rows of the topic in the order of their publication."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(transaction, "on_commit", lambda run, using=None, robust=False: run())
    monkeypatch.setattr(
        live, "publish_rows", lambda topic, rows, **_: seen.extend(rows.values()) if "history:" in topic else None
    )
    return seen


def test_an_account_that_was_never_read_says_so(rig: Rig) -> None:
    page = client_of(make_person(rig.account.desk, "viewer")).get("/history/").content.decode()

    assert "Nothing has been read yet" in page
    assert "Check all from the beginning" not in page


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_the_page_shows_each_data_set_and_a_viewer_no_control(rig: Rig, role: str) -> None:
    rig.day(past_fills=100, orders=5)
    rig.sync()

    page = client_of(make_person(rig.account.desk, role)).get("/history/").content.decode()

    for words in ("Deposits", "Settlements", "Orders", "Fills", "Markets and events", "Up to date"):
        assert words in page
    assert ("From the beginning" in page) == ("Keep its trades and candles" in page) == (role == "analyst")


@pytest.mark.parametrize("role", MAY)
def test_who_trades_analyses_or_leads_may_have_it_read_again(rig: Rig, role: str) -> None:
    rig.sync()
    browser = client_of(make_person(rig.account.desk, role))

    answer = browser.post("/history/sync/", {"key": "fills", "full": "1"})

    assert answer.status_code == 302
    assert list(SyncState.objects.filter(next_at=None).values_list("data_set", "wants_full")) == [("fills", True)]
    assert AuditEntry.objects.get(action="history.sync.asked").data == {"key": "fills", "is_full": True}


@pytest.mark.parametrize("role", MAY_NOT)
def test_nobody_else_may(rig: Rig, role: str) -> None:
    person = make_person(rig.account.desk, role)

    assert client_of(person).post("/history/sync/").status_code == 403
    with pytest.raises(NotAllowed):
        services.sync_ask(actor_of(person), account_id=rig.account.pk)
    with pytest.raises(NotAllowed):
        services.market_choose(actor_of(person), account_id=rig.account.pk, ticker=LINEAR)
    with pytest.raises(NotAllowed):
        services.market_leave(actor_of(person), account_id=rig.account.pk, ticker=LINEAR)


def test_another_desks_account_does_not_exist(rig: Rig) -> None:
    stranger = actor_of(make_person(make_desk(), "lead"))

    with pytest.raises(NotFound):
        services.sync_ask(stranger, account_id=rig.account.pk)


def test_a_data_set_that_there_is_not_is_refused(rig: Rig) -> None:
    lead = actor_of(make_person(rig.account.desk, "lead"))

    with pytest.raises(DeskError, match="no such data set"):
        services.sync_ask(lead, account_id=rig.account.pk, key="trades:KXNONE")


def test_a_market_is_chosen_once_and_left_again(rig: Rig) -> None:
    rig.fund()
    rig.trade(3)
    rig.sync()
    analyst = actor_of(make_person(rig.account.desk, "analyst"))

    services.market_choose(analyst, account_id=rig.account.pk, ticker=f" {LINEAR.lower()} ")

    assert set(SyncState.objects.filter(scope=LINEAR).values_list("data_set", flat=True)) == {"trades", "candles"}
    for ticker in (LINEAR, "KXNONE", ""):
        with pytest.raises(DeskError, match=r"kept already|no market|Enter"):
            services.market_choose(analyst, account_id=rig.account.pk, ticker=ticker)
    services.market_leave(analyst, account_id=rig.account.pk, ticker=LINEAR)
    assert not ChosenMarket.objects.exists()


def test_a_pass_is_told_while_it_goes_with_rows_rate_and_what_is_left(rig: Rig, told: list[dict[str, Any]]) -> None:
    rig.day(past_fills=3_000, orders=5)

    rig.sync()

    fills = [row for row in told if row["key"] == "fills"]
    assert [row["v"] for row in fills] == sorted(row["v"] for row in fills)
    assert fills[0]["pass"]["read"] == 0
    assert fills[0]["gap"] == [None, fills[0]["pass"]["until_ms"]]
    assert fills[0]["to_ms"] is None
    assert (fills[-1]["pass"], fills[-1]["status"], fills[-1]["gap"]) == (None, "done", None)
    assert fills[-1]["rows"] == SyncRun.objects.get(data_set="fills").rows_read > 3_000
    state = selectors.history_state(TopicName("history", str(rig.account.pk)))
    assert state["rows"]["fills"]["v"] == fills[-1]["v"]


def test_a_pass_under_way_knows_how_far_it_is(rig: Rig) -> None:
    rig.day(past_fills=3_000, orders=5)
    rig.sync()
    state = rig.state("fills")
    state.started_at, state.position = state.verified_at, state.covered_from
    state.is_full, state.since, state.until, state.worked_ms = True, None, state.covered_to, 60_000
    assert state.covered_from is not None
    assert state.covered_to is not None
    state.position = state.covered_from + (state.covered_to - state.covered_from) / 4

    row = state_row(state)["pass"]

    assert row["fraction"] == "0.750"
    assert row["left_s"] == 20
