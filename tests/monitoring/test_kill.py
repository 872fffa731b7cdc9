"""The kill switch: what it stops, what it takes off, what it says is left, who may pull and release it."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError

from apps.accounts.four_eyes import change_approve, seen_hash
from apps.accounts.four_eyes_kinds import policy_set
from apps.accounts.models import ChangeRequest
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Role
from apps.core.ports import commands
from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.monitoring import jobs
from apps.monitoring.events import kill_frame
from apps.monitoring.models import KillRun
from apps.monitoring.services import kill as kill_service
from apps.monitoring.services.kill import kill_in_force, kill_pull, kill_release, marker_take
from apps.monitoring.services.kill_pass import kill_pass, kills_due
from apps.orders import killed
from apps.orders.models import OrderIntent, TradingPause
from apps.orders.services import intent_send, intent_submit, pause_release
from apps.paper.testing import LINEAR
from apps.rfq.models import Quote, QuoteRule
from apps.rfq.services import rules
from tests.orders.conftest import Place, make_ticket
from tests.rfq.scene import QUOTES, RFQS, Scene, post
from tests.rfq.test_rules import TERMS
from tests.support.people import actor_of, make_person

State = OrderIntent.State


def pull(scene: Scene, by: Actor | None = None) -> KillRun:
    run = kill_pull(by or scene.place.trader, why="fire drill")
    assert run is not None
    return run


def resting(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.us.get("/portfolio/orders", params={"status": "resting"}).json()["orders"]
    return found


def open_quotes(scene: Scene) -> list[dict[str, Any]]:
    found = scene.us.get(QUOTES, params={"user_filter": "self", "status": "open"}).json()["quotes"]
    return list(found)


def open_rfqs(scene: Scene) -> list[dict[str, Any]]:
    return [one for one in scene.theirs() if one["status"] == "open"]


def order_elsewhere(scene: Scene, **over: Any) -> None:
    """An order of our own key that the desk never heard of."""
    body = {
        "ticker": LINEAR,
        "client_order_id": str(uuid.uuid4()),
        "side": "bid",
        "count": "3.00",
        "price": "0.1000",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    } | over
    assert scene.us.post("/portfolio/events/orders", json=body).status_code == 201


def work_of_the_desk(scene: Scene) -> None:
    """Two orders (one in a group), one request and one quote, some of them unknown to the database."""
    made = scene.us.post("/portfolio/order_groups/create", json={"subaccount": 0, "contracts_limit_fp": "50.00"})
    order_elsewhere(scene, order_group_id=made.json()["order_group_id"])
    order_elsewhere(scene)
    post(scene.us, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False)
    theirs = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False)
    post(scene.us, QUOTES, rfq_id=theirs["id"], yes_bid="0.3000", no_bid="0.3000", rest_remainder=False)
    assert len(resting(scene)) == 2
    assert len(open_quotes(scene)) == 1
    assert len(open_rfqs(scene)) == 1


@pytest.mark.parametrize("role", [Role.QUOTER, Role.LEAD])
def test_one_pass_takes_everything_off_the_exchange_whoever_pulled(desk: Scene, role: Role) -> None:
    work_of_the_desk(desk)

    done = kill_pass(pull(desk, actor_of(make_person(desk.place.desk, role))).pk)

    assert (resting(desk), open_quotes(desk), open_rfqs(desk)) == ([], [], [])
    assert done is not None
    assert done.clean_at is not None
    row = kill_frame(desk.place.desk.pk)["run"]["accounts"][0]
    assert (row["orders"], row["quotes"], row["rfqs"], row["groups"]) == (0, 0, 0, 0)
    # The trigger of its group took one order with it, or the cancel did: both were asked away.
    assert row["ended"] == {"orders": 2, "quotes": 1, "rfqs": 1, "groups": 1}
    actions = list(AuditEntry.objects.order_by("sequence").values_list("action", flat=True))
    assert actions.count("monitoring.kill.pulled") == 1
    assert actions.count("monitoring.kill.cancelled") == 4
    assert actions[-1] == "monitoring.kill.clean"


def test_a_triggered_group_takes_no_order_any_more(desk: Scene) -> None:
    made = desk.us.post("/portfolio/order_groups/create", json={"subaccount": 0, "contracts_limit_fp": "50.00"})

    kill_pass(pull(desk).pk)

    body = {"ticker": LINEAR, "client_order_id": str(uuid.uuid4()), "side": "bid", "count": "1.00", "price": "0.1000"}
    body |= {"time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross"}
    body |= {"order_group_id": made.json()["order_group_id"]}
    assert desk.us.post("/portfolio/events/orders", json=body).status_code == 400


def test_nothing_is_submitted_and_what_waits_is_refused_by_the_sender(desk: Scene) -> None:
    waiting = intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))
    pull(desk)

    with pytest.raises(DeskError) as refused:
        intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))
    sent = intent_send(waiting.pk)

    assert refused.value.code == "killed"
    assert sent is not None
    assert (sent.state, sent.error_code) == (State.REFUSED, "killed")
    assert resting(desk) == []


def test_a_rule_is_disarmed_and_cannot_be_armed_again(desk: Scene) -> None:
    rule = rules.rule_save(desk.quoter, terms=TERMS, why="because", name="R")
    rule = rules.rule_state(desk.lead, rule, QuoteRule.State.ARMED)

    pull(desk)

    rule.refresh_from_db()
    assert rule.state == QuoteRule.State.OFF
    with pytest.raises(DeskError, match="kill switch"):
        rules.rule_state(desk.lead, rule, QuoteRule.State.ARMED)


def test_pulled_twice_it_is_one_kill(desk: Scene) -> None:
    first, second = pull(desk), pull(desk, desk.lead)

    assert first == second
    assert KillRun.objects.count() == 1


def test_two_who_pull_at_the_same_moment_find_one_kill(desk: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pull(desk)
    really = kill_service.kill_set
    calls: list[int] = []

    def late(**values: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise IntegrityError("kill_once_in_force")
        return really(**values)

    monkeypatch.setattr(kill_service, "kill_set", late)

    assert pull(desk, desk.lead) == first
    assert not killed.is_set()


def test_an_order_that_was_on_its_way_is_found_and_cancelled(desk: Scene) -> None:
    intent = intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))
    OrderIntent.objects.filter(pk=intent.pk).update(state=State.UNKNOWN)  # it left, and no answer came

    run = kill_pass(pull(desk).pk)
    assert run is not None
    assert run.clean_at is None
    assert run.report["desk"]["unresolved"] == 1
    order_elsewhere(desk)  # it arrives now
    OrderIntent.objects.filter(pk=intent.pk).update(state=State.NOT_SEEN)
    again = kill_pass(run.pk)

    assert resting(desk) == []
    assert again is not None
    assert again.clean_at is not None


def test_what_appears_after_it_was_clean_is_taken_off_too(desk: Scene) -> None:
    run = kill_pass(pull(desk).pk)
    assert run is not None
    order_elsewhere(desk)

    KillRun.objects.update(looked_at=run.pause.set_at - timedelta(hours=1))
    assert kills_due() == [run.pk]
    kill_pass(run.pk)

    assert resting(desk) == []


def test_a_lost_answer_to_the_cancel_is_no_proof_and_is_read_again(desk: Scene) -> None:
    order_elsewhere(desk)
    desk.paper.control(
        "POST", "/rest/fault", {"kind": "lose_after", "count": 1, "method": "DELETE", "path": "/trade-api/v2/portfolio"}
    )

    run = kill_pass(pull(desk).pk)

    assert run is not None
    assert run.clean_at is not None
    assert resting(desk) == []
    assert run.report[str(desk.place.account.pk)]["problems"]


def test_an_exchange_that_cannot_be_read_is_never_called_clean(desk: Scene) -> None:
    order_elsewhere(desk)
    desk.paper.control("POST", "/rest/fault", {"kind": "status", "status": 503, "count": 50})

    run = kill_pass(pull(desk).pk)

    assert run is not None
    assert run.clean_at is None
    assert kill_frame(desk.place.desk.pk)["run"]["accounts"][0]["orders"] is None
    assert kills_due() == [run.pk]


def test_a_claimed_run_is_left_alone(desk: Scene) -> None:
    run = pull(desk)
    KillRun.objects.update(claimed_until=run.pause.set_at + timedelta(hours=1))

    assert kill_pass(run.pk) is None


# --- who may --------------------------------------------------------------------------------------


def test_others_cannot_pull_it(place: Place) -> None:
    for role in set(Role) - {Role.TRADER, Role.QUOTER, Role.LEAD}:
        with pytest.raises(NotAllowed):
            kill_pull(actor_of(make_person(place.desk, role)), why="")
    assert kill_in_force(place.desk.pk) is None


def test_only_a_lead_releases_it_and_says_why(desk: Scene) -> None:
    run = pull(desk, desk.lead)
    kill_pass(run.pk)

    with pytest.raises(NotAllowed):
        kill_release(desk.place.trader, why="all good again")
    with pytest.raises(DeskError) as silent:
        kill_release(desk.lead, why=" ")
    with pytest.raises(DeskError) as sideways:
        pause_release(desk.lead, run.pause_id)
    released = kill_release(desk.lead, why="all good again")

    assert (silent.value.code, sideways.value.code) == ("no_reason", "killed")
    assert released.pause.release_why == "all good again"
    assert kill_in_force(desk.place.desk.pk) is None
    assert AuditEntry.objects.filter(action="monitoring.kill.released").count() == 1
    intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))


def test_it_is_not_released_while_something_may_be_left_but_on_purpose(desk: Scene) -> None:
    pull(desk)  # nobody has looked at the exchange yet

    with pytest.raises(DeskError) as refused:
        kill_release(desk.lead, why="looks fine")
    kill_release(desk.lead, why="looks fine", although_left=True)

    assert refused.value.code == "kill_left"
    assert AuditEntry.objects.get(action="monitoring.kill.released").data["although_left"] is True


def test_a_lead_of_another_desk_releases_nothing(desk: Scene) -> None:
    pull(desk)

    with pytest.raises(NotFound):
        kill_release(replace(desk.lead, desk_id=desk.place.desk.pk + 1), why="not mine")


def test_the_socket_knows_it(desk: Scene) -> None:
    answer = commands["kill.pull"].handler(desk.place.trader, {"why": "drill"})
    kill_pass(answer["run"]["id"])

    assert commands["kill.release"].handler(desk.lead, {"why": "drill is over"}) == {"released": answer["run"]["id"]}


# --- without the database -------------------------------------------------------------------------


def test_a_database_that_does_not_take_it_leaves_a_file_that_holds_back_everything(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the audit table is read-only")

    waiting = intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))
    with monkeypatch.context() as broken:
        broken.setattr(kill_service.audit, "record", unwritable)
        assert kill_pull(desk.place.trader, why="F20") is None
    assert kill_in_force(desk.place.desk.pk) is None
    assert killed.is_set()

    with pytest.raises(DeskError) as refused:
        intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))
    sent = intent_send(waiting.pk)
    assert sent is not None
    assert (refused.value.code, sent.error_code) == ("killed", "killed")

    jobs.look()

    run = kill_in_force(desk.place.desk.pk)
    assert run is not None
    assert run.clean_at is not None
    assert (run.pause.why, run.pause.set_by_id) == ("F20", desk.place.trader.user_id)
    assert not killed.is_set()


def test_a_file_that_cannot_be_read_kills_every_desk(desk: Scene) -> None:
    killed.path().parent.mkdir(parents=True, exist_ok=True)
    killed.path().write_text("{cut off")

    runs = marker_take()

    assert desk.place.desk.pk in {run.desk_id for run in runs}
    assert len(runs) > 1


def test_a_quote_that_the_database_knows_is_wanted_gone(desk: Scene) -> None:
    theirs = post(desk.maker, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False)
    post(desk.us, QUOTES, rfq_id=theirs["id"], yes_bid="0.3000", no_bid="0.3000", rest_remainder=False)
    desk.hear()
    known = Quote.objects.filter(state=QuoteState.OPEN)
    assert known.exists()

    pull(desk)

    assert not known.filter(pull_wanted_at=None).exists()


def test_f20_without_a_trail_nothing_is_submitted_and_nothing_is_sent(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the audit table is read-only")

    with monkeypatch.context() as broken:
        broken.setattr("apps.audit.services.record", unwritable)
        with pytest.raises(DatabaseError):
            intent_submit(desk.place.trader, make_ticket(desk.place, ticker=LINEAR))

    assert not OrderIntent.objects.exists()
    assert resting(desk) == []


def test_where_the_desk_wants_it_a_second_lead_releases_it(desk: Scene) -> None:
    other = actor_of(make_person(desk.place.desk, Role.LEAD))
    policy_set(other, ["release"])
    kill_pass(pull(desk, desk.lead).pk)

    with pytest.raises(DeskError) as asked:
        commands["kill.release"].handler(desk.lead, {"why": "all good again"})
    request = ChangeRequest.objects.get()
    assert asked.value.code == "approval_asked"
    assert kill_in_force(desk.place.desk.pk) is not None
    with pytest.raises(DeskError) as own:
        change_approve(desk.lead, request.pk, hash_seen=seen_hash(request))
    admin = actor_of(make_person(desk.place.desk, Role.ADMIN))
    with pytest.raises(NotAllowed):
        change_approve(admin, request.pk, hash_seen=seen_hash(request))
    done = change_approve(other, request.pk, hash_seen=seen_hash(request))

    assert own.value.code == "own_approval"
    assert done.state == ChangeRequest.State.USED
    assert kill_in_force(desk.place.desk.pk) is None
    kept = AuditEntry.objects.get(action="monitoring.kill.released")
    assert (kept.actor_id, kept.data["approved_by"]) == (desk.lead.user_id, other.user_id)


def test_an_approval_releases_only_the_pull_that_it_was_asked_for(desk: Scene) -> None:
    other = actor_of(make_person(desk.place.desk, Role.LEAD))
    policy_set(other, ["release"])
    kill_pass(pull(desk).pk)
    with pytest.raises(DeskError):
        commands["kill.release"].handler(desk.lead, {"why": "all good again"})
    TradingPause.objects.update(released_at=utc_now(), released_by_id=desk.lead.user_id)
    kill_pass(pull(desk).pk)
    request = ChangeRequest.objects.get()

    assert change_approve(other, request.pk, hash_seen=seen_hash(request)).state == ChangeRequest.State.FAILED
    assert kill_in_force(desk.place.desk.pk) is not None
