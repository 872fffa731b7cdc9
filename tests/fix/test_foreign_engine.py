"""An engine written by others stands at the exchange's end, over TLS, at an address of an operator's own.

The other end, others' initiators at the paper exchange's ports, is tests/paper/fix/client.py.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from apps.accounts.models import ExchangeAccount
from apps.fix import runner, services
from apps.fix.models import FixMarginExecution, FixMessage, FixSession
from apps.orders.models import Order
from tests.fix.conftest import NEW
from tests.fix.foreign import ForeignAcceptor, stamp
from tests.fix.test_sessions import WHY, running_sessions
from tests.fix.test_transport import certificate  # noqa: F401
from tests.support.desk import eventually
from tests.support.people import actor_of, key_pem, make_account, make_desk, make_key, make_person, vault_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
KEY_ID = "5f3c2d7e-0b7e-4e0f-9a51-9f7a4b6f1c22"


@pytest.fixture
def account(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExchangeAccount:
    settings.FIX_STORE_DIR = tmp_path / "fix"
    vault_in(tmp_path, settings)
    monkeypatch.setattr("apps.orders.queue.enqueue", lambda *_, **__: True)
    monkeypatch.setattr(runner, "FOLLOW_SECONDS", 0.1)
    return make_account(make_desk())


@pytest.fixture
def acceptor(certificate: tuple[Path, Path, bytes]) -> Any:  # noqa: F811
    key = serialization.load_pem_private_key(key_pem(0).encode(), password=None).public_key()
    assert isinstance(key, RSAPublicKey)
    said = {tag: value for tag, value in NEW.items() if tag != 35} | {60: stamp()}
    with ForeignAcceptor(certificate[0], certificate[1], key, reports=[list(said.items())]) as made:
        yield made


def session(account: ExchangeAccount, kind: str) -> FixSession:
    admin = actor_of(make_person(account.desk, "vault-admin"))
    make_key(admin, account, key_id=KEY_ID, scopes=("read",), purpose=f"fix_{kind}")
    operator = actor_of(make_person(account.desk, "operator"))
    row = services.session_define(operator, account.pk, kind, is_listener=True)
    return services.session_start(operator, row.pk, why=WHY)


def state(row: FixSession) -> str:
    row.refresh_from_db()
    return row.state


def test_the_desk_takes_reports_of_an_acceptor_by_others(
    account: ExchangeAccount, acceptor: ForeignAcceptor, settings: Any
) -> None:
    settings.FIX_ENDPOINTS = {"paper": {"url": f"tls://127.0.0.1:{acceptor.port}", "ca": str(acceptor.certificate)}}
    row = session(account, "nr")
    with running_sessions():
        eventually(lambda: state(row) == "logged_on", what="the logon")
        eventually(lambda: Order.objects.filter(order_id="o-1").exists(), what="the report's order")
        eventually(lambda: FixMessage.objects.filter(session=row, msg_type="8").exists(), what="the message in the log")
    logon, *rest = acceptor.heard
    assert (logon[56], logon[141], logon[20126], logon[95]) == ("KalshiNR", "Y", "Y", str(len(logon[96])))
    assert (acceptor.forged, [one[35] for one in rest if one[35] not in "01"]) == (0, ["5"])


def test_and_of_one_that_plays_the_margin_exchange(
    account: ExchangeAccount, acceptor: ForeignAcceptor, settings: Any
) -> None:
    url = {"url": f"tls://127.0.0.1:{acceptor.port}", "ca": str(acceptor.certificate)}
    settings.FIX_ENDPOINTS = {"paper": {"url": "plain://127.0.0.1:1"}, "paper.margin": url}
    row = session(account, "mnr")
    with running_sessions():
        eventually(lambda: state(row) == "logged_on", what="the logon")
        eventually(FixMarginExecution.objects.exists, what="the report")
    assert not {21005, 21026} & set(acceptor.heard[0])
    assert not Order.objects.exists()


def test_another_certificate_than_the_pinned_one_hears_nothing_of_ours(
    account: ExchangeAccount,
    acceptor: ForeignAcceptor,
    settings: Any,
    certificate: Any,  # noqa: F811
) -> None:
    url = f"tls://127.0.0.1:{acceptor.port}"
    settings.FIX_ENDPOINTS = {"paper": {"url": url, "pin": "00" * 32}}
    row = session(account, "nr")
    with running_sessions():
        eventually(lambda: "not the pinned one" in (state(row) and row.state_text), what="the refusal")
        assert acceptor.heard == []
        settings.FIX_ENDPOINTS = {"paper": {"url": url, "pin": sha256(certificate[2]).hexdigest()}}
        eventually(lambda: state(row) == "logged_on", what="the logon with the right pin")
