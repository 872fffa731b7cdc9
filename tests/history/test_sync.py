"""The sync against the paper exchange: everything once, nothing left out, whatever moves meanwhile."""

from tests.history.rig import Rig
from tests.history.truth import assert_same, exchange_fills


def test_a_day_is_read_whole(rig: Rig) -> None:
    rig.day(past_fills=2_000, orders=60)

    rig.sync()

    assert sum(exchange_fills(rig).values()) > 2_100
    assert_same(rig)
