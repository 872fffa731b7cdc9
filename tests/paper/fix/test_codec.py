"""Bytes to messages: what is garbled is skipped, and what comes behind it is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.paper.fix.codec import MAX_BODY, Garbled, Splitter, decode, encode
from tests.paper.fix.client import SOH, wrap

ONE = wrap(f"35=0{SOH}49=a{SOH}56=b{SOH}34=1{SOH}52=x{SOH}112=t{SOH}")
TWO = wrap(f"35=1{SOH}49=a{SOH}56=b{SOH}34=2{SOH}52=x{SOH}112=u{SOH}")


def types(splitter: Splitter, data: bytes) -> list[str]:
    return [message.msg_type for message in splitter.feed(data)]


def test_a_message_has_its_fields_in_order() -> None:
    message = decode(ONE)

    assert message.fields[0] == (8, b"FIXT.1.1")
    assert [tag for tag, _ in message.fields] == [8, 35, 49, 56, 34, 52, 112]


def test_what_is_encoded_is_decoded() -> None:
    raw = encode("8", [(49, "a"), (34, "7")], [(58, "two words"), (37, "x")])

    assert decode(raw).fields == [
        (8, b"FIXT.1.1"), (35, b"8"), (49, b"a"), (34, b"7"), (58, b"two words"), (37, b"x"),
    ]  # fmt: skip


def test_a_delimiter_in_a_value_is_not_sent() -> None:
    assert decode(encode("5", [], [(58, f"a{SOH}10=000")])).first(58) == "a 10=000"


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_a_stream_may_come_in_pieces(size: int) -> None:
    splitter = Splitter()
    stream = ONE + TWO

    found = [kind for at in range(0, len(stream), size) for kind in types(splitter, stream[at : at + size])]

    assert (found, splitter.garbled) == (["0", "1"], 0)


def longer(raw: bytes, by: int) -> bytes:
    """The message with a BodyLength that is wrong by some bytes."""
    head, length, rest = raw.split(SOH.encode(), 2)
    return SOH.encode().join((head, b"9=%d" % (int(length[2:]) + by), rest))


GARBLED = {
    "checksum": ONE[:-4] + b"000\x01",
    "length too small": longer(ONE, -5),
    "length is no number": ONE.replace(b"\x019=", b"\x019=x", 1),
    "length is not second": wrap("x").replace(b"9=", b"35=", 1) + ONE[-7:],
    "type is not third": wrap(f"49=a{SOH}35=0{SOH}"),
    "type without a value": wrap(f"35={SOH}49=a{SOH}"),
    "field without a value sign": wrap(f"35=0{SOH}nonsense{SOH}"),
    "noise": b"\x00\xff not FIX at all \x01",
    "noise that looks like it": b"8=9=10=\x01",
    "too long": f"8=FIXT.1.1{SOH}9={MAX_BODY + 1}{SOH}".encode(),
    "endless head": b"8=" + b"x" * 100,
    "wrong length of data": wrap(f"35=A{SOH}95=9{SOH}96=abc{SOH}"),
}


@pytest.mark.parametrize("name", GARBLED)
def test_a_message_behind_a_garbled_one_is_found(name: str) -> None:
    splitter = Splitter()

    found = types(splitter, GARBLED[name] + SOH.encode() + TWO + TWO)

    assert found[-1] == "1"
    assert splitter.garbled >= 1 or name == "noise"


def test_a_length_that_is_too_large_is_noticed_with_the_next_message() -> None:
    splitter = Splitter()

    assert types(splitter, longer(ONE, 20)) == []
    assert types(splitter, TWO + TWO + TWO)[-1:] == ["1"]
    assert splitter.garbled == 1


def test_data_may_hold_the_delimiter() -> None:
    message = decode(wrap(f"35=A{SOH}95=5{SOH}96=a{SOH}b=c{SOH}98=0{SOH}"))

    assert (message.first(96), message.first(98)) == (f"a{SOH}b=c", "0")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_splitter(noise: bytes) -> None:
    splitter = Splitter()

    for message in splitter.feed(noise):
        assert message.msg_type
    with pytest.raises(Garbled):
        decode(noise + b"9")


@given(st.lists(st.tuples(st.integers(0, len(ONE) - 1), st.integers(0, 255)), max_size=3))
def test_damage_to_a_message_never_makes_another(damage: list[tuple[int, int]]) -> None:
    raw = bytearray(ONE)
    for at, value in damage:
        raw[at] = value
    splitter = Splitter()

    found = splitter.feed(bytes(raw))

    assert len(found) <= 1
    if found and bytes(raw) != ONE:
        # The checksum adds bytes up: two changes may cancel out, and then all lengths are still right.
        assert sum(raw) % 256 == sum(ONE) % 256 or raw[-4:-1] != ONE[-4:-1]
