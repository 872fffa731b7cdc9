"""The signer's process and the way to it: signs as the key itself, refuses in the same words, never silently late."""

import base64
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.vault.emergency import emergency_write
from apps.vault.errors import KeyMissing, KeyUnreadable, PathRefused, ScopeRefused
from apps.vault.models import ApiKey
from apps.vault.opening import forget, signer_for, signer_for_key, uses_flush
from apps.vault.services import key_revoke
from apps.vault.signer import frames, remote, server
from apps.vault.signer.errors import SignerAway, SignerBusy
from apps.vault.signer.frames import Answer, Ask
from apps.vault.signer.remote import RemoteSigner
from apps.vault.signer.server import Keys, SignerServer
from apps.vault.signing import KeySigner
from tests.support.desk import PATIENCE, eventually
from tests.support.people import actor_of, key_pem, make_key, make_person

pytestmark = pytest.mark.django_db
ORDERS = "/trade-api/v2/portfolio/events/orders"
RESET = "/trade-api/v2/portfolio/order_groups/g/reset"
ACCEPT = "/trade-api/v2/communications/quotes/q/accept"


AT = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
SENT = "20231114-22:13:20.000"


@pytest.fixture(autouse=True)
def clock(monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "unix_ms_now", lambda: AT)


class Inline:
    """The thread of the database, as part of the test's own: what the test wrote is not committed."""

    def submit(self, call: Callable[..., Any], *args: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args))
        except Exception as exc:
            done.set_exception(exc)
        return done

    def shutdown(self, **_: Any) -> None:
        """Nothing runs."""


@pytest.fixture
def keys(monkeypatch: Any, settings: Any) -> Iterator[Keys]:
    """The signer without its socket: each question and answer goes through the frames all the same."""
    settings.SIGNER_SOCKET = "asked by the test"
    keys = Keys()
    keys._rows.shutdown()
    monkeypatch.setattr(keys, "_rows", Inline())

    def asked(question: Ask, within: float) -> Answer:
        heard = frames.ASKS.decode(frames._encode(question))
        return frames.ANSWERS.decode(frames._encode(keys.answer(heard)))

    monkeypatch.setattr(remote, "_asked", asked)
    monkeypatch.setattr(server, "close_old_connections", lambda: None)
    yield keys
    keys.close()
    forget()


@contextmanager
def serving(path: Path) -> Iterator[Keys]:
    """The signer at a socket, with one key that needs no database."""
    keys = Keys()
    keys._held["e:1"] = server._Held(KeySigner.from_pem(key_id="k", pem=key_pem(0), scopes=("read", "write")))
    with SignerServer(path, keys) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield keys
        finally:
            listening.shutdown()
            thread.join(PATIENCE)
            keys._rows.shutdown()


@pytest.fixture
def place(tmp_path_factory: Any, settings: Any) -> Iterator[Path]:
    """Where the signer listens: a name that is short enough for a socket."""
    path = Path(tmp_path_factory.mktemp("s")) / "s"
    settings.SIGNER_SOCKET = str(path)
    yield path
    remote.forget()


@pytest.fixture
def named() -> RemoteSigner:
    return RemoteSigner("e:1", key_id="k", scopes=frozenset({"read", "write"}), row_id=1, account_id=1)


@pytest.fixture
def admin(desk: Desk) -> Actor:
    return actor_of(make_person(desk, "vault-admin"))


@pytest.fixture
def row(admin: Any, account: ExchangeAccount) -> ApiKey:
    return make_key(admin, account)


def logon_text(key_id: str, target: str, *, at: str = SENT) -> str:
    return "\x01".join((at, "A", "1", key_id, target))


def public_half(which: int) -> RSAPublicKey:
    key = serialization.load_pem_private_key(key_pem(which).encode(), password=None).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def verify(signature: str, message: str, *, which: int = 0) -> None:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    public_half(which).verify(base64.b64decode(signature), message.encode(), pss, hashes.SHA256())


def test_it_signs_requests_as_the_key_itself(keys: Keys, row: ApiKey, account: ExchangeAccount) -> None:
    signer = signer_for(account.pk, write=True)

    assert isinstance(signer, RemoteSigner)
    headers = signer.headers("post", f"{ORDERS}?subaccount=1", AT + 123)
    assert headers["KALSHI-ACCESS-KEY"] == row.key_id
    verify(headers["KALSHI-ACCESS-SIGNATURE"], f"{AT + 123}POST{ORDERS}")
    assert signer_for(account.pk, write=True) is signer
    assert key_pem(0)[40:60] not in repr(signer)
    uses_flush()
    assert ApiKey.objects.get(pk=row.pk).use_count == 1


