"""Requests and accepts that leave by KalshiRT: the services and gates of REST, one send at most, evidence in doubt."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.exchange.wire.errors import OutcomeUnknown
from apps.fix.models import FixCommand, FixSession
from apps.fix.rfq_routing import RequestsByFix
from apps.paper.testing import LINEAR
from apps.rfq.models import Accept, ComboResolution, ReceivedQuote, Rfq
from apps.rfq.services import accepts_send, combos, requests, requests_send
from apps.rfq.services.requests_sweep import rfq_resolve
from tests.fix.rfq_desk import Line, fix, line
from tests.paper.server.combos import COLLECTION
from tests.rfq.conftest import commits, place, published, queued, scene
from tests.rfq.scene import Scene
from tests.rfq.test_combos import PAIR, combos_at_exchange, desk

__all__ = ["commits", "desk", "fix", "line", "place", "published", "queued", "scene"]
State = Accept.State


@pytest.fixture
def asker(line: Callable[..., Line]) -> Line:
    return line("rt")


@pytest.fixture
def ask(asker: Line) -> Callable[..., Rfq]:
    """Ask for quotes, and send that; nothing else that was queued runs."""

    def ask(**over: Any) -> Rfq:
        scene = asker.scene
        rfq = requests.rfq_submit(scene.quoter, scene.ask(**over))
        scene.queued.clear()
        requests_send.rfq_send(rfq.pk)
        rfq.refresh_from_db()
        return rfq

    return ask


def commands(msg_type: str) -> list[FixCommand]:
    return list(FixCommand.objects.filter(msg_type=msg_type))


def test_a_request_by_fix_is_open_under_the_exchanges_id(scene: Scene, ask: Callable[..., Rfq]) -> None:
    rfq = ask()

    (theirs,) = scene.theirs()
    assert (rfq.state, rfq.rfq_id) == (RfqState.OPEN, theirs["id"])
    assert theirs["contracts_fp"] == "100.00"
    (sent,) = commands("R")
    assert (sent.state, sent.order_id, sent.is_once) == ("told", theirs["id"], True)


def test_one_command_for_a_request_ever(scene: Scene, asker: Line, ask: Callable[..., Rfq]) -> None:
    rfq = ask()
    with pytest.raises(OutcomeUnknown, match="handed"):
        RequestsByFix(scene.place.account.pk, "rt").request(rfq)
    assert (asker.sent("R"), len(scene.theirs())) == (1, 1)


def test_a_refused_request_is_refused_in_the_exchanges_words(
    scene: Scene, asker: Line, ask: Callable[..., Rfq]
) -> None:
    with scene.paper.client("trader-1") as client:  # another program of this member asked already
        body = {"market_ticker": LINEAR, "contracts": 5, "rest_remainder": False}
        assert client.post("/communications/rfqs", json=body).status_code == 201
    rfq = ask()

    assert (rfq.state, asker.sent("R"), len(scene.theirs())) == (RfqState.REFUSED, 1, 1)
    assert rfq.error_text == commands("R")[0].text != ""


def test_without_its_session_nothing_leaves(scene: Scene, asker: Line, ask: Callable[..., Rfq]) -> None:
    FixSession.objects.update(is_wanted=False, state="stopped")
    rfq = ask()

    assert (rfq.state, rfq.error_code, scene.theirs()) == (RfqState.REFUSED, "fix_stopped", [])


@pytest.mark.parametrize("fault", ["swallow", "cut_before"])
def test_a_lost_answer_leaves_doubt_and_reading_ends_it(
    scene: Scene, asker: Line, ask: Callable[..., Rfq], fault: str
) -> None:
    asker.fault(fault, "b")
    rfq = ask()
    assert (rfq.state, asker.sent("R")) == (RfqState.UNKNOWN, 1)
    assert requests_send.rfq_send(rfq.pk) is None, "never again"
    rfq_resolve(rfq.pk)
    rfq.refresh_from_db()

    assert (rfq.state, len(scene.theirs())) == (RfqState.OPEN, 1)


def test_an_acknowledgement_that_comes_after_the_sender_gave_up_ends_the_doubt(
    asker: Line, ask: Callable[..., Rfq]
) -> None:
    """KalshiRT sends again what was missed: the message itself names the row."""
    asker.fault("swallow", "b")
    rfq = ask()
    assert rfq.state == RfqState.UNKNOWN
    asker.end.cut(Random(1))
    asker.end.connect()
    asker.hear()
    rfq.refresh_from_db()
    assert rfq.state == RfqState.OPEN


def test_a_request_is_closed_by_fix(scene: Scene, asker: Line, ask: Callable[..., Rfq]) -> None:
    rfq = ask()
    requests.rfq_close(scene.quoter, rfq)
    requests_send.rfq_delete(rfq.pk)
    rfq_resolve(rfq.pk)
    rfq.refresh_from_db()

    assert (rfq.state, [one.state for one in commands("UE")]) == (RfqState.CLOSED, ["told"])


def test_the_exchange_closing_a_request_makes_the_desk_read_it(scene: Scene, asker: Line, ask: Any) -> None:
    rfq = ask()
    with scene.paper.client("trader-1") as client:
        client.delete(f"/communications/rfqs/{rfq.rfq_id}")
    assert asker.hear() == ["AG"]
    assert ("rfq_resolve", rfq.pk) in scene.queued


# --- quotes received, and taken ------------------------------------------------------------------------


def test_quotes_are_heard_by_fix_and_named_by_the_socket(scene: Scene, asker: Line, ask: Callable[..., Rfq]) -> None:
    """FIX does not say who quotes: what the socket adds replaces that maker's older quote."""
    rfq = ask()
    first = scene.quote(rfq, "0.30", "0.60")
    asker.hear()
    assert ReceivedQuote.objects.get().maker == ""
    second = scene.quote(rfq, "0.31", "0.61")
    asker.hear()
    scene.hear()
    states = dict(ReceivedQuote.objects.values_list("quote_id", "state"))
    assert states == {first: QuoteState.REPLACED, second: QuoteState.OPEN}
    assert ReceivedQuote.objects.exclude(maker="").count() == 2


