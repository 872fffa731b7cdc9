"""Transfers, new subaccounts and netting against the paper exchange: once each, whatever is lost on the way."""

import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.exchange.wire.api import cash as api
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import InProcessPaper
from apps.portfolio.models import Balance, Subaccount, SubaccountAction, Transfer
from apps.portfolio.sending import GOOD_FOR, REPEAT_FOR, action_send, actions_sweep, transfers_join
from apps.portfolio.subaccounts import subaccounts_refresh
from apps.portfolio.transfers import netting_set, subaccount_create, transfer_preview, transfer_submit
from tests.orders.conftest import Place, Published
from tests.portfolio.paper_desk import PaperDesk, build_desk
from tests.support.paper import paper

__all__ = ["paper"]

State = SubaccountAction.State
START = 2_500_000  # cents of the primary subaccount


@pytest.fixture
def desk(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: list[tuple[str, int]],
) -> PaperDesk:
    built = build_desk(place, paper, monkeypatch)
    subaccounts_refresh(place.account.pk)
    built.sent.clear()
    return built


def ask(desk: PaperDesk, amount: str = "100.00", key: uuid.UUID | None = None) -> SubaccountAction:
    return transfer_submit(
        desk.place.trader, source=0, target=1, amount=Decimal(amount), idempotency_key=key or uuid.uuid4()
    )


def again(desk: PaperDesk, action: SubaccountAction, *, times: int = 8) -> SubaccountAction:
    """Let the sweep and the worker go on until nothing is open, or the time is over."""
    for _ in range(times):
        if action.state not in (State.COMMITTED, State.SENDING, State.UNKNOWN):
            break
        desk.wait(40)
        action_send(action.pk)
        action.refresh_from_db()
    return action


def test_the_subaccounts_of_the_exchange_are_listed_with_cash_and_netting(desk: PaperDesk) -> None:
    rows = {row.number: row.is_netting for row in Subaccount.objects.all()}

    assert rows == {0: True, 1: True, 2: True}
    assert Balance.objects.get(subaccount=0).cash == Decimal(25_000)


def test_a_preview_shows_both_balances_after(desk: PaperDesk) -> None:
    told = transfer_preview(desk.place.viewer, source=0, target=1, amount=Decimal("12.50"))

    assert (told.source.before, told.source.after) == (Decimal(25_000), Decimal("24987.50"))
    assert (told.target.before, told.target.after) == (Decimal(0), Decimal("12.50"))
    assert told.refusal is None


