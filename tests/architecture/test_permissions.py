"""Who may do what, asked of everything that can be called: each URL, socket command, topic and task.

The lists come from the resolver and the registries, so whatever is added later is asked too; what
does not say its permission fails here, and is refused at run time.
"""

import copy
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.accounts.middleware import DeskMiddleware
from apps.accounts.models import Desk, Membership, User
from apps.accounts.permissions import ALLAUTH_PERMISSIONS, declared_permission
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import ROLE_PERMISSIONS, Permission, Role
from apps.core.timestamps import utc_now
from apps.data_api.api import OPERATIONS as DECLARED
from apps.data_api.models import DataToken
from apps.data_api.scopes import SCOPES
from apps.data_api.services import token_create
from apps.fix.models import FixMessage, FixSession
from apps.markets.models import Watchlist
from apps.vault.models import ApiKey
from kalshi_desk.celery import app as celery_app
from tests.support.people import actor_of, client_of, make_account, make_desk, make_key, make_person, vault_in

OPEN_TO_EVERYBODY = {Permission.PUBLIC}
OPEN_TO_SIGNED_IN = {Permission.PUBLIC, Permission.SELF}


@dataclass(frozen=True)
class Url:
    route: str
    name: str
    view: Callable[..., Any]
    arguments: tuple[str, ...]

    @property
    def permission(self) -> Permission | None:
        return declared_permission(self.view, self.name)

    @property
    def is_closed(self) -> bool:
        return self.view.__module__.startswith("allauth.") and self.permission is None

    def __str__(self) -> str:
        return self.name or self.route or "root"


def urls_of(resolver: URLResolver, prefix: str = "", arguments: tuple[str, ...] = ()) -> Iterator[Url]:
    for item in resolver.url_patterns:
        route = prefix + str(item.pattern)
        named = (*arguments, *item.pattern.regex.groupindex)
        if isinstance(item, URLResolver):
            yield from urls_of(item, route, named)
        elif isinstance(item, URLPattern):
            yield Url(route, item.name or "", item.callback, named)


_ALL = list(urls_of(get_resolver()))
# Operations of the data API know no session: they are asked with tokens, at the end of this file.
OPERATIONS = [url for url in _ALL if getattr(url.view, "desk_token_only", False)]
URLS = [url for url in _ALL if url not in OPERATIONS]

# What a URL argument names. An argument of a desk's own object gives 404 to members of other desks;
# the rest names what every desk may see. An argument that is in neither fails `arguments_for`.
SHARED_ARGUMENTS: dict[str, Any] = {
    "ticker": "KXNONE-26JAN01-T1",
    "event_ticker": "KXNONE-26JAN01",
    "series_ticker": "KXNONE",
    "environment": "paper",
    "milestone_id": "none",
    "uidb36": "1",
    "key": "abc-def",
    # Of the person who asks, and of nobody else: tests/accounts/test_sessions.py.
    "sign_in_id": 999_999,
    "passkey_id": 999_999,
    "pk": 999_999,
}
DESK_ARGUMENTS: dict[str, Callable[["World"], Any]] = {
    "key_id": lambda world: world.key.pk,
    "account_id": lambda world: world.key.account_id,
    "watchlist_id": lambda world: world.watchlist.pk,
    # Rows that nobody has: whose desk they would be cannot matter.
    "intent_id": lambda world: 999_999,
    "order_id": lambda world: uuid.UUID(int=1),
    "token_id": lambda world: world.token.pk,
    "fix_session_id": lambda world: world.fix_message.session_id,
    "fix_message_id": lambda world: world.fix_message.pk,
    "user_id": lambda world: world.key.created_by_id,
}


# URLs whose service asks more than the URL, by whose the object is; tests of their app say what.
FINER_RULES = {"watchlist_rename", "watchlist_remove"}


@dataclass(frozen=True)
class World:
    desk: Desk
    key: ApiKey
    watchlist: Watchlist
    token: DataToken
    fix_message: FixMessage

    def arguments_for(self, url: Url) -> dict[str, Any]:
        unknown = set(url.arguments) - SHARED_ARGUMENTS.keys() - DESK_ARGUMENTS.keys()
        assert not unknown, f"{url.route}: say in this file whose {unknown} it is"
        return {
            name: SHARED_ARGUMENTS[name] if name in SHARED_ARGUMENTS else DESK_ARGUMENTS[name](self)
            for name in url.arguments
        }

    def path(self, url: Url) -> str:
        return reverse(url.name, kwargs=self.arguments_for(url))


