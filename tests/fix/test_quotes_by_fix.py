"""Quotes that leave by KalshiRFQ: the services and gates of REST, one send at most, evidence when in doubt."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.core.rfq import ConfirmationState, Policy, QuotePrices, QuoteState
from apps.core.timestamps import utc_now
from apps.fix.models import FixCommand, FixSession
from apps.fix.rfq_routing import QuotesByFix
from apps.paper.testing import LINEAR
from apps.rfq.models import Confirmation, IncomingRfq, Quote
from apps.rfq.offers import Offer
from apps.rfq.services import confirm_send, quotes, quotes_send
from apps.rfq.services.incoming import incoming_get
from tests.fix.rfq_desk import Line, Streamed, fix, line, streamed
from tests.rfq.conftest import commits, place, published, queued, scene
from tests.rfq.scene import QUOTES, RFQS, Scene, post
from tests.rfq.window import Window, state_of, window

__all__ = ["commits", "fix", "line", "place", "published", "queued", "scene", "streamed", "window"]
Make = Callable[..., Quote]


@pytest.fixture
def maker(line: Callable[..., Line]) -> Line:
    return line("rfq")


@pytest.fixture
def incoming(maker: Line) -> IncomingRfq:
    """A request of the other member that we may quote on."""
    rfq_id = post(maker.scene.maker, RFQS, market_ticker=LINEAR, contracts=50, rest_remainder=False)["id"]
    return incoming_get(maker.scene.place.account.pk, "paper", rfq_id)


@pytest.fixture
def make(scene: Scene, incoming: IncomingRfq) -> Make:
    """Quote 30c YES and 60c NO, and send it."""

    def make(yes_bid: str = "0.30", no_bid: str = "0.60", **over: Any) -> Quote:
        values = {
            "idempotency_key": uuid.uuid4(),
            "account_id": scene.place.account.pk,
            "rfq_id": incoming.rfq_id,
            "prices": QuotePrices(Decimal(yes_bid), Decimal(no_bid)),
        }
        quote = quotes.quote_submit(scene.quoter, Offer(**(values | over)), incoming)
        scene.queued.clear()
        quotes_send.quote_send(quote.pk)
        quote.refresh_from_db()
        return quote

    return make


def listed(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.us.get(QUOTES, params={"user_filter": "self"}).json()["quotes"]
    return found


def command(msg_type: str = "S") -> FixCommand:
    return FixCommand.objects.get(msg_type=msg_type)


def test_a_quote_by_fix_is_open_under_the_exchanges_id(scene: Scene, maker: Line, make: Make) -> None:
    quote = make()

    (theirs,) = listed(scene)
    assert (quote.state, quote.quote_id) == (QuoteState.OPEN, theirs["id"])
    assert (theirs["yes_bid_dollars"], theirs["no_bid_dollars"]) == ("0.3000", "0.6000")
    sent = command()
    assert (sent.state, sent.is_once, sent.subject) == ("told", True, f"quote:{quote.pk}")
    assert sent.client_id != quote.quote_id, "a maker names its quotes itself"


def test_one_command_for_a_quote_ever(scene: Scene, maker: Line, make: Make) -> None:
    quote = make()
    with pytest.raises(Exception, match="handed"):
        QuotesByFix(scene.place.account.pk, "rfq").quote(quote)
    assert maker.sent("S") == 1


def test_a_newer_quote_replaces_ours(scene: Scene, maker: Line, make: Make) -> None:
    first, second = make(), make("0.31", "0.61")
    first.refresh_from_db()

    assert (first.state in (QuoteState.REPLACED, QuoteState.CANCELLED), second.state) == (True, QuoteState.OPEN)
    assert sum(row["status"] == "open" for row in listed(scene)) == 1


@pytest.mark.parametrize("name", ["empty", "echo", "omit"])
def test_a_refused_quote_is_refused_in_the_exchanges_words(
    scene: Scene, maker: Line, make: Make, incoming: IncomingRfq, name: Any
) -> None:
    """Its name is empty in the answer (documented): it is found by the request."""
    gateway = maker.fix.gateway
    gateway.set_rules(replace(gateway.rules, rejected_quote_id=name))
    scene.maker.delete(f"{RFQS}/{incoming.rfq_id}")
    quote = make()

    assert (quote.state, maker.sent("S"), listed(scene)) == (QuoteState.REFUSED, 1, [])
    assert quote.error_code
    assert quote.error_text == command().text


def test_what_fix_cannot_say_is_refused_before_it_leaves(maker: Line, make: Make) -> None:
    quote = make(post_only=True)

    assert (quote.state, quote.error_code) == (QuoteState.REFUSED, "fix_post_only")
    assert not FixCommand.objects.exists()


def test_without_its_session_nothing_leaves(maker: Line, make: Make, scene: Scene) -> None:
    FixSession.objects.update(state="waiting")
    quote = make()

    assert (quote.state, quote.error_code, listed(scene)) == (QuoteState.REFUSED, "fix_down", [])


def test_a_quote_that_no_gateway_took_is_never_sent(maker: Line, make: Make, scene: Scene) -> None:
    maker.is_deaf = True
    quote = make()
    maker.is_deaf = False
    maker.pump()

    assert (quote.state, quote.error_code) == (QuoteState.REFUSED, "fix_not_taken")
    assert (command().state, listed(scene)) == ("not_sent", [])


def test_a_lost_answer_leaves_doubt_and_reading_ends_it(maker: Line, make: Make, scene: Scene) -> None:
    maker.fault("swallow", "AI")
    quote = make()
    assert (quote.state, maker.sent("S")) == (QuoteState.UNKNOWN, 1)
    assert quotes_send.quote_send(quote.pk) is None, "never again"
    quotes_send.quote_resolve(quote.pk)
    quote.refresh_from_db()

    assert (quote.state, len(listed(scene))) == (QuoteState.OPEN, 1)


def test_a_session_cut_between_send_and_answer_leaves_doubt_and_nothing_is_sent_again(
    maker: Line, make: Make, scene: Scene
) -> None:
    maker.fault("cut_before", "AI")
    quote = make()
    assert quote.state == QuoteState.UNKNOWN
    maker.end.session.lost()
    maker.end.build()
    maker.end.connect()
    maker.pump()
    quotes_send.quote_resolve(quote.pk)
    quote.refresh_from_db()

    assert (quote.state, maker.sent("S"), len(listed(scene))) == (QuoteState.OPEN, 1, 1)


def test_what_is_not_listed_yet_is_looked_up_again(
    maker: Line, make: Make, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(quotes_send.api, "get_quotes", lambda *args, **params: iter(()))
        quote = make()
    assert (quote.state, quote.error_code) == (QuoteState.UNKNOWN, "unnamed")
    quotes_send.quote_resolve(quote.pk)
    quote.refresh_from_db()
    assert quote.state == QuoteState.OPEN


def test_a_quote_is_pulled_by_fix_first_and_by_rest_if_that_was_not_enough(
    maker: Line, make: Make, scene: Scene
) -> None:
    quote = make()
    maker.loses_answers = True
    maker.fault("ignore", "Z")
    quotes.quote_pull(scene.quoter, quote)
    quotes_send.quote_delete(quote.pk)
    assert [row["status"] for row in listed(scene)] == ["open"]
    quotes_send.quote_delete(quote.pk)
    quotes_send.quote_resolve(quote.pk)
    quote.refresh_from_db()

    assert (quote.state, maker.sent("Z")) == (QuoteState.CANCELLED, 1)


def test_a_pull_by_fix_is_told_by_its_session(maker: Line, make: Make, scene: Scene) -> None:
    quote = make()
    quotes.quote_pull(scene.quoter, quote)
    quotes_send.quote_delete(quote.pk)
    quote.refresh_from_db()

    assert (quote.state, command("Z").state) == (QuoteState.CANCELLED, "told")
    assert {"AI", "U9"} <= {one.msg_type for one in maker.heard}


# --- accepted ----------------------------------------------------------------------------------------


@pytest.fixture
def taken(maker: Line, window: Window) -> Callable[..., Confirmation]:
    """Our quote by FIX is accepted, and told by FIX alone unless WebSocket shall tell too."""

    def taken(*, by_socket: str = "", **over: Any) -> Confirmation:
        quote = window.quote(**over)
        window.accept(quote)
        if by_socket == "first":
            window.scene.hear()
        maker.hear()
        if by_socket == "after":
            window.scene.hear()
        return Confirmation.objects.get(quote=quote)

    return taken


@pytest.mark.parametrize("by_socket", ["", "first", "after"])
def test_an_accept_is_heard_by_fix_and_confirmed_by_fix(
    taken: Callable[..., Confirmation], maker: Line, window: Window, by_socket: str
) -> None:
    confirmation = taken(by_socket=by_socket)
    heard_by = "ws" if by_socket == "first" else "fix"
    assert (confirmation.heard_by, confirmation.accepted_side, confirmation.contracts) == (heard_by, "yes", 50)
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts) == (ConfirmationState.CONFIRMED, 1)
    assert (maker.sent("U7"), command("U7").state) == (1, "told")
    assert window.theirs(confirmation.quote)["status"] == "confirmed"


def test_an_accept_before_the_id_is_known_is_read_at_once(
    maker: Line, make: Make, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(quotes_send.api, "get_quotes", lambda *args, **params: iter(()))
        quote = make()
    assert quote.quote_id is None
    (theirs,) = listed(scene)
    assert scene.maker.put(f"{QUOTES}/{theirs['id']}/accept", json={"accepted_side": "no"}).status_code == 204
    maker.hear()

    confirmation = Confirmation.objects.get()
    assert (confirmation.quote.quote_id, confirmation.heard_by) == (theirs["id"], "fix")
    assert (confirmation.accepted_side, confirmation.state) == ("no", ConfirmationState.OPEN)


@pytest.mark.parametrize("fault", ["ignore", "swallow", "cut_before"])
def test_a_confirmation_that_got_no_answer_by_fix_goes_by_rest(
    taken: Callable[..., Confirmation],
    maker: Line,
    window: Window,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confirmation = taken()
    monkeypatch.setattr(confirm_send, "REPEAT_EVERY", confirm_send.LEAST_REPEAT / 10)
    maker.fault(fault, "U7" if fault == "ignore" else "U8")
    window.scene.work()

    assert state_of(confirmation) == ConfirmationState.CONFIRMED
    assert (maker.sent("U7"), confirmation.attempts >= 2) == (1, True)


def test_a_confirmation_goes_by_rest_while_the_session_is_down(
    taken: Callable[..., Confirmation], maker: Line, window: Window
) -> None:
    confirmation = taken()
    FixSession.objects.update(state="waiting")
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts) == (ConfirmationState.CONFIRMED, 1)
    assert not FixCommand.objects.filter(msg_type="U7").exists()


def test_what_is_past_its_time_is_not_sent_by_fix(
    taken: Callable[..., Confirmation], maker: Line, window: Window
) -> None:
    confirmation = taken(policy=Policy.AUTO)
    Confirmation.objects.filter(pk=confirmation.pk).update(send_by=utc_now())
    window.scene.work()

    assert state_of(confirmation) == ConfirmationState.MISSED
    assert not FixCommand.objects.filter(msg_type="U7").exists()


def test_requests_of_others_enter_the_stream(maker: Line, scene: Scene, streamed: Streamed) -> None:
    rfq_id = post(scene.maker, RFQS, market_ticker=LINEAR, target_cost_dollars="12.50", rest_remainder=False)["id"]
    scene.maker.delete(f"{RFQS}/{rfq_id}")
    maker.hear()

    (told,), (gone,) = streamed.created, streamed.deleted
    assert (told.id, told.market_ticker, told.contracts_fp, gone.id) == (rfq_id, LINEAR, None, rfq_id)
    assert Decimal(told.target_cost_dollars) == Decimal("12.5")


def test_messages_that_cannot_be_used_make_the_desk_read(maker: Line, make: Make, scene: Scene) -> None:
    """An accept of a quote that nobody here knows."""
    answer = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False, replace_existing=True)
    scene.queued.clear()
    found = post(scene.us, QUOTES, rfq_id=answer["id"], yes_bid="0.30", no_bid="0.60", rest_remainder=False)["id"]
    scene.maker.put(f"{QUOTES}/{found}/accept", json={"accepted_side": "yes"})
    maker.hear()
    assert ("account_rfqs_sync", scene.place.account.pk) in scene.queued
