"""The data API as a program meets it: tokens, scopes, calls per minute, and answers without a float."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotFound
from apps.core.timestamps import utc_now
from apps.data_api.models import DataToken
from apps.data_api.scopes import SCOPES
from apps.data_api.services import DAYS, LIVE_AT_MOST, NewToken, token_create, token_revoke
from apps.portfolio.models import Balance, Position
from tests.history.records import NOON, TICKER, Office, make_fill, make_office, make_order
from tests.support.people import actor_of, client_of, make_account, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.fixture
def office() -> Office:
    return make_office()


def made(office: Office, **over: Any) -> NewToken:
    return token_create(office.actor, **{"name": "Notebook", "scopes": list(SCOPES), "days": 30} | over)


def call(token: NewToken | str, path: str, **query: Any) -> Any:
    secret = token if isinstance(token, str) else token.secret
    return Client().get(f"/api/v1/{path}", query, headers={"Authorization": f"Bearer {secret}"})


def no_number(value: Any) -> bool:
    """Whether nothing in an answer is a float."""
    if isinstance(value, dict):
        return all(no_number(one) for one in value.values())
    if isinstance(value, list):
        return all(no_number(one) for one in value)
    return not isinstance(value, float)


# --- what is read ---------------------------------------------------------------------------------


def test_records_come_with_the_columns_of_the_search_and_decimals_as_strings(office: Office) -> None:
    order = make_order(office.account, price=Decimal("0.0550"), fees=Decimal("0.000001"), intent=None)

    answer = call(made(office), "orders")

    [row] = answer.json()["rows"]
    assert (row["order_id"], row["market"], row["yes_price_dollars"]) == (order.order_id, TICKER, "0.0550")
    assert (row["contracts"], row["fees_dollars"], row["person"]) == ("10.00", "0.000001", None)
    assert row["time_utc"].endswith("Z")
    assert row["account"] == office.account.name
    assert no_number(json.loads(answer.content, parse_float=float))
    assert answer["Cache-Control"] == "no-store"


def test_pages_follow_each_other_to_the_end(office: Office) -> None:
    expected = [make_fill(office.account, minutes=number // 2).trade_id for number in range(7)][::-1]
    token = made(office)

    seen: list[str] = []
    after = ""
    while True:
        page = call(token, "fills", limit=3, after=after).json()
        seen += [row["trade_id"] for row in page["rows"]]
        if page["next"] is None:
            break
        after = page["next"]

    assert seen == expected


def test_filters_are_those_of_the_page(office: Office) -> None:
    make_order(office.account, subaccount=1)
    wanted = make_order(office.account, subaccount=2, created_at=NOON)
    token = made(office)

    for query in ({"subaccount": 2}, {"from": "2026-03-01", "to": "2026-03-01", "id": wanted.order_id}):
        assert [row["order_id"] for row in call(token, "orders", **query).json()["rows"]] == [wanted.order_id]


def test_balances_and_positions_of_the_desk_only(office: Office) -> None:
    stranger = make_office()
    for one in (office, stranger):
        Balance.objects.create(account=one.account, cash=Decimal("12.3456"), seen_at=NOON)
        Position.objects.create(account=one.account, ticker=TICKER, position=Decimal(-3), seen_at=NOON, source="rest")
        Position.objects.create(account=one.account, ticker="KXGONE", position=Decimal(0), seen_at=NOON, source="rest")
    token = made(office)

    [balance] = call(token, "balances").json()
    [position] = call(token, "positions").json()

    assert (balance["account"], balance["cash_dollars"]) == (office.account.name, "12.345600")
    assert balance["portfolio_value_dollars"] is None
    assert (position["market"], position["contracts"]) == (TICKER, "-3.00")
    assert len(call(token, "positions", closed="true").json()) == 2
    assert [one["id"] for one in call(token, "accounts").json()] == [office.account.pk]


def test_another_desks_account_does_not_exist(office: Office) -> None:
    stranger = make_office()

    answer = call(made(office), "orders", account=stranger.account.pk)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"after": "zzz"}, {"size_from": "1e9"}, {"state": "gone"}]
)
def test_what_cannot_be_read_is_refused_by_name(query: dict[str, Any], office: Office) -> None:
    answer = call(made(office), "orders", **query)

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "bad_input"
    assert error["text"]


def test_a_token_says_what_it_is(office: Office) -> None:
    told = call(made(office, scopes=["fills"]), "token").json()

    assert (told["name"], told["scopes"], told["desk"]) == ("Notebook", ["fills"], office.desk.name)
    assert told["calls_per_minute"] == 120


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_kept_nowhere(office: Office) -> None:
    token = made(office)
    random_part = token.secret.rsplit("_", 1)[-1]

    stored = json.dumps([*DataToken.objects.values(), *AuditEntry.objects.values()], default=str)

    assert random_part not in stored
    assert token.secret not in repr(token)
    assert token.row.prefix in token.secret


def test_it_is_shown_once_by_the_page(office: Office) -> None:
    browser = client_of(office.person)

    answer = browser.post("/settings/data-api/create/", {"name": "Sheet", "scopes": ["orders"], "days": "30"})

    text = answer.content.decode()
    [row] = DataToken.objects.all()
    assert f"{row.prefix}_" in text
    assert answer["Cache-Control"] == "no-store, private"
    later = browser.get("/settings/data-api/").content.decode()
    assert row.prefix in later
    assert f"{row.prefix}_" not in later


def test_making_one_asks_again_who_is_there(office: Office) -> None:
    browser = client_of(office.person, is_fresh=False)

    answer = browser.post("/settings/data-api/create/", {"name": "Sheet", "scopes": ["orders"], "days": "30"})

    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]
    assert not DataToken.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: "",
        lambda secret: secret[:-1],
        lambda secret: secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        lambda secret: secret + "A",
        lambda secret: "kd_00000000" + secret[11:],
        lambda secret: secret.upper(),
        lambda secret: f" {secret}",
    ],
)
def test_what_is_nearly_a_token_opens_nothing(change: Any, office: Office) -> None:
    answer = call(change(made(office).secret), "token")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_in_the_address_or_another_header_opens_nothing(office: Office) -> None:
    secret = made(office).secret

    assert Client().get("/api/v1/token", {"token": secret, "Authorization": f"Bearer {secret}"}).status_code == 401
    assert Client().get("/api/v1/token", headers={"X-Api-Key": secret}).status_code == 401
    assert Client().get("/api/v1/token", headers={"Authorization": f"Basic {secret}"}).status_code == 401


def test_a_scope_that_was_not_given_is_refused(office: Office) -> None:
    token = made(office, scopes=["fills"])

    assert call(token, "fills").status_code == 200
    for path in ("orders", "unplaced", "balances", "accounts"):
        answer = call(token, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed"), path


def test_a_role_that_is_taken_away_counts_for_the_next_call(office: Office) -> None:
    token = made(office)
    assert call(token, "orders").status_code == 200

    Membership.objects.filter(user=office.person).update(roles=["viewer"])

    assert call(token, "orders").status_code == 403
    assert call(token, "positions").status_code == 200


def test_it_expires_and_can_be_revoked_at_once(office: Office) -> None:
    short, revoked = made(office, days=7), made(office)

    token_revoke(office.actor, revoked.row.pk)
    assert call(revoked, "token").status_code == 401
    with time_machine.travel(utc_now() + timedelta(days=7, seconds=1)):
        assert call(short, "token").status_code == 401
    assert call(short, "token").status_code == 200


def test_revoking_twice_is_written_down_once(office: Office) -> None:
    token = made(office)
    browser = client_of(office.person)

    for _ in range(2):
        assert browser.post(f"/settings/data-api/{token.row.pk}/revoke/").status_code == 302

    actions = AuditEntry.objects.order_by("sequence").values_list("action", flat=True)
    assert [one for one in actions if one.startswith("data_api")] == [
        "data_api.token.created",
        "data_api.token.revoked",
    ]


def test_tokens_of_others_are_seen_by_who_manages_people_alone(office: Office) -> None:
    token = made(office)
    colleague, admin = make_person(office.desk, "trader"), make_person(office.desk, "admin")

    with pytest.raises(NotFound):
        token_revoke(actor_of(colleague), token.row.pk)
    assert token.row.prefix not in client_of(colleague).get("/settings/data-api/").content.decode()
    assert token.row.prefix in client_of(admin).get("/settings/data-api/").content.decode()
    token_revoke(actor_of(admin), token.row.pk)

    assert call(token, "token").status_code == 401


def test_a_token_belongs_to_one_desk_of_its_person(office: Office) -> None:
    other = make_office()
    Membership.objects.create(user=office.person, desk=other.desk, roles=["analyst"])
    make_order(other.account)
    make_account(other.desk)

    assert call(made(office), "orders").json()["rows"] == []


@pytest.mark.parametrize(
    "over",
    [
        {"name": " "},
        {"name": "x" * 61},
        {"name": "a\nb"},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"days": 0},
        {"days": 3650},
    ],
)
def test_what_is_not_offered_is_not_made(over: dict[str, Any], office: Office) -> None:
    with pytest.raises(DeskError):
        made(office, **over)

    assert not DataToken.objects.exists()


def test_a_person_has_so_many_tokens_and_no_more(office: Office) -> None:
    tokens = [made(office, days=DAYS[0]) for _ in range(LIVE_AT_MOST)]

    with pytest.raises(DeskError, match="too_many"):
        made(office)
    token_revoke(office.actor, tokens[0].row.pk)

    assert made(office).secret


def test_last_use_is_kept_to_the_minute(office: Office) -> None:
    token = made(office)
    start = utc_now()

    with time_machine.travel(start, tick=False):
        call(token, "token")
    with time_machine.travel(start + timedelta(seconds=30), tick=False):
        call(token, "token")
    assert DataToken.objects.get().last_used_at == start
    with time_machine.travel(start + timedelta(seconds=90), tick=False):
        call(token, "token")

    assert DataToken.objects.get().last_used_at == start + timedelta(seconds=90)


# --- calls per minute -----------------------------------------------------------------------------


def test_calls_of_one_token_are_limited_by_the_minute(office: Office, settings: Any) -> None:
    settings.DATA_API_PER_MINUTE = 3
    token, other = made(office), made(office)

    with time_machine.travel(NOON + timedelta(seconds=20), tick=False):
        DataToken.objects.update(expires_at=NOON + timedelta(days=1))
        codes = [call(token, "token").status_code for _ in range(5)]
        refused = call(token, "token")
        assert call(other, "token").status_code == 200
    with time_machine.travel(NOON + timedelta(seconds=60), tick=False):
        assert call(token, "token").status_code == 200

    assert codes == [200, 200, 200, 429, 429]
    assert refused["Retry-After"] == "40"
    assert refused.json()["error"]["code"] == "too_many_calls"


def test_strangers_use_up_nobodys_calls(office: Office, settings: Any) -> None:
    settings.DATA_API_PER_MINUTE = 1
    token = made(office)

    for _ in range(3):
        assert call(token.secret[:-1] + "!", "token").status_code == 401

    assert call(token, "token").status_code == 200


def test_who_cannot_be_counted_is_not_let_in(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise RedisConnectionError("gone")

    token = made(office)
    monkeypatch.setattr("apps.data_api.limits.cache.incr", gone)

    assert call(token, "token").status_code == 429


# --- its description ------------------------------------------------------------------------------


def test_the_document_describes_each_operation_and_is_for_people_who_are_signed_in(office: Office) -> None:
    browser = client_of(office.person)

    document = browser.get("/api/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert "/api/v1/fills" in document["paths"]
    for methods in document["paths"].values():
        assert list(methods) == ["get"]
        assert methods["get"]["security"]
        assert "Needs the permission" in methods["get"]["description"]
    assert Client().get("/api/v1/openapi.json").status_code == 302


def test_the_reference_shows_every_operation(office: Office) -> None:
    page = client_of(office.person).get("/settings/data-api/reference/").content.decode()

    for path in ("token", "accounts", "balances", "positions", "sync", "orders", "fills", "settlements", "unplaced"):
        assert f"/api/v1/{path}<" in page
    assert "rows[].yes_price_dollars" in page
    assert "https://" not in page.split("<main", 1)[1]
