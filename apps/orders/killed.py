"""A kill that the database does not know yet: a file that holds back every order of this machine.

`manage.py kill` writes it before anything else, and so does a pull of the switch that the database did not take.
Every check before an order looks here (one `stat`); the gateway and the sweep carry it into the database and then
remove it (apps.monitoring). Contract: docs/monitoring.md.
"""

import functools
import os
from pathlib import Path

import msgspec
from django.conf import settings

TEXT = "The kill switch was pulled outside of the database. Nothing is sent until a lead releases it."


class Marker(msgspec.Struct, kw_only=True):
    """desk_slug "": every desk. by: row id of a person of the desk, or None for somebody at the command line."""

    at_ms: int
    why: str
    desk_slug: str = ""
    by: int | None = None
    by_text: str = ""


def path() -> Path:
    return Path(settings.DATA_DIR) / "run" / "killed.json"


def is_set() -> bool:
    try:
        _file_in(str(settings.DATA_DIR)).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True  # what cannot be looked at for another reason raises OSError, and nothing is sent


@functools.lru_cache(maxsize=4)
def _file_in(data: str) -> Path:
    """`path`: to put it together takes longer than to look there."""
    return path()


def covers(desk_slug: str) -> bool:
    """Whether what is written holds for this desk ("": for every one)."""
    marker = read()
    return marker is not None and marker.desk_slug in ("", desk_slug)


def write(marker: Marker) -> None:
    """Write it and wait for the disk. One that is there stays, and is of every desk from then on where it was of
    another than the new one: neither is lost. Raises OSError.
    """
    file = path()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _store(marker, file)
    except FileExistsError:
        known = read()
        if known is not None and known.desk_slug not in ("", marker.desk_slug):
            both = msgspec.structs.replace(known, desk_slug="", why=f"{known.why}; {marker.why}"[:200])
            temporary = file.with_name(f".{file.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            _store(both, temporary)
            temporary.replace(file)


def _store(marker: Marker, file: Path) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(msgspec.json.encode(marker))
        stream.flush()
        os.fsync(stream.fileno())


def read() -> Marker | None:
    """Return what is written; a file that cannot be read still kills, for every desk."""
    try:
        raw = path().read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(raw, type=Marker)
    except msgspec.DecodeError:
        return Marker(at_ms=0, why="The file of the kill switch cannot be read.")


def remove() -> None:
    path().unlink(missing_ok=True)
