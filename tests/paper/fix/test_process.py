"""The real process: ports, TLS, kills, restarts, ends."""

import json
import signal
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from apps.paper.management.commands.paper import Command
from tests.paper.fix.client import PATIENCE, FixClient, SocketPipe
from tests.paper.fix.orders import order
from tests.support.paper import ROOT, PaperProcess, Start, paper_command, paper_environment, start_paper

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("paper-fix")]

Dial = Callable[..., FixClient]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else signed, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paper exchange")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pair: tuple[Path, Path]) -> Iterator[PaperProcess]:
    """One exchange with TLS for the tests that leave it as it was."""
    data = tmp_path_factory.mktemp("fix")
    started = start_paper(data, "--no-bots", "--markets", "12", "--fix-tls", *map(str, pair))
    yield started
    assert started.stop() == 0


def announced(running: PaperProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((running.data / "paper.json").read_text())["fix"]
    return found


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Connections that are closed when the test is over."""
    made: list[FixClient] = []

    def connect(
        running: PaperProcess, name: str = "trader-1", target: str = "KalshiNR", *, plain: bool = False
    ) -> FixClient:
        fix, member = announced(running), running.members[name]
        key = serialization.load_pem_private_key(
            Path(member["private_key_path"]).read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
        )
        assert isinstance(key, RSAPrivateKey)
        tls = ssl.create_default_context(cafile=fix["ca_path"]) if fix["tls"] and not plain else None
        client = FixClient(
            SocketPipe(fix["host"], fix["sessions"][target], tls=tls),
            target=target,
            key_id=member["key_id"],
            key=key,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        made.append(client)
        return client

    yield connect
    for client in made:
        client.pipe.hang_up()


def a_ticker(running: PaperProcess) -> str:
    rows = httpx.get(f"{running.rest_url}/trade-api/v2/markets?status=open&limit=1", timeout=PATIENCE).json()["markets"]
    return str(rows[0]["ticker"])


def finished(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.support.paper_settings"}  # it starts in half the time
    return subprocess.run(
        arguments,
        cwd=ROOT,
        env=paper_environment(folder) | settings,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_ports_are_told_everywhere(shared: PaperProcess) -> None:
    ports, margin = announced(shared)["sessions"], announced(shared)["margin"]["sessions"]

    assert set(ports) == {"KalshiNR", "KalshiRT", "KalshiDC", "KalshiRFQ", "KalshiPT"}
    assert set(margin) == {"KalshiNR", "KalshiRT", "KalshiDC", "KalshiMD"}
    assert len({*ports.values(), *margin.values()}) == 9
    named = {**ports, **{f"margin:{name}": port for name, port in margin.items()}}
    assert shared.control("GET", "/fix")["ports"] == named
    assert all(f"{name} {port}" in shared.ready_line for name, port in ports.items())


@pytest.mark.parametrize("target", ["KalshiNR", "KalshiRT", "KalshiDC", "KalshiRFQ", "KalshiPT"])
def test_every_session_type_speaks_tls(dial: Dial, shared: PaperProcess, target: str) -> None:
    client = dial(shared, target=target)

    assert client.log_on()[0][35] == "A"
    assert client.one("5")[35] == "5"
    assert client.pipe.take() == b""


def test_an_order_goes_round_by_socket(dial: Dial, shared: PaperProcess) -> None:
    client = dial(shared, "maker")
    client.log_on((21011, "Y"))
    ticker = a_ticker(shared)

    client.send("D", order("round", t55=ticker, t44=1))
    there = client.until("8")
    client.send("F", [(11, "back"), (41, "round"), (54, 1), (55, ticker)])
    over = client.until("8")

    assert (there[150], over[150], over[37]) == ("0", "4", there[37])


def test_plain_bytes_on_a_tls_port_get_nothing(dial: Dial, shared: PaperProcess) -> None:
    client = dial(shared, plain=True)

    assert client.log_on() == []
    assert client.pipe.closed


def test_an_unknown_certificate_is_noticed(shared: PaperProcess) -> None:
    fix = announced(shared)

    with pytest.raises(ssl.SSLCertVerificationError):
        SocketPipe(fix["host"], fix["sessions"]["KalshiNR"], tls=ssl.create_default_context())


def test_a_cut_connection_frees_the_key(dial: Dial, shared: PaperProcess) -> None:
    first = dial(shared)
    first.log_on()
    shared.control("POST", "/fix/session", {"how": "disconnect", "member": "trader-1"})
    assert first.read() == []

    again = dial(shared)
    assert again.log_on()[0][35] == "A"
    again.one("5")


def test_a_kill_forgets_neither_orders_nor_numbers(dial: Dial, paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    first = paper_processes("--no-bots", "--markets", "12", data=data)
    ticker = a_ticker(first)
    client = dial(first, target="KalshiRT")
    client.log_on((21011, "Y"))
    client.send("D", order("a", t55=ticker, t44=2))
    exec_id = client.until("8")[17]
    maker = dial(first, "maker")
    maker.log_on((21011, "Y"))
    first.stop(number=signal.SIGKILL)

    second = paper_processes("--no-bots", "--markets", "12", data=data)
    back = dial(second, target="KalshiRT")
    back.seq, back.expected = client.seq, client.expected
    assert back.log_on((21011, "Y"), reset=False)[0][35] == "A"
    back.strict = False
    back.send("2", [(7, 2), (16, 2)])
    assert back.until("8").part(17, 43) == {17: exec_id, 43: "Y"}

    copy = dial(second, "reader", "KalshiDC")
    copy.log_on()
    copy.send("U1", [(21001, exec_id), (21002, exec_id)])
    assert copy.until("U2")[21003] == "1"
    back.send("F", [(11, "c"), (41, "a"), (54, 1), (55, ticker)])
    over = back.until("8")
    assert over.part(11, 150) == {11: "c", 150: "4"}
    assert tuple(map(int, over[17].split(";"))) > tuple(map(int, exec_id.split(";")))


def test_a_stop_logs_everybody_out_and_keeps_orders(dial: Dial, paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    first = paper_processes("--no-bots", "--markets", "12", data=data)
    client = dial(first)
    client.log_on((21011, "Y"), (8013, "Y"))
    client.send("D", order("a", t55=a_ticker(first), t44=2))
    client.until("8")

    first.process.send_signal(signal.SIGTERM)
    assert client.until("5")[58] == "the exchange is stopping"
    assert first.stop() == 0

    second = paper_processes("--no-bots", "--markets", "12", data=data)
    (row,) = second.control("GET", "/truth")["members"][second.members["trader-1"]["user_id"]]["orders"]
    assert (row["client_order_id"], row["status"]) == ("a", "resting")


@pytest.mark.long
def test_without_its_state_the_memory_is_put_aside(paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    first = paper_processes("--no-bots", "--markets", "0", data=data)
    first.stop()
    for path in (data / "state.json", *data.glob("journal-*.jsonl")):
        path.unlink()

    paper_processes("--no-bots", "--markets", "0", data=data)

    assert (data / "fix.before.sqlite3").exists()


@pytest.mark.long
def test_a_certificate_of_its_own_stays_the_same(dial: Dial, paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    seen = []
    for _ in range(2):
        running = paper_processes("--no-bots", "--markets", "0", "--fix-tls", data=data)
        assert dial(running).log_on()[0][35] == "A"
        seen.append(Path(announced(running)["ca_path"]).read_bytes())
        running.stop()

    assert seen[0] == seen[1]
    assert stat.S_IMODE((data / "fix-key.pem").stat().st_mode) == 0o600


def test_fix_can_be_left_out(paper_processes: Start) -> None:
    running = paper_processes("--no-bots", "--markets", "0", "--fix-port", "off")

    assert "fix" not in json.loads((running.data / "paper.json").read_text())
    assert "FIX" not in running.ready_line


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = finished(
            paper_command(tmp_path / "x", "--port", "0", "--markets", "0", "--fix-port", str(min(port, 65_531))),
            tmp_path,
        )

    assert ended.returncode == 2, ended.stderr
    assert "is in use. Choose others by --fix-port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("switch", [["--fix-port", "x"], ["--fix-port", "65532"], ["--fix-tls", "one"]])
def test_switches_that_cannot_be_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str], switch: list[str]) -> None:
    command = ["manage.py", "paper", "--data", str(tmp_path / "x"), "--port", "0", "--markets", "0", *switch]
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(command)

    assert ended.value.code == 2
    assert switch[0] in capsys.readouterr().err


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    switch = ["--fix-tls", "nothing", "nowhere"]
    ended = finished(paper_command(tmp_path / "x", "--port", "0", "--markets", "0", *switch), tmp_path)

    assert ended.returncode == 2
    assert switch[0] in ended.stderr
    assert "Traceback" not in ended.stderr