def test_it_signs_the_logons_that_a_key_is_for(keys: Keys, row: ApiKey, admin: Any, account: ExchangeAccount) -> None:
    dropping = make_key(admin, account, purpose="fix_dc", scopes=("read",), secret=key_pem(1).encode())
    logon = logon_text(dropping.key_id, "KalshiDC")

    verify(signer_for_key(dropping.pk).logon_signature(logon), logon, which=1)
    # A key that only listens enters no orders, and one of REST logs on nowhere.
    for key, target in ((dropping, "KalshiNR"), (row, "KalshiNR"), (row, "")):
        with pytest.raises(ValueError, match="FIX logon"):
            signer_for_key(key.pk).logon_signature(logon_text(key.key_id, target))


def test_nothing_is_signed_for_another_day(keys: Keys, row: ApiKey, admin: Any, account: ExchangeAccount) -> None:
    dropping = make_key(admin, account, purpose="fix_dc", scopes=("read",), secret=key_pem(1).encode())
    signer = signer_for(account.pk, write=True)

    for hours in (-1, 1):  # of a clock that is wrong
        assert signer.headers("POST", ORDERS, AT + hours * 3_600_000)
    for hours in (-3, 3, 24 * 365):
        with pytest.raises(DeskError, match="hours from now"):
            signer.headers("POST", ORDERS, AT + hours * 3_600_000)
    for at, code in (("20231116-22:13:20.000", "not_now"), ("tomorrow", "not_a_logon"), ("", "not_a_logon")):
        answer = keys.answer(Ask("logon", str(dropping.pk), logon_text(dropping.key_id, "KalshiDC", at=at)))
        assert (answer.code, answer.values) == (code, []), at


def test_it_refuses_what_the_key_itself_would(keys: Keys, row: ApiKey, admin: Any, account: ExchangeAccount) -> None:
    reading = make_key(admin, account, purpose="rest_read", scopes=("read",), secret=key_pem(1).encode())
    narrow = signer_for_key(reading.pk)

    with pytest.raises(ScopeRefused):
        narrow.headers("POST", ORDERS, AT)
    with pytest.raises(PathRefused):
        signer_for(account.pk, write=True).headers("POST", "/trade-api/v2/api_keys", AT)
    with pytest.raises(ValueError, match="FIX logon"):
        narrow.logon_signature("anything")
    # Whoever reaches the socket gets no further by its own questions.
    for question, code in (
        (Ask("rest", str(reading.pk), f"POST {ORDERS}", AT), "scope_refused"),
        (Ask("rest", "e:1", f"DELETE {ORDERS}/x", AT), "key_missing"),
        (Ask("rest", "1 OR 1=1", f"GET {ORDERS}", AT), "key_missing"),
        (Ask("rest", str(reading.pk), "", AT), "scope_refused"),
        (Ask("pem", str(reading.pk)), "not_known"),
        (Ask("open", "999999"), "key_missing"),
    ):
        answer = keys.answer(question)
        assert (answer.code, answer.values) == (code, []), question


