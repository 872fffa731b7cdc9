from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.markets import event_pages
from apps.markets.models import Event, Market, Series, Watchlist
from apps.markets.selectors import outcome_of
from apps.markets.services import watchlists
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db
ROWS = "/markets/rows.json"
HOSTILE = "<img src=x onerror=alert(1)>&quot;'\"</script>"


@pytest.fixture
def desk():
    desk = make_desk()
    make_account(desk)
    return desk


@pytest.fixture
def trader(desk):
    return make_person(desk, "trader")


@pytest.fixture
def client(trader):
    return client_of(trader)


def make_event(ticker: str, **over: Any) -> Event:
    values = {"environment": "paper", "series_ticker": ticker.split("-")[0], "title": f"Event {ticker}", **over}
    Series.objects.get_or_create(
        environment=values["environment"],
        ticker=values["series_ticker"],
        defaults={"title": f"Series {values['series_ticker']}", "category": over.get("category", "")},
    )
    return Event.objects.create(ticker=ticker, **values)


def make_market(event: Event, name: str, **over: Any) -> Market:
    """An open market quoted 45 to 47 that no test should depend on; override what matters."""
    values = {
        "environment": event.environment,
        "ticker": f"{event.ticker}-{name}",
        "event": event,
        "series_ticker": event.series_ticker,
        "yes_sub_title": f"Outcome {name}",
        "status": "active",
        "close_time": utc_now() + timedelta(days=3),
        "yes_bid": Decimal("0.45"),
        "yes_ask": Decimal("0.47"),
        "yes_bid_size": Decimal("100"),
        "yes_ask_size": Decimal("50"),
        "last_price": Decimal("0.46"),
        "previous_price": Decimal("0.44"),
        "volume_24h": Decimal("500"),
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }
    return Market.objects.create(**values | over)


def make_world() -> None:
    fed = make_event("KXFED-26DEC", title="Fed funds after December", category="Economics", is_mutually_exclusive=True)
    make_market(fed, "T4", volume_24h=Decimal("9000"), yes_bid=Decimal("0.51"), yes_ask=Decimal("0.52"))
    make_market(fed, "T5", volume_24h=Decimal("10"), close_time=utc_now() + timedelta(minutes=20))
    make_market(fed, "T6", status="finalized", result="no")
    rain = make_event("KXRAIN-26NOV", title="Rain in November", category="Climate")
    make_market(rain, "T1", yes_bid=None, yes_bid_size=None, yes_ask=Decimal("0.30"), close_time=None)
    Series.objects.filter(ticker="KXRAIN").update(tags=["Weather", "Daily"])


def tickers(client: Any, query: str = "") -> list[str]:
    return [row["ticker"] for row in client.get(f"{ROWS}{query}").json()["rows"]]


# --- the list -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["KXFED-26DEC-T4", "KXRAIN-26NOV-T1", "KXFED-26DEC-T5"]),
        ("?q=december+FED", ["KXFED-26DEC-T4", "KXFED-26DEC-T5"]),
        ("?category=Climate", ["KXRAIN-26NOV-T1"]),
        ("?series=KXFED&status=all", ["KXFED-26DEC-T4", "KXFED-26DEC-T6", "KXFED-26DEC-T5"]),
        ("?status=settled", ["KXFED-26DEC-T6"]),
        ("?tag=Weather", ["KXRAIN-26NOV-T1"]),
        ("?tag=Nothing", []),
        ("?closes=1h", ["KXFED-26DEC-T5"]),
        ("?spread=1", ["KXFED-26DEC-T4"]),
        ("?spread=2", ["KXFED-26DEC-T4", "KXFED-26DEC-T5"]),
        ("?volume=500", ["KXFED-26DEC-T4", "KXRAIN-26NOV-T1"]),
        ("?sort=-volume", ["KXFED-26DEC-T5", "KXRAIN-26NOV-T1", "KXFED-26DEC-T4"]),
        ("?sort=close", ["KXFED-26DEC-T5", "KXFED-26DEC-T4", "KXRAIN-26NOV-T1"]),
        ("?sort=-close", ["KXFED-26DEC-T4", "KXFED-26DEC-T5", "KXRAIN-26NOV-T1"]),
        ("?sort=spread", ["KXFED-26DEC-T4", "KXFED-26DEC-T5", "KXRAIN-26NOV-T1"]),
        ("?q=nothing+like+it", []),
    ],
)
def test_filters_and_orders_show_what_they_say(client, query, expected):
    make_world()

    assert tickers(client, query) == expected


