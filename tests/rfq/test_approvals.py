"""Four eyes: nothing above the threshold leaves without a second person who saw exactly it (H5)."""

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.grant_changes import grants_change
from apps.accounts.models import Membership
from apps.accounts.permissions import may_open
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Grant
from apps.core.ports import commands
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.orders.services.quotes import Quotes
from apps.rfq.models import Accept, Approval, Quote, ReceivedQuote, Rfq
from apps.rfq.selectors.approvals import approval_rows_of
from apps.rfq.services import approvals, auto_accept, four_eyes
from apps.rfq.services.requests import rfq_submit
from tests.rfq.scene import RFQS, SOON, Scene, post
from tests.support.people import actor_of, make_desk, make_person

State = Approval.State


@pytest.fixture
def strict(scene: Scene) -> Scene:
    """A desk that wants two people above 50 contracts or $20."""
    four_eyes.threshold_set(scene.lead, contracts=Decimal(50), cost=Decimal(20))
    return scene


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def wants(scene: Scene, *, by: Actor | None = None, **over: Any) -> Approval:
    """`rfq.send` of 100 contracts, as a browser sends it."""
    params = {"idempotency_key": str(uuid.uuid4()), "ticker": scene.ask().ticker, "contracts": "100.00"} | over
    answer = commands["rfq.send"].handler(by or scene.quoter, params)
    return Approval.objects.get(pk=int(answer["approval"]["key"].partition(":")[2]))


def approved(scene: Scene, approval: Approval, by: Actor | None = None, **over: Any) -> Approval:
    done = approvals.approve(
        by or scene.lead, f"approval:{approval.pk}", **{"hash_seen": approval.content_hash, **over}
    )
    scene.work()
    return done


def small_request(scene: Scene) -> tuple[Rfq, str]:
    """Ask for 50 contracts, which needs nobody; buying YES at 45 cents then costs $22.50, which does."""
    rfq = scene.request(contracts=Decimal(50))
    quote_id = scene.quote(rfq, "0.3000", "0.5500")
    scene.hear()
    ReceivedQuote.objects.update(changed_at=utc_now() - SOON)
    return rfq, quote_id


def take(scene: Scene, rfq: Rfq, quote_id: str, key: uuid.UUID | None = None) -> dict[str, Any]:
    params = {"rfq": f"rfq:{rfq.pk}", "quote_id": quote_id, "buys": "yes", "price_seen": "0.4500"}
    answer = commands["rfq.accept"].handler(scene.quoter, params | {"idempotency_key": str(key or uuid.uuid4())})
    return dict(answer)


def test_below_the_threshold_nobody_is_asked(strict: Scene) -> None:
    assert strict.request(contracts=Decimal(50)).state == "open"
    assert not Approval.objects.exists()


def test_a_large_request_waits_and_is_sent_once_approved(strict: Scene, published: Any) -> None:
    approval = wants(strict)
    strict.work()
    assert (strict.theirs(), Rfq.objects.count()) == ([], 0)

    done = approved(strict, approval)

    rfq = Rfq.objects.get()
    assert (done.state, done.result, rfq.state) == (State.USED, f"rfq:{rfq.pk}", "open")
    assert (rfq.placed_by_id, done.decided_by_id) == (strict.quoter.user_id, strict.lead.user_id)
    assert [row["state"] for row in published.rows("approvals") if "state" in row] == ["open", "used"]


def test_the_same_click_asks_once_and_later_answers_with_the_request(strict: Scene) -> None:
    key = str(uuid.uuid4())
    first, again = wants(strict, idempotency_key=key), wants(strict, idempotency_key=key)
    assert first.pk == again.pk
    assert code(lambda: wants(strict, idempotency_key=key, contracts="90.00")) == "idempotency_mismatch"

    approved(strict, first)
    params = {"idempotency_key": key, "ticker": strict.ask().ticker, "contracts": "100.00"}

    assert commands["rfq.send"].handler(strict.quoter, params)["rfq"]["state"] == "open"
    assert len(strict.theirs()) == 1


def test_nobody_approves_what_they_asked_for(strict: Scene) -> None:
    Membership.objects.filter(user_id=strict.quoter.user_id).update(roles=["quoter", "lead"])
    strict.quoter = replace(strict.quoter, roles=frozenset({"quoter", "lead"}))
    approval = wants(strict)

    assert code(lambda: approved(strict, approval, by=strict.quoter)) == "own_approval"
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(decided_by_id=strict.quoter.user_id)


def test_only_a_lead_of_this_desk_approves(strict: Scene) -> None:
    approval = wants(strict)
    stranger = actor_of(make_person(make_desk(), "lead"))

    assert code(lambda: approved(strict, approval, by=strict.other)) == "not_allowed"
    assert code(lambda: approved(strict, approval, by=stranger)) == "not_found"
    assert code(lambda: approvals.decline(stranger, f"approval:{approval.pk}")) == "not_found"
    assert code(lambda: approvals.decline(strict.other, f"approval:{approval.pk}")) == "not_allowed"


