"""Order groups over FIX."""

from typing import Any

import pytest

from apps.paper.fix.testing import InProcessFix
from tests.paper.fix.client import FixClient, Msg
from tests.paper.fix.orders import order

CREATE, RESET, DELETE, TRIGGER, UPDATE = range(1, 6)
NOBODYS = "00000000-0000-4000-8000-000000000000"


def manage(client: FixClient, action: int, group: str | None = None, **over: Any) -> list[Msg]:
    body = [(20131, action), *([(20130, group)] if group else [])]
    return client.ask("UOG", [*body, *((int(tag[1:]), value) for tag, value in over.items())])


def created(client: FixClient, limit: int = 100, **over: Any) -> str:
    (answer,) = manage(client, CREATE, t20132=limit, **over)
    assert answer[35] == "UOH", answer
    return answer[20130]


def test_a_group_is_created_and_its_limit_told(client: FixClient, fix: InProcessFix) -> None:
    (answer,) = manage(client, CREATE, t20132=5_000)

    assert answer.part(35, 20132, 79) == {35: "UOH", 20132: "5000", 79: "0"}
    (group,) = fix.paper.exchange.groups(fix.paper.user_id("trader-1"))
    assert (group.group_id, group.limit) == (answer[20130], 500_000)


@pytest.mark.parametrize("tag", [526, 20130])
def test_a_trigger_cancels_the_orders_of_the_group(client: FixClient, tag: int) -> None:
    group = created(client)
    client.ask("D", [*order("a"), (tag, group)])

    over, answer = manage(client, TRIGGER, group)

    assert over.part(11, 150, 58) == {11: "a", 150: "4", 58: "ORDER_GROUP_CANCEL"}
    assert answer.part(35, 20130, 20132, 79) == {35: "UOH", 20130: group, 20132: None, 79: "0"}
    refused = client.one("D", [*order("b"), (tag, group)])
    assert refused.part(150, 103, 58) == {150: "8", 103: "3", 58: "EXCEEDED_ORDER_GROUP_RISK_LIMIT"}
    assert [msg[35] for msg in manage(client, RESET, group)] == ["UOH"]
    assert client.one("D", [*order("c"), (tag, group)])[150] == "0"


def test_a_limit_cancels_when_it_is_reached(client: FixClient, other: FixClient) -> None:
    group = created(client, 8)
    client.ask("D", [*order("a"), (526, group)])
    other.ask("D", order("m", t54=2, t38=8))

    trade, over = client.read()

    assert (trade[150], over[150], over[58]) == ("F", "4", "ORDER_GROUP_CANCEL")


def test_an_update_may_trigger(client: FixClient, other: FixClient) -> None:
    group = created(client, 100)
    client.ask("D", [*order("a"), (526, group)])
    other.ask("D", order("m", t54=2, t38=8))
    client.read()

    over, answer = manage(client, UPDATE, group, t20132=5)

    assert (over[150], answer[35], answer[20132]) == ("4", "UOH", "5")


def test_a_deleted_group_is_gone_with_its_orders(client: FixClient) -> None:
    group = created(client)
    client.ask("D", [*order("a"), (526, group)])

    assert [msg[35] for msg in manage(client, DELETE, group)] == ["8", "UOH"]
    assert manage(client, DELETE, group)[0].part(35, 380, 58) == {35: "j", 380: "1", 58: "ORDER_GROUP_NOT_FOUND"}


@pytest.mark.parametrize("action", [RESET, DELETE, TRIGGER, UPDATE])
def test_a_group_belongs_to_its_subaccount(client: FixClient, action: int) -> None:
    group = created(client, t79=2)
    limit = {"t20132": 7} if action == UPDATE else {}

    assert manage(client, action, group, **limit)[0].part(35, 380) == {35: "j", 380: "1"}
    assert manage(client, action, group, t79=2, **limit)[0].part(35, 79) == {35: "UOH", 79: "2"}


@pytest.mark.parametrize("action", [RESET, DELETE, TRIGGER, UPDATE])
def test_groups_of_others_are_not_found(client: FixClient, other: FixClient, action: int) -> None:
    group = created(client)

    answer = manage(other, action, group, t20132=5)[0]

    assert answer.part(35, 372, 380) == {35: "j", 372: "UOG", 380: "1"}


@pytest.mark.parametrize(
    ("action", "group", "limit", "answer"),
    [
        (CREATE, None, None, ("j", "5")),
        (UPDATE, NOBODYS, None, ("j", "5")),
        (RESET, None, None, ("j", "5")),
        (CREATE, None, 0, ("j", "0")),
        (CREATE, None, 1_000_001, ("j", "0")),
        (RESET, NOBODYS, None, ("j", "1")),
        (RESET, "nonsense", None, ("3", "6")),
        (CREATE, None, "many", ("3", "6")),
        (9, None, 5, ("3", "5")),
    ],
)
def test_what_a_request_needs(
    client: FixClient, action: int, group: str | None, limit: object, answer: tuple[str, str]
) -> None:
    (told,) = manage(client, action, group, **({} if limit is None else {"t20132": limit}))

    assert (told[35], told.get(380) or told.get(373)) == answer


def test_no_such_subaccount(client: FixClient) -> None:
    assert manage(client, CREATE, t20132=5, t79=9)[0].part(35, 380) == {35: "j", 380: "0"}