@pytest.fixture
def quoted(scene: Scene, asker: Line, ask: Callable[..., Rfq]) -> Callable[..., tuple[Rfq, str]]:
    """A request with one quote on it, heard by FIX."""

    def quoted(**over: Any) -> tuple[Rfq, str]:
        rfq = ask(**over)
        quote_id = scene.quote(rfq, "0.30", "0.60")
        asker.hear()
        scene.queued.clear()
        return rfq, quote_id

    return quoted


def taken(scene: Scene, rfq: Rfq, quote_id: str, buys: str = "yes", price: str = "0.40") -> Accept:
    accept = scene.accept(rfq, quote_id, buys, price)
    scene.queued.clear()
    accepts_send.accept_send(accept.pk)
    accept.refresh_from_db()
    return accept


def theirs(scene: Scene, quote_id: str) -> dict[str, Any]:
    found: dict[str, Any] = scene.us.get(f"/communications/quotes/{quote_id}").json()["quote"]
    return found


@pytest.mark.parametrize(("buys", "price", "side"), [("yes", "0.40", "no"), ("no", "0.70", "yes")])
def test_a_quote_is_taken_by_fix_on_the_side_that_is_bought(
    scene: Scene, asker: Line, quoted: Callable[..., tuple[Rfq, str]], buys: str, price: str, side: str
) -> None:
    rfq, quote_id = quoted()
    accept = taken(scene, rfq, quote_id, buys, price)

    assert (accept.state, asker.sent("UA")) == (State.AWAITING, 1)
    assert (theirs(scene, quote_id)["status"], theirs(scene, quote_id)["accepted_side"]) == ("accepted", side)


def test_an_accept_that_is_refused_took_nothing(scene: Scene, asker: Line, quoted: Any) -> None:
    rfq, quote_id = quoted()
    with scene.paper.client("maker") as client:
        client.delete(f"/communications/quotes/{quote_id}")
    accept = taken(scene, rfq, quote_id)

    assert (accept.state, accept.error_text) == (State.REFUSED, commands("UA")[0].text)


def test_an_accept_in_doubt_is_never_sent_again_and_read(scene: Scene, asker: Line, quoted: Any) -> None:
    rfq, quote_id = quoted()
    asker.fault("swallow", "UC")
    accept = taken(scene, rfq, quote_id)
    assert accept.state == State.UNKNOWN
    assert accepts_send.accept_send(accept.pk) is None
    accepts_send.accept_resolve(accept.pk)
    accept.refresh_from_db()

    assert (accept.state, asker.sent("UA")) == (State.AWAITING, 1)


