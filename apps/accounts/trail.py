"""What an auditor asks for: a check of the chain, and the trail as a file. Both leave an entry of their own."""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from apps.accounts.models import Membership
from apps.accounts.team import name_of
from apps.audit import selectors
from apps.audit.models import ChainCheck
from apps.audit.selectors import Wanted
from apps.audit.services import record
from apps.core.cells import safe_cell
from apps.core.errors import NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import format_rfc3339, utc_now

COLUMNS = ("sequence", "at_utc", "person", "action", "environment", "object", "data", "previous_digest", "digest")


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def wanted_from(given: Mapping[str, Any]) -> Wanted:
    """Read the filters of the page; what cannot be read does not narrow."""
    person = str(given.get("person", ""))
    return Wanted(
        actor_id=int(person) if person.isdecimal() and len(person) < 16 else None,
        action=str(given.get("action", ""))[:64].strip(),
        target=str(given.get("object", ""))[:120].strip(),
        since=_moment(str(given.get("since", ""))),
        until=_moment(str(given.get("until", ""))),
    )


def people_of(actor: Actor) -> list[tuple[int, str]]:
    """Everybody who is or was on the desk, for the filter; 0 is the desk itself."""
    rows = Membership.objects.filter(desk_id=actor.desk_id).select_related("user").order_by("user__username")
    return [(0, "The desk itself"), *((row.user_id, name_of(row.user)) for row in rows)]


def check_ask(actor: Actor) -> ChainCheck:
    """Have the chain walked by a worker. One at a time: asked again while one runs, that one is returned."""
    if not actor.may(Permission.AUDIT_VIEW):
        raise NotAllowed
    with transaction.atomic():
        running = ChainCheck.objects.filter(desk_id=actor.desk_id, finished_at=None).order_by("-pk").first()
        if running is not None and (utc_now() - running.asked_at).total_seconds() < 600:
            return running
        check = ChainCheck.objects.create(desk_id=actor.desk_id, asked_by_id=actor.user_id, asked_at=utc_now())
        record("audit.check.asked", actor_id=actor.user_id, desk_id=actor.desk_id, target=f"chain_check:{check.pk}")
    return check


def export_lines(actor: Actor, wanted: Wanted) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), oldest first, and write down who took it. Raises NotAllowed."""
    entries = selectors.entries_each(actor, wanted)
    asked = {
        "person": wanted.actor_id,
        "action": wanted.action,
        "object": wanted.target,
        "since": wanted.since,
        "until": wanted.until,
    }
    record("audit.trail.exported", actor_id=actor.user_id, desk_id=actor.desk_id, data=asked)
    return _lines(entries)


def _lines(entries: Iterator[Any]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for entry in entries:
        values = (
            entry.sequence,
            format_rfc3339(entry.at),
            name_of(entry.actor) if entry.actor else "",
            entry.action,
            entry.environment,
            entry.target,
            json.dumps(entry.data, sort_keys=True, ensure_ascii=False),
            entry.previous_digest,
            entry.digest,
        )
        yield writer.writerow([safe_cell(value) for value in values])


def _moment(raw: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(raw[:32])
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
