"""Figures come from stored rows with their n; small samples are said to be small; what is open is named."""

import csv
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.rfq import ConfirmationState, QuoteState
from apps.core.timestamps import utc_now
from apps.orders.models import Fill
from apps.rfq.models import Confirmation, Markout, Quote, QuoteDecision, QuoteRule, QuoteRuleVersion, Rfq, StreamMinute
from apps.rfq.selectors.analytics import maker_figures, requester_figures
from apps.rfq.selectors.periods import Period, period_from
from apps.rfq.selectors.shift import shift_report
from apps.rfq.services.analytics import ENOUGH, Ratio, spread
from tests.rfq.scene import Scene
from tests.rfq.test_blotters import bought
from tests.rfq.test_markouts import filled_quote
from tests.support.people import actor_of, client_of, make_desk, make_person

CENT = Decimal("0.01")


def today() -> Period:
    return period_from({}, zone="UTC", now=utc_now(), days=2)


def won_quote(scene: Scene, state: str = ConfirmationState.EXECUTED, side: str = "yes", **over: Any) -> Quote:
    at = utc_now() - timedelta(minutes=1)
    executed = state == ConfirmationState.EXECUTED
    quote = filled_quote(scene.place, at, state=QuoteState.EXECUTED if executed else QuoteState.CANCELLED, **over)
    Confirmation.objects.create(
        quote=quote,
        accepted_side=side,
        contracts=10,
        heard_by="ws",
        heard_at=at,
        accepted_at=at,
        window_ends_at=at + timedelta(seconds=30),
        send_by=at + timedelta(seconds=29),
        policy="manual",
        decision="confirm" if executed or state == ConfirmationState.MISSED else "lapse",
        reason="manual" if executed else "price_moved",
        state=state,
        answered_at=at + timedelta(seconds=2),
    )
    return quote


def make_rule(scene: Scene) -> QuoteRuleVersion:
    rule = QuoteRule.objects.create(
        desk=scene.place.desk,
        account=scene.place.account,
        name="Rates",
        priority=1,
        state="armed",
        state_at=utc_now(),
        owner_id=scene.lead.user_id,
    )
    return QuoteRuleVersion.objects.create(
        rule=rule, number=1, terms={}, why="first", made_by_id=scene.lead.user_id, made_at=utc_now()
    )


def test_requests_are_counted_from_the_click_to_the_fees(scene: Scene) -> None:
    bought(scene)
    scene.request()  # one that nobody quotes

    figures = requester_figures(scene.quoter, account_id=scene.place.account.pk, period=today())

    assert (figures.requests, figures.opened, figures.quotes_per_request) == (2, 2, Decimal(1))
    assert (figures.quoted, figures.accepted, figures.lapsed) == (Ratio(1, 2), Ratio(1, 2), Ratio(0, 1))
    assert (figures.improvement.p50, figures.improvement_total) == (Decimal("0.035"), Decimal("3.5"))
    assert figures.fees is None  # no fill has been read yet: not the same as no fee
    accept = Rfq.objects.exclude(accepts=None).get().accepts.get()
    for number in (1, 2):
        Fill.objects.create(
            account=scene.place.account,
            trade_id=f"t{number}",
            order_id_text=accept.order_id,
            ticker=accept.rfq.ticker,
            book_side="bid",
            yes_price=Decimal("0.35"),
            count=50,
            is_taker=True,
            fee=Decimal("0.80"),
            traded_at=utc_now(),
            seen_at=utc_now(),
            source="ws",
        )
    figures = requester_figures(scene.quoter, account_id=scene.place.account.pk, period=today())
    assert figures.fees == Decimal("1.60")


def test_a_makers_lapse_counts_against_it(scene: Scene) -> None:
    rfq = bought(scene)
    rfq.accepts.update(state="lapsed")

    figures = requester_figures(scene.quoter, account_id=scene.place.account.pk, period=today())

    assert (figures.lapsed, figures.accepted, figures.trades) == (Ratio(1, 1), Ratio(1, 1), 0)


