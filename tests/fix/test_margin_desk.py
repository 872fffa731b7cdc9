"""Margin sessions in the desk: defined like the others, dialled elsewhere, and never booked."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.fix import console, margin, records, services
from apps.fix.endpoints import Endpoint, EndpointMissing, endpoint
from apps.fix.engine.codec import decode, encode
from apps.fix.engine.rules import Kind
from apps.fix.ingest import last_seen
from apps.fix.market_data import ASK_AGAIN_MS, Watch
from apps.fix.messages.common import ExecId
from apps.fix.models import FixExecution, FixMarginExecution, FixRecovery, FixSession
from apps.fix.selectors import KINDS, MARGIN, PURPOSES, Unable, flags_of, rules_for, target_words, wishes
from apps.orders.models import Fill, Order
from tests.fix.conftest import report, trade
from tests.fix.console_desk import make_session, store
from tests.fix.messages.test_market_data import change, snapshot
from tests.orders.conftest import Place, make_trade_key
from tests.support.people import actor_of, client_of, make_person

WHY = "a test of margin"
NOW = 1_795_021_200_000  # Unix ms
pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(place: Place) -> Any:
    return actor_of(make_person(place.desk, "operator"))


# --- which session is which ----------------------------------------------------------------------
def test_the_table_of_kinds():
    assert {kind: (KINDS[kind].value, kind in MARGIN) for kind in KINDS} == {
        "nr": ("KalshiNR", False),
        "rt": ("KalshiRT", False),
        "dc": ("KalshiDC", False),
        "pt": ("KalshiPT", False),
        "rfq": ("KalshiRFQ", False),
        "mnr": ("KalshiNR", True),
        "mrt": ("KalshiRT", True),
        "mdc": ("KalshiDC", True),
        "mmd": ("KalshiMD", True),
    }
    assert [kind for kind in KINDS if rules_for(kind).is_retained] == ["rt", "pt", "mrt"]
    assert target_words("mnr") == "KalshiNR (margin)"
    assert PURPOSES["mmd"] == "fix_mmd"


def test_an_account_has_both_variants_of_a_session(place: Place, operator: Any) -> None:
    event = services.session_define(operator, place.account.pk, "nr")
    other = services.session_define(operator, place.account.pk, "mnr", is_listener=True)

    assert event.pk != other.pk
    assert not flags_of(event).is_margin
    flags = flags_of(other)
    assert flags.is_margin
    assert dict(flags.fields()) == {20126: "Y", 21011: "Y", 21007: "Y", 21008: "Y", 21012: "Y"}


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("mmd", {"is_listener": True}, "no listener mode"),
        ("mdc", {"symbols": ["BTC-PERP"]}, "follows books"),
        ("mmd", {"symbols": ["BTC PERP"]}, "Symbols are tickers"),
        ("mmd", {"symbols": [f"S{number}" for number in range(101)]}, "at most 100"),
    ],
)
def test_what_cannot_be_defined(place: Place, operator: Any, kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DeskError, match=words):
        services.session_define(operator, place.account.pk, kind, **options)


def test_symbols_are_kept_once_each(place: Place, operator: Any) -> None:
    row = services.session_define(operator, place.account.pk, "mmd", symbols=["ETH-PERP", " BTC-PERP ", "ETH-PERP", ""])

    assert row.symbols == ["ETH-PERP", "BTC-PERP"]


def test_a_wish_says_which_exchange(place: Place, operator: Any) -> None:
    for kind, listener, key in (("mrt", True, "1"), ("mmd", False, "2")):
        row = services.session_define(operator, place.account.pk, kind, is_listener=listener)
        services.session_start(operator, row.pk, why=WHY)
        make_trade_key(place.account, purpose=f"fix_{kind}", key_id=f"fix-{key}", fingerprint=key * 64, scopes=["read"])

    found, unable, _ = wishes()

    assert [(one.kind, one.is_margin, one.source, one.rules.is_retained) for one in found] == [
        (Kind.RT, True, "mrt", True),
        (Kind.MD, True, "mmd", False),
    ]
    assert unable == []


def test_a_margin_session_that_trades_needs_a_key_that_may(place: Place, operator: Any) -> None:
    row = services.session_define(operator, place.account.pk, "mnr")
    services.session_start(operator, row.pk, why=WHY)
    make_trade_key(place.account, purpose="fix_mnr", key_id="fix-1", fingerprint="1" * 64, scopes=["read"])

    assert [type(one) for one in wishes()[1]] == [Unable]


# --- where it is ---------------------------------------------------------------------------------
def test_the_documented_addresses(settings: Any) -> None:
    settings.EXCHANGE_ENVIRONMENTS = ["paper", "demo", "production"]
    found = {
        (name, kind): endpoint(name, kind, is_margin=True)
        for name in ("demo", "production")
        for kind in (Kind.NR, Kind.DC, Kind.RT)
    }

    assert {(one.host, one.port) for one in found.values()} == {
        (host, port)
        for host in ("margin-fix.demo.kalshi.co", "margin-fix-api.fix.elections.kalshi.com")
        for port in (8228, 8229, 8230)
    }
    market_data = endpoint("demo", Kind.MD, is_margin=True)
    assert (market_data.host, market_data.port, market_data.tls) == ("margin-marketdata.fix.demo.kalshi.co", 8233, True)
    with pytest.raises(EndpointMissing, match="DESK_FIX_PRODUCTION_MARKET_DATA"):
        endpoint("production", Kind.MD, is_margin=True)


def test_an_operators_own_addresses(settings: Any, tmp_path: Any) -> None:
    settings.FIX_ENDPOINTS = {
        "paper": {"url": "plain://127.0.0.1:9000"},
        "paper.margin": {"url": "tls://127.0.0.1:9100", "ca": "anchor.pem", "pin": "AB:CD"},
        "paper.market_data": {"url": "plain://localhost:9200"},
    }

    assert endpoint("paper", Kind.RT).port == 9002
    assert endpoint("paper", Kind.RT, is_margin=True) == Endpoint("127.0.0.1", 9102, ca_path="anchor.pem", pin="abcd")
    assert endpoint("paper", Kind.MD, is_margin=True) == Endpoint("localhost", 9200, tls=False)
    (tmp_path / "paper.json").write_text('{"fix": {"host": "127.0.0.1", "sessions": {"KalshiNR": 1}}}')
    settings.FIX_ENDPOINTS = {"paper.margin": {"file": str(tmp_path / "paper.json")}}
    with pytest.raises(EndpointMissing, match="announces no KalshiNR"):
        endpoint("paper", Kind.NR, is_margin=True)


# --- reports -------------------------------------------------------------------------------------
def test_reports_are_kept_once_and_never_booked(place: Place, queued: list[Any]) -> None:
    told = [
        report("4;7", _55="BTC-PERP", _44="19.5000", _39="5", _150="5"),
        trade("4;8", _55="BTC-PERP", _31="19.5000"),
    ]

    first = margin.reports_note(place.account.pk, told, kind="mrt")
    again = margin.reports_note(place.account.pk, told, kind="mdc")

    assert (first.applied, again.applied, again.known) == (2, 0, 2)
    assert set(FixMarginExecution.objects.values_list("source", flat=True)) == {"mrt"}
    assert (Order.objects.count(), Fill.objects.count(), FixExecution.objects.count()) == (0, 0, 0)
    assert queued == [], "there is no reading of margin"
    assert (margin.last_seen(place.account.pk), last_seen(place.account.pk)) == (ExecId(4, 8), None)


def test_what_says_nothing_is_left_out_and_what_contradicts_is_on_the_trail(place: Place) -> None:
    done = margin.reports_note(
        place.account.pk,
        [
            report("-1;-1", _150="A", _39="A"),
            report("-1;-1", _150="8", _39="8", _103="99"),
            report("seven"),
            report("4;7"),
            report("4;7", _37="another"),
        ],
        kind="mnr",
    )

    assert (done.skipped, done.unreadable, done.applied, done.conflicts) == (2, 1, 1, 1)
    assert AuditEntry.objects.filter(action="fix.margin.disputed").count() == 1


def test_a_hole_is_asked_for_at_margins_own_drop_copy(place: Place, operator: Any, queued: list[Any]) -> None:
    margin.reports_note(place.account.pk, [report("4;7")], kind="mnr")
    services.session_start(operator, services.session_define(operator, place.account.pk, "dc").pk, why=WHY)
    records.hole_mend(place.account.pk, "a gap", is_margin=True)
    assert FixRecovery.objects.count() == 0, "the event exchange's drop copy knows nothing of it"

    services.session_start(operator, services.session_define(operator, place.account.pk, "mdc").pk, why=WHY)
    records.hole_mend(place.account.pk, "a gap", is_margin=True)
    records.hole_mend(place.account.pk, "a gap", is_margin=True)

    (row,) = FixRecovery.objects.all()
    assert (row.begin, row.is_margin) == ("4;7", True)
    assert queued == []
    assert records.recovery_next(place.account.pk) is None
    assert records.recovery_next(place.account.pk, is_margin=True) == (row.pk, "4;7", "")


def test_people_ask_for_a_recovery_of_margin(place: Place, operator: Any) -> None:
    with pytest.raises(DeskError, match="no drop copy"):
        services.recovery_request(operator, place.account.pk, why=WHY, is_margin=True)
    services.session_start(operator, services.session_define(operator, place.account.pk, "mdc").pk, why=WHY)
    with pytest.raises(DeskError, match="No execution report"):
        services.recovery_request(operator, place.account.pk, why=WHY, is_margin=True)

    row = services.recovery_request(operator, place.account.pk, begin="4;7", why=WHY, is_margin=True)

    assert row.is_margin


# --- books ---------------------------------------------------------------------------------------
def test_a_watch_asks_once_and_shows_best_prices():
    watch = Watch(("BTC-PERP", "ETH-PERP"))
    watch.logged_on()

    assert watch.next_request(NOW) == [(263, "1"), (146, "2"), (55, "BTC-PERP"), (55, "ETH-PERP")]
    assert watch.next_request(NOW + ASK_AGAIN_MS) is None
    watch.take(snapshot(("0", "19.5000", "10.00"), ("1", "19.5100", "5.00")))
    watch.take(change(("1", "0", "19.5000", "15.00")))

    first, second = watch.rows()
    assert first == {
        "symbol": "BTC-PERP",
        "is_whole": True,
        "bid": "19.5000",
        "bid_size": "15.00",
        "ask": "19.5100",
        "ask_size": "5.00",
        "levels": 2,
        "updates": 1,
    }
    assert (second["symbol"], second["is_whole"], second["bid"]) == ("ETH-PERP", False, "")


def test_a_book_that_does_not_become_whole_is_asked_for_slowly():
    watch = Watch(("BTC-PERP",))
    watch.logged_on()
    assert watch.next_request(NOW) is not None
    for _ in range(3):
        watch.take(change(("1", "0", "19.5000", "15.00")))

    assert watch.next_request(NOW + ASK_AGAIN_MS - 1) is None
    assert watch.next_request(NOW + ASK_AGAIN_MS) is not None
    assert watch.next_request(NOW + 2 * ASK_AGAIN_MS) is None


def test_what_cannot_be_read_asks_for_every_book():
    watch = Watch(("BTC-PERP",))
    watch.logged_on()
    watch.next_request(NOW)
    watch.take(snapshot(("0", "19.5000", "10.00"), ("0", "19.5", "11.00")))

    assert watch.next_request(NOW + ASK_AGAIN_MS) is not None


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("Y", [(281, "2"), (58, "no")], "too many symbols"),
        ("j", [(45, "2"), (380, "0"), (58, "rate limit")], "rate limit"),
    ],
)
def test_a_refusal_is_told_and_ends_the_asking(kind, fields, words):
    watch = Watch(("BTC-PERP",))
    watch.logged_on()
    watch.next_request(NOW)
    watch.take(
        decode(encode([(35, kind), (49, "Kalshi"), (56, "key"), (34, "2"), (52, "20260601-12:00:00.000"), *fields]))
    )

    assert words in watch.refused
    watch.take(change(("1", "0", "19.5000", "15.00")))
    assert watch.next_request(NOW + ASK_AGAIN_MS) is None
    watch.logged_on()
    assert watch.next_request(NOW + ASK_AGAIN_MS) is not None


def test_the_shown_best_is_the_best():
    watch = Watch(("BTC-PERP",))
    watch.logged_on()
    watch.take(
        snapshot(("0", "0.3000", "1.00"), ("0", "0.3100", "2.00"), ("1", "0.4000", "3.00"), ("1", "0.3900", "4.00"))
    )

    (row,) = watch.rows()
    assert [Decimal(row[name]) for name in ("bid", "bid_size", "ask", "ask_size")] == [
        Decimal("0.31"), Decimal(2), Decimal("0.39"), Decimal(4),
    ]  # fmt: skip


# --- pages ---------------------------------------------------------------------------------------
def test_the_session_names_its_exchange_and_shows_its_books(place: Place) -> None:
    book = {"symbol": "BTC-PERP", "is_whole": True, "bid": "19.5000", "bid_size": "15.00", "ask": "", "ask_size": ""}
    row = make_session(
        place.account,
        "mmd",
        state="logged_on",
        symbols=["BTC-PERP", "ETH-PERP"],
        books=[
            {**book, "levels": 1, "updates": 1234},
            {**book, "symbol": "ETH-PERP", "is_whole": False, "levels": 0, "updates": 0},
        ],
    )
    store(row, change(("1", "0", "19.5000", "15.00")))
    browser = client_of(make_person(place.desk, "viewer"))

    listed = browser.get(reverse("fix_sessions")).content.decode()
    shown = browser.get(reverse("fix_session", args=[row.pk])).content.decode()

    assert "KalshiMD (margin)" in listed
    assert "MarketDataIncrementalRefresh" in shown
    for words in ("BTC-PERP", "19.5000", "15.00", "1,234", "waiting for its snapshot"):
        assert words in shown
    assert 'name="symbols"' not in shown, "a viewer changes nothing"
    FixSession.objects.update(state="waiting")
    assert "no book is known" in browser.get(reverse("fix_session", args=[row.pk])).content.decode()


def test_an_operator_names_books_in_the_form(place: Place) -> None:
    browser = client_of(make_person(place.desk, "operator"))
    given = {"account": place.account.pk, "kind": "mmd", "heartbeat": "30", "symbols": "BTC-PERP, ETH-PERP"}

    browser.post(reverse("fix_define"), given)

    row = FixSession.objects.get(kind="mmd")
    assert row.symbols == ["BTC-PERP", "ETH-PERP"]
    refused = browser.post(reverse("fix_define"), given | {"kind": "mdc"}, follow=True).content.decode()
    assert "Only a market data session" in refused
    form = browser.get(reverse("fix_session", args=[row.pk])).content.decode()
    assert 'value="BTC-PERP ETH-PERP"' in form


@pytest.mark.parametrize(
    ("kind", "words"),
    [("nr", "over REST"), ("mnr", "margin's drop copy"), ("mrt", "margin's drop copy"), ("mmd", "Every book")],
)
def test_a_reset_says_what_follows_on_its_exchange(place: Place, kind: str, words: str) -> None:
    said = console.reset_words(make_session(place.account, kind))

    assert words in said
    assert ("over REST" in said) == (kind == "nr"), "there is no reading of margin"
