"""Permissions, ports, topics and errors: the small tables that every app leans on."""

import pytest

from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, NotFound, WireFormatError
from apps.core.permissions import ROLE_PERMISSIONS, Actor, Permission, Role, permissions_of
from apps.core.topics import TopicName, parse_topic


@pytest.fixture
def empty_registries(monkeypatch):
    monkeypatch.setattr(ports, "commands", {})
    monkeypatch.setattr(ports, "topics", {})
    monkeypatch.setattr(ports, "feed_handlers", {})


def test_every_role_has_its_permissions_and_no_role_has_none():
    assert set(ROLE_PERMISSIONS) == set(Role)
    assert permissions_of([]) == frozenset()


def test_an_unknown_role_allows_nothing_and_roles_add_up():
    assert permissions_of(["root", "superuser"]) == frozenset()
    assert permissions_of(["viewer", "trader"]) == ROLE_PERMISSIONS[Role.TRADER]


def test_only_traders_place_and_only_the_vault_admin_manages_keys():
    def roles_with(permission: Permission) -> set[Role]:
        return {role for role in Role if permission in ROLE_PERMISSIONS[role]}

    assert roles_with(Permission.ORDER_PLACE) == {Role.TRADER}
    assert roles_with(Permission.VAULT_MANAGE) == {Role.VAULT_ADMIN}
    assert roles_with(Permission.SYSTEM) == set()


def test_an_actor_may_what_the_roles_allow():
    actor = Actor(user_id=1, desk_id=2, roles=frozenset({"viewer"}))

    assert actor.may(Permission.DESK_VIEW)
    assert not actor.may(Permission.ORDER_PLACE)


@pytest.mark.parametrize("raw", ["book:paper:KXA-1", "status:paper", "orders:17", "book:paper:A:B"])
def test_a_topic_survives_both_ways(raw):
    assert str(parse_topic(raw)) == raw


@pytest.mark.parametrize("raw", ["", "book", "book:", ":paper", "book::T", "book:paper:", "b:" + "x" * 200])
def test_a_malformed_topic_is_refused(raw):
    with pytest.raises(WireFormatError):
        parse_topic(raw)


def test_errors_carry_code_text_and_fields():
    error = DeskError("price_off_grid", "Use a step of 1¢.", fields={"price": "off the grid"})

    assert (error.code, error.text, error.fields) == ("price_off_grid", "Use a step of 1¢.", {"price": "off the grid"})
    assert str(error) == "price_off_grid: Use a step of 1¢."
    assert (NotAllowed().code, NotFound().code) == ("not_allowed", "not_found")
    assert NotFound().fields == {}


@pytest.mark.usefixtures("empty_registries")
def test_a_command_or_topic_is_registered_once():
    command = ports.Command("order.place", Permission.ORDER_PLACE, lambda actor, params: {})
    topic = ports.Topic("book", Permission.DESK_VIEW, "environment", "whole", lambda name: {"kind": name.kind})
    ports.register_command(command)
    ports.register_topic(topic)

    assert ports.commands == {"order.place": command}
    assert ports.topics["book"].state(TopicName("book", "paper", "T")) == {"kind": "book"}
    with pytest.raises(ValueError, match="twice"):
        ports.register_command(command)
    with pytest.raises(ValueError, match="twice"):
        ports.register_topic(topic)


@pytest.mark.usefixtures("empty_registries")
def test_several_handlers_get_one_message_type_in_order_of_registration():
    first, second = (lambda context, messages: None), (lambda context, messages: None)

    ports.register_feed_handler("fill", first)
    ports.register_feed_handler("fill", second)

    assert ports.feed_handlers == {"fill": [first, second]}
