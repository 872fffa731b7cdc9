"""The last look: each check alone, their order, and that stored inputs give the same answer again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.last_look import PRICES_TRUSTED_FOR, LastLook, checks, first_failure, from_json, to_json

NOW = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
FINE = LastLook(
    now=NOW,
    exchange_active=True,
    trading_active=True,
    market_status="active",
    market_closes_at=NOW + timedelta(hours=1),
    feed="live",
    priced_at=NOW - timedelta(seconds=1),
    fair_at_quote=Decimal("0.45"),
    fair_now=Decimal("0.44"),
    max_move=Decimal("0.02"),
    accepted_side="yes",
    price=Decimal("0.40"),
    contracts=Decimal(50),
    position=Decimal(10),
    cash=Decimal(1000),
    max_count=Decimal(100),
    max_notional=Decimal(100),
    max_open_contracts=Decimal(60),
)


def reason(**over: Any) -> str:
    failing = first_failure(checks(replace(FINE, **over)))
    return failing.name if failing else ""


def test_all_checks_pass_when_nothing_is_wrong() -> None:
    assert reason() == ""
    assert [check.name for check in checks(FINE)] == [
        "paused",
        "right",
        "exchange",
        "market",
        "feed",
        "price_age",
        "size",
        "move",
        "limit_count",
        "limit_cost",
        "limit_position",
        "funding",
    ]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"paused": "Trading is paused."}, "paused"),
        ({"may_not": "Gone."}, "right"),
        ({"exchange_active": False}, "exchange"),
        ({"trading_active": False}, "exchange"),
        ({"market_status": "inactive"}, "market"),
        ({"market_closes_at": NOW}, "market"),
        ({"feed": "stale"}, "feed"),
        ({"priced_at": None}, "price_age"),
        ({"priced_at": NOW - PRICES_TRUSTED_FOR - timedelta(milliseconds=1)}, "price_age"),
        ({"accepted_side": ""}, "size"),
        ({"contracts": None}, "size"),
        ({"fair_now": Decimal("0.4299")}, "move"),
        ({"fair_at_quote": None}, "move"),
        ({"contracts": Decimal(101), "max_notional": None, "max_open_contracts": None}, "limit_count"),
        ({"price": Decimal("0.90"), "contracts": Decimal(50), "max_notional": Decimal(44)}, "limit_cost"),
        ({"position": Decimal(11)}, "limit_position"),
        ({"position": None}, "limit_position"),
        ({"cash": Decimal("19.99")}, "funding"),
        # The first that fails is the reason, whatever comes after it.
        ({"paused": "Stop.", "feed": "down", "cash": Decimal(0)}, "paused"),
        ({"feed": "down", "fair_now": None, "cash": Decimal(0)}, "feed"),
    ],
)
def test_what_fails_is_the_reason(over: dict[str, Any], expected: str) -> None:
    assert reason(**over) == expected


@pytest.mark.parametrize(
    "over",
    [
        {"exchange_active": None, "trading_active": None},  # not told: the exchange decides
        {"market_status": ""},
        {"max_move": None, "fair_now": None},  # no bound was set
        {"max_open_contracts": None, "position": None},
        {"cash": None},
        {"fair_now": Decimal("0.43")},  # exactly the bound
        {"fair_now": Decimal("0.99")},  # our way
        {"position": Decimal(-60), "cash": Decimal(0)},  # it closes what is held
        {"priced_at": NOW - PRICES_TRUSTED_FOR},
    ],
)
def test_what_is_not_known_or_on_the_edge_passes(over: dict[str, Any]) -> None:
    assert reason(**over) == ""


def test_a_move_counts_by_the_side_that_we_would_own() -> None:
    no_side = replace(FINE, accepted_side="no", price=Decimal("0.55"), position=Decimal(0))
    assert (FINE.move, no_side.move) == (Decimal("-0.01"), Decimal("0.01"))
    assert first_failure(checks(replace(no_side, fair_now=Decimal("0.4701")))).name == "move"  # type: ignore[union-attr]
    assert (FINE.position_after, no_side.position_after) == (Decimal(60), Decimal(-50))
    assert (FINE.cost, FINE.exposure_after) == (Decimal(20), Decimal(24))
    assert replace(no_side, position=Decimal(80)).exposure_after == Decimal(30) * Decimal("0.45")


@pytest.mark.parametrize(
    "look", [FINE, LastLook(now=NOW), replace(FINE, cash=None, market_closes_at=None, feed_why="x")]
)
def test_stored_inputs_give_the_same_answer_again(look: LastLook) -> None:
    again = from_json(to_json(look))

    assert again == look
    assert checks(again) == checks(look)


def test_every_check_says_something_to_a_person() -> None:
    for look in (FINE, LastLook(now=NOW)):
        for check in checks(look):
            assert check.text.endswith("."), check
            assert set(check.as_json()) == {"name", "ok", "value", "limit", "text"}
