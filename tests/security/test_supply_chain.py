"""Row 48: the list of components follows the lock files, and advisories are asked where somebody answers."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import PATIENCE, ROOT

LOCK = "pinned==1.2.3 \\\n    --hash=sha256:" + "ab" * 32 + "\n"
FOUND = {
    "vulns": [
        {
            "id": "GHSA-0000-test-0000",
            "summary": "it opens the door",
            "modified": "2026-01-01T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": "pinned"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2.4"}]}],
                }
            ],
        }
    ]
}


@contextmanager
def service(answer: dict[str, Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(405, {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(200, answer)

        def _send(self, status: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(tmp_path: Path, url: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "lock.txt").write_text(LOCK)
    options = ["--service", url, "--lock", str(tmp_path / "lock.txt"), "--stamp", str(tmp_path / "stamp")]
    return subprocess.run(
        [sys.executable, "tools/advisories.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
    )


def test_what_is_known_against_a_package_fails_the_check_and_names_it(tmp_path: Path) -> None:
    with service(FOUND) as url:
        done = ask(tmp_path, url)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "GHSA-0000-test-0000" in done.stdout
    assert not (tmp_path / "stamp").exists()


def test_an_answer_of_nothing_known_holds_without_asking_again(tmp_path: Path) -> None:
    with service({}) as url:
        done = ask(tmp_path, url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No known vulnerabilities" in done.stdout
    # The service is gone, and for these packages that does not matter today.
    assert "asked within the last day" in ask(tmp_path, url).stdout


def test_without_a_network_it_says_so_and_passes(tmp_path: Path) -> None:
    with service({}) as url:
        pass

    done = ask(tmp_path, url)

    assert done.returncode == 0
    assert "not asked: no network" in done.stdout


def test_an_accepted_finding_needs_its_reason() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from advisories import accepted
    finally:
        sys.path.remove(str(ROOT / "tools"))

    assert accepted("# none\n\nGHSA-1  only on Windows\nGHSA-2 not called here\n") == ["GHSA-1", "GHSA-2"]
    with pytest.raises(SystemExit, match="GHSA-3 needs its reason"):
        accepted("GHSA-3\n")


def test_the_list_of_components_is_what_the_lock_files_say() -> None:
    done = subprocess.run(
        [sys.executable, "tools/sbom.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    listed = json.loads((ROOT / "sbom.cdx.json").read_text())

    assert done.returncode == 0, done.stdout + done.stderr
    names = {component["name"] for component in listed["components"]}
    assert {"django", "cryptography", "httpx", "ag-grid-community"} <= names
    assert not {"pytest", "ruff", "eslint"} & names
    needs = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in listed["dependencies"]}
    assert any(ref.startswith("pkg:pypi/kombu@") for ref in needs["pkg:pypi/celery"])
    assert any(ref.startswith("pkg:pypi/django@") for ref in needs["kalshi-desk"])
