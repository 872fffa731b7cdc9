"""The database fails under an order: nothing is sent without a commit, and no answer is forgotten."""

import json
from typing import Any

import pytest
from django.db import OperationalError

from apps.core.errors import DeskError
from apps.orders import spill
from apps.orders.models import Order, OrderIntent
from apps.orders.services import intent_send, intent_submit, intents_sweep, send, spill_replay, submit
from tests.orders.conftest import Place, make_ticket
from tests.orders.scripted import ScriptedExchange

State = OrderIntent.State


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path


def gone(*args: object, **kwargs: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_f3_without_a_database_nothing_is_sent(
    place: Place, exchange: ScriptedExchange, queued: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY F3."""
    monkeypatch.setattr(submit, "intent_commit", gone)

    with pytest.raises(OperationalError):
        intent_submit(place.trader, make_ticket(place))

    assert exchange.sent("POST") == []
    assert queued == []


def test_f5_a_claim_that_cannot_be_written_sends_nothing(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY F5: the wait ends in an error, and without the committed claim nothing leaves."""
    intent = intent_submit(place.trader, make_ticket(place))
    monkeypatch.setattr(send, "claim", gone)

    with pytest.raises(OperationalError):
        intent_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.COMMITTED
    assert exchange.sent("POST") == []


@pytest.fixture
def spilled(place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> OrderIntent:
    """An accepted order whose answer the database did not take."""
    intent = intent_submit(place.trader, make_ticket(place))
    with monkeypatch.context() as during:
        during.setattr(send, "order_apply", gone)
        intent_send(intent.pk)
    return intent


def test_f4_an_answer_that_the_database_did_not_take_is_kept_and_replayed(
    place: Place, exchange: ScriptedExchange, spilled: OrderIntent
) -> None:
    """RELIABILITY F4."""
    spilled.refresh_from_db()
    assert spilled.state == State.SENDING
    assert spill.is_pending()
    assert not Order.objects.exists()
    assert spill.path().stat().st_mode & 0o777 == 0o600

    intents_sweep()

    spilled.refresh_from_db()
    assert spilled.state == State.ACKED
    assert Order.objects.get().intent_id == spilled.pk
    assert not spill.is_pending()
    assert len(exchange.sent("POST")) == 1


def test_f4_no_order_passes_until_the_file_is_written_down(
    place: Place, exchange: ScriptedExchange, spilled: OrderIntent
) -> None:
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place))
    assert refused.value.code == "recovering"

    kept = spill.path().read_bytes()
    spill.path().write_bytes(b"")
    waiting = intent_submit(place.trader, make_ticket(place))
    spill.path().write_bytes(kept)
    assert intent_send(waiting.pk) is None
    assert len(exchange.sent("POST")) == 1

    intents_sweep()
    intent_send(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.ACKED


def test_f4_a_database_that_is_still_away_keeps_the_file(
    place: Place, exchange: ScriptedExchange, spilled: OrderIntent, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = spill.path().read_bytes()
    monkeypatch.setattr("apps.orders.services.recover.order_apply", gone)

    assert spill_replay() == 0
    assert spill.path().read_bytes() == kept


def test_f4_a_refusal_is_kept_too_and_twice_is_harmless(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.creates = [exchange.answer(400, code="insufficient_balance", message="not enough")]
    intent = intent_submit(place.trader, make_ticket(place))
    with monkeypatch.context() as during:
        during.setattr(send, "intent_refuse", gone)
        intent_send(intent.pk)
    kept = spill.path().read_bytes()
    assert b"insufficient_balance" in kept

    assert spill_replay() == 1
    spill.path().write_bytes(kept)
    assert spill_replay() == 1

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "insufficient_balance")


@pytest.mark.parametrize(
    "line", [b'{"intent_id": 1, "acc', b"\xff\xfe\n", json.dumps({"intent_id": 1}).encode() + b"\n"]
)
def test_a_line_that_cannot_be_used_is_put_aside(
    place: Place, exchange: ScriptedExchange, spilled: OrderIntent, line: bytes
) -> None:
    """A power cut in the middle of a line: its order is looked up like any other, the rest is written down."""
    with spill.path().open("ab") as file:
        file.write(line)

    spill_replay()

    spilled.refresh_from_db()
    assert spilled.state == State.ACKED
    assert not spill.is_pending()
    assert spill.path().with_suffix(".rejected.jsonl").read_bytes().rstrip(b"\n") == line.rstrip(b"\n")


def test_an_unforeseen_error_leaves_sending_behind_for_the_sweep(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug")

    intent = intent_submit(place.trader, make_ticket(place))
    monkeypatch.setattr(send, "answer_read", bug)

    with pytest.raises(RuntimeError):
        intent_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.SENDING
