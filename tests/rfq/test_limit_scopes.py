"""Limits of requests and quotes by market and series, how many are open at once, and the day's loss."""

import uuid
from decimal import Decimal as D
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.pnl_days import trading_day
from apps.core.rfq import QuotePrices, RfqState
from apps.core.timestamps import utc_now
from apps.orders.models import RiskLimit
from apps.orders.pages.limits import use_of_everybody
from apps.orders.services.day_loss import day_result_store
from apps.paper.testing import DECI, LINEAR
from apps.rfq.models import IncomingRfq, Quote, Rfq
from apps.rfq.offers import Offer
from apps.rfq.services import last_look, quotes, requests
from apps.rfq.services.incoming import incoming_get
from tests.rfq.scene import RFQS, Scene, post


def limit(scene: Scene, **figures: Any) -> None:
    RiskLimit.objects.create(desk=scene.place.desk, set_by_id=scene.lead.user_id, set_at=utc_now(), **figures)


def lose(scene: Scene, dollars: str) -> None:
    limit(scene, max_daily_loss=D(100))
    now = utc_now()
    day_result_store(scene.place.account, user_id=None, day=trading_day(now), result=-D(dollars), as_of=now)


def heard(scene: Scene, ticker: str = LINEAR) -> IncomingRfq:
    rfq_id = post(scene.maker, RFQS, market_ticker=ticker, contracts=50, rest_remainder=False)["id"]
    return incoming_get(scene.place.account.pk, "paper", rfq_id)


def offer(scene: Scene, incoming: IncomingRfq) -> Quote:
    given = Offer(
        idempotency_key=uuid.uuid4(),
        account_id=scene.place.account.pk,
        rfq_id=incoming.rfq_id,
        prices=QuotePrices(D("0.30"), D("0.60")),
    )
    return quotes.quote_submit(scene.quoter, given, incoming)


def code(refused: Any) -> str:
    return str(refused.value.code)


@pytest.mark.parametrize("scope", [{"ticker": LINEAR}, {"series": LINEAR.split("-")[0]}])
def test_a_request_and_a_quote_meet_the_rows_of_their_market(scene: Scene, scope: dict[str, str]) -> None:
    incoming = heard(scene)
    limit(scene, max_count=D(10), **scope)

    with pytest.raises(DeskError) as asked:
        requests.rfq_submit(scene.quoter, scene.ask())
    with pytest.raises(DeskError) as quoted:
        offer(scene, incoming)

    assert (code(asked), code(quoted)) == ("limit_max_count", "limit_max_count")


def test_another_markets_rows_do_not_count(scene: Scene) -> None:
    limit(scene, max_count=D(10), ticker="KXOTHER-1")

    assert requests.rfq_submit(scene.quoter, scene.ask()).state == RfqState.COMMITTED


def test_so_many_requests_and_quotes_are_open_at_once(scene: Scene) -> None:
    limit(scene, max_open_rfqs=1, max_open_quotes=1, series=LINEAR.split("-")[0])
    first = requests.rfq_submit(scene.quoter, scene.ask())
    one, other = heard(scene), heard(scene, DECI)
    quote = offer(scene, one)

    with pytest.raises(DeskError) as asked:
        requests.rfq_submit(scene.quoter, scene.ask())
    with pytest.raises(DeskError) as quoted:
        offer(scene, other)
    scene.work()  # each was counted when it was submitted, and is not counted against itself when it leaves
    first.refresh_from_db()
    quote.refresh_from_db()

    assert (code(asked), code(quoted)) == ("limit_max_open_rfqs", "limit_max_open_quotes")
    assert (first.state, quote.state) == ("open", "open")
    assert Rfq.objects.count() == 1
    assert offer(scene, one).pk != quote.pk  # it replaces ours on the same request


def test_the_page_of_limits_shows_how_many_are_open_in_each_place(scene: Scene) -> None:
    limit(scene, max_open_rfqs=4)
    limit(scene, max_open_quotes=2, ticker=LINEAR)
    requests.rfq_submit(scene.quoter, scene.ask(ticker=DECI))
    offer(scene, heard(scene))
    offer(scene, heard(scene, DECI))
    shown = {row["user_id"]: row["bars"] for row in use_of_everybody(scene.lead, scene.place.account, now=utc_now())}
    bars = {bar.label: (bar.use, bar.limit, bar.share) for bar in shown[scene.quoter.user_id]}

    assert bars["Open requests"] == ("1", "4", 250)
    assert bars["Open quotes"] == ("2", "no limit", None)
    assert bars[f"Open quotes in {LINEAR}"] == ("1", "2", 500)


def test_past_the_days_loss_nothing_is_quoted_or_confirmed(scene: Scene) -> None:
    quote = offer(scene, heard(scene))
    lose(scene, "100")

    with pytest.raises(DeskError) as refused:
        offer(scene, heard(scene, DECI))
    look = last_look.look_at(
        quote, side=None, contracts=None, prices=last_look.prices_of("paper", quote.incoming), now=utc_now()
    )
    scene.work()
    quote.refresh_from_db()

    assert code(refused) == "limit_max_daily_loss"
    assert "the limit is $100.00" in look.may_not
    assert (quote.state, quote.error_code) == ("refused", "limit_max_daily_loss")
    assert requests.rfq_submit(scene.quoter, scene.ask()).state == RfqState.COMMITTED  # it binds nobody by itself
