"""Quotes and accepts by hand above the limit ask their author again who they are; a request by itself binds nobody."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.ports import commands
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.orders.models import RiskLimit
from apps.rfq.models import Accept, Quote
from apps.rfq.services.accepts import accept_submit
from tests.rfq.scene import RFQS, Scene, post
from tests.rfq.test_approvals import small_request, take


@pytest.fixture(autouse=True)
def limit(scene: Scene) -> RiskLimit:
    """Above $20."""
    return RiskLimit.objects.create(
        desk=scene.place.desk, set_by_id=scene.lead.user_id, set_at=utc_now(), ask_again_notional=Decimal(20)
    )


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(DeskError) as told:
        call()
    return told.value.code


def prove(scene: Scene) -> None:
    scene.quoter = replace(scene.quoter, proofs=(("password", time.time()),))


def test_an_accept_is_taken_after_the_proof_with_the_same_key(scene: Scene) -> None:
    rfq, quote_id = small_request(scene)
    key = uuid.uuid4()

    assert refused(lambda: take(scene, rfq, quote_id, key)) == "ask_again"
    assert not Accept.objects.exists()
    prove(scene)
    assert "accept" in take(scene, rfq, quote_id, key)


def test_what_a_request_takes_by_itself_asks_nobody(scene: Scene) -> None:
    rfq, quote_id = small_request(scene)
    terms: dict[str, Any] = {"quote_id": quote_id, "buys": Outcome.YES, "price_seen": Decimal("0.45")}

    assert accept_submit(scene.quoter, rfq, **terms, idempotency_key=uuid.uuid4(), is_auto=True)


@pytest.mark.parametrize(("contracts", "asks"), [(30, False), (100, True)])
def test_a_quote_by_hand_is_sent_after_the_proof(scene: Scene, contracts: int, asks: bool) -> None:
    ticker = scene.ask().ticker
    rfq_id = post(scene.maker, RFQS, market_ticker=ticker, contracts=contracts, rest_remainder=False)["id"]
    scene.hear()
    params = {"idempotency_key": str(uuid.uuid4()), "rfq_id": rfq_id, "yes_bid": "0.4000", "no_bid": "0.5000"}

    def send() -> Any:
        return commands["quote.send"].handler(scene.quoter, params)

    if asks:
        assert refused(send) == "ask_again"
        assert not Quote.objects.exists()
        prove(scene)
    assert "quote" in send()
