"""Legs of combos: what is said about them, and how they become a market, against the in-process paper exchange."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache

from apps.core.combos import Leg
from apps.core.errors import DeskError, NotAllowed
from apps.core.rfq import RfqState
from apps.core.timestamps import utc_now
from apps.exchange.wire.errors import Refused
from apps.markets import services as catalogue
from apps.markets.models import Collection, Event, Market
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED
from apps.rfq.commands import combos as commands
from apps.rfq.events.requests import rfq_row
from apps.rfq.models import ComboResolution, ComboTicker, Rfq
from apps.rfq.selectors.combos import resolution_rows_of
from apps.rfq.services import combos, combos_send, requests, requests_send
from tests.orders.conftest import Published
from tests.paper.server.combos import COLLECTION, DAY_MS, MVE, list_collection
from tests.rfq.scene import Scene

State = ComboResolution.State
PRICES = {LINEAR: ("0.4000", "0.4400"), DECI: ("0.7000", "0.7200"), TAPERED: ("0.1000", "0.1400")}


def legs(*tickers: str, side: Any = "no") -> tuple[Leg, ...]:
    return tuple(Leg(EVENT, ticker, side) for ticker in tickers)


PAIR = legs(LINEAR, DECI)


@pytest.fixture
def desk(scene: Scene) -> Scene:
    """The desk knows the exchange's catalogue, with one collection over one event."""
    cache.clear()
    Market.objects.filter(ticker__in=(LINEAR, DECI)).delete()
    list_collection(scene.paper)
    client = scene.client(scene.place.account.pk, write=False)
    catalogue.catalogue_sync("paper", client=client, is_full=True)
    catalogue.collections_sync("paper", client=client, is_forced=True)
    for ticker, (bid, ask) in PRICES.items():
        Market.objects.filter(ticker=ticker).update(yes_bid=Decimal(bid), yes_ask=Decimal(ask))
    return scene


def params(chosen: tuple[Leg, ...], collection: str = COLLECTION) -> dict[str, Any]:
    return {"collection": collection, "legs": combos.rows_of(chosen)}


def check(desk: Scene, *chosen: Leg) -> dict[str, Any]:
    return commands.check(desk.quoter, params(chosen))


def resolve(desk: Scene, chosen: tuple[Leg, ...] = PAIR) -> dict[str, Any]:
    return commands.resolve(desk.quoter, params(chosen))


def wish() -> ComboResolution:
    return ComboResolution.objects.select_related("account").get()


def combos_at_exchange(desk: Scene) -> list[str]:
    return sorted(market.ticker for market in desk.paper.exchange.markets.values() if market.is_combo)


# --- the builder ---------------------------------------------------------------------------------


def test_the_builder_is_told_collections_then_events_then_markets(desk: Scene) -> None:
    (collection,) = commands.list_(desk.quoter, {})["collections"]
    events = commands.list_(desk.quoter, {"collection": COLLECTION})["events"]
    markets = commands.list_(desk.quoter, {"event": EVENT})["markets"]

    assert (collection["ticker"], collection["title"], collection["size_max"]) == (COLLECTION, "Test combos", 3)
    assert [(row["event_ticker"], row["size_max"], row["markets"]) for row in events] == [(EVENT, 3, 4)]
    assert {row["market_ticker"]: row["yes_ask"] for row in markets}[DECI] == "0.7200"
    assert commands.list_(desk.quoter, {"text": "no such words"})["collections"] == []
    assert commands.list_(desk.lead, {"text": "test combos"})["collections"]


def test_two_good_legs_have_prices_bounds_and_a_note_about_one_event(desk: Scene) -> None:
    found = check(desk, *PAIR)

    assert found["problems"] == []
    by_ticker = {row["market_ticker"]: row for row in found["legs"]}
    assert (by_ticker[LINEAR]["bid"], by_ticker[LINEAR]["ask"], by_ticker[LINEAR]["chance"]) == (
        "0.5600",
        "0.6000",
        "0.5800",
    )
    # 0.58 and 0.29: at least nothing, at most the smaller one.
    assert (found["lowest"], found["product"], found["highest"]) == ("0.0000", "0.1682", "0.2900")
    assert "expect correlation" in found["notes"][0]
    assert (found["ticker"], found["budget"]["used"], found["budget"]["left"]) == (None, 0, 5_000)