@pytest.mark.parametrize(
    ("source", "target", "amount", "field"),
    [
        (0, 0, "1", "to_subaccount"),
        (0, 77, "1", "to_subaccount"),
        (0, 1, "0.005", "amount"),
        (0, 1, "25000.01", "amount"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_committed(
    desk: PaperDesk, source: int, target: int, amount: str, field: str
) -> None:
    with pytest.raises(DeskError) as refused:
        transfer_submit(
            desk.place.trader, source=source, target=target, amount=Decimal(amount), idempotency_key=uuid.uuid4()
        )

    assert field in refused.value.fields
    assert not SubaccountAction.objects.exists()
    assert transfer_preview(desk.place.viewer, source=source, target=target, amount=Decimal(amount)).refusal


def test_a_transfer_is_committed_with_its_id_before_it_is_sent(desk: PaperDesk, queued: list[tuple[str, int]]) -> None:
    action = ask(desk)

    assert (action.state, desk.posts) == (State.COMMITTED, [])
    assert ("subaccount_send", action.pk) in queued
    assert AuditEntry.objects.filter(action="portfolio.transfer.asked").count() == 1

    action_send(action.pk)

    action.refresh_from_db()
    sent = desk.paper.exchange.member(desk.paper.user_id("trader-1")).transfers
    assert action.state == State.DONE
    assert list(sent) == [str(action.client_transfer_id)]
    assert (desk.cash_of(0), desk.cash_of(1)) == (START - 10_000, 10_000)
    assert AuditEntry.objects.filter(action="portfolio.transfer.done").count() == 1


def test_the_same_key_with_something_else_is_refused_and_moves_nothing(desk: PaperDesk) -> None:
    """As an old tab that sends a changed amount under the key of a click that was answered already."""
    key = uuid.uuid4()
    ask(desk, "100.00", key)

    with pytest.raises(DeskError) as refused:
        ask(desk, "200.00", key)
    netting_set(desk.lead, number=1, is_on=False, idempotency_key=key)
    with pytest.raises(DeskError) as other_kind:
        subaccount_create(desk.lead, name="Weather", idempotency_key=key)

    assert refused.value.code == "idempotency_mismatch"
    assert other_kind.value.code == "idempotency_mismatch"
    assert SubaccountAction.objects.count() == 2


def test_the_same_click_twice_is_one_transfer(desk: PaperDesk) -> None:
    key = uuid.uuid4()

    first, second = ask(desk, key=key), ask(desk, key=key)
    action_send(first.pk)
    action_send(first.pk)
    desk.wait(120)
    action_send(first.pk)

    assert first.pk == second.pk
    assert desk.posts == ["/portfolio/subaccounts/transfer"]


def test_an_answer_that_was_lost_is_shown_as_unknown_and_repeated_with_the_same_id(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_answer()
    action_send(action.pk)
    action.refresh_from_db()
    assert action.state == State.UNKNOWN

    again(desk, action)

    assert (action.state, "earlier request" in action.evidence) == (State.DONE, True)
    assert (desk.cash_of(0), desk.cash_of(1)) == (START - 10_000, 10_000)


def test_a_request_that_never_arrived_is_done_by_its_repeat(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_request()
    action_send(action.pk)

    again(desk, SubaccountAction.objects.get())

    assert SubaccountAction.objects.get().state == State.DONE
    assert desk.cash_of(1) == 10_000


@pytest.mark.parametrize("transfer_repeat", ["accept", "conflict"])
@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_transfer_is_done_once_under_either_reading_of_a_repeat(
    desk: PaperDesk, transfer_repeat: str, lost: int
) -> None:
    desk.paper.control("POST", "/portfolio", {"transfer_repeat": transfer_repeat})
    action = ask(desk)
    for _ in range(lost):
        desk.paper.transport.lose_next_answer()
        desk.wait(40)
        action_send(action.pk)

    again(desk, SubaccountAction.objects.get())

    assert SubaccountAction.objects.get().state == State.DONE
    assert (desk.cash_of(0), desk.cash_of(1)) == (START - 10_000, 10_000)


def test_a_worker_that_died_after_it_sent_leaves_one_transfer(desk: PaperDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """F1: the process ends between the exchange's answer and its row."""
    action = ask(desk)

    class Death(BaseException):
        pass

    def die(*args: object, **changes: object) -> None:
        raise Death

    with monkeypatch.context() as dying:
        dying.setattr("apps.portfolio.sending._store", die)
        with pytest.raises(Death):
            action_send(action.pk)
    action.refresh_from_db()
    assert action.state == State.SENDING
    assert action_send(action.pk) is None  # somebody may still be at it

    again(desk, action)

    assert (action.state, desk.cash_of(1)) == (State.DONE, 10_000)


def test_a_worker_that_died_before_it_sent_does_not_send_minutes_later(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.wait(GOOD_FOR.total_seconds() + 1)

    action_send(action.pk)

    action.refresh_from_db()
    assert (action.state, action.error_code, desk.posts) == (State.REFUSED, "too_late", [])


def test_the_exchange_refuses_and_says_why(desk: PaperDesk) -> None:
    Balance.objects.update(cash=Decimal(90_000))  # what we believe is out of date
    action = ask(desk, "30000.00")

    action_send(action.pk)

    action.refresh_from_db()
    assert (action.state, action.error_code) == (State.REFUSED, "insufficient_balance")
    assert AuditEntry.objects.filter(action="portfolio.transfer.refused").count() == 1


def test_a_refused_repeat_is_final_only_when_no_request_can_still_arrive(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_request()
    action_send(action.pk)
    desk.paper.exchange.transfer(
        desk.paper.user_id("trader-1"), client_transfer_id=str(uuid.uuid4()), source=0, target=2, cents=START
    )

    desk.wait(40)
    action_send(action.pk)
    action.refresh_from_db()
    assert action.state == State.UNKNOWN  # the first request may be on its way still

    again(desk, action)
    assert (action.state, action.error_code) == (State.REFUSED, "insufficient_balance")


def test_nothing_is_repeated_for_somebody_whose_role_was_taken_away(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_request()
    action_send(action.pk)
    Membership.objects.filter(user_id=desk.place.trader.user_id).update(roles=["viewer"])

    again(desk, SubaccountAction.objects.get())

    assert SubaccountAction.objects.get().state == State.NOT_SEEN
    assert desk.posts == ["/portfolio/subaccounts/transfer"]


def test_after_ten_minutes_a_transfer_in_doubt_is_looked_for_and_not_sent_again(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_answer()
    action_send(action.pk)
    desk.wait(REPEAT_FOR.total_seconds() + 1)

    action_send(action.pk)

    action.refresh_from_db()
    assert (action.state, len(desk.posts)) == (State.DONE, 1)
    assert "lists" in action.evidence


def test_an_exchange_that_cannot_be_reached_leaves_it_in_doubt(desk: PaperDesk) -> None:
    action = ask(desk)
    desk.paper.transport.lose_next_answer()
    action_send(action.pk)
    for _ in range(30):
        desk.paper.server.rest_faults.arm(RestFault("lose_before", 1))

    again(desk, SubaccountAction.objects.get(), times=3)

    assert SubaccountAction.objects.get().state == State.UNKNOWN


def test_the_listing_says_who_asked_for_a_transfer(desk: PaperDesk) -> None:
    action = ask(desk)
    action_send(action.pk)
    desk.paper.exchange.transfer(
        desk.paper.user_id("trader-1"), client_transfer_id=str(uuid.uuid4()), source=0, target=2, cents=500
    )

    subaccounts_refresh(desk.account.pk)
    transfers_join(desk.account.pk)

    action.refresh_from_db()
    assert action.transfer == Transfer.objects.get(to_subaccount=1)
    assert getattr(Transfer.objects.get(to_subaccount=2), "action", None) is None


def test_the_sweep_hands_over_what_was_lost(desk: PaperDesk, queued: list[tuple[str, int]]) -> None:
    action = ask(desk)
    queued.clear()
    desk.wait(5)

    actions_sweep()

    assert queued == [("subaccount_send", action.pk)]


def test_a_new_subaccount_is_opened_once_and_gets_its_name(desk: PaperDesk) -> None:
    action = subaccount_create(desk.lead, name="Weather", idempotency_key=uuid.uuid4())
    with pytest.raises(DeskError, match="busy"):
        subaccount_create(desk.lead, name="Other", idempotency_key=uuid.uuid4())

    action_send(action.pk)

    action.refresh_from_db()
    assert (action.state, action.number) == (State.DONE, 3)
    assert Subaccount.objects.get(number=3).name == "Weather"


@pytest.mark.parametrize(
    ("fault", "state", "highest"), [("lose_next_answer", State.DONE, 3), ("lose_next_request", State.NOT_SEEN, 2)]
)
def test_a_new_subaccount_in_doubt_is_looked_for_and_never_asked_for_again(
    desk: PaperDesk, monkeypatch: pytest.MonkeyPatch, fault: str, state: State, highest: int
) -> None:
    def lossy(client: object, real: Callable[..., int] = api.create_subaccount) -> int:
        getattr(desk.paper.transport, fault)()
        return real(client)

    monkeypatch.setattr(api, "create_subaccount", lossy)
    action = subaccount_create(desk.lead, name="", idempotency_key=uuid.uuid4())
    action_send(action.pk)
    action.refresh_from_db()
    assert action.state == State.UNKNOWN

    again(desk, action)

    assert (action.state, desk.posts) == (state, ["/portfolio/subaccounts"])
    assert max(desk.paper.exchange.member(desk.paper.user_id("trader-1")).accounts) == highest


def test_the_exchange_says_when_there_are_as_many_as_may_be(desk: PaperDesk) -> None:
    desk.paper.exchange.most_subaccounts = 2
    action = subaccount_create(desk.lead, name="", idempotency_key=uuid.uuid4())

    action_send(action.pk)

    action.refresh_from_db()
    assert (action.state, action.error_code) == (State.REFUSED, "subaccount_limit_reached")


def test_more_subaccounts_than_anybody_has_today_work(desk: PaperDesk) -> None:
    """0 to 32 today; nothing here counts them."""
    desk.paper.exchange.most_subaccounts = 80
    for _ in range(70):
        desk.paper.exchange.create_subaccount(desk.paper.user_id("trader-1"))

    subaccounts_refresh(desk.account.pk)
    action = transfer_submit(desk.place.trader, source=0, target=72, amount=Decimal(5), idempotency_key=uuid.uuid4())
    action_send(action.pk)

    assert Subaccount.objects.count() == 73
    assert desk.cash_of(72) == 500


def test_netting_is_switched_and_read_back(desk: PaperDesk) -> None:
    action = netting_set(desk.lead, number=1, is_on=False, idempotency_key=uuid.uuid4())
    desk.paper.transport.lose_next_answer()
    action_send(action.pk)

    again(desk, action)

    assert action.state == State.DONE
    subaccounts_refresh(desk.account.pk)
    assert Subaccount.objects.get(number=1).is_netting is False
    assert Subaccount.objects.get(number=2).is_netting is True


def test_who_may_only_look_may_ask_for_nothing(desk: PaperDesk) -> None:
    key = uuid.uuid4()
    with pytest.raises(NotAllowed):
        transfer_submit(desk.place.viewer, source=0, target=1, amount=Decimal(1), idempotency_key=key)
    with pytest.raises(NotAllowed):
        subaccount_create(desk.place.trader, name="", idempotency_key=key)
    with pytest.raises(NotAllowed):
        netting_set(desk.place.trader, number=1, is_on=False, idempotency_key=key)
    assert not SubaccountAction.objects.exists()