def test_a_key_that_was_revoked_or_altered_signs_no_more(
    keys: Keys, row: ApiKey, admin: Any, account: ExchangeAccount, monkeypatch: Any
) -> None:
    signer = signer_for(account.pk, write=True)
    signer.headers("POST", ORDERS, AT)
    monkeypatch.setattr(server, "LOOKED_AT_LEAST", -1.0)  # every look is too long ago

    kept = bytes(ApiKey.objects.get(pk=row.pk).sealed)
    ApiKey.objects.filter(pk=row.pk).update(sealed=kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(KeyUnreadable):
        signer.headers("POST", ORDERS, AT)
    ApiKey.objects.filter(pk=row.pk).update(sealed=kept)
    signer.headers("POST", ORDERS, AT)
    key_revoke(admin, row.pk)
    with pytest.raises(KeyMissing, match="revoked"):
        signer.headers("POST", ORDERS, AT)
    with pytest.raises(KeyMissing):
        signer_for(account.pk, write=True)


def test_a_look_that_is_due_does_not_hold_up_a_signature(
    keys: Keys, row: ApiKey, account: ExchangeAccount, monkeypatch: Any
) -> None:
    signer = signer_for(account.pk, write=True)
    monkeypatch.setattr(server, "LOOKED_AGAIN", -1.0)
    waiting: list[Callable[[], object]] = []

    def later(call: Callable[..., Any], *args: Any) -> "Future[Any]":
        waiting.append(lambda: call(*args))
        return Future()

    with monkeypatch.context() as slow:
        slow.setattr(keys._rows, "submit", later)
        signer.headers("POST", ORDERS, AT)
        signer.headers("POST", ORDERS, AT)
    [look] = waiting  # one at a time
    look()
    assert not keys._held[str(row.pk)].is_looking


def test_a_signer_that_was_started_again_is_found_again(place: Path, named: RemoteSigner) -> None:
    with serving(place):
        named.headers("DELETE", f"{ORDERS}/1", AT)
        (kept, line) = remote._idle.get_nowait()
        remote._idle.put((kept, line))
        line.shutdown(socket.SHUT_RDWR)  # as of a process that died
    with serving(place):
        verify(named.headers("DELETE", f"{ORDERS}/1", AT)["KALSHI-ACCESS-SIGNATURE"], f"{AT}DELETE{ORDERS}/1")


def test_a_signer_that_is_away_or_hangs_is_said_so(place: Path, named: RemoteSigner, monkeypatch: Any) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(remote.time, "monotonic", iter(range(10_000)).__next__)  # each look is a second later
    with pytest.raises(SignerAway, match="Nothing was sent"):
        named.headers("GET", ORDERS, AT)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(place))
        deaf.listen()
        monkeypatch.setattr(remote, "ANSWERS_WITHIN", 0.05)
        with pytest.raises(SignerAway, match="did not answer"):
            named.headers("GET", ORDERS, AT)


def test_many_emergency_keys_are_given_their_time(tmp_path: Path, monkeypatch: Any) -> None:
    """Each takes the signer 40 ms to open: of fifty accounts the kill switch must not hear that it is away."""
    key = dict.fromkeys(("desk_slug", "account_name", "environment", "purpose", "key_id", "fingerprint"), "")
    numbers = {"desk": 1, "account": 1, "version": 1}
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([{**key, **numbers, "sealed": "", "row": row} for row in range(100)]))
    heard: list[float] = []

    def asked(question: Ask, within: float) -> Answer:
        heard.append(within)
        return Answer([json.dumps([row, "does not open", []]) for row in range(100)])

    monkeypatch.setattr(remote, "_asked", asked)

    assert len(remote.emergency_opened(file)) == 100
    assert heard[0] >= 100 * 0.04 * 4  # on a machine that is four times as slow


def test_a_line_that_waited_longer_serves_no_order(place: Path, named: RemoteSigner) -> None:
    with serving(place):
        assert remote.ask(Ask("ping"), within=60.0) == []
        assert remote._idle.empty()
        named.headers("GET", ORDERS, AT)
        (_, line) = remote._idle.get_nowait()
        assert line.gettimeout() == remote.ANSWERS_WITHIN
        line.close()


@contextmanager
def dialled(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE)
        link.connect(str(place))
        yield link


def frame_of(question: Ask) -> bytes:
    raw = frames._encode(question)
    return struct.pack(">I", len(raw)) + raw


def told(link: socket.socket) -> tuple[str, bool]:
    """The code of the next answer, and whether the line has ended behind it."""
    answer = frames.receive(link, frames.ANSWERS)
    return ("" if answer is None else answer.code), heard(link) == b""


SIGN = Ask("rest", "e:1", f"GET {ORDERS}", AT)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xff" * 64, "too_long"),
        (struct.pack(">I", frames.MOST + 1), "too_long"),
        (struct.pack(">I", 3) + b"\x91\xc1\x00", "not_known"),
        (frame_of(SIGN) * 2, "one_at_a_time"),
        (frame_of(SIGN) + b"\x00", "one_at_a_time"),
        (b"\x00\x00", ""),
        (frame_of(SIGN)[:-1], ""),
    ],
    ids=["long", "one byte too long", "unreadable", "two at once", "a piece behind it", "half a length", "cut off"],
)
def test_nonsense_on_the_socket_is_sent_away_and_harms_nobody_else(
    place: Path, named: RemoteSigner, raw: bytes, code: str
) -> None:
    with serving(place):
        assert place.stat().st_mode & 0o777 == 0o600
        with dialled(place) as link:
            link.sendall(raw)
            link.shutdown(socket.SHUT_WR)
            assert told(link) == (code, True)
        verify(named.headers("GET", ORDERS, AT)["KALSHI-ACCESS-SIGNATURE"], f"{AT}GET{ORDERS}")


