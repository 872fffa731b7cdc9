"""The archive inside of a backup's file: tar, compressed, encrypted; written and read as a stream."""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec

from apps.operations import manifest as manifests
from apps.operations.errors import BackupRefused
from apps.operations.manifest import MANIFEST, Manifest, Member
from apps.operations.sealed import Opener, OpeningReader, Recipient, SealingWriter

_BLOCK = 1_048_576
_MANIFEST_AT_MOST = 16_777_216
# Text and numbers shrink to a fifth at any level; the higher ones only take longer.
_LEVEL = 3


def member_of(path: Path) -> Member:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return Member(size=size, sha256=digest.hexdigest())


def write(out: IO[bytes], recipient: Recipient, manifest: Manifest, files: dict[str, Path]) -> tuple[str, int]:
    """Write all of it to `out`; return SHA-256 and size of the file."""
    sealing = SealingWriter(out, recipient)
    with (
        gzip.GzipFile(fileobj=sealing, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        _add(archive, MANIFEST, io.BytesIO(raw := msgspec.json.encode(manifest)), len(raw))
        for name, path in files.items():
            with path.open("rb") as source:
                _add(archive, name, source, path.stat().st_size)
    return sealing.finish(), sealing.size


def _add(archive: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    archive.addfile(info, source)


def unpack(source: IO[bytes], opener: Opener, folder: Path | None) -> Manifest:
    """Read a backup to its end and check every part; keep the parts in `folder`, or nothing of them (None).

    Raises BackupRefused.
    """
    reader = OpeningReader(source, opener)
    try:
        with tarfile.open(fileobj=gzip.GzipFile(fileobj=reader), mode="r|") as archive:
            manifest = _manifest(archive)
            found = set()
            while (info := archive.next()) is not None:
                _member(archive, info, manifest, folder)
                found.add(info.name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
        # What is encrypted was authenticated, so this was written so.
        raise BackupRefused("backup_format", "What is in this backup is no archive of the desk.") from None
    reader.drain()
    missing = sorted(manifest.members.keys() - found)
    if missing:
        raise BackupRefused("backup_damaged", f"This backup lacks {', '.join(missing)}.")
    return manifest


def _manifest(archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    held = None if first is None else archive.extractfile(first)
    if first is None or held is None or first.name != MANIFEST or first.size > _MANIFEST_AT_MOST:
        raise BackupRefused("backup_format", "This backup does not begin with the list of what is in it.")
    return manifests.read(held.read())


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo, manifest: Manifest, folder: Path | None) -> None:
    wanted = manifest.members.get(info.name)
    held = archive.extractfile(info) if info.isreg() else None
    if wanted is None or held is None:
        raise BackupRefused("backup_format", f"This backup has {info.name!r}, which its list does not.")
    digest, size = hashlib.sha256(), 0
    out = None if folder is None else _open_new(member_path(folder, info.name))
    try:
        for block in _blocks(held):
            digest.update(block)
            size += len(block)
            if out is not None:
                out.write(block)
    finally:
        if out is not None:
            out.close()
    if (size, digest.hexdigest()) != (wanted.size, wanted.sha256):
        raise BackupRefused("backup_damaged", f"{info.name} is not what the backup's list says it is.")


def _open_new(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def member_path(folder: Path, name: str) -> Path:
    """Where a part is kept: its name is of the manifest's list, and never a path."""
    return folder / name.replace("/", "--")


def _blocks(source: IO[bytes]) -> Iterable[bytes]:
    while block := source.read(_BLOCK):
        yield block
