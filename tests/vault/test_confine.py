"""What the signer's process gives up, asked of the kernel; and whose programs it answers with a user of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.monitoring import doctor
from apps.vault.signer import confine, remote
from apps.vault.signer.errors import SignerAway
from apps.vault.signer.server import Keys, SignerServer
from tests.support.desk import PATIENCE

ROOT = Path(__file__).resolve().parent.parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory locks, namespaces and dumps are Linux's here")
NOBODY = 65_534
PROBE = """
import ctypes, json, resource, socket, sys
from apps.vault.signer.confine import confine
missing = confine(needs_network=sys.argv[1] == "network")
def tcp():
    with socket.socket() as link:
        link.settimeout(60)
        return link.connect_ex(("127.0.0.1", int(sys.argv[2]))) == 0
with socket.socket(socket.AF_UNIX) as link:
    link.connect(sys.argv[3])
kept = bytearray(1 << 20)
locked = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmLck:")]
print(json.dumps({
    "missing": missing, "tcp": tcp(), "locked_kb": int(locked[0]), "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
}))
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder that every user reaches, with a name that is short enough for a socket."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ended(short: Path) -> Any:
    """Return a function that confines a process of its own, beside a listener of each kind, and says how it is then."""

    def run(how: str) -> dict[str, Any]:
        with closing(socket.create_server(("127.0.0.1", 0))) as tcp, socket.socket(socket.AF_UNIX) as local:
            local.bind(str(short / "local"))
            local.listen()
            done = subprocess.run(
                [sys.executable, "-c", PROBE, how, str(tcp.getsockname()[1]), str(short / "local")],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=20 * PATIENCE,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return run


@LINUX
def test_what_the_system_lets_it_give_up_is_gone_and_the_rest_is_told(ended: Any) -> None:
    found = ended("local")

    told = " ".join(found["missing"])
    assert found["core"] == [0, 0]
    assert found["dumpable"] == 0
    kept = "keeps the network" in told
    assert found["tcp"] or not kept
    assert kept or not found["tcp"] or confine._has_loopback_alone()
    assert (found["locked_kb"] > 1024) == ("not locked" not in told)


@LINUX
def test_with_its_database_over_the_network_it_keeps_that_and_says_so(ended: Any) -> None:
    found = ended("network")

    assert found["tcp"]
    assert [one for one in found["missing"] if "its database is reached over it" in one]


def asked_as(user: int, path: Path) -> str:
    """Ask the signer in a forked child of another user; return what it heard."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = "fault"
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            said = "answer " + " ".join(remote.missing(path))
        except SignerAway as exc:
            said = exc.text
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as heard:
        return heard.read()


def answers(path: Path, peers: tuple[int, ...], *users: int) -> list[str]:
    with SignerServer(path, Keys(["a thing"]), peers) as server:
        mode = path.stat().st_mode & 0o777
        assert mode == (0o660 if peers else 0o600)
        path.chmod(0o666)  # what its group is for: the kernel says who asks all the same
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            return [asked_as(user, path) for user in users]
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@LINUX
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12: the child does three calls and ends
def test_programs_of_its_peers_are_answered_and_those_of_others_are_not(short: Path) -> None:
    away = ("It sent us away.", "It did not answer (ConnectionResetError).", "It did not answer (BrokenPipeError).")

    alone = answers(short / "alone", (), NOBODY)
    named = answers(short / "named", (NOBODY,), NOBODY, NOBODY - 1)

    assert alone[0] in away
    assert named[0] == "answer a thing"
    assert named[1] in away


def test_a_peer_that_this_system_does_not_know_is_refused_at_the_start(short: Path, settings: Any) -> None:
    settings.VAULT_PRIVATE_KEY_FILE = "/somewhere"
    settings.SIGNER_PEERS = ["nobody-has-this-name"]
    with pytest.raises(CommandError, match="no such user"):
        call_command("signer", str(short / "s"), stdout=StringIO())


def test_the_doctor_says_what_the_signer_kept(short: Path, settings: Any) -> None:
    settings.DESK_MODE = "team"
    settings.SIGNER_SOCKET = str(short / "s")
    with SignerServer(short / "s", Keys(["It keeps the network."])) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            [found] = doctor._signer()
        finally:
            server.shutdown()
            thread.join(PATIENCE)
    assert (found.level, found.what) == ("warning", "The signer: It keeps the network.")
    [away] = doctor._signer()
    assert away.level == "warning"
