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


def test_the_signer_has_a_user_and_a_network_of_its_own() -> None:
    ours = services()
    signer = ours["signer"]

    user, group = signer["user"].split(":")
    assert f"--uid {group} --gid desk" in (ROOT / "Dockerfile").read_text()  # that of the others, and their group
    assert user != group == signer["environment"]["DESK_SIGNER_PEERS"]
    assert [name for name, one in ours.items() if one.get("user") == signer["user"]] == ["signer"]
    assert f"chown -R {signer['user']} /vault /signer" in ours["setup"]["command"]
    assert sorted(name for name, one in ours.items() if "database" in one.get("networks", ())) == ["postgres", "signer"]
    assert signer["networks"] == ["database"]
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert document["networks"]["database"] == {"internal": True}
    assert [name for name, one in ours.items() if any("vault-private" in str(of) for of in one.get("volumes", ()))] == [
        *("signer", "setup"),
    ]
    assert signer["ulimits"] == {"core": 0, "memlock": -1}