def test_the_funnel_goes_from_the_stream_to_the_execution_with_reasons(scene: Scene) -> None:
    rule = make_rule(scene)
    StreamMinute.objects.create(account=scene.place.account, minute=utc_now(), seen=900, eligible=40, dropped=3)
    for state in (ConfirmationState.EXECUTED, ConfirmationState.LAPSED, ConfirmationState.MISSED):
        won_quote(scene, state, rule_version=rule)
    unhit = filled_quote(scene.place, utc_now(), state=QuoteState.CANCELLED)
    filled_quote(scene.place, utc_now(), state=QuoteState.REFUSED, quote_id=None, error_code="off_grid")
    for reason in ("too_wide", "too_wide", "no_fair"):
        QuoteDecision.objects.create(
            incoming=unhit.incoming, rule_version=rule, action="pass", reason=reason, decided_at=utc_now(), took_ms=4
        )

    figures = maker_figures(scene.quoter, account_id=scene.place.account.pk, period=today())

    assert [(step.count, step.kept) for step in figures.funnel] == [
        (900, None),
        (40, Ratio(40, 900)),
        (4, Ratio(4, 40)),
        (3, Ratio(3, 4)),
        (1, Ratio(1, 3)),
        (1, Ratio(1, 1)),
    ]
    assert (figures.dropped, figures.missed, figures.hits, figures.confirmed) == (3, 1, Ratio(3, 4), Ratio(1, 2))
    assert figures.passes == [("too_wide", 2), ("no_fair", 1)]
    assert (figures.refusals, figures.lapses) == ([("off_grid", 1)], [("price_moved", 2)])
    assert (figures.decision.p99, figures.slack.p50) == (4, 28_000)
    assert [(one.name, one.quoted, one.won) for one in figures.rules] == [
        ("Rates", 3, Ratio(3, 3)),
        ("by hand", 1, Ratio(0, 1)),
    ]


@pytest.mark.parametrize(("side", "gain"), [("yes", 5 * CENT), ("no", 0 * CENT)])
def test_a_markout_is_seen_from_the_side_that_we_own(scene: Scene, side: str, gain: Decimal) -> None:
    quote = won_quote(scene, side=side)  # YES at 40, NO at 55
    at = utc_now()
    Markout.objects.create(quote=quote, horizon="10s", due_at=at, taken_at=at, yes_mid=Decimal("0.45"))
    Markout.objects.create(quote=quote, horizon="1m", due_at=at, taken_at=at, why_not="no live book with both sides")
    Markout.objects.create(quote=quote, horizon="settle", due_at=at)

    after10, after60, _, settled = maker_figures(
        scene.quoter, account_id=scene.place.account.pk, period=today()
    ).markouts

    assert (after10.gain.mean, after10.gain.n, after10.missing) == (gain, 1, [])
    assert (after60.gain.n, after60.missing) == (0, [("no live book with both sides", 1)])
    assert settled.missing == [("not settled yet", 1)]


def test_without_rows_nothing_is_made_up(scene: Scene) -> None:
    requester = requester_figures(scene.quoter, account_id=scene.place.account.pk, period=today())
    maker = maker_figures(scene.quoter, account_id=scene.place.account.pk, period=today())

    assert (requester.quotes_per_request, requester.accepted.share, requester.fees) == (None, None, None)
    assert (maker.has_stream, maker.hits.share, maker.response.p50) == (False, None, None)
    assert [step.count for step in maker.funnel] == [0] * 6


def test_another_desk_counts_nothing_of_ours(scene: Scene) -> None:
    bought(scene)
    won_quote(scene)
    stranger = actor_of(make_person(make_desk(), "lead"))

    figures = maker_figures(stranger, account_id=scene.place.account.pk, period=today())

    assert requester_figures(stranger, account_id=scene.place.account.pk, period=today()).requests == 0
    assert (figures.hits, figures.markouts[0].gain.n) == (Ratio(0, 0), 0)


