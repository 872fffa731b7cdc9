"""What people may do with sessions, from where a session takes its key and its address, and who holds a key."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission, Role, permissions_of
from apps.core.timestamps import utc_now
from apps.exchange.hosts import EnvironmentRefused
from apps.fix import services
from apps.fix.endpoints import Endpoint, EndpointMissing, endpoint
from apps.fix.engine.rules import RULES, Kind
from apps.fix.ingest import reports_apply
from apps.fix.lease import lease_release, lease_take
from apps.fix.messages.common import Prices
from apps.fix.models import FixExecution, FixLease, FixMessage, FixRecovery, FixSession
from apps.fix.records import KEPT_MESSAGES, Passed, hole_mend, messages_prune, messages_store
from apps.fix.selectors import flags_of, wishes
from tests.fix.conftest import report
from tests.orders.conftest import make_trade_key
from tests.support.people import actor_of, make_account, make_desk, make_person

WHY = "a test"


@pytest.fixture
def operator(place):
    return actor_of(make_person(place.desk, "operator", username="olga"))


def define(operator, place, kind="nr", **options):
    return services.session_define(operator, place.account.pk, kind, **options)


def actions(place):
    return list(
        AuditEntry.objects.filter(desk_id=place.desk.pk, action__startswith="fix.")
        .order_by("pk")
        .values_list("action", flat=True)
    )


@pytest.mark.parametrize("role", [role for role in Role if Permission.FIX_OPERATE not in permissions_of([role])])
def test_only_operators_act(place, operator, role):
    row = define(operator, place)
    actor = actor_of(make_person(place.desk, role))
    calls = [
        lambda: define(actor, place),
        lambda: services.session_start(actor, row.pk, why=WHY),
        lambda: services.session_stop(actor, row.pk, why=WHY),
        lambda: services.session_reset(actor, row.pk, why=WHY),
        lambda: services.recovery_request(actor, place.account.pk, why=WHY),
    ]
    for call in calls:
        with pytest.raises(NotAllowed):
            call()
    assert [one.pk for one in services.sessions_visible_to(actor)] == [row.pk], "everybody of the desk sees"
    row.refresh_from_db()
    assert not row.is_wanted


def test_another_desks_sessions_do_not_exist(place, operator):
    row = define(operator, place)
    stranger = actor_of(make_person(make_desk(), "operator"))

    assert services.sessions_visible_to(stranger) == []
    with pytest.raises(NotFound):
        services.session_start(stranger, row.pk, why=WHY)
    with pytest.raises(NotFound):
        define(stranger, place)


def test_every_action_needs_a_reason_and_is_on_the_trail(place, operator):
    row = define(operator, place)
    with pytest.raises(DeskError, match="why_missing"):
        services.session_start(operator, row.pk, why="  ")
    with pytest.raises(DeskError, match="fix_stopped"):
        services.session_reset(operator, row.pk, why=WHY)
    services.session_start(operator, row.pk, why=WHY)
    services.session_reset(operator, row.pk, why=WHY)
    services.session_stop(operator, row.pk, why=WHY)

    assert actions(place) == [f"fix.session.{what}" for what in ("defined", "started", "reset", "stopped")]
    assert AuditEntry.objects.filter(action="fix.session.started").get().data["why"] == WHY


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dc", {"is_listener": True}),
        ("nr", {"is_listener": True, "cancel_on_disconnect": True}),
        ("nr", {"heartbeat": 3}),
        ("nr", {"heartbeat": 121}),
        ("xx", {}),
        ("nr", {"state": "logged_on"}),
    ],
)
def test_what_the_exchange_would_refuse_is_refused_here(place, operator, kind, options):
    with pytest.raises(DeskError):
        define(operator, place, kind, **options)
    assert FixSession.objects.count() == 0


def test_defining_again_changes_the_one_session_of_the_kind(place, operator):
    first = define(operator, place, "rt", receive_settlements=True)
    second = define(operator, place, "rt", is_listener=True)

    assert first.pk == second.pk
    flags = flags_of(second)
    assert (flags.listener, flags.skip_pending, flags.cancel_on_disconnect) == (True, True, False)
    assert flags_of(first).receive_settlements is True


def test_what_runs_and_why_not(place, operator):
    nr = services.session_start(operator, define(operator, place).pk, why=WHY)
    services.session_start(operator, define(operator, place, "dc").pk, why=WHY)
    define(operator, place, "pt")
    make_trade_key(place.account, purpose="fix_nr", key_id="fix-1", fingerprint="1" * 64)
    found, unable, resets = wishes()

    assert [(one.kind, one.key_id, one.may_write) for one in found] == [(Kind.NR, "fix-1", True)]
    assert ["no working key" in one.text for one in unable] == [True]
    assert resets == set()
    services.session_reset(operator, nr.pk, why=WHY)
    assert wishes()[2] == {nr.pk}


def test_one_key_is_one_connection(place, operator):
    services.session_start(operator, define(operator, place).pk, why=WHY)
    make_trade_key(place.account, purpose="fix_nr", key_id="fix-1", fingerprint="1" * 64)
    make_trade_key(make_account(place.desk), purpose="fix_dc", key_id="fix-1", fingerprint="2" * 64)
    found, unable, _ = wishes()

    assert found == []
    assert "One key takes one connection" in unable[0].text


def test_a_reading_key_serves_listeners_only(place, operator):
    row = services.session_start(operator, define(operator, place).pk, why=WHY)
    make_trade_key(place.account, purpose="fix_nr", key_id="fix-1", fingerprint="1" * 64, scopes=["read"])

    assert "may only read" in wishes()[1][0].text
    define(operator, place, is_listener=True)
    assert [one.session_id for one in wishes()[0]] == [row.pk]


def test_recovering_since_last_seen(place, operator, queued):
    with pytest.raises(DeskError, match="fix_no_drop_copy"):
        services.recovery_request(operator, place.account.pk, why=WHY)
    services.session_start(operator, define(operator, place, "dc").pk, why=WHY)
    with pytest.raises(DeskError, match="fix_nothing_seen"):
        services.recovery_request(operator, place.account.pk, why=WHY)
    reports_apply(place.account.pk, [report("4;9"), report("4;10", _37="o-2")], prices=Prices(), kind="nr")
    row = services.recovery_request(operator, place.account.pk, why=WHY)

    assert (row.begin, row.end, row.state) == ("4;10", "", "waiting")
    with pytest.raises(DeskError, match="conflict"):
        services.recovery_request(operator, place.account.pk, why=WHY)
    for begin, end in (("4", ""), ("-1;-1", ""), ("4;10", "4;9")):
        with pytest.raises(DeskError, match="bad_input"):
            services.recovery_request(operator, place.account.pk, begin=begin, end=end, why=WHY)


def test_a_hole_is_always_read_and_asked_for_where_it_can_be(place, operator, queued):
    hole_mend(place.account.pk, "gap")
    assert FixRecovery.objects.count() == 0
    services.session_start(operator, define(operator, place, "dc").pk, why=WHY)
    reports_apply(place.account.pk, [report("4;9")], prices=Prices(), kind="nr")
    hole_mend(place.account.pk, "gap")
    hole_mend(place.account.pk, "gap again")

    assert [one.begin for one in FixRecovery.objects.all()] == ["4;9"]
    assert queued == [("account_orders_sync", place.account.pk)] * 3


def test_stored_messages_carry_no_secret_and_any_text(place, operator):
    row = define(operator, place)
    fields = [(35, "A"), (96, "c2lnbmF0dXJl"), (553, "u"), (554, "p"), (58, "a\x00b\udcff"), (37, "o-1")]
    messages_store(row.pk, [Passed(True, 1, "A", 1_754_550_000_000, fields)])

    stored = FixMessage.objects.get()
    assert dict(stored.fields)[96] == dict(stored.fields)[553] == dict(stored.fields)[554] == "<redacted>"
    assert (stored.order_id, dict(stored.fields)[58]) == ("o-1", "a\ufffdb?")


def test_the_log_and_the_ids_do_not_grow_for_ever(place, operator, monkeypatch):
    monkeypatch.setattr("apps.fix.records.KEPT_MESSAGES", 5)
    assert KEPT_MESSAGES >= 5
    row = define(operator, place)
    messages_store(row.pk, [Passed(False, seq, "8", 1_754_550_000_000, [(35, "8")]) for seq in range(1, 9)])
    old = utc_now() - timedelta(days=15)
    common = {"account": place.account, "digest": "", "order_id": "o", "source": "nr"}
    FixExecution.objects.create(first=1, second=1, seen_at=old, **common)
    FixExecution.objects.create(first=1, second=2, seen_at=utc_now(), **common)
    messages_prune(row.pk)

    assert list(FixMessage.objects.order_by("seq").values_list("seq", flat=True)) == [4, 5, 6, 7, 8]
    assert [one.second for one in FixExecution.objects.all()] == [2]


def test_a_lease_has_one_holder_and_a_rising_fence(db):
    now = utc_now()
    assert lease_take("k", "a", now=now) == 1
    assert lease_take("k", "b", now=now) is None
    assert lease_take("k", "a", now=now + timedelta(seconds=9)) == 1
    assert lease_take("k", "b", now=now + timedelta(seconds=18)) is None
    assert lease_take("k", "b", now=now + timedelta(seconds=19)) == 2
    assert lease_take("k", "a", now=now + timedelta(seconds=19)) is None
    lease_release("k", "a")
    assert lease_take("k", "a", now=now + timedelta(seconds=20)) is None
    lease_release("k", "b")
    assert lease_take("k", "a") == 3
    assert FixLease.objects.count() == 1


# --- addresses ------------------------------------------------------------------------------------


def test_the_documented_ports(settings):
    found = {kind: endpoint("production", kind) for kind in RULES}

    assert {one.host for one in found.values()} == {"mm.fix.elections.kalshi.com"}
    ports = {kind.name: one.port for kind, one in found.items()}
    assert ports == {"NR": 8228, "DC": 8229, "RT": 8230, "PT": 8231, "RFQ": 8232}
    assert endpoint("demo", Kind.NR).host == "fix.demo.kalshi.co"
    assert all(one.tls for one in found.values())
    with pytest.raises(EndpointMissing, match="no KalshiMD on the event exchange"):
        endpoint("production", Kind.MD)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "tls://host", "tls://:5", "127.0.0.1:1", "tls://h:x", "tls://h:0"]
)
def test_what_is_no_address(settings, url):
    settings.FIX_ENDPOINTS = {"paper": {"url": url}}
    with pytest.raises(EndpointMissing):
        endpoint("paper", Kind.NR)


def test_without_tls_only_on_loopback(settings):
    settings.FIX_ENDPOINTS = {"paper": {"url": "plain://127.0.0.1:9000"}}
    assert endpoint("paper", Kind.RT) == Endpoint("127.0.0.1", 9002, tls=False)
    assert endpoint("paper", Kind.RT).context() is None
    for host in ("fix.example.com", "10.0.0.1", "0.0.0.0"):
        with pytest.raises(EndpointMissing, match="loopback only"):
            Endpoint(host, 1, tls=False)


@pytest.mark.parametrize(
    "text", ["{}", '{"fix": {}}', "not json", '{"fix": {"host": "127.0.0.1", "sessions": {}}}', "[]"]
)
def test_a_paper_exchange_without_fix(settings, tmp_path, text):
    (tmp_path / "paper.json").write_text(text)
    settings.FIX_ENDPOINTS = {"paper": {"file": str(tmp_path / "paper.json")}}
    with pytest.raises(EndpointMissing, match="announces no KalshiNR"):
        endpoint("paper", Kind.NR)


def test_an_environment_without_an_address(settings):
    settings.FIX_ENDPOINTS = {}
    with pytest.raises(EndpointMissing, match="DESK_FIX_PAPER"):
        endpoint("paper", Kind.NR)
    with pytest.raises(EnvironmentRefused):
        endpoint("elsewhere", Kind.NR)


# --- the command ----------------------------------------------------------------------------------


def said(*arguments):
    out = StringIO()
    call_command("fix", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_works_as_the_person_it_names(place, operator):
    make_person(place.desk, "viewer", username="vera")
    said("--as", "olga", "define", str(place.account.pk), "nr", "--listener", "--heartbeat", "20")
    row = FixSession.objects.get()
    assert (row.is_listener, row.heartbeat, row.use_dollars) == (True, 20, True)
    assert "wanted, stopped" in said("--as", "olga", "start", str(row.pk), "--why", WHY)
    assert "KalshiNR listener" in said("--as", "vera", "list")
    with pytest.raises(CommandError, match="roles on this desk"):
        said("--as", "vera", "stop", str(row.pk), "--why", WHY)
    with pytest.raises(CommandError, match="is nobody"):
        said("--as", "nobody-known", "list")
    with pytest.raises(CommandError, match="no drop copy"):
        said("--as", "olga", "recover", str(place.account.pk), "--why", WHY)
    assert "not wanted" in said("--as", "olga", "stop", str(row.pk), "--why", WHY)


def test_messages_are_shown_tag_by_tag_in_the_exchanges_words(place, operator):
    row = define(operator, place)
    fields = [(35, "8"), (39, "1"), (54, "1"), (96, "c2ln"), (29_999, "x")]
    messages_store(row.pk, [Passed(False, 7, "8", 1_754_550_000_000, fields)])
    text = said("--as", "olga", "messages", str(row.pk))

    for line in (
        "in 7 ExecutionReport",
        "39 OrdStatus = 1 (Partially filled)",
        "54 Side = 1 (Buy yes)",
        "29999 Tag 29999",
    ):
        assert line in text
    assert "c2ln" not in text
    make_person(make_desk(), "operator", username="stranger")
    with pytest.raises(CommandError, match="does not exist"):
        said("--as", "stranger", "messages", str(row.pk))
