"""The heads of the chains, noted in a second place: lines appended to a file outside of the database.

Who changes the database alone cannot change what stands here; who changes the file alone cannot make its seals. The
seal's key comes from SECRET_KEY, so a stolen file lets nobody write lines for another installation. Each line also
carries the digest of the line before it: a line that is taken out shows.
"""

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Min
from django.utils import timezone
from django.utils.encoding import force_bytes

from apps.audit.models import AuditEntry
from apps.audit.services import GENESIS, Verification, verify
from apps.core import durability


class WitnessBroken(Exception):
    """The file was changed: `line` is the first that does not follow, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} of the witness file {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Noted:
    at: str
    desk_id: int
    sequence: int
    digest: str


def path() -> Path:
    return Path(settings.AUDIT_WITNESS_FILE)


def heads_note() -> int:
    """Append the head of every chain that grew since its last line; returns how many lines. Flushed to the disk.

    One process at a time, by the file's lock. Raises OSError where the file cannot be written.
    """
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        content = out.read()
        whole = _whole(content)
        if len(whole) < len(content):
            # A line that the power took in the middle; what it was about to say is noted again below.
            out.truncate(len(whole))
        last, previous = _last_lines(whole)
        lines = b""
        count = 0
        heads = list(_heads())
        durability.flush()  # what is noted here must not be lost there
        for desk_id, sequence in heads:
            if last.get(desk_id, 0) >= sequence:
                continue
            digest = AuditEntry.objects.values_list("digest", flat=True).get(desk_id=desk_id, sequence=sequence)
            line = _line(Noted(timezone.now().isoformat(timespec="seconds"), desk_id, sequence, digest), previous)
            previous = hashlib.sha256(line).hexdigest()
            lines += line + b"\n"
            count += 1
        if lines:
            out.write(lines)
            out.flush()
            os.fsync(out.fileno())
    return count


def heads_noted() -> dict[int, dict[int, str]]:
    """Return digest by sequence by desk, of the whole file; empty when there is none yet.

    Raises WitnessBroken.
    """
    found: dict[int, dict[int, str]] = {}
    for noted in _read():
        found.setdefault(noted.desk_id, {})[noted.sequence] = noted.digest
    return found


def check(desk_id: int) -> Verification:
    """Walk a desk's chain and compare it with every head in the file."""
    try:
        noted = heads_noted()
    except WitnessBroken as exc:
        chain = verify(desk_id)
        return chain if chain.problem else Verification(desk_id, chain.entries, chain.head, str(exc), None)
    return verify(desk_id, noted=noted.get(desk_id))


def _read() -> Iterator[Noted]:
    if not path().exists():
        return
    previous = GENESIS
    for number, line in enumerate(_whole(path().read_bytes()).splitlines(), start=1):
        try:
            said = json.loads(line)
            noted = Noted(said["at"], said["desk"], said["sequence"], said["digest"])
        except (ValueError, KeyError, TypeError):
            raise WitnessBroken(number, "cannot be read") from None
        if said.get("previous") != previous:
            raise WitnessBroken(number, "does not follow the one before it")
        if line != _line(noted, previous):
            raise WitnessBroken(number, "does not carry this installation's seal")
        previous = hashlib.sha256(line).hexdigest()
        yield noted


def _whole(content: bytes) -> bytes:
    """Return the lines that were written to their end."""
    return content[: content.rfind(b"\n") + 1]


def _last_lines(content: bytes) -> tuple[dict[int, int], str]:
    """Return the newest sequence by desk, and the digest of the last line. What cannot be read is left to `_read`."""
    last: dict[int, int] = {}
    previous = GENESIS
    for line in content.splitlines():
        try:
            said = json.loads(line)
            last[said["desk"]] = max(last.get(said["desk"], 0), said["sequence"])
        except (ValueError, KeyError, TypeError):
            pass
        previous = hashlib.sha256(line).hexdigest()
    return last, previous


def _heads() -> list[tuple[int, int]]:
    """The newest entry of each chain, by two looks into the index each: grouping would walk over every entry."""
    found: list[tuple[int, int]] = []
    last = -1
    while True:
        desk_id = AuditEntry.objects.filter(desk_id__gt=last).aggregate(next=Min("desk_id"))["next"]
        if desk_id is None:
            return found
        newest = AuditEntry.objects.filter(desk_id=desk_id).order_by("-sequence").values_list("sequence", flat=True)
        found.append((desk_id, newest[0]))
        last = desk_id


def _line(noted: Noted, previous: str) -> bytes:
    said = {
        "at": noted.at,
        "desk": noted.desk_id,
        "sequence": noted.sequence,
        "digest": noted.digest,
        "previous": previous,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    said["seal"] = hmac.new(_key(), text, hashlib.sha256).hexdigest()
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _key() -> bytes:
    return hmac.new(force_bytes(settings.SECRET_KEY), b"kalshi-desk audit witness 1", hashlib.sha256).digest()
