"""The list of what the desk is made of, as CycloneDX JSON, from the lock files alone: `make sbom`.

What runs in an installation: every pinned package of requirements/base.txt and every package of package-lock.json that
is not for development only. The same lock files give the same bytes, so `make check` (--check) tells when somebody
renewed a lock and not this file.
"""

import base64
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "sbom.cdx.json"
LOCKS = ("requirements/base.txt", "package-lock.json")
_BLOCK = re.compile(r"\n(?=[a-zA-Z0-9])")
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?")


def python_packages(lock: str) -> Iterator[tuple[Component, list[str]]]:
    """Yield each pinned package with the names of those that need it, "" for the desk itself."""
    for block in _BLOCK.split(lock):
        found = _PINNED.match(block)
        if found is None:
            continue
        name, version, marker = found[1].lower(), found[2], (found[3] or "").strip()
        _, _, tail = block.partition("# via")
        needers = [word for line in tail.splitlines() if (word := line.strip(" #"))]
        purl = PackageURL("pypi", name=name, version=version)
        component = Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
            # The lock names the digest of every wheel; which one is installed depends on the machine.
            properties=[Property(name="kalshi-desk:marker", value=marker)] if marker else [],
            scope=ComponentScope.OPTIONAL if marker else ComponentScope.REQUIRED,
        )
        yield component, ["" if word.startswith("-r ") else word.lower() for word in needers]


def node_packages(lock: str) -> Iterator[tuple[Component, list[str]]]:
    packages = json.loads(lock)["packages"]
    direct = packages[""].get("dependencies", {})
    wanted = {path: entry for path, entry in packages.items() if path and not entry.get("dev")}
    for path, entry in sorted(wanted.items()):
        name = path.rpartition("node_modules/")[2]
        group, _, short = name.rpartition("/")
        purl = PackageURL("npm", namespace=group or None, name=short, version=entry["version"])
        algorithm, _, digest = entry["integrity"].partition("-")
        assert algorithm == "sha512", f"{name}: {algorithm}"
        component = Component(
            name=short,
            group=group or None,
            version=entry["version"],
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(digest).hex())],
            licenses=[LicenseExpression(entry["license"])] if "license" in entry else [],
            scope=ComponentScope.REQUIRED,
        )
        needers = [
            other.rpartition("node_modules/")[2] for other, its in wanted.items() if name in its.get("dependencies", {})
        ]
        yield component, [*([""] if name in direct else []), *needers]


def document() -> str:
    """Return the whole file."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    desk = Component(name="kalshi-desk", version=version, type=ComponentType.APPLICATION, bom_ref="kalshi-desk")
    bom = Bom(metadata=BomMetaData(component=desk))
    # No time and no random number: those would make every run another file.
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.serial_number = None  # type: ignore[assignment]
    needed: dict[str, list[Component]] = {}
    texts = {name: (ROOT / name).read_text() for name in LOCKS}
    for ecosystem, found in (("pypi", python_packages(texts[LOCKS[0]])), ("npm", node_packages(texts[LOCKS[1]]))):
        for component, needers in found:
            bom.components.add(component)
            for needer in needers:
                needed.setdefault(f"{ecosystem}:{needer}" if needer else "", []).append(component)
    bom.register_dependency(desk, needed.get("", []))
    for component in bom.components:
        ecosystem = component.purl.type if component.purl else ""
        name = f"{component.group}/{component.name}" if component.group else component.name
        bom.register_dependency(component, needed.get(f"{ecosystem}:{name}", []))
    for name, text in texts.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        bom.metadata.properties.add(Property(name=f"kalshi-desk:sha256:{name}", value=digest))
    made = json.loads(JsonV1Dot6(bom).output_as_string())
    made.pop("serialNumber", None)
    made["metadata"].pop("timestamp", None)
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    wanted = document()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(wanted)
        print(f"{TARGET.name}: {len(json.loads(wanted)['components'])} components")
        return 0
    if document() != wanted:
        print("sbom: two runs made two files")
        return 1
    if not TARGET.exists() or TARGET.read_text() != wanted:
        print(f"{TARGET.name} is not what the lock files say: make sbom")
        return 1
    print(f"sbom: {len(json.loads(wanted)['components'])} components, as the lock files say")
    return 0


if __name__ == "__main__":
    sys.exit(main())
