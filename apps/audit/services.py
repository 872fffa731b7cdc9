"""The only writer of the audit trail, and its verifier."""

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.audit.entry_data import plain
from apps.audit.models import AuditEntry
from apps.core.prepared import Prepared
from apps.core.prepared_writes import PreparedInsert

GENESIS = "0" * 64
# First half of PostgreSQL's two-part advisory lock: "audit chain"; the second is the desk.
_LOCK_CLASS = 0x4B44_0001
_heads = Prepared(lambda desk_id: AuditEntry.objects.filter(desk_id=desk_id).order_by("-sequence")[:1])
_append = PreparedInsert(AuditEntry)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `problem` is empty when the chain holds; `sequence` is where it breaks.

    witnessed: how many heads noted elsewhere agreed with it.
    """

    desk_id: int
    entries: int
    head: str
    problem: str = ""
    sequence: int | None = None
    witnessed: int = 0

    @property
    def is_intact(self) -> bool:
        return not self.problem


def record(
    action: str,
    *,
    actor_id: int | None,
    desk_id: int,
    environment: str = "",
    target: str = "",
    data: Mapping[str, Any] | None = None,
    at: datetime.datetime | None = None,
) -> AuditEntry:
    """Append one entry to the desk's chain, inside the caller's transaction.

    It commits or rolls back with what it describes. A failure to record raises, so that no
    command happens without its entry.

    Args:
        action: "<app>.<entity>.<past>".
        actor_id: None for the system itself.
        desk_id: 0 for the installation itself.
        target: "<model>:<id>".
        data: see `entry_data.plain` for what is allowed.

    Raises:
        SecretRefused, TypeError, ValueError: `data` or `target` cannot be kept; nothing was written.
    """
    if action.count(".") != 2 or len(action) > 64:
        raise ValueError(f"an action is <app>.<entity>.<past>, was {action!r}")
    kept = plain(dict(data or {}))
    target = plain(target, where="target")[:120]
    moment = (at or timezone.now()).astimezone(datetime.UTC)
    # No savepoint: a command whose entry cannot be kept is taken back as a whole.
    with transaction.atomic(savepoint=False):
        _chain_lock(desk_id)
        last = _heads.first(desk_id)
        entry = AuditEntry(
            desk_id=desk_id,
            sequence=last.sequence + 1 if last else 1,
            at=moment,
            actor_id=actor_id,
            action=action,
            environment=environment,
            target=target,
            data=kept,
            previous_digest=last.digest if last else GENESIS,
        )
        entry.digest = digest(entry)
        _append(entry)
    return entry


def _chain_lock(desk_id: int) -> None:
    """Let one transaction at a time extend a desk's chain, until it ends.

    SQLite needs nothing: IMMEDIATE transactions are already alone.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, desk_id % 2**31])


def digest(entry: AuditEntry) -> str:
    """Return SHA-256, hex, over everything the entry says and the previous digest."""
    said = [
        1,  # version of this list
        entry.desk_id,
        entry.sequence,
        entry.at.astimezone(datetime.UTC).isoformat(timespec="microseconds"),
        entry.actor_id,
        entry.action,
        entry.environment,
        entry.target,
        entry.data,
        entry.previous_digest,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def verify(
    desk_id: int, *, expected: tuple[int, str] | None = None, noted: Mapping[int, str] | None = None
) -> Verification:
    """Walk the desk's chain from its first entry.

    Args:
        expected: (sequence, digest) noted earlier. A chain whose newest entries were cut off is
            still a chain; only a note kept elsewhere shows that.
        noted: the same for many, digest by sequence (`witness.heads_noted`).
    """
    heads = dict(noted or {}) | ({expected[0]: expected[1]} if expected else {})
    previous, count, agreed = GENESIS, 0, 0
    for entry in AuditEntry.objects.filter(desk_id=desk_id).order_by("sequence").iterator(chunk_size=2_000):
        problem = _problem(entry, sequence=count + 1, previous=previous)
        wanted = heads.pop(entry.sequence, None)
        if wanted is not None and wanted != entry.digest:
            problem = problem or "differs from the digest noted earlier"
        if problem:
            return Verification(desk_id, count, previous, problem, entry.sequence, agreed)
        agreed += wanted is not None
        previous, count = entry.digest, count + 1
    if heads:
        return Verification(desk_id, count, previous, "ends before the entry noted earlier", min(heads), agreed)
    return Verification(desk_id, count, previous, witnessed=agreed)


def _problem(entry: AuditEntry, *, sequence: int, previous: str) -> str:
    if entry.sequence != sequence:
        return f"entry {sequence} is missing"
    if entry.previous_digest != previous:
        return "does not continue the entry before it"
    if entry.digest != digest(entry):
        return "was changed after it was written"
    return ""
