"""An opened key signs the requests that the desk makes, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import apps
from apps.accounts.models import ExchangeAccount
from apps.vault.allowed import READ, WRITE, is_signed
from apps.vault.errors import PathRefused, ScopeRefused
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for
from tests.support.people import actor_of, make_account, make_desk, make_key, make_person, vault_in

REST = "/trade-api/v2"
BOTH = (READ, WRITE)
API = Path(apps.__path__[0]) / "exchange" / "wire" / "api"
VERBS = ("get", "post", "put", "delete")


def calls() -> Iterator[tuple[str, str]]:
    """Every (method, path) that the modules of the exchange's API ask for, names filled in."""
    for module in sorted(API.glob("*.py")):
        tree = ast.parse(module.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr in VERBS and _name(node.func.value) == "client":
                yield node.func.attr.upper(), _text(node.args[0], constants)
            elif _name(node.func) == "pages" and len(node.args) > 1:
                yield "GET", _text(node.args[1], constants)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr, constants: dict[str, Any]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return str(constants.get(node.id, ""))
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, constants) or "KX-26.5_%C3%A9"
    return ""


CALLS = sorted({(method, path) for method, path in calls() if path})


def test_the_source_holds_calls_of_every_kind() -> None:
    assert {method for method, _ in CALLS} == {"GET", "POST", "PUT", "DELETE"}
    assert ("POST", "/portfolio/events/orders") in CALLS
    assert ("DELETE", "/communications/quotes/KX-26.5_%C3%A9") in CALLS
    assert len(CALLS) > 40


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_that_the_desk_makes_is_on_the_list(method: str, path: str) -> None:
    assert is_signed(BOTH, method, REST + path)
    assert is_signed((READ,), method, REST + path) is (method == "GET")
    assert not is_signed((), method, REST + path)


@pytest.mark.parametrize(
    "path", ["/markets/trades", "/historical/orders", "/historical/cutoff", "/historical/markets/KX/candlesticks"]
)
def test_what_the_history_reads_is_on_it(path: str) -> None:
    assert is_signed((READ,), "GET", REST + path)


REFUSED = (
    ("POST", REST + "/api_keys"),
    ("POST", REST + "/api_keys/generate"),
    ("DELETE", REST + "/api_keys/abc"),
    ("POST", REST + "/portfolio/withdrawals"),
    ("POST", REST + "/portfolio/orders"),
    ("PATCH", REST + "/portfolio/events/orders"),
    ("PUT", REST + "/portfolio/events/orders"),
    ("POST", REST + "/portfolio/events/orders/"),
    ("POST", REST + "/portfolio/events/orders/../../api_keys/amend"),
    ("POST", REST + "/portfolio/events/orders/a/b/amend"),
    ("DELETE", REST + "/portfolio/events/orders/.."),
    ("DELETE", REST + "/portfolio/events/orders/..%2F..%2F..%2Fapi_keys%2Fabc"),
    ("DELETE", REST + "/portfolio/events/orders/%2E%2E"),
    ("DELETE", REST + "/portfolio/events/orders/%252E%252E"),
    ("DELETE", REST + "/portfolio/events/orders/..\\api_keys"),
    ("DELETE", REST + "/portfolio/events/orders/a%0Ab"),
    ("DELETE", REST + "/portfolio/events/orders/a b"),
    ("DELETE", REST + "/portfolio/events/orders/a;b=c"),
    ("PUT", REST + "/communications/quotes/q/accept/"),
    ("PUT", REST + "/communications/quotes/q/Accept"),
    ("POST", "/portfolio/events/orders"),
    ("POST", "https://elsewhere" + REST + "/portfolio/events/orders"),
    ("POST", "/trade-api/v3/portfolio/events/orders"),
    ("POST", REST + "/portfolio/events/orders\n"),
    ("GET", REST),
    ("GET", REST + "/"),
    ("GET", REST + "/portfolio/../users"),
    ("GET", REST + "/users/self"),
    ("GET", "/trade-api/ws/v2/more"),
    ("POST", "/trade-api/ws/v2"),
    ("CONNECT", REST + "/portfolio/balance"),
)


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_nothing_else_is(method: str, path: str) -> None:
    assert not is_signed(BOTH, method, path)


@pytest.fixture
def account(db: None, settings: Any, tmp_path: Path) -> ExchangeAccount:
    vault_in(tmp_path, settings)
    desk = make_desk()
    account = make_account(desk)
    make_key(actor_of(make_person(desk, "vault-admin")), account)
    return account


def test_a_key_of_the_vault_signs_by_the_list_and_counts_no_refusal(account: ExchangeAccount) -> None:
    signer = signer_for(account.pk, write=True)

    for method, path in REFUSED:
        with pytest.raises((PathRefused, ScopeRefused)):
            signer.headers(method, path, 1)
    with pytest.raises(PathRefused, match="no POST /trade-api/v2/api_keys/generate"):
        signer.headers("POST", REST + "/api_keys/generate?x=1", 1)

    assert signer.uses_take()[0] == 0
    assert signer.headers("POST", REST + "/portfolio/events/orders?x=1", 1)
    assert signer.uses_take()[0] == 1


def test_a_row_made_to_read_signs_no_write_of_the_list(account: ExchangeAccount) -> None:
    ApiKey.objects.update(scopes=["read"])
    signer = signer_for(account.pk, write=True)

    assert signer.headers("GET", "/trade-api/ws/v2", 1)
    with pytest.raises(ScopeRefused):
        signer.headers("POST", REST + "/portfolio/events/orders", 1)