def test_a_question_that_comes_too_slowly_ends_its_line_and_an_idle_line_stays(
    place: Path, named: RemoteSigner, monkeypatch: Any
) -> None:
    with serving(place), dialled(place) as idle:
        for begun in (b"\x00", frame_of(SIGN)[:9]):
            with monkeypatch.context() as short:
                short.setattr(server, "FRAME_WITHIN", 0.05)
                with dialled(place) as link:
                    link.sendall(begun)
                    assert told(link) == ("too_slow", True)
        idle.sendall(frame_of(SIGN))
        assert frames.receive(idle, frames.ANSWERS) is not None


def test_who_does_not_take_its_answers_holds_up_nobody(place: Path, named: RemoteSigner, monkeypatch: Any) -> None:
    with serving(place) as keys, dialled(place) as link:
        keys._missing = ["x" * (frames.MOST - 100)]  # an answer that no buffer takes
        with monkeypatch.context() as short:
            short.setattr(server, "TAKEN_WITHIN", 0.05)
            link.sendall(frame_of(Ask("missing")))
            wait_for_end(link)  # nothing is read until the signer has given up
        with pytest.raises(ConnectionResetError, match="within a frame"):
            frames.receive(link, frames.ANSWERS)
        verify(named.headers("GET", ORDERS, AT)["KALSHI-ACCESS-SIGNATURE"], f"{AT}GET{ORDERS}")


def wait_for_end(link: socket.socket) -> None:
    """Wait until the other side has closed, without reading."""
    poll = select.poll()
    poll.register(link, select.POLLRDHUP)
    assert poll.poll(PATIENCE * 1000), "the line stayed open"


@pytest.mark.parametrize("name", ["LINES", "LINES_OF_ONE"])
def test_lines_are_counted_and_one_too_many_is_sent_away(place: Path, monkeypatch: Any, name: str) -> None:
    monkeypatch.setattr(server, name, 2)
    with serving(place):
        with dialled(place) as first, dialled(place) as second:
            for link in (first, second):
                link.sendall(frame_of(SIGN))
                assert frames.receive(link, frames.ANSWERS) is not None
            with dialled(place) as third:
                assert told(third) == ("signer_busy", True)
            first.sendall(frame_of(SIGN))
            assert frames.receive(first, frames.ANSWERS) is not None

        def one_more() -> bool:
            with dialled(place) as link, suppress(OSError):
                link.sendall(frame_of(SIGN))
                answer = frames.receive(link, frames.ANSWERS)
                return answer is not None and not answer.code
            return False

        eventually(one_more, what="a line in the place of one that ended")


def test_one_program_asks_only_so_often_and_a_new_line_gives_it_no_more(place: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "ASKS_A_SECOND", 1.0)
    now = time.monotonic()
    monkeypatch.setattr(server.time, "monotonic", lambda: now)
    codes = []
    with serving(place):
        for _ in range(2):
            with dialled(place) as link:
                for _ in range(2):
                    link.sendall(frame_of(SIGN))
                    answer = frames.receive(link, frames.ANSWERS)
                    assert answer is not None
                    codes.append(answer.code)
    assert codes == ["", "", "signer_busy", "signer_busy"]


def test_long_texts_are_of_emergency_keys_alone_and_few_at_once(place: Path, keys: Keys, monkeypatch: Any) -> None:
    long = "x" * (frames.USUAL + 1)
    for question in (Ask("logon", "e:1", long), Ask("rest", long), Ask("ping", text=long)):
        assert keys.answer(question).code == "too_long"
    with serving(place) as others:
        for _ in range(server.LARGE_AT_ONCE):
            assert others.large.acquire(blocking=False)
        with dialled(place) as link:
            link.sendall(frame_of(Ask("emergency", text=long)))
            assert told(link) == ("signer_busy", True)
        with dialled(place) as link:
            link.sendall(frame_of(Ask("emergency", text="[]")))
            answer = frames.receive(link, frames.ANSWERS)
            assert answer is not None
            assert answer.code == "signer_busy"
            link.sendall(frame_of(SIGN))
            assert frames.receive(link, frames.ANSWERS) is not None