def test_a_used_or_declined_approval_is_not_used_again(strict: Scene) -> None:
    approval, other = wants(strict), wants(strict, contracts="70.00")
    approved(strict, approval)
    approvals.decline(strict.lead, f"approval:{other.pk}", words="too large today")

    for old in (approval, other):
        assert code(lambda old=old: approved(strict, old)) == "approval_over"
    assert len(strict.theirs()) == 1


def test_what_was_not_approved_in_time_is_not_sent(strict: Scene) -> None:
    approval = wants(strict)
    late = approval.expires_at + timedelta(milliseconds=1)

    assert code(lambda: approved(strict, approval, now=late)) == "approval_expired"
    assert approvals.approvals_expire(now=approval.expires_at) == 1
    approval.refresh_from_db()
    assert (approval.state, strict.theirs()) == (State.EXPIRED, [])
    assert code(lambda: approved(strict, approval)) == "approval_over"


def test_the_author_withdraws_without_a_lead(strict: Scene) -> None:
    approval = wants(strict)

    done = approvals.decline(strict.quoter, f"approval:{approval.pk}")

    assert (done.state, done.decided_by_id, done.words) == (State.DECLINED, None, "Withdrawn by its author.")


@pytest.mark.parametrize("subaccount", [None, 0])
def test_who_quotes_on_one_account_withdraws_their_own_and_nobody_elses(strict: Scene, subaccount: int | None) -> None:
    command, account, desk = commands["approval.decline"], strict.place.account.pk, strict.place.desk
    limited: dict[str, Actor] = {}
    for role in ("quoter", "trader", "viewer"):
        person = make_person(desk)
        grants_change(desk, user_id=person.pk, add=[Grant(role, account, subaccount)])
        limited[role] = replace(actor_of(person), account_id=account)
    theirs, mine = wants(strict), wants(strict, by=limited["quoter"])

    def end(by: Actor, approval: Approval) -> Any:
        if not may_open(by, command.permission, command.within):
            raise NotAllowed
        return command.handler(by, {"approval": f"approval:{approval.pk}"})

    for role, actor in limited.items():
        for approval in (theirs, mine):
            if (role, approval) != ("quoter", mine):
                assert code(lambda actor=actor, approval=approval: end(actor, approval)) == "not_allowed", role
    assert end(limited["quoter"], mine)["approval"]["state"] == "declined"
    assert end(strict.lead, theirs)["approval"]["state"] == "declined"


def test_an_author_who_lost_the_right_sends_nothing(strict: Scene) -> None:
    approval = wants(strict)
    Membership.objects.filter(user_id=strict.quoter.user_id).update(roles=["viewer"])

    done = approved(strict, approval)

    assert (done.state, "no longer trade" in done.words, strict.theirs()) == (State.DECLINED, True, [])


def test_a_large_accept_is_taken_at_the_price_seen_or_not_at_all(strict: Scene) -> None:
    rfq, quote_id = small_request(strict)
    key = take(strict, rfq, quote_id)["approval"]["key"]
    assert not Accept.objects.exists()
    ReceivedQuote.objects.update(no_bid=Decimal("0.5400"))  # it became dearer while it waited

    done = approved(strict, Approval.objects.get(pk=int(key.partition(":")[2])))

    assert (done.state, Accept.objects.count()) == (State.DECLINED, 0)
    assert "The price is now 46¢, you saw 45¢" in done.words


def test_a_large_accept_is_sent_once_approved(strict: Scene) -> None:
    rfq, quote_id = small_request(strict)
    key = take(strict, rfq, quote_id)["approval"]["key"]

    done = approved(strict, Approval.objects.get(pk=int(key.partition(":")[2])))

    accept = Accept.objects.get()
    assert (done.state, accept.state, accept.accepted_by_id) == (State.USED, "awaiting", strict.quoter.user_id)


def wants_quote(scene: Scene, monkeypatch: pytest.MonkeyPatch, mid: str) -> Approval:
    rfq_id = post(scene.maker, RFQS, market_ticker=scene.ask().ticker, contracts=100, rest_remainder=False)["id"]
    book(monkeypatch, mid)
    params = {"idempotency_key": str(uuid.uuid4()), "rfq_id": rfq_id, "yes_bid": "0.4000", "no_bid": "0.5000"}
    answer = commands["quote.send"].handler(scene.quoter, params)
    return Approval.objects.get(pk=int(answer["approval"]["key"].partition(":")[2]))


def book(monkeypatch: pytest.MonkeyPatch, mid: str) -> None:
    half = Decimal("0.0100")
    monkeypatch.setattr(approvals, "quotes_of", lambda *_: Quotes(Decimal(mid) - half, Decimal(mid) + half))