@pytest.mark.parametrize(
    ("chosen", "expected", "marked"),
    [
        (legs(LINEAR), "size", ()),
        (legs(LINEAR, LINEAR_2, DECI, TAPERED), "size", ()),
        (legs(LINEAR, LINEAR), "duplicated_legs", (LINEAR,)),
        ((*legs(LINEAR), *legs(LINEAR, side="yes")), "conflicting_leg_outcomes", (LINEAR,)),
        (legs(LINEAR, LINEAR_2, side="yes"), "conflicting_leg_outcomes", (LINEAR, LINEAR_2)),
        ((*PAIR, Leg("KXNONE", "KXNONE-A", "yes")), "event_not_in_collection", ("KXNONE-A",)),
        ((*legs(LINEAR), Leg(EVENT, "KXNONE-A", "no")), "market_not_in_event", ("KXNONE-A",)),
    ],
)
def test_what_cannot_be_a_combo_is_said_with_the_legs_to_mark(
    desk: Scene, chosen: tuple[Leg, ...], expected: str, marked: tuple[str, ...]
) -> None:
    found = {problem["code"]: problem for problem in check(desk, *chosen)["problems"]}

    assert tuple(found[expected]["tickers"]) == marked
    with pytest.raises(DeskError) as refused:
        resolve(desk, chosen)
    assert refused.value.code == "combo_refused"
    assert set(marked) <= set(refused.value.fields)
    assert not ComboResolution.objects.exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_all_yes": True}, "side_not_allowed"),
        ({"events": [{"ticker": EVENT, "is_yes_only": True}]}, "side_not_allowed"),
        ({"events": [{"ticker": EVENT, "size_max": 1}]}, "event_size"),
        ({"events": [{"ticker": EVENT}, {"ticker": "KXMUST", "size_min": 1}]}, "event_size"),
        ({"is_single_market_per_event": True}, "event_size"),
        ({"close_time": utc_now() - timedelta(seconds=1)}, "collection_not_open"),
        ({"open_time": utc_now() + timedelta(days=1)}, "collection_not_open"),
        ({"is_listed": False}, "collection_not_open"),
    ],
)
def test_the_collections_own_rules_are_said_first(desk: Scene, change: dict[str, Any], expected: str) -> None:
    Collection.objects.filter(ticker=COLLECTION).update(**change)

    assert expected in [problem["code"] for problem in check(desk, *PAIR)["problems"]]


def test_a_leg_that_does_not_trade_is_marked_and_one_without_a_price_has_no_bounds(desk: Scene) -> None:
    Market.objects.filter(ticker=DECI).update(status="inactive", yes_ask=None)

    found = check(desk, *PAIR)

    assert [(problem["code"], problem["tickers"]) for problem in found["problems"]] == [("market_not_open", [DECI])]
    assert (found["product"], found["reasons"]["bounds"]) == (None, "A leg has no price on both sides.")


def test_legs_of_one_game_in_two_series_are_said_to_move_together(desk: Scene) -> None:
    event = Event.objects.create(environment="paper", ticker=EVENT.replace("KXTEST", "KXOTHER"), series_ticker="KXO")
    Market.objects.create(environment="paper", ticker="KXOTHER-A", event=event, series_ticker="KXO", status="active")
    Collection.objects.filter(ticker=COLLECTION).update(events=[{"ticker": EVENT}, {"ticker": event.ticker}])

    together = check(desk, *legs(LINEAR), Leg(event.ticker, "KXOTHER-A", "yes"))

    assert together["problems"] == []
    assert len(together["notes"]) == 1