def test_a_program_of_another_user_is_sent_away(place: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "peer_uid", lambda link: 65_534)
    with serving(place), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE)
        link.connect(str(place))
        assert heard(link) == b""


def heard(link: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    try:
        return link.recv(100)
    except ConnectionResetError:
        return b""


def test_one_key_signs_only_so_often(keys: Keys, row: ApiKey, account: ExchangeAccount, monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "SIGNS_A_SECOND", 1.0)
    signer = signer_for(account.pk, write=True)
    now = time.monotonic()
    monkeypatch.setattr(server.time, "monotonic", lambda: now)

    signer.headers("POST", ORDERS, AT)
    signer.headers("POST", ORDERS, AT)
    with pytest.raises(Exception, match="signs too often") as refused:
        signer.headers("POST", ORDERS, AT)
    assert refused.value.code == SignerBusy().code
    for name, code in ((f"0{row.pk}", SignerBusy().code), (chr(0x660 + row.pk % 10), "key_missing")):
        answer = keys.answer(Ask("rest", name, f"POST {ORDERS}", AT))  # no key under another name
        assert (answer.code, answer.values) == (code, []), name


def test_an_emergency_key_takes_off_and_does_nothing_else(
    keys: Keys, row: ApiKey, account: ExchangeAccount, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    assert emergency_write(file) == 1
    raw = file.read_text()

    [opened] = remote.emergency_opened(file)
    assert opened.signer is not None
    for verb, path in (
        ("GET", ORDERS),
        ("DELETE", f"{ORDERS}/7"),
        ("PUT", "/trade-api/v2/portfolio/order_groups/g/trigger"),
    ):
        verify(opened.signer.headers(verb, path, AT)["KALSHI-ACCESS-SIGNATURE"], f"{AT}{verb}{path}")
    for verb, path in (("POST", ORDERS), ("PUT", RESET), ("PUT", f"{ACCEPT}?/trigger")):
        with pytest.raises(PathRefused):
            opened.signer.headers(verb, path, AT)
    # Whoever speaks to the socket itself: a query behind which another path stands, and a session of FIX.
    for question in (
        Ask("rest", f"e:{row.pk}", f"PUT {ACCEPT}?/trigger", AT),
        Ask("rest", f"e:{row.pk}", f"PUT {RESET}#/trigger", AT),
        Ask("logon", f"e:{row.pk}", logon_text(row.key_id, "KalshiNR")),
    ):
        answer = keys.answer(question)
        assert (answer.code, answer.values) == ("path_refused", []), question

    file.write_text(raw.replace(row.key_id, "key-of-another"))
    [other] = remote.emergency_opened(file)
    assert other.signer is None
    assert "does not open" in other.problem


def test_a_signature_that_was_asked_for_ahead_is_the_same_one(place: Path, named: RemoteSigner) -> None:
    with serving(place):
        signed = named.headers_begin("delete", f"{ORDERS}/1?x=1", AT).headers()
        verify(signed["KALSHI-ACCESS-SIGNATURE"], f"{AT}DELETE{ORDERS}/1")
        assert (signed["KALSHI-ACCESS-KEY"], signed["KALSHI-ACCESS-TIMESTAMP"]) == ("k", str(AT))

        dropped = named.headers_begin("DELETE", f"{ORDERS}/2", AT)
        dropped.drop()
        dropped.drop()
        after = named.headers("DELETE", f"{ORDERS}/3", AT)  # no answer of another question
        verify(after["KALSHI-ACCESS-SIGNATURE"], f"{AT}DELETE{ORDERS}/3")

        refused = named.headers_begin("POST", ORDERS, AT)
        with pytest.raises(PathRefused):
            refused.headers()


def test_ahead_of_a_signer_that_is_away_the_attempt_asks_anew(place: Path, named: RemoteSigner) -> None:
    signing = named.headers_begin("DELETE", f"{ORDERS}/1", AT)
    with serving(place):
        verify(signing.headers()["KALSHI-ACCESS-SIGNATURE"], f"{AT}DELETE{ORDERS}/1")