@pytest.mark.parametrize(("mid", "state"), [("0.4600", State.USED), ("0.4601", State.DECLINED)])
def test_a_quote_is_sent_only_near_the_book_that_it_was_priced_by(
    strict: Scene, monkeypatch: pytest.MonkeyPatch, mid: str, state: str
) -> None:
    approval = wants_quote(strict, monkeypatch, "0.4500")
    book(monkeypatch, mid)

    done = approved(strict, approval)

    assert (done.state, Quote.objects.count()) == (state, 1 if state == State.USED else 0)


def test_what_an_approved_request_takes_by_itself_needs_no_second_approval(strict: Scene) -> None:
    auto = {"buys": "yes", "min_quotes": 1, "after_s": 0}
    approved(strict, wants(strict, limit_yes="0.5000", auto=auto))
    rfq = Rfq.objects.get()
    strict.quote(rfq, "0.3000", "0.5500")
    strict.hear()

    assert auto_accept.auto_accepts_fire(now=utc_now() + SOON) == 1


def test_what_nobody_approved_is_not_taken_by_itself(strict: Scene) -> None:
    auto = {"buys": "yes", "min_quotes": 1, "after_s": 0}
    approved(strict, wants(strict, limit_yes="0.5000", auto=auto))
    Rfq.objects.update(limit_yes=Decimal("0.6000"))  # other terms than the approved ones
    strict.quote(Rfq.objects.get(), "0.3000", "0.5500")
    strict.hear()

    assert auto_accept.auto_accepts_fire(now=utc_now() + SOON) == 0


def test_the_threshold_is_a_leads_and_of_one_desk(strict: Scene) -> None:
    set_it = commands["approval.threshold"].handler

    assert code(lambda: set_it(strict.other, {"contracts": "1"})) == "not_allowed"
    assert code(lambda: set_it(strict.lead, {"contracts": 1.5, "cost": "-3"})) == "bad_input"
    row = set_it(strict.lead, {"contracts": "10", "cost": None})["threshold"]
    assert (row["contracts"], row["cost"]) == ("10.00", None)
    assert approval_rows_of(strict.place.account.pk)["threshold"]["contracts"] == "10.00"
    elsewhere = four_eyes.Size(Decimal(1_000), Decimal(1_000))
    assert four_eyes.above(make_desk().pk, elsewhere) == ""


EDITS = st.one_of(
    st.tuples(st.just("contracts"), st.integers(1, 10_000).map(lambda number: f"{number}.00")),
    st.tuples(st.just("ticker"), st.sampled_from(["KXFED-26DEC-T4.25", "KXOTHER"])),
    st.tuples(st.sampled_from(["limit_yes", "limit_no"]), st.sampled_from(["0.0100", "0.9900"])),
    st.tuples(st.sampled_from(["rest_remainder", "replace_existing"]), st.just(True)),
    st.tuples(st.just("idempotency_key"), st.uuids().map(str)),
    st.tuples(st.just("note"), st.text(min_size=1, max_size=20)),
)


@settings(max_examples=40)
@given(edit=EDITS, is_rehashed=st.booleans())
def test_whatever_is_edited_in_what_was_asked_nothing_is_sent(
    strict: Scene, edit: tuple[str, Any], is_rehashed: bool
) -> None:
    Approval.objects.all().delete()
    approval = wants(strict)
    seen, content = approval.content_hash, {**approval.content, "params": {**approval.content["params"]}}
    if content["params"][edit[0]] == edit[1]:
        return
    content["params"][edit[0]] = edit[1]
    over = {"content_hash": four_eyes.content_hash(content)} if is_rehashed else {}
    Approval.objects.filter(pk=approval.pk).update(content=content, **over)

    assert code(lambda: approved(strict, approval, hash_seen=seen)) == "approval_changed"
    assert (strict.queued, Rfq.objects.count()) == ([], 0)


def test_no_service_takes_an_approval_of_something_else(strict: Scene) -> None:
    approval = wants(strict)
    Approval.objects.update(state=State.APPROVED)
    approval.refresh_from_db()
    other = strict.ask(contracts=Decimal(200))

    assert code(lambda: rfq_submit(strict.quoter, other, approval=approval)) == "approval_mismatch"


def test_no_service_goes_around_the_threshold(strict: Scene) -> None:
    rfq, quote_id = small_request(strict)

    assert code(lambda: rfq_submit(strict.quoter, strict.ask(replace_existing=True))) == "approval_needed"
    assert code(lambda: strict.accept(rfq, quote_id, Outcome.YES, "0.4500")) == "approval_needed"
    assert code(
        lambda: rfq_submit(strict.quoter, strict.ask(replace_existing=True, contracts=None, target_cost=Decimal(21)))
    ) == ("approval_needed")