def test_pages_neither_repeat_nor_skip(client):
    event = make_event("KXMANY-26")
    for number in range(7):
        make_market(event, f"T{number}")

    pages = [client.get(f"{ROWS}?limit=3&offset={offset}").json() for offset in (0, 3, 6, 9)]

    assert [len(page["rows"]) for page in pages] == [3, 3, 1, 0]
    assert {page["total"] for page in pages} == {7}
    assert len({row["ticker"] for page in pages for row in page["rows"]}) == 7


def test_a_row_is_exact_and_says_nobody_where_nobody_quotes(client):
    make_world()

    row = client.get(f"{ROWS}?category=Climate").json()["rows"][0]

    assert (row["bid"], row["bid_size"], row["ask"], row["ask_size"]) == (None, None, "0.3000", "50.00")
    assert (row["last"], row["previous"], row["step"], row["close_ms"]) == ("0.4600", "0.4400", "0.0100", None)
    assert (row["url"], row["event_url"]) == ("/markets/KXRAIN-26NOV-T1/", "/markets/events/KXRAIN-26NOV/")


def test_markets_of_other_environments_are_not_listed(client):
    make_market(make_event("KXOTHER-1", environment="demo"), "T1")

    assert client.get(f"{ROWS}?status=all").json()["total"] == 0


def test_the_page_works_without_scripts(client):
    event = make_event("KXMANY-26")
    for number in range(60):
        make_market(event, f"T{number:02}", volume_24h=Decimal(number))

    first = client.get("/markets/?q=outcome").content.decode()
    second = client.get("/markets/?q=outcome&offset=50").content.decode()

    assert first.count('name="ticker"') == 50
    assert "1-50 of 60" in first
    assert "?q=outcome&amp;offset=50" in first
    assert second.count('name="ticker"') == 10
    assert "?q=outcome&amp;offset=0" in second


def test_an_empty_desk_says_why_it_is_empty(client):
    assert "The catalogue of this environment has not been read yet" in client.get("/markets/").content.decode()
    assert "No market matches" in client.get("/markets/?q=zzz").content.decode()
    assert "No market is starred yet" in client.get("/markets/?list=starred").content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("spread=abc", "A spread is a number of cents from 0 to 100"),
        ("spread=-1", "A spread is a number of cents from 0 to 100"),
        ("spread=NaN", "A spread is a number of cents from 0 to 100"),
        ("volume=1e99", "A volume is a number of contracts"),
        ("status=maybe", "Choose one of the listed statuses."),
        ("closes=soon", "Choose one of the listed closing times."),
        ("sort=title;drop", "Markets are sorted by"),
        ("offset=-5", "A page begins at a whole number"),
        ("limit=100000", "A page has 1 to 500 markets."),
        ("list=abc", "There is no such list."),
        ("q=" + "a" * 121, "A search has at most 120 characters."),
        ("q=%00", "A search has at most 120 characters."),
    ],
)
def test_filters_that_do_not_read_list_nothing_and_say_what_would(client, query, words):
    make_world()

    rows = client.get(f"{ROWS}?{query}")
    page = client.get(f"/markets/?{query}")

    assert rows.status_code == page.status_code == 400
    assert words in rows.json()["error"]
    assert words in page.content.decode()
    assert "KXFED-26DEC-T4" not in page.content.decode()


def test_a_refused_filter_is_kept_as_typed(client):
    assert 'name="spread" value="&lt;2&gt;"' in client.get("/markets/?spread=<2>").content.decode()


# --- text of the exchange is text -----------------------------------------------------------------


def test_titles_of_the_exchange_are_shown_as_text(client):
    event = make_event("KXEVIL-1", title=HOSTILE, sub_title=HOSTILE, category=HOSTILE[:80], is_mutually_exclusive=True)
    make_market(event, "T1", yes_sub_title=HOSTILE, rules_primary=HOSTILE, rules_secondary=HOSTILE)
    Series.objects.update(
        title=HOSTILE,
        tags=[HOSTILE],
        settlement_sources=[
            {"name": HOSTILE, "url": "javascript:alert(1)"},
            {"name": "Fed", "url": "https://fed.gov/x"},
        ],
    )

    page = client.get("/markets/").content.decode()
    event_page = client.get("/markets/events/KXEVIL-1/").content.decode()

    for html in (page, event_page):
        assert "<img src=x" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "javascript:" not in event_page
    assert 'href="https://fed.gov/x" rel="noopener noreferrer"' in event_page
    assert client.get(ROWS)["Content-Type"] == "application/json"


