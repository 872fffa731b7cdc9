"""The demo's FIX sessions: made once, on keys that only read, and never in the way of the rest."""

from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Desk
from apps.audit.models import AuditEntry
from apps.exchange.wire.errors import NotSent
from apps.fix.models import FixSession
from apps.vault.models import ApiKey
from apps.web import demo_fix
from tests.support.people import key_pem, make_account, make_desk, make_person, vault_in


class Exchange:
    """Makes keys as the paper exchange does. asked: what it was asked for."""

    asked: list[dict[str, Any]] = []
    is_away = False

    def __init__(self, hosts: Any, signer: Any, limiter: Any) -> None:
        self.signer = signer

    def post(self, path: str, *, json: dict[str, Any]) -> dict[str, Any]:
        if self.is_away:
            raise NotSent("ConnectError", "refused")
        assert path == "/api_keys/generate"
        self.asked.append(json)
        number = len(self.asked)
        return {"api_key_id": f"made-{number}", "private_key": key_pem(number)}


@pytest.fixture
def desk(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    vault_in(tmp_path, settings)
    desk = make_desk()
    for role in ("operator", "vault-admin"):
        make_person(desk, role, username=role)
    make_account(desk, name="trader-1")
    monkeypatch.setattr(Exchange, "asked", [])
    monkeypatch.setattr(demo_fix, "ExchangeClient", Exchange)
    return desk


@pytest.fixture
def paper(tmp_path: Path) -> dict[str, Any]:
    pem = tmp_path / "trader-1.pem"
    pem.write_text(key_pem(0))
    member = {"name": "trader-1", "role": "trader", "key_id": "k", "private_key_path": str(pem), "scopes": ["read"]}
    return {"fix": {"host": "127.0.0.1"}, "members": [member]}


def test_three_sessions_are_started_on_keys_that_only_read(desk: Desk, paper: dict[str, Any]) -> None:
    demo_fix.fix_seed(desk, paper)

    sessions = FixSession.objects.order_by("kind")
    assert [(row.kind, row.is_listener, row.is_wanted) for row in sessions] == [
        ("dc", False, True),
        ("pt", False, True),
        ("rt", True, True),
    ]
    keys = ApiKey.objects.filter(purpose__startswith="fix_")
    assert sorted((key.purpose, *key.scopes) for key in keys) == [
        (f"fix_{kind}", "read") for kind in ("dc", "pt", "rt")
    ]
    assert {tuple(asked["scopes"]) for asked in Exchange.asked} == {("read",)}
    assert AuditEntry.objects.filter(action="fix.session.started").count() == 3


def test_a_second_start_changes_nothing_that_people_did(desk: Desk, paper: dict[str, Any]) -> None:
    demo_fix.fix_seed(desk, paper)
    FixSession.objects.filter(kind="rt").update(is_wanted=False)
    FixSession.objects.filter(kind="pt").delete()

    demo_fix.fix_seed(desk, paper)

    assert dict(FixSession.objects.values_list("kind", "is_wanted")) == {"rt": False, "dc": True}
    assert len(Exchange.asked) == 3


def test_without_fix_or_an_exchange_that_answers_the_desk_is_made_all_the_same(
    desk: Desk, paper: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_fix.fix_seed(desk, {"members": paper["members"]})
    monkeypatch.setattr(Exchange, "is_away", True)
    demo_fix.fix_seed(desk, paper)

    assert FixSession.objects.count() == 0
