"""Bytes to messages and back: exact, whatever the cut, and never an exception."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.fix.engine.codec import Framer, Garbled, Message, decode, encode, readable
from apps.fix.engine.errors import NotEncodable

REPORT = [(35, "8"), (49, "Kalshi"), (34, "7"), (17, "12345;67890"), (58, "ÜBER 8=FIXT.1.1 and 10=123"), (151, "0.00")]

text = st.text(
    st.characters(codec="utf-8", exclude_characters="\x01", exclude_categories=["Cs"]), min_size=1, max_size=30
)
# Tags of lengths and of data follow rules of their own, tested below.
plain_tags = st.integers(1, 29_999).filter(lambda tag: tag not in (8, 9, 10, 35, 89, 93, 95, 96))
messages = st.builds(
    lambda kind, rest: [(35, kind), *rest],
    st.sampled_from(["8", "A", "UMS"]),
    st.lists(st.tuples(plain_tags, text), max_size=12),
)


def steady(examples: int = 100):
    """The same examples in every run, and no clock: the machine may be slow."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


def fed(chunks: list[bytes]) -> tuple[list[Message], int]:
    """Return the messages and how many bytes were dropped."""
    framer, found, dropped = Framer(), [], 0
    for chunk in chunks:
        for one in framer.feed(chunk):
            if isinstance(one, Garbled):
                dropped += one.count
            else:
                found.append(one)
    return found, dropped


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at)]


def body(message: Message) -> list[tuple[int, str]]:
    return [field for field in message.fields if field[0] not in (8, 9, 10)]


def test_a_message_has_the_standard_head_and_trailer():
    raw = encode([(35, "0"), (112, "ping")])

    assert raw == b"8=FIXT.1.1\x019=14\x0135=0\x01112=ping\x0110=161\x01"
    assert int(raw[-4:-1]) == sum(raw[:-7]) % 256


@given(messages)
@steady()
def test_what_is_encoded_is_decoded(fields):
    assert body(decode(encode(fields))) == fields


@given(st.lists(messages, min_size=1, max_size=4), st.lists(st.integers(0, 5_000), max_size=8))
@steady()
def test_a_stream_may_be_cut_anywhere(sent, places):
    found, dropped = fed(cut(b"".join(encode(fields) for fields in sent), places))

    assert [body(message) for message in found] == sent
    assert dropped == 0


def test_a_stream_may_be_cut_at_every_single_byte():
    data = encode(REPORT) + b"noise" + encode([(35, "0")])
    for place in range(len(data) + 1):
        found, dropped = fed([data[:place], data[place:]])
        assert [body(message) for message in found] == [REPORT, [(35, "0")]]
        assert dropped == 5
    assert fed([bytes([byte]) for byte in data])[1] == 5


@given(
    st.lists(st.one_of(messages.map(encode), st.binary(max_size=40)), max_size=6),
    st.lists(st.integers(0, 5_000), max_size=8),
)
@steady(300)
def test_any_bytes_give_the_same_messages_however_they_are_cut(parts, places):
    data = b"".join(parts)

    assert fed(cut(data, places))[0] == fed([data])[0]


@given(st.binary(max_size=300))
@steady(300)
def test_no_bytes_raise(data):
    fed([data])
    decode(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
@steady()
def test_one_changed_byte_never_changes_a_message_that_is_taken(place, by):
    good = encode(REPORT)
    bad = bytearray(good)
    bad[place % len(bad)] = (bad[place % len(bad)] + by) % 256
    found, _ = fed([bytes(bad) + encode([(35, "0")])])

    assert all(body(message) in (REPORT, [(35, "0")]) for message in found)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"8=FIXT.1.1\x019=5\x0135=0\x0110=000\x01", "CheckSum is wrong"),
        (b"8=FIXT.1.1\x019=6\x0135=0\x0110=163\x01x", "no CheckSum"),
        (b"8=FIXT.1.1\x019=x\x0135=0\x0110=163\x01", "not a number"),
        (b"8=FIXT.1.1\x019=1048577\x0135=0\x01", "1048577 bytes"),
        (b"8=FIXT.1.1\x019=13\x0134=1\x0135=0\x01", "no CheckSum"),
    ],
)
def test_garbled_input_is_dropped_with_its_reason_and_the_next_message_read(raw, why):
    framer = Framer()
    found = list(framer.feed(raw + encode([(35, "0"), (112, "next")])))

    assert isinstance(found[0], Garbled)
    assert why in found[0].why
    assert body(found[-1]) == [(35, "0"), (112, "next")]


def test_the_type_must_be_the_third_field():
    raw = encode([(34, "1"), (35, "0")])

    assert [type(one) for one in Framer().feed(raw)] == [Garbled]


def test_a_length_that_claims_the_next_message_loses_only_itself():
    claims = encode([(35, "0")]).replace(b"9=5\x01", b"9=25\x01")
    found, _ = fed([claims + encode([(35, "1"), (112, "a")])])

    assert [message.msg_type for message in found] == ["1"]


def test_data_fields_may_hold_delimiters():
    fields = [(35, "A"), (95, "9"), (96, "a\x0110=1\x01bc"), (1137, "9")]

    assert body(decode(encode(fields))) == fields
    assert body(fed([encode(fields)])[0][0]) == fields


def test_data_that_is_no_text_survives():
    raw = encode([(35, "A"), (95, "3"), (96, b"\xff\x00\x01".decode("utf-8", "surrogateescape")), (108, "30")])
    message = decode(raw)

    assert message.text(96).encode("utf-8", "surrogateescape") == b"\xff\x00\x01"
    assert encode(body(message)) == raw


@pytest.mark.parametrize("length", ["0", "2", "500", "x", "-1", "99999999999"])
def test_a_wrong_length_of_data_loses_no_other_field(length):
    message = decode(encode([(35, "A"), (95, length), (96, "abc"), (108, "30")]))

    assert message.text(96) == "abc"
    assert message.text(108) == "30"


def test_a_part_that_is_no_field_is_kept_under_tag_0():
    message = decode(b"8=FIXT.1.1\x019=1\x0135=0\x01plain\x01-5=x\x0105=y\x011_0=z\x01" + "٣=w\x0110=000\x01".encode())

    assert [tag for tag, _ in message.fields] == [8, 9, 35, 0, 0, 0, 0, 0, 10]


@pytest.mark.parametrize("field", [(58, ""), (58, "a\x01b"), (0, "x"), (-1, "x"), (58, 5), ("58", "x"), (58, "\ud800")])
def test_what_cannot_be_a_field_is_not_encoded(field):
    with pytest.raises(NotEncodable):
        encode([(35, "0"), field])


def test_of_repeated_tags_the_first_counts():
    message = decode(encode([(35, "8"), (137, "1"), (137, "2")]))

    assert message.get(137) == "1"
    assert message.fields.count((137, "2")) == 1


def test_secrets_are_not_shown():
    shown = readable([(35, "A"), (96, "c2lnbg=="), (553, "user"), (554, "pass"), (58, "text")])

    assert shown == "35=A|96=<redacted>|553=<redacted>|554=<redacted>|58=text|"
    assert "c2lnbg" not in repr(decode(encode([(35, "A"), (96, "c2lnbg==")])))


@pytest.mark.parametrize(
    ("value", "number"), [("12", 12), ("0", 0), ("-1", None), ("", None), ("1.0", None), ("٣", None)]
)
def test_whole_numbers_are_digits_only(value, number):
    assert Message([(34, value)]).whole(34) == number