# --- search ---------------------------------------------------------------------------------------


def test_search_offers_the_event_then_its_markets_open_ones_first(client):
    make_world()

    found = client.get("/markets/search.json?q=fed").json()["markets"]

    assert [row["ticker"] for row in found] == ["KXFED-26DEC", "KXFED-26DEC-T4", "KXFED-26DEC-T5", "KXFED-26DEC-T6"]
    assert found[0] == {
        "ticker": "KXFED-26DEC",
        "title": "Fed funds after December · all outcomes",
        "url": "/markets/events/KXFED-26DEC/",
    }
    assert found[1]["title"] == "Outcome T4 · Fed funds after December"


def test_a_whole_ticker_finds_its_market_first(client):
    make_world()

    assert client.get("/markets/search.json?q=kxfed-26dec-t6").json()["markets"][0]["ticker"] == "KXFED-26DEC-T6"


@pytest.mark.parametrize("text", ["", "   ", "%00", "no such thing"])
def test_search_for_nothing_finds_nothing(client, text):
    make_world()

    assert client.get(f"/markets/search.json?q={text}").json() == {"markets": []}


# --- the event page -------------------------------------------------------------------------------


def test_an_event_shows_its_outcomes_and_their_sums(client):
    event = make_event("KXWIN-1", is_mutually_exclusive=True)
    make_market(event, "A", yes_bid=Decimal("0.40"), yes_ask=Decimal("0.43"), rules_primary="A wins.")
    make_market(event, "B", yes_bid=Decimal("0.55"), yes_ask=Decimal("0.60"), rules_primary="B wins.")

    html = client.get("/markets/events/KXWIN-1/").content.decode()

    assert html.index("Outcome B") < html.index("Outcome A")  # likeliest first
    assert 'data-sum="bids">95.0<' in html
    assert 'data-sum="asks">103.0<' in html
    assert 'data-sum="chances">99.0%<' in html
    assert 'value="5750"' in html
    assert "A wins." in html
    assert 'data-mark role="status" hidden' in html
    assert 'href="/markets/KXWIN-1-A/"' in html


def test_a_mispriced_set_is_marked_in_words(client):
    event = make_event("KXWIN-1", is_mutually_exclusive=True)
    make_market(event, "A", yes_bid=Decimal("0.52"), yes_ask=Decimal("0.55"), yes_bid_size=Decimal("40"))
    make_market(event, "B", yes_bid=Decimal("0.515"), yes_ask=Decimal("0.60"), yes_bid_size=Decimal("90"))

    html = client.get("/markets/events/KXWIN-1/").content.decode()

    assert "Bids add up to 103.5¢, more than 100¢" in html
    assert "3.5¢ a set before fees, for 40 sets at the best bids." in html


def test_outcomes_that_may_win_together_have_no_sum(client):
    event = make_event("KXABOVE-1", is_mutually_exclusive=False)
    make_market(event, "A", yes_bid=Decimal("0.90"), yes_ask=Decimal("0.95"))
    make_market(event, "B", yes_bid=Decimal("0.80"), yes_ask=Decimal("0.85"))

    html = client.get("/markets/events/KXABOVE-1/").content.decode()

    assert "data-sums" not in html
    assert "Not mutually exclusive" in html
    assert 'data-mark role="status" hidden' in html


def test_unknown_and_foreign_events_are_not_found(client):
    make_event("KXOTHER-1", environment="production")

    assert client.get("/markets/events/KXOTHER-1/").status_code == 404
    assert client.get("/markets/events/KXNONE/").status_code == 404
    assert client.get("/markets/KXNONE/").status_code == 404


def outcome(**over: Any) -> Any:
    values = {"bid": None, "ask": None, "bid_size": "100", "ask_size": "50", "status": "active", "result": "", **over}
    return outcome_of(
        Market(
            yes_bid=values["bid"] and Decimal(values["bid"]),
            yes_ask=values["ask"] and Decimal(values["ask"]),
            yes_bid_size=Decimal(values["bid_size"]),
            yes_ask_size=Decimal(values["ask_size"]),
            status=values["status"],
            result=values["result"],
        )
    )


