"""Collections, combos and what follows their legs are there after a stop or a kill."""

from dataclasses import asdict
from pathlib import Path

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.snapshot import KEPT_CLOSED_MS
from tests.paper.engine.combo_support import COLLECTION, combo_exchange, end_leg, leg, legs, make_collection, make_combo
from tests.paper.engine.support import DAY_MS, NOON_MS, place
from tests.paper.test_snapshot import answers, keep, take_up


@pytest.mark.parametrize("killed", [False, True])
def test_collections_and_combos_are_there_after_a_restart(tmp_path: Path, killed: bool) -> None:
    exchange = combo_exchange()
    exchange.combo_rules.creations_per_week = 2
    kept = make_combo(exchange, "A 1")
    keeper = keep(exchange, tmp_path)
    exchange.keep_collection(make_collection(ticker=f"{COLLECTION}-2", size_max=3))
    made = make_combo(exchange, "A 4")
    resting = place(exchange, "m1", "bid", 37, 5, ticker=made.ticker)
    exchange.look_up_combo(COLLECTION, legs("A 4"))
    end_leg(exchange, "A", "yes")
    keeper.write_due()
    before = answers(exchange)
    if killed:
        keeper.release()
    else:
        keeper.close()

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    keeper.release()

    assert answers(restored) == before
    assert {t: asdict(c) for t, c in restored.collections.items()} == {
        t: asdict(c) for t, c in exchange.collections.items()
    }
    assert restored.combo_lookups(COLLECTION, lookback_seconds=10) == [restored.market(made.ticker)]
    assert restored.order("m1", resting.order_id).status == "resting"
    assert restored.create_combo("m0", COLLECTION, legs("A 1")).ticker == kept.ticker
    restored.combo_rules.creations_per_week = 2
    with pytest.raises(ExchangeError):
        restored.create_combo("m0", COLLECTION, legs("2 4"))
    end_leg(restored, "4", "no")
    assert restored.market(made.ticker).result == "no"
    assert restored.market(kept.ticker).status == "active"


def test_a_combo_created_by_a_member_survives_a_kill_at_once(tmp_path: Path) -> None:
    exchange = combo_exchange()
    keeper = keep(exchange, tmp_path)
    made = make_combo(exchange, "A 1")
    keeper.release()  # nothing was written since

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    keeper.release()
    assert restored.market(made.ticker).legs == made.legs
    assert restored.events[made.event_ticker].market_tickers == [made.ticker]


def test_what_a_kept_combo_depends_on_is_not_forgotten(tmp_path: Path) -> None:
    exchange = combo_exchange(members=1)
    used, unused = make_combo(exchange, "A 4"), make_combo(exchange, "B 2", user_id="")
    place(exchange, "m0", "bid", 1_000, 1, ticker=used.ticker)
    keep(exchange, tmp_path).close()

    restored, keeper, _ = take_up(tmp_path, NOON_MS + 3 * DAY_MS + KEPT_CLOSED_MS)
    keeper.release()

    assert used.ticker in restored.markets
    assert {row.market_ticker for row in used.legs} <= set(restored.markets)
    assert unused.ticker not in restored.markets
    assert not {leg("B").market_ticker, leg("2").market_ticker} & set(restored.markets)
    assert set(restored.collections[COLLECTION].events) <= set(restored.events)