@given(st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=300))
def test_percentiles_are_values_in_order_and_as_high_as_they_say(values: list[int]) -> None:
    found = spread(values)

    named = [(10, found.p10), (50, found.p50), (90, found.p90), (99, found.p99)]
    for percent, value in named:
        assert value in values
        assert sum(one <= value for one in values) * 100 >= percent * len(values)
        assert sum(one < value for one in values) * 100 < percent * len(values)
    assert (found.n, found.worst) == (len(values), max(values))


@pytest.mark.parametrize(("n", "is_small"), [(ENOUGH - 1, True), (ENOUGH, False)])
def test_a_ratio_is_small_below_twenty(n: int, is_small: bool) -> None:
    assert (Ratio(1, n).is_small, spread(range(n)).is_small) == (is_small, is_small)


def test_the_shift_report_names_what_is_open_armed_missed_and_in_doubt(scene: Scene) -> None:
    make_rule(scene)
    rfq = scene.request()
    filled_quote(scene.place, utc_now(), state=QuoteState.OPEN, owner_id=scene.quoter.user_id)
    won_quote(scene, ConfirmationState.MISSED)
    Rfq.objects.create(
        desk=scene.place.desk,
        account=scene.place.account,
        ticker="KXDOUBT",
        contracts=5,
        created_at=utc_now(),
        state="not_seen",
    )

    report = shift_report(scene.lead, scene.place.account, zone="America/New_York")

    found = {section.title: section.lines for section in report.sections}
    name = User.objects.get(pk=scene.quoter.user_id).username
    assert found["Open requests"] == [f"{rfq.ticker}, 100 contracts: Live, 0 quotes, {name} is on it"]
    assert [line.split(", ")[0] for line in found["Armed rules"]] == ["1. Rates"]
    assert len(found["Missed windows, last 24 h"]) == 1
    assert any("KXDOUBT" in line for line in found["Breaks: outcomes in doubt"])
    assert found["Waiting for approval"] == []
    assert "Nothing waits for approval." in report.text
    assert "America/New_York" in report.text.splitlines()[0]


def test_the_figures_are_exported_as_shown_and_written_down(scene: Scene) -> None:
    bought(scene)
    lead = User.objects.get(pk=scene.lead.user_id)
    answer = client_of(lead).post("/rfq/analytics/export/")
    rows = list(csv.DictReader(answer.text.splitlines()))
    found = {(row["part"], row["figure"], row["measure"]): row for row in rows}

    assert answer["Content-Disposition"].startswith('attachment; filename="rfq-analytics-paper-')
    assert found["requester", "accepted", "share"] | {"unit": ""} == {
        "part": "requester",
        "figure": "accepted",
        "measure": "share",
        "value": "1",
        "unit": "",
        "n": "1",
        "is_few": "yes",
    }
    assert found["requester", "first quote", "p50"]["unit"] == "ms"
    assert found["maker", "funnel: Executed", "count"]["value"] == "0"
    assert found["maker", "hits", "share"]["value"] == "", "what is not known is empty"
    assert AuditEntry.objects.filter(action="rfq.analytics.exported", actor_id=lead.pk).count() == 1
    viewer = client_of(make_person(scene.place.desk, "viewer"))
    assert viewer.post("/rfq/analytics/export/").status_code == 403
    assert "Export CSV" not in viewer.get("/rfq/analytics/").text


def test_the_page_greys_small_samples_and_says_what_is_missing(scene: Scene) -> None:
    bought(scene)
    person = client_of(User.objects.get(pk=scene.quoter.user_id))

    page = person.get("/rfq/analytics/").text

    assert 'class="figure figure--small"' in page
    assert "1 of 1 requests, few" in page
    assert "The stream of requests was not counted in these days" in page
    assert "(UTC)" in page
    assert person.get("/rfq/analytics/?from=never").status_code == 302
    assert "No account is selected" in client_of(make_person(make_desk(), "viewer")).get("/rfq/analytics/").text
