"""Checks of the repository itself, run by `make check`: lock files, compose file, machine paths.

Prints each finding with its file and line, and exits with 1 when there is one.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
_ADDRESS = re.compile(r"https?://|index-url|find-links")
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users)/[a-z]\w*/")
_LIMIT_LINES = 500
_LIMIT_LINES_TESTS = 600


def _tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]


def lock_findings() -> list[str]:
    """Lock files are pinned with hashes and carry no registry's address."""
    findings = []
    for name in ("base", "dev"):
        path = ROOT / "requirements" / f"{name}.txt"
        text = path.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if _ADDRESS.search(line):
                findings.append(f"{path.name}:{number}: carries an address")
        for block in re.split(r"\n(?=[a-z0-9])", text):
            if "==" in block and "--hash=sha256:" not in block:
                findings.append(f"{path.name}: {block.split('==')[0]} has no hash")
    lock = json.loads((ROOT / "package-lock.json").read_text())
    for name, entry in lock["packages"].items():
        if name and "resolved" in entry:
            findings.append(f"package-lock.json: {name} carries an address")
        if name and "integrity" not in entry:
            findings.append(f"package-lock.json: {name} has no integrity hash")
    return findings


def compose_findings() -> list[str]:
    """The compose file parses, and every service it depends on exists."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = document["services"]
    findings = []
    for needed in ("signer", "web", "worker", "beat", "gateway", "redis", "postgres"):
        if needed not in services:
            findings.append(f"docker-compose.yml: no service {needed}")
    for name, service in services.items():
        if not ({"image", "build"} & service.keys()):
            findings.append(f"docker-compose.yml: {name} has neither image nor build")
        for other in service.get("depends_on", {}):
            if other not in services:
                findings.append(f"docker-compose.yml: {name} needs {other}, which is not there")
        for volume in service.get("volumes", []):
            if volume.split(":")[0] not in document["volumes"]:
                findings.append(f"docker-compose.yml: {name} mounts undeclared {volume}")
        if name == "web" and any("vault-private" in volume for volume in service.get("volumes", [])):
            findings.append("docker-compose.yml: web must not see the vault's private half")
    return findings


def text_findings() -> list[str]:
    """No machine's paths, and no Python file longer than the limit."""
    findings = []
    for path in _tracked():
        if path.suffix not in {".py", ".md", ".html", ".js", ".css", ".toml", ".yml", ".sh", ""}:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        where = path.relative_to(ROOT)
        for number, line in enumerate(lines, 1):
            if _MACHINE_PATH.search(line):
                findings.append(f"{where}:{number}: a path of one machine")
        limit = _LIMIT_LINES_TESTS if where.parts[0] == "tests" else _LIMIT_LINES
        if path.suffix == ".py" and "migrations" not in path.parts and len(lines) > limit:
            findings.append(f"{where}: {len(lines)} lines; split it by sub-domain (limit {limit})")
    return findings


def main() -> int:
    findings = lock_findings() + compose_findings() + text_findings()
    for finding in findings:
        print(finding)
    print(f"project checks: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
