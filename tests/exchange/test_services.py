import httpx
import pytest

from apps.audit.models import AuditEntry
from apps.exchange import clients, selectors, services
from apps.exchange.hosts import EnvironmentRefused
from apps.exchange.models import AccountLimits, ExchangeStatus
from apps.exchange.wire.client import ExchangeClient
from apps.vault.models import ApiKey
from tests.support.people import actor_of, make_account, make_desk, make_key, make_person, vault_in

pytestmark = pytest.mark.django_db

LIMITS = {
    "usage_tier": "premier",
    "read": {"refill_rate": 1000, "bucket_capacity": 1000},
    "write": {"refill_rate": 1000, "bucket_capacity": 2000},
}


def exchange(answers):
    """A client whose answers are given by path; a path that is not given cannot be reached."""

    def handle(request):
        answer = answers.get(request.url.path.removeprefix("/trade-api/v2"))
        if answer is None:
            raise httpx.ConnectError("no route", request=request)
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, json=body, headers={"X-Exchange-Time-Ms": "1000"})

    return ExchangeClient(["http://127.0.0.1:1"], None, None, httpx.MockTransport(handle), now_ms=lambda: 400)


@pytest.fixture
def key(tmp_path, settings, live_redis):
    vault_in(tmp_path, settings)
    desk = make_desk()
    account = make_account(desk)
    return make_key(actor_of(make_person(desk, "vault-admin")), account, key_id="key-a")


def test_the_status_of_an_environment_is_stored_and_published(live_redis):
    body = {"exchange_active": True, "trading_active": False, "exchange_estimated_resume_time": "2026-11-21T05:00:00Z"}

    services.status_refresh("paper", client=exchange({"/exchange/status": body}))

    row = ExchangeStatus.objects.get(environment="paper")
    assert (row.exchange_active, row.trading_active, row.error) == (True, False, "")
    assert row.clock_offset_ms == 600
    frame = selectors.status_frame("paper")
    assert frame["resume_at"] == "2026-11-21T05:00:00Z"
    assert (frame["feed"], frame["feed_ms"]) == ("down", None)


def test_an_exchange_that_cannot_be_asked_is_not_shown_as_active(live_redis):
    body = {"exchange_active": True, "trading_active": True}
    services.status_refresh("paper", client=exchange({"/exchange/status": body}))

    services.status_refresh("paper", client=exchange({}))

    row = ExchangeStatus.objects.get(environment="paper")
    assert (row.exchange_active, row.trading_active) == (None, None)
    assert "connection" in row.error


def test_a_key_that_works_tells_tier_limits_scopes_and_member(key):
    answers = {
        "/account/limits": LIMITS,
        "/api_keys": {"api_keys": [{"api_key_id": "key-a", "name": "desk", "scopes": ["read"]}]},
        "/portfolio/orders": {"orders": [{"user_id": "member-7"}]},
    }

    services.key_test(key.pk, client=exchange(answers))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.VALID
    assert key.test_result["tier"] == "premier"
    assert key.test_result["clock_offset_ms"] == 600
    assert key.scopes == ["read"]  # the exchange allows less than was entered
    key.account.refresh_from_db()
    assert key.account.exchange_user_id == "member-7"
    limits = AccountLimits.objects.get(account=key.account)
    assert (limits.usage_tier, limits.write_capacity) == ("premier", 2000)
    assert clients.limiter_for(key.account).levels()["write"].capacity == 2000
    assert AuditEntry.objects.filter(action="vault.key.tested", target=f"api_key:{key.pk}").count() == 1


def test_the_exchange_cannot_widen_what_the_desk_may_sign(key):
    ApiKey.objects.filter(pk=key.pk).update(scopes=["read"])
    answers = {
        "/account/limits": LIMITS,
        "/api_keys": {"api_keys": [{"api_key_id": "key-a", "name": "desk", "scopes": ["read", "write"]}]},
    }

    services.key_test(key.pk, client=exchange(answers))

    key.refresh_from_db()
    assert key.scopes == ["read"]


def test_a_key_that_the_exchange_refuses_is_invalid(key):
    refusal = (401, {"code": "unauthorized", "message": "signature does not match"})

    services.key_test(key.pk, client=exchange({"/account/limits": refusal}))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.INVALID
    assert "signature" in key.test_result["error"]


@pytest.mark.parametrize("answer", [None, (503, {"code": "busy", "message": "later"}), (429, {"error": "too many"})])
def test_a_key_is_not_condemned_because_the_exchange_was_away(key, answer):
    services.key_test(key.pk, client=exchange({"/account/limits": answer} if answer else {}))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.UNTESTED
    assert key.test_result["error"]
    assert key.tested_at is not None


def test_a_key_revoked_during_its_test_stays_revoked(key):
    def answers(request):
        ApiKey.objects.filter(pk=key.pk).update(status=ApiKey.Status.REVOKED)
        return httpx.Response(200, json=LIMITS)

    client = ExchangeClient(["http://127.0.0.1:1"], None, None, httpx.MockTransport(answers))

    services.key_test(key.pk, client=client)

    key.refresh_from_db()
    assert key.status == ApiKey.Status.REVOKED


def test_limits_that_are_not_two_positive_integers_change_nothing(key):
    broken = {**LIMITS, "read": {"refill_rate": "many", "bucket_capacity": 0}}

    services.key_test(key.pk, client=exchange({"/account/limits": broken}))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.VALID
    assert "positive integers" in key.test_result["error"]
    assert not AccountLimits.objects.exists()


# --- clients ---------------------------------------------------------------------------------


@pytest.fixture
def no_clients():
    clients.clients_forget()
    yield
    clients.clients_forget()


def test_a_client_is_kept_until_a_key_changes(key, no_clients):
    first = clients.client_for(key.account_id, write=True)

    assert clients.client_for(key.account_id, write=True) is first
    ApiKey.objects.filter(pk=key.pk).update(version=key.version + 1, key_id="key-b")
    # The sealed row is bound to what it was sealed as; a client of the old row must not live on.
    with pytest.raises(Exception, match=r"open|key"):
        clients.client_for(key.account_id, write=True)


def test_a_read_and_a_write_client_share_one_budget(key, no_clients):
    reading, writing = clients.client_for(key.account_id, write=False), clients.client_for(key.account_id, write=True)

    assert reading is not writing
    assert reading.limiter is writing.limiter


def test_an_account_that_is_switched_off_gets_no_client(key, no_clients):
    clients.client_for(key.account_id, write=False)
    key.account.is_active = False
    key.account.save()

    with pytest.raises(Exception, match="switched off"):
        clients.client_for(key.account_id, write=False)


def test_an_environment_that_is_not_enabled_is_refused_in_words(settings, key, no_clients):
    settings.EXCHANGE_ENVIRONMENTS = ["demo"]

    with pytest.raises(EnvironmentRefused, match="DESK_ENVIRONMENTS"):
        clients.client_for(key.account_id, write=False)
    with pytest.raises(EnvironmentRefused):
        clients.environment_client("http://evil.example")


def test_public_clients_go_only_to_hosts_of_the_table(settings, no_clients):
    client = clients.environment_client("demo")

    assert list(client.hosts) == settings.EXCHANGE_HOSTS["demo"]["rest"]
