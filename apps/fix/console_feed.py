"""The gateway's job that tells browsers how FIX sessions are and what the listener brought. Conflated: a look twice a
second, and only rows that changed leave."""

import asyncio
import logging
from typing import Any, Final

from apps.core.ports import GatewayTools
from apps.exchange import live
from apps.fix.models import FixMessage, FixSession

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
# Without sessions there is nothing to tell: look less often.
IDLE_SECONDS: Final = 3.0


class ConsoleFeed:
    """What was told last, by account and key; a new gateway tells everything once."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, dict[str, Any]]] = {}
        self._wall: dict[int, list[int]] = {}
        self._newest = 0

    def look(self) -> list[tuple[str, dict[str, dict[str, Any] | None]]]:
        """Return (topic, rows) to publish: what differs from what was told. In the database's thread."""
        from apps.fix import console

        accounts = sorted(set(FixSession.objects.values_list("account_id", flat=True)))
        if not accounts:
            return []
        rows: dict[int, dict[str, dict[str, Any]]] = {one: {} for one in accounts}
        for row in [*console.session_rows(accounts).values(), *console.recovery_rows(accounts).values()]:
            rows[row["account_id"]][row["key"]] = row
        changes: list[tuple[str, dict[str, dict[str, Any] | None]]] = []
        for account_id, present in rows.items():
            known = self._told.get(account_id, {})
            changed: dict[str, dict[str, Any] | None] = {
                key: row for key, row in present.items() if known.get(key) != row
            }
            changed |= dict.fromkeys(known.keys() - present.keys())
            if changed:
                changes.append((f"fix:{account_id}", changed))
        self._told = rows
        return changes + self._reports(accounts)

    def _reports(self, accounts: list[int]) -> list[tuple[str, dict[str, dict[str, Any] | None]]]:
        from apps.fix import console_wall

        newest = FixMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        if newest <= self._newest:
            return []
        after, self._newest = self._newest, newest
        changes: list[tuple[str, dict[str, dict[str, Any] | None]]] = []
        for account_id in accounts:
            fresh = console_wall.wall_rows(account_id, after=after)
            if not fresh:
                continue
            told = [*self._wall.get(account_id, []), *(row["id"] for row in reversed(fresh))]
            # Browsers keep as many as the state has: what falls out is named, or their pages would grow all day.
            gone, self._wall[account_id] = told[: -console_wall.SHOWN], told[-console_wall.SHOWN :]
            rows: dict[str, dict[str, Any] | None] = {str(pk): None for pk in gone}
            changes.append((f"fixwall:{account_id}", rows | {str(row["id"]): row for row in fresh}))
        return changes


def tell(changes: list[tuple[str, dict[str, dict[str, Any] | None]]]) -> None:
    for topic, rows in changes:
        live.publish_rows(topic, rows)


async def console_job(tools: GatewayTools) -> None:
    """Run until cancelled."""
    feed = ConsoleFeed()
    while True:
        seconds = LOOK_SECONDS
        try:
            changes = await tools.database(feed.look)
            if changes:
                await tools.redis(lambda found=changes: tell(found))  # type: ignore[misc]
            elif not feed._told:
                seconds = IDLE_SECONDS
        except Exception:
            # A boundary: the page goes on once the database is back.
            logger.exception("the FIX page's rows cannot be read")
        await asyncio.sleep(seconds)