def test_order_tells_combos_apart_only_where_the_collection_says_so(desk: Scene) -> None:
    collection = Collection.objects.get(ticker=COLLECTION)
    turned = tuple(reversed(PAIR))
    assert combos.legs_key(collection, PAIR) == combos.legs_key(collection, turned)

    collection.is_ordered = True

    assert combos.legs_key(collection, PAIR) != combos.legs_key(collection, turned)
    many = tuple(Leg(EVENT, f"KX-{number:0>100}", "yes") for number in range(40))
    assert len(combos.legs_key(collection, many)) <= combos.KEY_LENGTH


# --- from legs to a market -----------------------------------------------------------------------


def test_legs_are_made_a_market_once_and_known_from_then_on(desk: Scene, published: Published) -> None:
    first = resolve(desk)
    assert (first["ticker"], first["combo"]["state"]) == (None, "waiting")
    assert combos_at_exchange(desk) == []
    desk.work()

    (ticker,) = combos_at_exchange(desk)
    row = wish()
    assert (row.state, row.ticker, row.is_created) == (State.DONE, ticker, True)
    assert Market.objects.get(ticker=ticker).legs == combos.rows_of(sorted(PAIR, key=lambda leg: leg.market_ticker))
    again = resolve(desk, tuple(reversed(PAIR)))
    assert (again["ticker"], again["combo"], desk.queued) == (ticker, None, [])
    assert check(desk, *PAIR)["budget"]["used"] == 1
    states = [row["state"] for row in published.rows("combos") if row]
    assert (states[0], states[-1]) == ("waiting", "done")
    assert list(resolution_rows_of(row.account_id)) == [f"combo:{row.pk}"]


def test_what_exists_at_the_exchange_is_looked_up_and_costs_no_creation(desk: Scene) -> None:
    with desk.paper.client("maker") as client:
        answer = client.post(
            f"/multivariate_event_collections/{COLLECTION}", json={"selected_markets": combos.rows_of(PAIR)}
        )
    resolve(desk)
    desk.work()

    assert (wish().ticker, wish().is_created) == (answer.json()["market_ticker"], False)
    assert check(desk, *PAIR)["budget"]["used"] == 0


def test_a_combo_of_the_catalogue_is_known_without_asking(desk: Scene) -> None:
    with desk.paper.client("maker") as client:
        client.post(f"/multivariate_event_collections/{COLLECTION}", json={"selected_markets": combos.rows_of(PAIR)})
    catalogue.collections_sync("paper", client=desk.client(1, write=False), is_forced=True)

    assert resolve(desk)["ticker"] == combos_at_exchange(desk)[0]
    assert resolve(desk, legs(LINEAR, TAPERED))["ticker"] is None


@pytest.mark.parametrize("fault", ["lose_next_answer", "lose_next_request"])
def test_a_lost_answer_is_asked_for_again_and_makes_one_market(desk: Scene, fault: str) -> None:
    resolve(desk)
    desk.queued.clear()
    getattr(desk.paper.transport, fault)()
    combos_send.combo_resolve(wish().pk)
    assert (wish().state, resolve(desk)["combo"]["key"]) == (State.WAITING, f"combo:{wish().pk}")

    desk.queued.clear()
    due = wish().next_look_at
    assert due is not None
    combos_send.resolutions_sweep(now=due - timedelta(milliseconds=1))
    assert desk.queued == []
    combos_send.resolutions_sweep(now=due)
    desk.work()

    assert (wish().state, len(combos_at_exchange(desk))) == (State.DONE, 1)
    assert ComboTicker.objects.count() == 1


def test_a_creation_in_doubt_counts(desk: Scene) -> None:
    resolve(desk)
    desk.queued.clear()
    desk.paper.control("POST", "/rest/fault", {"kind": "lose_after", "path": f"*/{COLLECTION}", "method": "POST"})
    combos_send.combo_resolve(wish().pk)

    assert (wish().state, wish().is_created) == (State.WAITING, True)
    combos_send.combo_resolve(wish().pk)
    assert (wish().state, combos.budget_of(wish().account, now=utc_now()).used) == (State.DONE, 1)


