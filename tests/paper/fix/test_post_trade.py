"""Settlement reports: groups in groups, fragments, resend."""

from decimal import Decimal

import pytest

from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR
from tests.paper.fix.client import FixClient, Msg
from tests.paper.fix.conftest import Connect

PARTY = (20109, 20110, 704, 705, 1703, 1704, 1705, 136, 137, 138, 139, 891)


def hold(fix: InProcessFix, member: str, side: str, *, subaccount: int = 0, count: str = "10.00") -> None:
    """Let a member trade with the maker (or trader-2) at 40 cents."""
    against = "trader-2" if member == "maker" else "maker"
    for name, where, number in ((against, "ask" if side == "bid" else "bid", 0), (member, side, subaccount)):
        body = {"action": "place", "member": name, "ticker": LINEAR, "side": where, "price": "0.4000", "count": count}
        fix.paper.control("POST", "/external", body | {"subaccount": number})


def settle(fix: InProcessFix, result: str = "yes", **over: object) -> None:
    for body in (
        {"action": "close_early"},
        {"action": "determine", "result": result} | over,
        {"action": "settle"},
    ):
        fix.paper.control("POST", "/market", {"ticker": LINEAR} | body)


def parties(messages: list[Msg]) -> list[dict[int, str]]:
    """The entries of the party groups."""
    found: list[dict[int, str]] = []
    for msg in messages:
        for tag, value in msg.fields:
            if tag == 20109:
                found.append({})
            if tag in PARTY:
                found[-1][tag] = value
    return found


@pytest.fixture
def post(connect: Connect) -> FixClient:
    """trader-1 on PT."""
    made = connect(target="KalshiPT")
    made.log_on()
    return made


def test_a_settlement_says_what_was_held_and_paid(fix: InProcessFix, post: FixClient) -> None:
    hold(fix, "trader-1", "bid")
    settle(fix)

    (report,) = post.read()

    assert report.part(35, 55, 715, 20106, 20107, 730, 20108, 893) == {
        35: "UMS", 55: LINEAR, 715: "20261118", 20106: "1", 20107: "yes", 730: "100.00", 20108: "1", 893: "Y",
    }  # fmt: skip
    assert parties([report]) == [
        {
            20109: fix.paper.user_id("trader-1"), 20110: "24", 704: "10.00", 705: "0.00", 1703: "1",
            1704: "10.0000", 1705: "PAYOUT", 136: "1", 137: "0.0000", 138: "USD", 139: "4", 891: "0",
        }
    ]  # fmt: skip
    assert [tag for tag, _ in report.fields if tag in PARTY] == list(PARTY), "groups in the order of the dictionary"


@pytest.mark.parametrize(
    ("result", "value", "price", "paid", "fee"),
    [
        ("no", None, "0.00", "0.0000", "0.0000"),
        ("scalar", "0.3060", "30.60", "3.0600", "0.0000"),
        ("scalar", "0.3061", "30.61", "3.0600", "0.0010"),
    ],
)
def test_values_between_the_ends(
    fix: InProcessFix, post: FixClient, result: str, value: str | None, price: str, paid: str, fee: str
) -> None:
    hold(fix, "trader-1", "bid")
    settle(fix, result, value_dollars=value)

    (report,) = post.read()

    assert report.part(20107, 730, 1704, 137) == {20107: result, 730: price, 1704: paid, 137: fee}


def test_a_void_market_has_no_report(fix: InProcessFix, post: FixClient) -> None:
    hold(fix, "trader-1", "bid")
    settle(fix, "void")

    assert post.read() == []


@pytest.mark.parametrize(
    ("size", "shapes"), [(1, [(1, "N"), (1, "N"), (1, "Y")]), (2, [(2, "N"), (1, "Y")]), (5, [(3, "Y")])]
)
def test_accounts_make_fragments(fix: InProcessFix, post: FixClient, size: int, shapes: list[tuple[int, str]]) -> None:
    fix.paper.control("POST", "/fix/rules", {"settlement_parties": size})
    user_id = fix.paper.user_id("trader-1")
    for number in (1, 2):
        fix.paper.exchange.transfer(user_id, client_transfer_id=f"t{number}", source=0, target=number, cents=10_000)
    for number in (0, 1, 2):
        hold(fix, "trader-1", "bid" if number else "ask", subaccount=number)
    settle(fix)

    reports = post.read()

    assert [(int(msg[20108]), msg[893]) for msg in reports] == shapes
    assert {msg[55] for msg in reports} == {LINEAR}
    assert {msg[20106] for msg in reports} == {str(len(shapes))}
    assert len({msg[20105] for msg in reports}) == len(shapes), "each fragment has an id of its own"
    found = parties(reports)
    assert [row[20109] for row in found] == [user_id, f"{user_id}-1", f"{user_id}-2"]
    assert [(row[704], row[705]) for row in found] == [("0.00", "10.00"), ("10.00", "0.00"), ("10.00", "0.00")]
    assert sum(Decimal(row[1704]) for row in found) == 20


def test_subtraders_are_parties(connect: Connect, fix: InProcessFix) -> None:
    post = connect("fcm", "KalshiPT")
    post.log_on()
    hold(fix, "fcm", "bid", subaccount=2)
    settle(fix)

    assert [row[20109] for row in parties(post.read())] == ["client-b"]


@pytest.mark.parametrize(
    ("target", "flags", "told"),
    [
        ("KalshiPT", (), True),
        ("KalshiPT", ((20127, "N"),), False),
        ("KalshiRT", ((20127, "Y"),), True),
        ("KalshiRT", (), False),
        ("KalshiNR", (), False),
    ],
)
def test_who_is_told(
    connect: Connect, fix: InProcessFix, target: str, flags: tuple[tuple[int, object], ...], told: bool
) -> None:
    client = connect(target=target)
    client.log_on(*flags)
    hold(fix, "trader-1", "bid")
    settle(fix)

    assert [msg[35] for msg in client.read()] == (["UMS"] if told else [])


def test_settlements_of_others_are_not_told(fix: InProcessFix, post: FixClient) -> None:
    hold(fix, "maker", "bid")
    settle(fix)

    assert post.read() == []


def test_what_was_settled_meanwhile_is_numbered_and_kept(connect: Connect, fix: InProcessFix, post: FixClient) -> None:
    post.pipe.hang_up()
    hold(fix, "trader-1", "bid")
    settle(fix)

    back = connect(target="KalshiPT")
    back.seq, back.strict = 2, False
    assert back.log_on(reset=False)[0][34] == "3"
    (again,) = back.ask("2", [(7, 2), (16, 2)])
    assert again.part(34, 35, 43, 730) == {34: "2", 35: "UMS", 43: "Y", 730: "100.00"}


def test_what_was_settled_while_the_gateway_was_down_is_told_at_the_start(
    connect: Connect, fix: InProcessFix, post: FixClient
) -> None:
    fix.paper.exchange.unsubscribe(fix.gateway.on_event)
    hold(fix, "trader-1", "bid")
    settle(fix)

    restarted = InProcessFix(fix.paper, store=fix.store)
    back = connect(target="KalshiPT", gateway=restarted)
    back.seq, back.strict = 2, False
    back.log_on(reset=False)
    assert [msg[35] for msg in back.ask("2", [(7, 2), (16, 2)])] == ["UMS"]

    once_more = restarted.again()
    # One logon, the report, the other logon; a second report would be number 4.
    assert once_more.gateway.sessions["KalshiPT" + post.key_id].next_out == 4