CHEAP = ({"ask": "0.30", "bid": "0.90"}, {"ask": "0.30", "bid": "0.05"})
# The same cases as tests/js/markets/event-model.test.js.
MARKS = [
    ([{"bid": "0.52"}, {"bid": "0.51"}, {}], True, "Bids add up to 103¢, more than 100¢"),
    ([{"ask": "0.47"}, {"ask": "0.50"}], True, "Asks add up to 97¢, less than 100¢"),
    ([{"bid": "0.48", "ask": "0.50"}, {"bid": "0.49", "ask": "0.50"}], True, None),
    ([{"bid": "0.50"}, {"bid": "0.50"}], True, None),
    ([{"ask": "0.30"}, {"ask": "0.30"}, {}], True, None),
    ([{"ask": "0.30"}, {"ask": "0.30"}, {"ask": "0.10", "status": "inactive"}], True, None),
    (
        [{"ask": "0.30"}, {"ask": "0.30"}, {"status": "finalized", "result": "no"}],
        True,
        "Asks add up to 60¢, less than 100¢",
    ),
    ([{"ask": "0.30"}, {"ask": "0.30"}, {"status": "unlisted"}], True, "Asks add up to 60¢, less than 100¢"),
    ([*CHEAP], False, None),
    ([*CHEAP, {"status": "determined", "result": "yes"}], True, None),
    ([{"ask": "0.90"}], True, None),
]


@pytest.mark.parametrize(("outcomes", "is_exclusive", "title"), MARKS)
def test_a_set_is_marked_only_when_its_best_prices_cannot_fit(outcomes, is_exclusive, title):
    mark = event_pages.set_mark([outcome(**one) for one in outcomes], is_exclusive=is_exclusive)

    assert (mark and mark["title"]) == title


# --- watchlists -----------------------------------------------------------------------------------


def star(client: Any, ticker: str, **over: str) -> Any:
    return client.post("/markets/watchlists/star/", {"ticker": ticker, **over}, headers={"accept": "application/json"})


def test_the_first_star_makes_a_list_of_ones_own(client, trader):
    make_world()

    answer = star(client, "KXFED-26DEC-T4").json()

    made = Watchlist.objects.get()
    assert (made.owner_id, made.name, made.tickers) == (trader.pk, "Starred", ["KXFED-26DEC-T4"])
    assert answer == {"starred": True, "list": {"id": made.pk, "name": "Starred", "count": 1}}
    assert tickers(client, "?list=starred") == ["KXFED-26DEC-T4"]
    assert client.get(ROWS).json()["rows"][0]["starred"] is True


def test_a_star_turns_round_and_the_same_wish_twice_changes_nothing(client):
    make_world()

    states = [star(client, "KXFED-26DEC-T4", starred=wish).json()["starred"] for wish in ("1", "1", "0", "0", "", "")]

    assert states == [True, True, False, False, True, False]
    assert Watchlist.objects.get().tickers == []


def test_a_list_shows_markets_that_are_over_too(client):
    make_world()
    star(client, "KXFED-26DEC-T6")

    assert tickers(client, "?list=starred") == ["KXFED-26DEC-T6"]
    assert tickers(client, "?list=starred&status=open") == []


def test_own_lists_are_nobody_elses(client, desk):
    make_world()
    star(client, "KXFED-26DEC-T4")
    own = Watchlist.objects.get().pk
    colleague = client_of(make_person(desk, "trader"))

    assert colleague.get(f"{ROWS}?list={own}").status_code == 404
    assert colleague.get(f"/markets/?list={own}").status_code == 404
    assert star(colleague, "KXFED-26DEC-T4", list=str(own)).status_code == 404
    assert colleague.post(f"/markets/watchlists/{own}/remove/").status_code == 404
    assert colleague.post(f"/markets/watchlists/{own}/rename/", {"name": "Mine"}).status_code == 404
    assert Watchlist.objects.get().name == "Starred"


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("quoter", False), ("trader", True), ("lead", True)])
def test_shared_lists_are_seen_by_all_and_changed_by_traders_and_leads(desk, role, may):
    make_world()
    shared = Watchlist.objects.create(desk=desk, environment="paper", name="Desk list", tickers=["KXRAIN-26NOV-T1"])
    person = client_of(make_person(desk, role))

    answer = star(person, "KXFED-26DEC-T4", list=str(shared.pk))
    person.post("/markets/watchlists/create/", {"name": "Ours", "shared": "on"})

    assert answer.status_code == (200 if may else 403)
    assert tickers(person, f"?list={shared.pk}") == (
        ["KXFED-26DEC-T4", "KXRAIN-26NOV-T1"] if may else ["KXRAIN-26NOV-T1"]
    )
    assert Watchlist.objects.filter(name="Ours", owner=None).exists() is may
    assert star(person, "KXFED-26DEC-T4").status_code == 200  # an own list, for everybody


