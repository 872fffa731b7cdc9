"""Fair values: by source, with their age, or the reason why there is none; and the marks of people and files."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange import live
from apps.exchange.selectors import FeedState
from apps.rfq.models import FairMark
from apps.rfq.services import fair
from apps.rfq.services.fair import Fair, FairSource, Touch, Touches, fair_of
from apps.rfq.services.marks import Mark, marks_from_csv, marks_set
from tests.rfq.scene import Scene
from tests.support.people import client_of

NOW = utc_now().replace(microsecond=0)
LEGS = [
    {"market_ticker": "A", "event_ticker": "E", "side": "yes"},
    {"market_ticker": "B", "event_ticker": "F", "side": "no"},
]


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """`touches` by ticker and `feed`: what is live."""
    now: dict[str, Any] = {
        "touches": {
            "A": Touch(Decimal("0.40"), Decimal("0.60")),
            "B": Touch(Decimal("0.10"), Decimal("0.30")),
            "ONE": Touch(Decimal("0.10"), None),
        },
        "feed": FeedState("live", "", to_unix_ms(NOW) - 500),
    }
    monkeypatch.setattr(fair, "touches_of", lambda environment, tickers: Touches(now["feed"], now["touches"]))
    return now


def ask(scene: Scene, ticker: str, source: str = "", legs: Any = (), **later: float) -> Fair:
    return fair_of("paper", scene.place.desk.pk, ticker, legs, source, NOW + timedelta(**later))


def test_each_source_says_its_own(scene: Scene, prices: Any) -> None:
    marks_set(scene.quoter, [Mark("C", Decimal("0.33"))], FairSource.MANUAL, now=NOW)
    marks_set(scene.quoter, [Mark("C", Decimal("0.44"))], FairSource.FILE, now=NOW)

    assert ask(scene, "A", "book").value == Decimal("0.50")
    assert ask(scene, "C", "legs", LEGS).value == Decimal("0.40")  # 0.5 * (1 - 0.2)
    assert ask(scene, "C", "bounds", LEGS).value == (Decimal("0.3") + Decimal("0.5")) / 2
    assert ask(scene, "C", "manual").value == Decimal("0.33")
    assert ask(scene, "C", "file").value == Decimal("0.44")


def test_the_best_source_is_a_persons_then_a_files_then_what_is_live(scene: Scene, prices: Any) -> None:
    assert ask(scene, "A").source == "book"
    assert ask(scene, "C", "", LEGS).source == "legs"
    marks_set(scene.quoter, [Mark("A", Decimal("0.44"))], FairSource.FILE, now=NOW)
    assert ask(scene, "A").source == "file"
    marks_set(scene.quoter, [Mark("A", Decimal("0.33"))], FairSource.MANUAL, now=NOW)
    assert ask(scene, "A").source == "manual"


def test_it_says_as_of_when(scene: Scene, prices: Any) -> None:
    marks_set(scene.quoter, [Mark("C", Decimal("0.33"))], FairSource.MANUAL, now=NOW)

    assert ask(scene, "C", "manual").at == NOW
    assert ask(scene, "A", "book").at == NOW - timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("ticker", "source", "legs", "why"),
    [
        ("ONE", "book", (), "no bid and ask"),
        ("NEVER", "book", (), "no bid and ask"),
        ("A", "legs", (), "no legs"),
        ("C", "legs", [{"market_ticker": "ONE", "event_ticker": "", "side": "yes"}], "ONE has no bid"),
        ("C", "manual", (), "Nobody has marked"),
    ],
)
def test_it_says_why_it_does_not_know(scene: Scene, prices: Any, ticker: str, source: str, legs: Any, why: str) -> None:
    found = ask(scene, ticker, source, legs)
    assert found.value is None
    assert why in found.why


def test_a_dead_feed_knows_nothing_but_marks(scene: Scene, prices: Any) -> None:
    prices["feed"] = FeedState("stale", "no sign of life", None)
    marks_set(scene.quoter, [Mark("A", Decimal("0.33"))], FairSource.MANUAL, now=NOW)

    assert ask(scene, "A", "book") == Fair(None, "book", why="no sign of life")
    assert ask(scene, "A").value == Decimal("0.33")


def test_a_mark_ends(scene: Scene, prices: Any) -> None:
    marks_set(scene.quoter, [Mark("A", Decimal("0.33"), timedelta(seconds=60))], FairSource.MANUAL, now=NOW)

    assert ask(scene, "A", "manual", seconds=59).value == Decimal("0.33")
    assert ask(scene, "A", "manual", seconds=60).value is None
    assert ask(scene, "A", seconds=60).source == "book"


def test_another_desks_mark_is_not_ours(scene: Scene, prices: Any) -> None:
    marks_set(scene.quoter, [Mark("C", Decimal("0.33"))], FairSource.MANUAL, now=NOW)
    assert fair_of("paper", scene.place.desk.pk - 1, "C", (), "manual", NOW).value is None


def test_live_prices_come_from_the_book_else_from_the_tickers(monkeypatch: pytest.MonkeyPatch) -> None:
    book = live.encode(
        (1, {"state": "live", "yes": [["0.1000", "1.00"], ["0.2000", "1.00"]], "no": [["0.7000", "5.00"]]})
    )
    stale = live.encode((1, {"state": "stale", "yes": [["0.9000", "1.00"]], "no": []}))
    row = live.encode({"v": 1, "bid": "0.3000", "ask": None})

    assert fair._touch(book, row) == Touch(Decimal("0.2"), Decimal("0.3"))
    assert fair._touch(stale, row) == Touch(Decimal("0.3"), None)
    assert fair._touch(None, None) == Touch()
    assert fair._touch(b"{", None) is None


# --- what people do ------------------------------------------------------------------------------------


def test_a_person_sets_and_clears(scene: Scene) -> None:
    run = {name: ports.commands[f"fair.{name}"].handler for name in ("set", "clear", "list")}
    run["set"](scene.quoter, {"ticker": "A", "yes": "0.37", "ends_in_s": 90})
    run["set"](scene.other, {"ticker": "A", "yes": "0.38"})

    (mark,) = run["list"](scene.quoter, {})["marks"]
    assert (mark["yes"], mark["source"], mark["set_by"]["id"]) == ("0.3800", "manual", scene.other.user_id)
    assert run["clear"](scene.quoter, {"ticker": "A"}) == {"cleared": 1}
    assert list(
        AuditEntry.objects.filter(action__startswith="rfq.fair").order_by("pk").values_list("action", flat=True)
    ) == [
        "rfq.fair.set",
        "rfq.fair.set",
        "rfq.fair.cleared",
    ]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"ticker": "A", "yes": "1"}, "yes"),
        ({"ticker": "A", "yes": 0.5}, "yes"),
        ({"ticker": "A", "yes": "0.00001"}, "yes"),
        ({"ticker": "", "yes": "0.5"}, "ticker"),
        ({"ticker": "A", "yes": "0.5", "ends_in_s": 0}, "ends_in_s"),
    ],
)
def test_a_mark_that_is_none_is_refused(scene: Scene, params: dict[str, Any], field: str) -> None:
    with pytest.raises(DeskError) as refused:
        ports.commands["fair.set"].handler(scene.quoter, params)
    assert field in refused.value.fields
    assert not FairMark.objects.exists()


def upload(client: Client, content: bytes) -> Any:
    return client.post("/rfq/fair/upload", {"file": SimpleUploadedFile("fair.csv", content)})


def test_a_file_is_stored_whole_or_not_at_all(scene: Scene) -> None:
    client = client_of(User.objects.get(pk=scene.quoter.user_id))

    refused = upload(client, b"ticker,yes,seconds\nA,0.37\nB,1.2\nC\nA,0.5\n")
    assert refused.status_code == 422
    assert set(refused.json()["error"]["fields"]) == {"3", "4", "5"}
    assert not FairMark.objects.exists()

    stored = upload(client, b"ticker,yes,seconds\r\nA,0.37\r\n\r\nB,0.52,60\r\n")
    assert (stored.status_code, stored.json()) == (200, {"stored": 2})
    assert set(FairMark.objects.values_list("ticker", "source", "yes")) == {
        ("A", "file", Decimal("0.37")),
        ("B", "file", Decimal("0.52")),
    }


def test_who_may_not_trade_requests_uploads_nothing(scene: Scene) -> None:
    client = client_of(User.objects.get(pk=scene.place.viewer.user_id))
    assert upload(client, b"A,0.37\n").status_code == 403
    assert client.get("/rfq/fair/upload").status_code in (403, 405)
    assert not FairMark.objects.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"ticker,yes\n", b"x" * 300_000, b"".join(b"T%d,0.5\n" % n for n in range(2_001))]
)
def test_files_that_are_none_are_refused(content: bytes) -> None:
    with pytest.raises(DeskError) as refused:
        marks_from_csv(content)
    assert refused.value.code == "bad_file"