def build_world(folder: Path) -> World:
    vault_in(folder, settings)
    desk = make_desk()
    account = make_account(desk)
    keeper = actor_of(make_person(desk, "vault-admin"))
    key = make_key(keeper, account)
    token = token_create(keeper, name="Theirs", scopes=["orders"], days=7).row
    session = FixSession.objects.create(account=account, kind="rt")
    message = FixMessage.objects.create(
        session=session, is_outgoing=True, seq=1, msg_type="A", at=utc_now(), fields=[[35, "A"]]
    )
    return World(desk, key, Watchlist.objects.create(desk=desk, environment="paper", name="Shared"), token, message)


@pytest.fixture(scope="module")
def kept_world(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[World]:
    """One world for all tests here, in a transaction around theirs: to make it takes longer than most of them."""
    around = transaction.atomic()
    with override_settings():
        try:
            with django_db_blocker.unblock():
                around.__enter__()
                made = build_world(tmp_path_factory.mktemp("vault"))
            yield made
        finally:
            with django_db_blocker.unblock():
                transaction.set_rollback(True)
                around.__exit__(None, None, None)


@pytest.fixture
def world(kept_world: World, db: None) -> World:
    """A copy for each test: a row that a test holds may be changed by it, as those in the database may."""
    return copy.deepcopy(kept_world)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: Any) -> None:
    """Permissions are decided before anything is queued; what is allowed must not wait for a broker."""
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *args, **kwargs: None)


def is_sign_in(answer: Any) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/accounts/login/?next=")


def both_methods(browser: Client, path: str) -> list[Any]:
    return [browser.get(path), browser.post(path)]


def assert_refused(browser: Client, path: str, *, who: str) -> None:
    for answer in both_methods(browser, path):
        assert answer.status_code == 403, f"{path} answered {answer.status_code} to {who}"


def assert_let_in(browser: Client, url: Url, path: str, *, who: str) -> None:
    refusals = {401} if url.name in FINER_RULES else {401, 403}
    for answer in both_methods(browser, path):
        assert answer.status_code not in refusals, f"{path} answered {answer.status_code} to {who}"
        assert answer.status_code < 500, f"{path} answered {answer.status_code} to {who}"
        assert not is_sign_in(answer), f"{path} asks {who} to sign in"


# --- every URL ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", URLS, ids=str)
def test_every_url_says_its_permission_or_is_closed(url: Url) -> None:
    assert url.permission is not None or url.is_closed, f"{url.route}: put @requires(Permission...) on its view"
    assert url.permission is not Permission.SYSTEM
    assert url.name, f"{url.route} needs a name"


def test_no_two_urls_share_a_name() -> None:
    names = [url.name for url in URLS]
    assert {name for name in names if names.count(name) > 1} == set()


def test_the_table_of_the_sign_in_library_names_only_urls_that_exist() -> None:
    assert {url.name for url in URLS} >= set(ALLAUTH_PERMISSIONS)


@pytest.mark.parametrize("url", URLS, ids=str)
def test_nobody_signed_in_gets_the_sign_in_page(url: Url, world: World) -> None:
    path = world.path(url)
    for answer in both_methods(Client(), path):
        if url.is_closed:
            assert answer.status_code == 404
        elif url.permission in OPEN_TO_EVERYBODY:
            assert answer.status_code < 500
            assert answer.status_code != 403
        else:
            assert is_sign_in(answer), f"{path} answered {answer.status_code}"


@pytest.mark.parametrize("url", URLS, ids=str)
def test_each_role_gets_what_the_table_says(url: Url, world: World) -> None:
    path = world.path(url)
    for role in Role:
        browser = client_of(make_person(world.desk, role, username=role), raise_request_exception=False)
        if url.is_closed:
            assert {answer.status_code for answer in both_methods(browser, path)} == {404}
        elif url.permission in ROLE_PERMISSIONS[role]:
            assert_let_in(browser, url, path, who=role)
        else:
            assert_refused(browser, path, who=role)