def test_a_target_cost_is_taken_by_its_contracts_if_they_are_whole(scene: Scene, asker: Line, quoted: Any) -> None:
    rfq, quote_id = quoted(contracts=None, target_cost=Decimal("10.30"))
    accept = scene.accept(rfq, quote_id, "yes", "0.40")
    contracts = accept.contracts
    Accept.objects.filter(pk=accept.pk).update(contracts=Decimal("10.5"))
    accepts_send.accept_send(accept.pk)
    accept.refresh_from_db()
    assert (accept.state, accept.error_code, asker.sent("UA")) == (State.REFUSED, "fix_contracts", 0)

    again = taken(scene, rfq, quote_id)
    (sent,) = commands("UA")
    assert (again.state, Decimal(dict(sent.fields)[38])) == (State.AWAITING, contracts)


class TestBetterQuotes:
    """PreferBetterQuote (21022): the exchange takes the best one, and that is the one that the desk follows."""

    @pytest.fixture
    def asker(self, line: Callable[..., Line]) -> Line:
        return line("rt", prefers_better=True)

    @pytest.fixture
    def both(self, scene: Scene, quoted: Any) -> tuple[Rfq, str, str]:
        rfq, worse = quoted()
        better = scene.quote(rfq, "0.30", "0.65", by="trader-2")
        return rfq, worse, better

    def test_the_better_one_is_followed(self, scene: Scene, asker: Line, both: Any) -> None:
        rfq, worse, better = both
        asker.hear()
        accept = taken(scene, rfq, worse)

        assert (accept.state, accept.quote.quote_id, accept.prefers_better) == (State.AWAITING, better, True)
        assert (theirs(scene, worse)["status"], theirs(scene, better)["status"]) == ("open", "accepted")

    def test_in_doubt_every_quote_of_the_request_is_read(self, scene: Scene, asker: Line, both: Any) -> None:
        rfq, worse, better = both
        asker.fault("swallow", "UC")
        accept = taken(scene, rfq, worse)
        assert (accept.state, accept.quote.quote_id) == (State.UNKNOWN, worse)
        accepts_send.accept_resolve(accept.pk)
        accept.refresh_from_db()

        assert (accept.state, accept.quote.quote_id) == (State.AWAITING, better)

    def test_the_socket_may_tell_first(self, scene: Scene, asker: Line, both: Any) -> None:
        rfq, worse, better = both
        asker.loses_answers = True
        accept = taken(scene, rfq, worse)
        assert accept.state == State.UNKNOWN
        scene.hear()
        accept.refresh_from_db()

        assert (accept.state, accept.quote.quote_id) == (State.AWAITING, better)


# --- legs ----------------------------------------------------------------------------------------------


@pytest.fixture
def combo(desk: Scene, ask: Callable[..., Rfq]) -> Callable[[], Rfq]:
    return lambda: ask(ticker="", collection=COLLECTION, legs=PAIR)


def test_legs_go_with_the_request_and_its_answer_names_the_market(
    desk: Scene, asker: Line, combo: Callable[[], Rfq]
) -> None:
    rfq = combo()

    (ticker,) = combos_at_exchange(desk)
    assert (rfq.state, rfq.ticker) == (RfqState.OPEN, ticker)
    (sent,) = commands("R")
    assert [[20181, "2"], [55, ticker]] == [
        [tag, value] for tag, value in [*sent.fields, (55, ticker)] if tag in (55, 20181)
    ]
    wish = ComboResolution.objects.get()
    assert (wish.is_created, combos.budget_of(rfq.account, now=utc_now()).used) == (True, 1)


def test_a_request_of_legs_in_doubt_is_found_by_its_legs(desk: Scene, asker: Line, combo: Callable[[], Rfq]) -> None:
    asker.fault("swallow", "b")
    rfq = combo()
    assert (rfq.state, rfq.ticker) == (RfqState.UNKNOWN, "")
    rfq_resolve(rfq.pk)
    rfq.refresh_from_db()

    assert (rfq.state, [rfq.ticker]) == (RfqState.OPEN, combos_at_exchange(desk))