def test_the_weekly_budget_is_spent_in_words_and_comes_back(desk: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combos, "CREATIONS_PER_WEEK", 1)
    resolve(desk)
    desk.work()

    with pytest.raises(DeskError) as refused:
        resolve(desk, legs(LINEAR, TAPERED))
    assert refused.value.code == "combo_budget"
    assert resolve(desk)["ticker"]  # what exists costs nothing
    ComboResolution.objects.update(created_at=utc_now() - timedelta(days=8))
    assert resolve(desk, legs(LINEAR, TAPERED))["combo"]["state"] == "waiting"


def test_a_budget_spent_at_the_exchange_is_told_and_tried_again_until_it_is_given_up(desk: Scene) -> None:
    desk.paper.control("POST", "/combos", {"creations_per_week": 0})
    resolve(desk)
    desk.work()

    assert (wish().state, wish().is_created, wish().problem["code"]) == (State.WAITING, False, "rate_limited")
    ComboResolution.objects.update(asked_at=utc_now() - timedelta(minutes=2))
    combos_send.combo_resolve(wish().pk)
    assert (wish().state, wish().problem["code"]) == (State.REFUSED, "not_resolved")


def test_a_refusal_of_the_exchange_names_the_legs(desk: Scene) -> None:
    resolve(desk)
    desk.paper.control("POST", "/market", {"ticker": DECI, "action": "pause"})
    desk.work()

    problem = wish().problem
    assert (wish().state, problem["code"], problem["tickers"]) == (State.REFUSED, "market_not_open", [DECI])
    assert "cannot be a leg" in problem["text"]
    assert resolve(desk)["combo"]["state"] == "waiting"  # a new wish, once the leg is back


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("invalid_selected_markets", "SIZE", ("size", ())),
        ("invalid_selected_markets", "DUPLICATE_LEG", ("duplicated_legs", ())),
        ("invalid_selected_markets", "CONFLICTING_LEGS", ("conflicting_leg_outcomes", ())),
        ("conflicting_leg_outcomes", f"{LINEAR}, {DECI}", ("conflicting_leg_outcomes", (LINEAR, DECI))),
        ("invalid_market_combination", f"event {EVENT}", ("invalid_market_combination", (LINEAR, DECI))),
        ("something_new", "", ("something_new", ())),
    ],
)
def test_words_of_both_editions_become_ours(code: str, details: str, expected: tuple[str, tuple[str, ...]]) -> None:
    problem = combos_send.problem_of(Refused(status=400, code=code, message="no", details=details), PAIR)

    assert (problem.code, problem.tickers) == expected
    assert "no" in problem.text


def test_only_who_trades_requests_resolves(desk: Scene) -> None:
    from apps.accounts.models import Membership

    with pytest.raises(NotAllowed):
        combos.combo_want(desk.place.viewer, desk.place.account, COLLECTION, PAIR)
    resolve(desk)
    Membership.objects.filter(user_id=desk.quoter.user_id).update(roles=["viewer"])
    desk.work()

    assert (wish().state, wish().problem["code"], combos_at_exchange(desk)) == (State.REFUSED, "not_allowed", [])


# --- a request for a combo -----------------------------------------------------------------------


def combo_ask(desk: Scene, **over: Any) -> Any:
    return desk.ask(ticker="", collection=COLLECTION, legs=tuple(reversed(PAIR)), **over)