@pytest.mark.parametrize("url", URLS, ids=str)
def test_people_without_a_role_a_desk_or_a_live_membership_are_refused(url: Url, world: World) -> None:
    no_role = make_person(world.desk)
    suspended, elsewhere = make_person(world.desk, *Role), make_person(world.desk, *Role)
    Membership.objects.filter(user=suspended).update(is_active=False)
    Membership.objects.filter(user=elsewhere).delete()
    for person in (no_role, suspended, elsewhere):
        browser = client_of(person, raise_request_exception=False)
        path = world.path(url)
        if url.is_closed:
            assert {answer.status_code for answer in both_methods(browser, path)} == {404}
        elif url.permission in OPEN_TO_SIGNED_IN:
            assert_let_in(browser, url, path, who=person.username)
        else:
            assert_refused(browser, path, who=person.username)


@pytest.mark.parametrize("url", [url for url in URLS if set(url.arguments) & DESK_ARGUMENTS.keys()], ids=str)
def test_another_desks_objects_do_not_exist_for_anybody_of_ours(url: Url, world: World) -> None:
    stranger = client_of(make_person(make_desk(), *Role), raise_request_exception=False)
    ours = client_of(make_person(world.desk, *Role), raise_request_exception=False)
    before = everything_stored()

    theirs = both_methods(stranger, world.path(url))

    assert 404 in {answer.status_code for answer in theirs}
    assert {answer.status_code for answer in theirs} <= {404, 405}
    assert everything_stored() == before
    assert any(answer.status_code not in (404, 405) for answer in both_methods(ours, world.path(url)))


# What browsers send by themselves, without a token: it is logged and changes nothing.
TOKENLESS = {"csp_report"}


@pytest.mark.parametrize("url", [url for url in URLS if url.name not in TOKENLESS], ids=str)
def test_no_post_without_its_csrf_token(url: Url, world: World) -> None:
    browser = client_of(make_person(world.desk, *Role), enforce_csrf_checks=True)

    assert browser.post(world.path(url)).status_code == 403


@pytest.mark.parametrize("url", [url for url in URLS if url.name in TOKENLESS], ids=str)
def test_what_takes_posts_without_a_token_changes_nothing(url: Url, world: World) -> None:
    browser = client_of(make_person(world.desk, *Role), enforce_csrf_checks=True)
    before = everything_stored()

    browser.post(world.path(url), b"[{}]", content_type="application/csp-report")

    assert everything_stored() == before


@pytest.mark.parametrize("url", URLS, ids=str)
def test_looking_changes_nothing(url: Url, world: World) -> None:
    browser = client_of(make_person(world.desk, *Role), raise_request_exception=False)
    before = everything_stored()

    browser.get(world.path(url))

    assert everything_stored() == before


def everything_stored() -> dict[str, list[Any]]:
    """Every row of every table but sessions and sign-ins, which remember when they were used."""
    with connection.cursor() as cursor:
        stored = {}
        for table in connection.introspection.table_names(cursor):
            if table not in ("django_session", "accounts_signin"):
                cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
                stored[table] = cursor.fetchall()
    return stored


# --- at run time ----------------------------------------------------------------------------------


def undeclared(request: HttpRequest) -> HttpResponse:
    return HttpResponse("secret")


@pytest.mark.django_db
def test_a_view_that_says_nothing_is_refused_to_everybody() -> None:
    person = make_person(make_desk(), *Role)
    request = RequestFactory().get("/")
    request.user = person
    request.actor = actor_of(person)  # type: ignore[attr-defined]
    request.resolver_match = None
    middleware = DeskMiddleware(undeclared)

    with pytest.raises(PermissionDenied, match="does not say"):
        middleware.process_view(request, undeclared, (), {})


# --- the socket -----------------------------------------------------------------------------------

ON_THE_SOCKET = set(Permission) - {Permission.PUBLIC, Permission.SYSTEM}


def test_there_are_commands_and_topics_to_ask() -> None:
    assert len(ports.commands) >= 3
    assert len(ports.topics) >= 5


@pytest.mark.parametrize("name", sorted(ports.commands))
def test_every_command_names_a_permission_of_people(name: str) -> None:
    assert ports.commands[name].permission in ON_THE_SOCKET


@pytest.mark.parametrize("kind", sorted(ports.topics))
def test_every_topic_names_a_permission_of_people(kind: str) -> None:
    assert ports.topics[kind].permission in ON_THE_SOCKET - {Permission.SELF}


