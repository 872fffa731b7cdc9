"""Sequence numbers that survive whatever happens to the process, and never lie about what happened to the file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.fix.engine.errors import StoreCorrupt
from apps.fix.engine.store import FileStore, MemoryStore, Sent, set_aside

ROOT = Path(__file__).resolve().parents[3]


def sent(seq, raw=b"8=FIXT.1.1\x01...", kind="D"):
    return Sent(seq, 1_000 + seq, kind, raw)


def reopened(store, path, **options):
    store.close()
    return FileStore(path, **options)


def test_a_new_store_begins_at_one(tmp_path):
    store = FileStore(tmp_path / "s.fix")

    assert (store.next_out, store.next_in, store.was_torn) == (1, 1, False)
    store.close()


def test_numbers_and_messages_are_there_after_reopening(tmp_path):
    path = tmp_path / "deep" / "s.fix"
    store = FileStore(path)
    store.put_sent(sent(1, kind="A"))
    store.put_sent(sent(2, b"\x00\xff", kind="UOG"))
    store.set_next_in(9)
    store = reopened(store, path)

    assert (store.next_out, store.next_in) == (3, 9)
    assert store.get_sent(2) == sent(2, b"\x00\xff", kind="UOG")
    assert store.get_sent(3) is None
    store.close()


def test_a_reset_forgets_what_was_sent(tmp_path):
    path = tmp_path / "s.fix"
    store = FileStore(path)
    store.put_sent(sent(1))
    store.reset(77, next_out=1, next_in=1)
    store = reopened(store, path)

    assert (store.next_out, store.next_in, store.reset_at_ms, store.get_sent(1)) == (1, 1, 77, None)
    store.close()


def test_the_file_is_for_its_owner_only(tmp_path):
    FileStore(tmp_path / "s.fix").close()

    assert (tmp_path / "s.fix").stat().st_mode & 0o777 == 0o600


def test_a_long_session_stays_small_and_keeps_its_newest_messages(tmp_path):
    path = tmp_path / "s.fix"
    store = FileStore(path, compact_bytes=20_000)
    for seq in range(1, 1_001):
        store.put_sent(sent(seq, b"x" * 200))
        store.set_next_in(seq * 2)
    assert path.stat().st_size < 40_000
    store = reopened(store, path)

    assert (store.next_out, store.next_in) == (1_001, 2_000)
    assert store.get_sent(1_000) == sent(1_000, b"x" * 200)
    assert store.get_sent(1) is None
    store.close()


def test_a_last_record_that_was_cut_is_dropped_and_told(tmp_path):
    path = tmp_path / "s.fix"
    store = FileStore(path)
    store.put_sent(sent(1))
    whole = path.stat().st_size
    store.put_sent(sent(2))
    store.close()
    data = path.read_bytes()
    for size in range(whole + 1, len(data)):
        path.write_bytes(data[:size])
        torn = FileStore(path)
        assert (torn.next_out, torn.was_torn) == (2, True)
        torn.put_sent(sent(2))
        torn = reopened(torn, path)
        assert (torn.next_out, torn.was_torn) == (3, False)
        torn.close()


def test_every_flipped_bit_is_found(tmp_path):
    """D24: no damage may pass as another number."""
    path = tmp_path / "s.fix"
    store = FileStore(path)
    for seq in range(1, 4):
        store.put_sent(sent(seq))
        store.set_next_in(seq + 5)
    store.close()
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(StoreCorrupt):
                FileStore(path)
    assert path.read_bytes() == bytes(damaged), "the evidence stays"


@pytest.mark.parametrize("content", [b"not a store", b"KDFIX1\n", b""])
def test_other_files_are_not_taken_for_a_store(tmp_path, content):
    path = tmp_path / "s.fix"
    path.write_bytes(content)
    if content == b"not a store":
        with pytest.raises(StoreCorrupt):
            FileStore(path)
        kept = set_aside(path, 5)
        assert kept.read_bytes() == content
    store = FileStore(path)
    assert store.next_out == 1
    store.close()


operations = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.binary(max_size=300)),
        st.tuples(st.just("in"), st.integers(1, 2**40)),
        st.tuples(st.just("reset"), st.integers(0, 2**40)),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=40,
)


@given(operations)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_the_file_agrees_with_memory_after_any_history(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("store") / "s.fix"
    file, memory = FileStore(path, compact_bytes=2_000), MemoryStore()
    for what, value in history:
        if what == "reopen":
            file = reopened(file, path, compact_bytes=2_000)
        for store in (file, memory):
            if what == "send":
                store.put_sent(sent(store.next_out, value))
            elif what == "in":
                store.set_next_in(value)
            elif what == "reset":
                store.reset(value)
    file = reopened(file, path, compact_bytes=2_000)
    assert (file.next_out, file.next_in, file.reset_at_ms) == (memory.next_out, memory.next_in, memory.reset_at_ms)
    if memory.next_out > 1:
        newest = memory.next_out - 1
        assert file.get_sent(newest) == memory.get_sent(newest)
    file.close()


WRITER = """
import sys
from pathlib import Path
from apps.fix.engine.store import FileStore, Sent
store = FileStore(Path(sys.argv[1]), compact_bytes=50_000)
while True:
    seq = store.next_out
    store.put_sent(Sent(seq, seq, "F", b"y" * (seq % 300)))
    # What is told here "left the machine": the store must know of it afterwards.
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("told", [3, 40, 700])
def test_nothing_that_left_is_forgotten_by_kill_9(tmp_path, told):
    path = tmp_path / "s.fix"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert writer.stdout is not None
    last = 0
    for _ in range(told):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    last = max([last, *(int(line) for line in rest[:-1])])
    store = FileStore(path, compact_bytes=50_000)

    assert last + 1 <= store.next_out
    newest = store.get_sent(store.next_out - 1)
    assert newest is not None
    assert newest.raw == b"y" * (newest.seq % 300)
    store.close()
