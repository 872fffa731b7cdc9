"""The file of a backup: whole or refused, in words, whatever was done to it."""

import io
from pathlib import Path

import pytest

from apps.operations import sealed
from apps.operations.errors import BackupRefused
from apps.operations.sealed import CHUNK, MAGIC, Opener, OpeningReader, Recipient, SealingWriter

PRIVATE, PUBLIC = sealed.key_make()
TAG = 16


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "SCRYPT_LOG2_N", 4)


def content(size: int) -> bytes:
    return (bytes(number * 31 % 251 for number in range(997)) * (size // 997 + 1))[:size]


def seal(data: bytes, recipient: Recipient | None = None) -> bytes:
    out = io.BytesIO()
    writer = SealingWriter(out, recipient or sealed.recipient_of(PUBLIC))
    for start in range(0, len(data), 100_003):
        writer.write(data[start : start + 100_003])
    writer.finish()
    return out.getvalue()


def unseal(raw: bytes, opener: Opener | None = None) -> bytes:
    return OpeningReader(io.BytesIO(raw), opener or sealed.opener_of(PRIVATE)).read()


def body_of(raw: bytes) -> int:
    """Where the first chunk begins."""
    return len(MAGIC) + 2 + int.from_bytes(raw[len(MAGIC) : len(MAGIC) + 2], "big")


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_what_was_written_is_read(size: int) -> None:
    data = content(size)

    assert unseal(seal(data)) == data
    assert unseal(seal(data, Recipient(passphrase="twelve or more")), Opener(passphrase="twelve or more")) == data


def test_nothing_of_the_content_shows_and_no_two_files_are_alike() -> None:
    data = b"KXSECRET-26-T1 buys 100 " * 1_000

    first, second = seal(data), seal(data)

    assert b"KXSECRET" not in first
    assert first[body_of(first) :] != second[body_of(second) :]


def test_cut_anywhere_it_does_not_open() -> None:
    raw = seal(content(2 * CHUNK + 5_000))
    chunk = CHUNK + TAG
    begin = body_of(raw)
    for end in {0, 5, begin - 1, begin, begin + 1, begin + chunk, begin + 2 * chunk, begin + chunk + 9, len(raw) - 1}:
        with pytest.raises(BackupRefused):
            unseal(raw[:end])
    # Cut off exactly between two chunks, each of which is whole and authentic.
    with pytest.raises(BackupRefused, match="cut off"):
        unseal(raw[: begin + chunk])


def test_one_bit_anywhere_and_it_does_not_open() -> None:
    raw = seal(content(CHUNK + 300))
    places = [*range(body_of(raw) + 40), *range(body_of(raw), len(raw), 9_973), len(raw) - 1]
    for place in places:
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(BackupRefused):
            unseal(bytes(changed))


def test_chunks_do_not_open_in_another_order_or_file_or_number() -> None:
    raw, other = seal(content(3 * CHUNK)), seal(content(3 * CHUNK))
    begin, chunk = body_of(raw), CHUNK + TAG
    first, second, last = raw[begin : begin + chunk], raw[begin + chunk : begin + 2 * chunk], raw[begin + 2 * chunk :]
    head = raw[:begin]
    for changed in (
        head + second + first + last,
        head + first + last,
        head + first + second + second + last,
        raw + last,
        raw + b"x",
        head + other[body_of(other) :],
        other[: body_of(other)] + raw[begin:],
    ):
        with pytest.raises(BackupRefused):
            unseal(changed)


def test_each_wrong_key_is_named() -> None:
    other, _ = sealed.key_make()
    for raw, opener, words in (
        (seal(b"x"), sealed.opener_of(other), "was made for the key"),
        (seal(b"x"), Opener(passphrase="twelve or more"), "give its private half"),
        (seal(b"x", Recipient(passphrase="twelve or more")), sealed.opener_of(PRIVATE), "made with a passphrase"),
        (seal(b"x", Recipient(passphrase="twelve or more")), Opener(passphrase="another one, sorry"), "passphrase is"),
        (b"SQLite format 3\0" * 10, sealed.opener_of(PRIVATE), "no backup of the desk"),
    ):
        with pytest.raises(BackupRefused, match=words):
            unseal(raw, opener)
    with pytest.raises(BackupRefused, match="12 characters"):
        seal(b"x", Recipient(passphrase="short"))


def test_a_header_cannot_ask_for_a_gigabyte_of_memory() -> None:
    raw = seal(b"x", Recipient(passphrase="twelve or more")).replace(b'"log2_n":4,', b'"log2_n":60,')

    with pytest.raises(BackupRefused):
        unseal(raw, Opener(passphrase="twelve or more"))


def test_a_mistyped_key_is_refused_and_comments_are_not() -> None:
    assert sealed.opener_of(f"# of the desk\n# {PUBLIC}\n{PRIVATE}\n").private == sealed.opener_of(PRIVATE).private
    for wrong in ("", PUBLIC, PRIVATE[:-2], PRIVATE.swapcase(), PRIVATE + PRIVATE, f"{PRIVATE}\n{PRIVATE}"):
        with pytest.raises(BackupRefused, match="private key of backups cannot be read"):
            sealed.opener_of(wrong)
    assert PRIVATE.removeprefix("kdb-private-") not in repr(sealed.opener_of(PRIVATE))


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"

    sealed.file_replace(file, b"one")
    sealed.file_replace(file, b"two")

    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == ["file"]