def test_lists_of_another_desk_do_not_exist_here(client):
    other = make_desk()
    foreign = Watchlist.objects.create(desk=other, environment="paper", name="Theirs", tickers=[])

    assert client.get(f"{ROWS}?list={foreign.pk}").status_code == 404
    assert client.get(f"{ROWS}?star={foreign.pk}").status_code == 404
    assert client.post(f"/markets/watchlists/{foreign.pk}/remove/").status_code == 404
    assert Watchlist.objects.filter(pk=foreign.pk).exists()


def test_a_list_is_made_filled_renamed_and_removed_and_the_trail_says_so(client, desk):
    make_world()

    made = client.post("/markets/watchlists/create/", {"name": "  Rates   desk ", "shared": "on"})
    shared = Watchlist.objects.get()
    filling = client.get(f"/markets/?star={shared.pk}").content.decode()
    star(client, "KXFED-26DEC-T4", list=str(shared.pk))
    client.post(f"/markets/watchlists/{shared.pk}/rename/", {"name": "Rates"})
    renamed = Watchlist.objects.get()
    client.post(f"/markets/watchlists/{shared.pk}/remove/")

    assert made["Location"] == f"/markets/?list={shared.pk}"
    assert (shared.name, shared.owner_id) == ("Rates desk", None)
    assert "Stars put markets on <strong>Rates desk</strong>" in filling
    assert (renamed.name, renamed.tickers) == ("Rates", ["KXFED-26DEC-T4"])
    assert not Watchlist.objects.exists()
    actions = AuditEntry.objects.filter(desk_id=desk.pk, action__startswith="markets.").order_by("sequence")
    assert [entry.action.rsplit(".", 1)[1] for entry in actions] == ["created", "renamed", "removed"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("   ", "A list needs a name."),
        ("x" * 81, "A name has at most 80 characters"),
        ("DESK list", "There is a list named"),
    ],
)
def test_a_list_without_a_good_name_is_refused_in_words(client, desk, name, words):
    Watchlist.objects.create(desk=desk, environment="paper", name="Desk list")

    page = client.post("/markets/watchlists/create/", {"name": name, "shared": "on"}, follow=True).content.decode()

    assert words in page
    assert Watchlist.objects.count() == 1


def test_a_full_list_takes_no_more(client, trader, desk, monkeypatch):
    make_world()
    monkeypatch.setattr(watchlists, "TICKERS_AT_MOST", 1)
    star(client, "KXFED-26DEC-T4")

    answer = star(client, "KXFED-26DEC-T5")

    assert (answer.status_code, answer.json()["code"]) == (400, "list_full")
    assert Watchlist.objects.get().tickers == ["KXFED-26DEC-T4"]


@pytest.mark.parametrize(("ticker", "over"), [("KXNONE", {}), ("", {}), ("KXFED-26DEC-T4", {"list": "9x"})])
def test_a_star_for_nothing_that_exists_is_not_found(client, ticker, over):
    make_world()

    assert star(client, ticker, **over).status_code == 404
    assert not Watchlist.objects.exists()


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/markets/?q=fed", "/markets/?q=fed"),
        ("https://evil.example/", "/markets/"),
        ("//evil.example/", "/markets/"),
        ("", "/markets/"),
    ],
)
def test_a_star_without_scripts_leads_back_to_the_desk_only(client, target, location):
    make_world()

    answer = client.post("/markets/watchlists/star/", {"ticker": "KXFED-26DEC-T4", "next": target})

    assert (answer.status_code, answer["Location"]) == (302, location)


# --- cost -----------------------------------------------------------------------------------------


def queries(client: Any, url: str) -> int:
    client.get(url)  # what is loaded once per process is not counted
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("url", ["/markets/", ROWS, "/markets/search.json?q=outcome", "/markets/events/KXMANY-0/"])
def test_more_markets_cost_no_more_queries(client, url):
    make_market(make_event("KXMANY-0"), "T0")
    make_market(make_event("KXMANY-1"), "T0")
    few = queries(client, url)
    for number in range(2, 12):
        make_market(make_event(f"KXMANY-{number}"), "T0")
        make_market(Event.objects.get(ticker="KXMANY-0"), f"T{number}")

    many = queries(client, url)

    assert many <= few
    assert many <= 17