def test_a_request_for_legs_is_stored_then_made_a_market_then_sent(desk: Scene) -> None:
    ask = combo_ask(desk)
    rfq = requests.rfq_submit(desk.quoter, ask)
    assert (rfq.ticker, rfq.state, combos_at_exchange(desk)) == ("", RfqState.COMMITTED, [])
    assert " + " in rfq_row(rfq)["title"]
    desk.work()
    rfq.refresh_from_db()

    (ticker,) = combos_at_exchange(desk)
    (theirs,) = desk.theirs()
    assert (rfq.state, rfq.ticker, rfq.rfq_id) == (RfqState.OPEN, ticker, theirs["id"])
    assert theirs["mve_selected_legs"] is not None
    # The same click again, now that the market is known, is the same request.
    assert requests.rfq_submit(desk.quoter, ask).pk == rfq.pk
    other = combo_ask(desk)
    with pytest.raises(DeskError) as refused:
        requests.rfq_submit(desk.quoter, other)
    assert refused.value.code == "rfq_open"


def test_a_worker_that_dies_before_the_send_leaves_a_request_that_is_sent_once(desk: Scene) -> None:
    rfq = requests.rfq_submit(desk.quoter, combo_ask(desk))
    desk.queued.clear()
    desk.paper.transport.lose_next_answer()
    assert requests_send.rfq_send(rfq.pk) is None
    rfq.refresh_from_db()
    assert (rfq.state, rfq.ticker) == (RfqState.COMMITTED, "")

    Rfq.objects.update(created_at=utc_now())
    requests_send.rfq_send(rfq.pk)
    requests_send.rfq_send(rfq.pk)
    rfq.refresh_from_db()

    assert (rfq.state, len(combos_at_exchange(desk)), len(desk.theirs())) == (RfqState.OPEN, 1, 1)


def test_two_workers_that_name_one_request_its_market_at_once_do_not_refuse_it(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep hands over again each second, also what a worker is asking the exchange about."""
    rfq = requests.rfq_submit(desk.quoter, combo_ask(desk))
    desk.queued.clear()
    real, others = requests_send.combo_resolve, iter([True])

    def resolve_beside(pk: int) -> ComboResolution:
        found = real(pk)
        if next(others, False):  # the other worker is a little quicker, up to the claim
            assert requests_send._combo_known(rfq.pk)
        return found

    monkeypatch.setattr(requests_send, "combo_resolve", resolve_beside)
    requests_send.rfq_send(rfq.pk)
    rfq.refresh_from_db()

    assert (rfq.state, rfq.error_text, len(desk.theirs())) == (RfqState.OPEN, "", 1)


def test_legs_that_the_exchange_refuses_refuse_the_request(desk: Scene) -> None:
    rfq = requests.rfq_submit(desk.quoter, combo_ask(desk))
    desk.paper.control("POST", "/market", {"ticker": DECI, "action": "pause"})
    desk.work()
    rfq.refresh_from_db()

    assert (rfq.state, rfq.error_code) == (RfqState.REFUSED, "market_not_open")
    assert rfq.error_text.startswith("Not sent:")
    assert desk.theirs() == []


def test_two_requests_for_the_same_new_combo_become_one(desk: Scene) -> None:
    first, second = (requests.rfq_submit(desk.quoter, combo_ask(desk)) for _ in range(2))
    desk.work()
    first.refresh_from_db()
    second.refresh_from_db()

    assert (first.state, second.state, second.error_code) == (RfqState.OPEN, RfqState.REFUSED, "rfq_open")


def test_wrong_legs_are_refused_before_anything_is_stored(desk: Scene) -> None:
    ask = desk.ask(ticker=LINEAR, collection=COLLECTION, legs=legs(LINEAR, LINEAR_2, side="yes"))

    with pytest.raises(DeskError) as refused:
        requests.rfq_submit(desk.quoter, ask)

    assert refused.value.code == "combo_refused"
    assert refused.value.fields[LINEAR]


def test_a_collection_of_another_series_opens_later(desk: Scene) -> None:
    list_collection(desk.paper, ticker=f"{MVE}-LATER", open_ms=desk.paper.clock.now_ms() + DAY_MS)
    catalogue.collections_sync("paper", client=desk.client(1, write=False), is_forced=True)

    with pytest.raises(DeskError) as refused:
        commands.resolve(desk.quoter, params(PAIR, f"{MVE}-LATER"))

    assert "opens at" in refused.value.text
