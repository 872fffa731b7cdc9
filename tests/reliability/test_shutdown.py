"""F18: SIGTERM while orders are in flight. Each ends in a known state, and nothing that is stale is sent afterwards."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps.orders.services.send import GOOD_FOR, LEFT_WITHIN
from tests.faults.storm import OPTIONS, Storm
from tests.support.desk import eventually, running_desk, start_desk

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("faults-processes")]

CLICKS = 8
FINAL = {"acked", "refused", "not_seen"}


def stored_time(text: str) -> datetime:
    """A time as SQLite keeps it: UTC without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_f18_a_desk_that_is_told_to_end_leaves_no_order_in_doubt(tmp_path: Path) -> None:
    data = tmp_path / "data"
    desk = start_desk(data, DESK_PAPER_OPTIONS=OPTIONS)
    try:
        storm = Storm(desk, seed=1)
        # Answers that take longer than the end of the desk: whatever was sent is still on its way.
        storm._control(
            "POST",
            "/rest/fault",
            {"kind": "delay", "count": CLICKS, "method": "POST", "path": "/trade-api/v2/portfolio", "delay_ms": 4_000},
        )
        for _ in range(CLICKS):
            storm._click()
        eventually(lambda: any(row["state"] == "sending" for row in storm._rows("orders_orderintent")), what="a send")
        port, paper_port = desk.port, urlsplit(desk.paper["rest_url"]).port
        storm.trader.close()
    finally:
        code = desk.stop()
    ended = datetime.now(UTC)

    assert code == 0
    at_end = {row["client_order_id"]: row for row in storm._rows("orders_orderintent")}
    assert at_end
    with running_desk(data, port=port, DESK_PAPER_OPTIONS=OPTIONS, DESK_PAPER_PORT=str(paper_port)) as again:
        after = Storm(again, seed=2)

        def is_known() -> bool:
            after.report.problems = after._compare()
            rows = after._rows("orders_orderintent")
            return not after.report.problems and {row["state"] for row in rows} <= FINAL

        eventually(is_known, within=400, what="a known state of every order")
        # What was not sent before the end may be sent by the next start while its click is fresh, never later.
        clicked = {row["client_order_id"]: stored_time(row["created_at"]) for row in at_end.values()}
        for row in after._truth():
            created = datetime.fromisoformat(row["created_time"])
            click = clicked[row["client_order_id"].replace("-", "")]
            assert created <= max(ended, click + GOOD_FOR + LEFT_WITHIN)
        assert len(after._rows("orders_orderintent")) == len(at_end)
        after.trader.close()
