"""What a request and a quote would do, said before they are sent; and the limits that hold for them."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError, NotAllowed
from apps.core.rfq import QuotePrices, RfqState
from apps.core.sweep import sweep
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange import live
from apps.markets.models import Collection, Market, Series
from apps.orders.models import RiskLimit
from apps.paper.testing import LINEAR
from apps.rfq.commands import previews as commands
from apps.rfq.events.requests import rfq_row
from apps.rfq.models import IncomingRfq, Rfq
from apps.rfq.offers import Offer
from apps.rfq.services import accepts_send, quotes, requests
from apps.rfq.services.incoming import incoming_get
from tests.rfq.scene import RFQS, Scene, post

Books = Callable[..., None]
D = Decimal


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Books:
    """Say what the gateway published last: bids of both sides, best last."""
    frames: dict[str, dict[str, Any]] = {}
    is_alive = [True]

    def show(yes: list[Any], no: list[Any], *, ticker: str = LINEAR, state: str = "live", alive: bool = True) -> None:
        recv_ms = to_unix_ms(utc_now()) - 1_500
        frames[f"book:paper:{ticker}"] = {"yes": yes, "no": no, "state": state, "why": "late", "recv_ms": recv_ms}
        is_alive[0] = alive

    def read(topic: str) -> tuple[int, dict[str, Any]] | None:
        return (1, frames[topic]) if topic in frames else None

    monkeypatch.setattr(live, "state_read", read)
    monkeypatch.setattr(live, "heartbeat_ms", lambda environment: 1 if is_alive[0] else None)
    return show


def preview(scene: Scene, **over: Any) -> dict[str, Any]:
    return commands.request(scene.quoter, {"ticker": LINEAR, "contracts": "100"} | over)


def limit(scene: Scene, **figures: Any) -> None:
    RiskLimit.objects.create(desk=scene.place.desk, set_by_id=scene.lead.user_id, set_at=utc_now(), **figures)


# --- sweeping ------------------------------------------------------------------------------------

LEVELS = [(D("0.42"), D(60)), (D("0.44"), D(40)), (D("0.50"), D(100))]


@pytest.mark.parametrize(
    ("size", "got", "cost", "worst", "is_whole"),
    [
        ({"contracts": D(50)}, 50, "21.00", "0.42", True),
        ({"contracts": D(100)}, 100, "42.80", "0.44", True),
        ({"contracts": D(201)}, 200, "92.80", "0.50", False),
        ({"target_cost": D("42.80")}, 100, "42.80", "0.44", True),
        ({"target_cost": D("42.90")}, 100, "42.80", "0.44", True),
        ({"target_cost": D("0.41")}, 0, "0", None, True),
        ({"target_cost": D(500)}, 200, "92.80", "0.50", False),
    ],
)
def test_a_sweep_takes_the_cheapest_first(
    size: dict[str, Decimal], got: int, cost: str, worst: str | None, is_whole: bool
) -> None:
    found = sweep(LEVELS, **size)

    assert (found.contracts, found.cost, found.is_whole) == (D(got), D(cost), is_whole)
    assert found.worst == (None if worst is None else D(worst))


def test_a_sweep_is_for_one_size_and_of_an_empty_book_nothing() -> None:
    with pytest.raises(ValueError, match="contracts or for a cost"):
        sweep(LEVELS)
    found = sweep([], contracts=D(1))
    assert (found.average, found.is_whole) == (None, False)


# --- a request -----------------------------------------------------------------------------------


def test_both_outcomes_are_swept_for_the_same_size_with_fees_loss_and_win(scene: Scene, book: Books) -> None:
    book([["0.3800", "100.00"], ["0.4000", "500.00"]], [["0.5600", "40.00"], ["0.5800", "60.00"]])

    told = preview(scene)

    assert told["book"] | {"age_ms": 0} == {
        "yes_bid": "0.4000",
        "yes_ask": "0.4200",
        "spread": "0.0200",
        "is_live": True,
        "age_ms": 0,
        "why": "late",
    }
    assert told["book"]["age_ms"] >= 1_500
    yes, no = told["yes"], told["no"]
    assert (yes["sweep"], yes["sweep_cost"], yes["sweep_worst"], yes["basis"]) == (
        "0.4280",
        "42.8000",
        "0.4400",
        "book",
    )
    assert (no["sweep"], no["sweep_contracts"], no["sweep_is_whole"]) == ("0.6000", "100.00", True)
    # 0.07 x 100 x 0.428 x 0.572, rounded so that the balance is in whole cents.
    assert yes["fee"] == "1.7200"
    assert D(yes["fee_worst"]) >= D(yes["fee"])
    assert D(yes["max_loss"]) == D("42.80") + D(yes["fee_worst"])
    assert D(yes["max_loss"]) + D(yes["max_win"]) == 100
    assert told["refusal"] is None


def test_an_own_limit_says_what_it_may_cost_and_a_target_cost_how_many(scene: Scene, book: Books) -> None:
    book([["0.4000", "500.00"]], [["0.5800", "60.00"]])

    limited = preview(scene, limit_yes="0.3500")
    target = preview(scene, contracts=None, target_cost="21.00")

    assert (limited["yes"]["price"], limited["yes"]["basis"], limited["no"]["basis"]) == ("0.3500", "limit", "book")
    assert (target["yes"]["contracts"], target["yes"]["cost"]) == ("50.00", "21.0000")
    assert (target["no"]["contracts"], target["no"]["cost"]) == ("35.00", "21.0000")


@pytest.mark.parametrize("dead", [{"state": "stale"}, {"alive": False}])
def test_a_book_that_is_not_live_is_not_swept_and_says_so(scene: Scene, book: Books, dead: dict[str, Any]) -> None:
    book([["0.4000", "500.00"]], [["0.5800", "60.00"]], **dead)

    told = preview(scene)

    assert (told["yes"]["sweep"], told["book"]["is_live"], told["book"]["yes_ask"]) == (None, False, "0.4200")
    assert told["reasons"]["sweep"].startswith("There is no live book")
    assert requests.rfq_submit(scene.quoter, scene.ask()).book_at_send["sweep_yes"] is None


def test_without_book_and_limit_nothing_is_made_up(scene: Scene, book: Books) -> None:
    told = preview(scene)

    assert (told["yes"]["price"], told["yes"]["cost"], told["yes"]["max_loss"], told["needed"]) == (None,) * 4
    assert told["reasons"]["cost"]
    assert (told["cash"], told["is_funded"]) == (None, None)


def test_money_limits_and_approval_are_said(scene: Scene, book: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.core import ports
    from apps.rfq.services.four_eyes import threshold_set

    book([["0.4000", "500.00"]], [["0.5800", "500.00"]])
    monkeypatch.setattr(ports, "holdings", [lambda *ids: ports.Holding(cash=D(61), position=D(0))])
    limit(scene, max_count=D(80))
    threshold_set(scene.lead, contracts=D(50), cost=None)

    told = preview(scene)

    assert (told["cash"], told["is_funded"]) == ("61.0000", False)  # NO costs 60 and its fee
    assert [(one["name"], one["ok"]) for one in told["limits"]] == [("max_count", False)]
    assert "100 contracts are more than 50" in told["approval"]
    assert told["refusal"]["code"] == "limit_max_count"


def test_asking_again_soon_is_warned_of(scene: Scene, book: Books) -> None:
    rfq = scene.request()

    assert [one["code"] for one in preview(scene, replace_existing=True)["warnings"]] == ["repeated"]
    assert preview(scene)["refusal"]["code"] == "rfq_open"
    Rfq.objects.filter(pk=rfq.pk).update(created_at=utc_now() - timedelta(minutes=11))
    assert preview(scene, replace_existing=True)["warnings"] == []


def test_a_preview_stores_nothing_and_is_for_who_may_ask(scene: Scene, book: Books) -> None:
    preview(scene)

    assert (Rfq.objects.count(), scene.queued) == (0, [])
    with pytest.raises(NotAllowed):
        commands.request(scene.place.viewer, {"ticker": LINEAR, "contracts": "100"})
    with pytest.raises(DeskError) as refused:
        preview(scene, contracts=None)
    assert "contracts" in refused.value.fields


def test_a_combo_that_is_not_made_yet_has_bounds_and_the_fees_of_its_series(scene: Scene, book: Books) -> None:
    event = Market.objects.get(ticker=LINEAR).event
    for name, bid in (("A", "0.60"), ("B", "0.50")):
        Market.objects.create(
            environment="paper",
            ticker=f"KXL-{name}",
            event=event,
            series_ticker="KXL",
            status="active",
            yes_bid=D(bid),
            yes_ask=D(bid) + D("0.02"),
        )
    Series.objects.create(environment="paper", ticker="KXMVE", fee_type="quadratic_with_combo_maker_fees")
    Collection.objects.create(
        environment="paper", ticker="KXMVE-R", series_ticker="KXMVE", events=[{"ticker": event.ticker}], size_max=3
    )
    legs = [
        {"event_ticker": event.ticker, "market_ticker": f"KXL-{name}", "side": side}
        for name, side in (("A", "yes"), ("B", "no"))
    ]

    told = preview(scene, ticker=None, combo={"collection": "KXMVE-R", "legs": legs})

    assert told["bounds"] == {"lowest": "0.1000", "product": "0.2989", "highest": "0.4900"}
    assert (told["ticker"], told["yes"]["basis"], told["yes"]["price"]) == (None, "bounds", "0.4900")
    assert (told["no"]["price"], told["refusal"]) == ("0.9000", None)
    # Makers pay half of it on combos.
    assert 0 < D(told["yes"]["fee_maker"]) < D(told["yes"]["fee"])


# --- the book that an improvement is measured against ----------------------------------------------


def test_the_book_at_the_send_makes_the_improvement_true(scene: Scene, book: Books) -> None:
    book([["0.4000", "500.00"]], [["0.5600", "40.00"], ["0.5800", "60.00"]])
    rfq = scene.request()
    scene.quote(rfq, "0.3900", "0.6000")
    scene.hear()

    row = rfq_row(Rfq.objects.get(pk=rfq.pk))

    kept = row["book"]
    assert (kept["yes_bid"], kept["yes_ask"], kept["sweep_yes"], kept["sweep_no"]) == (
        "0.4000",
        "0.4200",
        "0.4280",
        "0.6000",
    )
    (quote,) = row["quotes"]
    assert (quote["buy_yes"], quote["improvement_yes"]) == ("0.4000", "0.0280")
    assert (quote["buy_no"], quote["improvement_no"]) == ("0.6100", "-0.0100")


def test_a_book_that_is_too_thin_has_no_price_for_this_size(scene: Scene, book: Books) -> None:
    book([["0.4000", "99.00"]], [["0.5800", "100.00"]])
    rfq = scene.request()

    assert (rfq.book_at_send["sweep_yes"], rfq.book_at_send["sweep_no"]) == ("0.4200", None)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "over", "expected"),
    [
        ({"max_count": D(99)}, {}, "limit_max_count"),
        ({"max_notional": D(30)}, {"limit_yes": D("0.31")}, "limit_max_notional"),
        ({"max_notional": D(30)}, {"contracts": None, "target_cost": D(31)}, "limit_max_notional"),
    ],
)
def test_limits_refuse_a_request(scene: Scene, figures: dict[str, Any], over: dict[str, Any], expected: str) -> None:
    limit(scene, **figures)

    with pytest.raises(DeskError) as refused:
        requests.rfq_submit(scene.quoter, scene.ask(**over))

    assert refused.value.code == expected
    assert "Your limit is" in refused.value.text
    assert not Rfq.objects.exists()


def test_a_limit_that_was_lowered_after_the_click_stops_the_send(scene: Scene) -> None:
    rfq = requests.rfq_submit(scene.quoter, scene.ask())
    limit(scene, max_count=D(10))
    scene.work()
    rfq.refresh_from_db()

    assert (rfq.state, rfq.error_code, scene.theirs()) == (RfqState.REFUSED, "limit_max_count", [])


def test_limits_refuse_an_accept_at_the_click_and_at_the_send(scene: Scene) -> None:
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.2000", "0.7500")
    scene.hear()
    limit(scene, max_notional=D(30))

    with pytest.raises(DeskError) as refused:
        scene.accept(rfq, quote_id, "no", "0.8000")
    assert (refused.value.code, rfq.accepts.count()) == ("limit_max_notional", 0)
    accept = scene.accept(rfq, quote_id, "yes", "0.2500")
    RiskLimit.objects.update(max_notional=D(20))
    accepts_send.accept_send(accept.pk)
    accept.refresh_from_db()
    assert (accept.state, accept.error_code) == ("refused", "limit_max_notional")


# --- a quote -------------------------------------------------------------------------------------


@pytest.fixture
def incoming(scene: Scene) -> IncomingRfq:
    rfq_id = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=50, rest_remainder=False)["id"]
    return incoming_get(scene.place.account.pk, "paper", rfq_id)


def quote_preview(scene: Scene, incoming: IncomingRfq, **over: Any) -> dict[str, Any]:
    return commands.quote(scene.quoter, {"rfq_id": incoming.rfq_id, "yes_bid": "0.3000", "no_bid": "0.6000"} | over)


def test_a_quote_is_shown_with_neighbours_width_cost_and_edge(
    scene: Scene, incoming: IncomingRfq, book: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.core import ports
    from apps.rfq.models import FairMark

    book([["0.2900", "50.00"]], [["0.5900", "50.00"]])
    monkeypatch.setattr(ports, "holdings", [lambda *ids: ports.Holding(cash=D(1_000), position=D(20))])
    FairMark.objects.create(
        desk=scene.place.desk,
        environment="paper",
        ticker=LINEAR,
        source="manual",
        yes=D("0.34"),
        set_by_id=scene.quoter.user_id,
        set_at=utc_now(),
    )

    told = quote_preview(scene, incoming)

    assert (told["width"], told["fair"], told["fair_source"]) == ("0.1000", "0.3400", "manual")
    yes, no = told["yes"], told["no"]
    assert (yes["below"], yes["snapped"], yes["above"]) == ("0.2900", "0.3000", "0.3100")
    assert (no["below"], no["snapped"], no["above"]) == ("0.5900", "0.6000", "0.6100")
    assert (yes["contracts"], yes["cost"], yes["edge"], yes["edge_total"]) == ("50.00", "15.0000", "0.0400", "2.0000")
    assert (yes["position_after"], yes["exposure_after"]) == ("70.00", "15.0000")
    # 20 YES are held: 20 of the 50 NO close them, 30 open.
    assert (no["position_after"], no["exposure_after"], no["edge"]) == ("-30.00", "18.0000", "0.0600")
    assert (told["refusal"], told["warnings"]) == (None, [])


def test_off_grid_one_sided_crossing_and_below_fair_are_said(scene: Scene, incoming: IncomingRfq, book: Books) -> None:
    book([["0.2900", "50.00"]], [["0.5900", "50.00"]])

    off = quote_preview(scene, incoming, yes_bid="0.3050")
    crossing = quote_preview(scene, incoming, yes_bid="0.4100", no_bid="0", post_only=True)

    assert (off["yes"]["snapped"], off["refusal"]["code"]) == ("0.3000", "off_grid")
    assert crossing["yes"]["crosses"] == "0.4100"
    assert [one["code"] for one in crossing["warnings"]] == ["crosses", "one_sided"]
    assert "post-only cancels it" in crossing["warnings"][0]["text"]
    assert (crossing["no"]["contracts"], crossing["no"]["cost"]) == (None, None)


def test_a_target_cost_is_shown_at_its_worst(scene: Scene, book: Books) -> None:
    body = {"market_ticker": LINEAR, "target_cost_dollars": "30.00", "rest_remainder": False}
    rfq_id = post(scene.maker, RFQS, **body)["id"]
    incoming = incoming_get(scene.place.account.pk, "paper", rfq_id)

    told = quote_preview(scene, incoming, yes_bid="0.1000", no_bid="0.8000")

    assert (told["yes"]["contracts"], told["no"]["contracts"]) == ("300.00", "150.00")
    assert told["reasons"]["edge"]


def test_limits_refuse_a_quote(scene: Scene, incoming: IncomingRfq, book: Books) -> None:
    limit(scene, max_notional=D(20))

    told = quote_preview(scene, incoming)
    offer = Offer(
        idempotency_key=uuid.uuid4(),
        account_id=scene.place.account.pk,
        rfq_id=incoming.rfq_id,
        prices=QuotePrices(D("0.30"), D("0.60")),
    )
    with pytest.raises(DeskError) as refused:
        quotes.quote_submit(scene.quoter, offer, incoming)

    assert refused.value.code == told["refusal"]["code"] == "limit_max_notional"
    assert [one["ok"] for one in told["limits"]] == [False]
