"""A desk with an account, and execution reports as the exchange writes them."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.fix import ingest
from apps.fix.engine.codec import Message, decode, encode
from tests.orders.conftest import Place, build_place

HEADER = [(49, "Kalshi"), (56, "key"), (34, "2"), (52, "20261121-12:00:00.000")]
NEW = {
    **dict.fromkeys((37, 11), "o-1"),
    17: "4;7",
    150: "0",
    39: "0",
    54: "1",
    55: "KXHIGHNY-26NOV22-T60",
    151: "10.00",
    14: "0.00",
    6: "0",
    38: "10.00",
    44: "0.5600",
    60: "20261121-12:00:00.000",
}
TRADE = {150: "F", 39: "1", 31: "0.5500", 32: "4.00", 880: "t-1", 1057: "Y", 14: "4.00", 151: "6.00", 6: "0.5500"}
FEE = [(136, "1"), (137, "0.07"), (138, "USD"), (139, "4"), (891, "0")]


def report(exec_id: str = "4;7", extra: Any = (), **over: str | None) -> Message:
    """An ExecutionReport; `_39="2"` sets a tag, None leaves it out."""
    values = NEW | {17: exec_id} | {int(tag[1:]): value for tag, value in over.items()}
    fields = [(tag, value) for tag, value in values.items() if value is not None]
    return decode(encode([(35, "8"), *HEADER, *fields, *extra]))


def trade(exec_id: str = "4;8", **over: str | None) -> Message:
    return report(exec_id, FEE, **({f"_{tag}": value for tag, value in TRADE.items()} | over))


@pytest.fixture
def place(db: None) -> Place:
    return build_place()


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | str]]:
    """What was handed to the workers: (task, id)."""
    calls: list[tuple[str, int | str]] = []

    def enqueue(task: str, *ids: int | str, countdown: float | None = None) -> bool:
        calls.append((task.rpartition(".")[2], *ids))  # type: ignore[arg-type]
        return True

    monkeypatch.setattr("apps.orders.queue.enqueue", enqueue)
    return calls


@pytest.fixture
def apply(place: Place, queued: list[Any]) -> Callable[..., ingest.Ingested]:
    def run(*messages: Message, kind: str = "nr", prices: ingest.Prices | None = None) -> ingest.Ingested:
        return ingest.reports_apply(place.account.pk, messages, prices=prices or ingest.Prices(), kind=kind)

    return run
