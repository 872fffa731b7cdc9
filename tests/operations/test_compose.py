"""The container set says who is who; no container is started here."""

from pathlib import Path
from typing import Any

import yaml

from apps.operations.database_rights import ROLES

ROOT = Path(__file__).resolve().parent.parent.parent
OWNER = "POSTGRES_PASSWORD:"  # as in ${POSTGRES_PASSWORD:?...}


def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


def test_only_the_set_up_is_the_owner_of_the_database() -> None:
    ours = {name: one.get("environment", {}) for name, one in services().items() if "image" not in one}

    assert {name for name, of in ours.items() if OWNER in str(of)} == {"setup"}
    for name, of in ours.items():
        if name == "setup":
            continue
        process = "worker" if name.startswith("worker") else name
        assert of["DESK_PROCESS"] == process
        assert of["DATABASE_URL"].startswith(f"postgres://desk_{process}:${{POSTGRES_PASSWORD_{process.upper()}:?")
        others = {one for one in ROLES if f"POSTGRES_PASSWORD_{one.upper()}:" in str(of)} - {process}
        assert others == ({"backup"} if name == "worker" else set())
    setup = ours["setup"]
    assert {f"DESK_DATABASE_PASSWORD_{one.upper()}" for one in ROLES} <= setup.keys()
    assert "database_roles --apply" in services()["setup"]["command"]