REFUSED = [
    (name, role)
    for name, role in itertools.product(sorted(ports.commands), Role)
    if ports.commands[name].permission not in ROLE_PERMISSIONS[role]
]


@pytest.mark.parametrize(("name", "role"), REFUSED)
def test_a_commands_own_service_refuses_the_roles_that_the_socket_refuses(name: str, role: Role, world: World) -> None:
    command = ports.commands[name]
    actor = actor_of(make_person(world.desk, role))
    before = everything_stored()

    with pytest.raises(DeskError):
        command.handler(actor, {})

    assert everything_stored() == before


# --- tasks ----------------------------------------------------------------------------------------

celery_app.loader.import_default_modules()
TASKS = {name: task for name, task in celery_app.tasks.items() if name.startswith("apps.")}


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_says_whose_right_it_acts_with(name: str) -> None:
    declared = getattr(TASKS[name].run, "desk_permission", None)

    assert declared in set(Permission) - OPEN_TO_SIGNED_IN, f"{name}: put @task_permission under @shared_task"


@pytest.mark.parametrize("entry", sorted(settings.CELERY_BEAT_SCHEDULE))
def test_what_the_clock_starts_exists_and_acts_for_no_person(entry: str) -> None:
    name = settings.CELERY_BEAT_SCHEDULE[entry]["task"]

    assert getattr(TASKS[name].run, "desk_permission", None) is Permission.SYSTEM


# --- the data API -------------------------------------------------------------------------------------


def token_of(person: User) -> str:
    """A token with every scope, and the header that carries it."""
    return f"Bearer {token_create(actor_of(person), name='All', scopes=SCOPES, days=7).secret}"


def assert_opens(url: Url, header: str, *, is_open: bool) -> None:
    answer = Client().get(reverse(url.name), headers={"Authorization": header})
    assert answer.status_code == (200 if is_open else 403), f"{url} answered {answer.status_code}"


def test_the_api_serves_what_was_declared_and_nothing_else() -> None:
    assert {url.name: url.permission for url in OPERATIONS} == {
        name: operation.permission for name, operation in DECLARED.items()
    }
    assert {url.route for url in OPERATIONS} == {url.route for url in _ALL if url.route.startswith("api/")} - {
        "api/v1/openapi.json"
    }


@pytest.mark.parametrize("url", OPERATIONS, ids=str)
def test_every_operation_asks_for_a_permission_of_people_and_a_known_scope(url: Url) -> None:
    assert url.permission in ON_THE_SOCKET - {Permission.SELF}
    assert DECLARED[url.name].scope in {*SCOPES, ""}


@pytest.mark.parametrize("url", OPERATIONS, ids=str)
def test_an_operation_lets_in_the_roles_of_the_table_and_nobody_else(url: Url, world: World) -> None:
    for role in Role:
        is_open = url.permission in ROLE_PERMISSIONS[role]
        assert_opens(url, token_of(make_person(world.desk, role, username=role)), is_open=is_open)


@pytest.mark.parametrize("url", OPERATIONS, ids=str)
def test_an_operation_takes_no_session_and_is_only_read(url: Url, world: World) -> None:
    browser = client_of(make_person(world.desk, *Role))

    assert browser.get(reverse(url.name)).status_code == 401
    assert browser.post(reverse(url.name)).status_code == 405
    assert Client().get(reverse(url.name)).status_code == 401


@pytest.mark.parametrize("url", OPERATIONS, ids=str)
def test_a_token_ends_with_its_persons_membership(url: Url, world: World) -> None:
    people = [make_person(world.desk, *Role) for _ in range(3)]
    headers = [token_of(person) for person in people]
    Membership.objects.filter(user=people[0]).delete()
    Membership.objects.filter(user=people[1]).update(is_active=False)
    User.objects.filter(pk=people[2].pk).update(is_active=False)

    for header in headers:
        assert Client().get(reverse(url.name), headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("url", OPERATIONS, ids=str)
def test_a_call_changes_nothing_but_when_the_token_was_used(url: Url, world: World) -> None:
    header = token_of(make_person(world.desk, *Role))
    before = everything_stored()

    assert_opens(url, header, is_open=True)

    after = everything_stored()
    assert {table for table in after if after[table] != before[table]} <= {"data_api_datatoken"}
