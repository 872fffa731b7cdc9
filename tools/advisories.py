"""What is publicly known against the pinned packages, asked by pip-audit: part of `make check`.

It asks the service of advisories (OSV), never the package registry, and installs nothing. Where that service cannot be
reached it says so and passes: a check that fails without a network is one that people switch off. An answer of no
findings holds for a day and these lock files; a finding fails until the lock is renewed or the finding is named, with
its reason, in requirements/advisories.txt ("ID  why it does not concern the desk").
"""

import argparse
import hashlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "base.txt"
ACCEPTED = ROOT / "requirements" / "advisories.txt"
SERVICE = "https://api.osv.dev/v1/query"
HOLDS_FOR = 86_400  # seconds
_WAIT = 3  # seconds to find out whether there is a network
_LIMIT = 180


def accepted(text: str) -> list[str]:
    """Return the ids that are accepted; each line must say why."""
    ids = []
    for line in text.splitlines():
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise SystemExit(f"{ACCEPTED.name}: {words[0]} needs its reason on the same line")
        ids.append(words[0])
    return ids


def is_reached(service: str) -> bool:
    """Say whether somebody answers there, whatever the answer."""
    try:
        urllib.request.urlopen(service, timeout=_WAIT).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="known advisories against the pinned packages")
    parser.add_argument("--service", default=SERVICE)
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--stamp", type=Path, default=ROOT / ".pytest_cache" / "advisories")
    options = parser.parse_args()
    ids = accepted(ACCEPTED.read_text()) if ACCEPTED.exists() else []
    asked = hashlib.sha256(options.lock.read_bytes() + " ".join([options.service, *ids]).encode()).hexdigest()
    if _holds(options.stamp, asked):
        print("advisories: none known, asked within the last day")
        return 0
    if not is_reached(options.service):
        print("advisories: not asked: no network (pip-audit asks where there is one)")
        return 0
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(options.lock), "--disable-pip"]
    command += ["--require-hashes", "--vulnerability-service", "osv", "--osv-url", options.service]
    command += ["--progress-spinner", "off", *(word for one in ids for word in ("--ignore-vuln", one))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        print("advisories: not asked to the end: the service took too long")
        return 0
    told = (done.stdout + done.stderr).strip()
    if done.returncode == 0:
        options.stamp.parent.mkdir(parents=True, exist_ok=True)
        options.stamp.write_text(asked)
        print(f"advisories: {told.splitlines()[-1]}")
        return 0
    if "ServiceError" in told or "ConnectionError" in told:
        print("advisories: not asked to the end: the service stopped answering")
        return 0
    print(told)
    return 1


def _holds(stamp: Path, asked: str) -> bool:
    try:
        # A clock that was set back makes the answer look young for longer; the next lock or day asks again.
        return stamp.read_text() == asked and 0 <= time.time() - stamp.stat().st_mtime < HOLDS_FOR
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
