"""The dictionary, and what a message can be refused for."""

import json

import pytest

from apps.core.errors import WireFormatError
from apps.fix.engine import dictionary, values
from apps.fix.engine.codec import decode, encode
from apps.fix.engine.validate import Entry, RejectReason, body_of, check
from tools.fix_dictionary import convert, written

DICTIONARY = dictionary.kalshi()
HEADER = [(49, "Kalshi"), (56, "key"), (34, "2"), (52, "20230809-05:28:18.035")]
REPORT = [
    *[(37, "o"), (11, "c"), (17, "4;7"), (150, "F"), (39, "1"), (54, "1"), (55, "HIGHNY-23DEC31"), (151, "5.00")],
    *[(14, "5.00"), (6, "0.66"), (38, "10.00"), (136, "1"), (137, "0.07"), (138, "USD"), (139, "4"), (891, "0")],
]
SETTLEMENT = [
    *[(20105, "settle-123"), (55, "HIGHNY-23DEC31"), (715, "20231231"), (20107, "yes"), (730, "100.00"), (20108, "2")],
    *[(20109, "user-456"), (20110, "24"), (704, "100"), (705, "0"), (1703, "1"), (1704, "100.00"), (1705, "PAYOUT")],
    *[(136, "1"), (137, "0.006"), (138, "USD"), (139, "4"), (891, "0")],
    *[(20109, "user-789"), (20110, "24"), (705, "3.5"), (893, "Y")],
]


def message(kind, body, header=HEADER):
    return decode(encode([(35, kind), *header, *body]))


def problem(kind, body, header=HEADER, **options):
    found = check(message(kind, body, header), DICTIONARY, **options)
    return None if found is None else (found.reason, found.tag)


def test_the_file_is_what_the_tool_makes_of_the_exchanges_xml(reference):
    from xml.etree.ElementTree import parse

    source = reference / "kalshi-fix-dictionary.xml"
    if not source.is_file():
        pytest.skip(f"the exchange's dictionary is not on this machine (looked for {source})")
    path = dictionary.Path(dictionary.__file__).with_name("dictionary.json")
    assert path.read_text(encoding="utf-8") == written(convert(parse(source).getroot()))


def test_every_message_and_field_of_the_exchange_is_known():
    assert len(DICTIONARY.messages) == 38
    assert len(DICTIONARY.fields) >= 143
    assert DICTIONARY.data_lengths == {95: 96, 93: 89}
    assert all(tag in DICTIONARY.fields for one in DICTIONARY.messages.values() for tag in one.body.known)
    assert DICTIONARY.messages["UMS"].body.groups[20108].groups.keys() == {1703, 136}


def test_every_tag_of_the_documented_tables_is_known(reference):
    path = reference / "kalshi-fix-tables.json"
    if not path.is_file():
        pytest.skip(f"the exchange's tables are not on this machine (looked for {path})")
    both = json.loads(path.read_text(encoding="utf-8"))
    pages = [*both["fix"].values(), *both["fix-margin"].values()]
    rows = [row for page in pages for part in page["sections"] for table in part["tables"] for row in table]
    told = {int(row["Tag"]): row.get("Name", "") for row in rows if row.get("Tag", "").isdigit()}

    assert len(told) > 90
    assert set(told) - set(DICTIONARY.fields) == set()


def test_fields_speak_in_words():
    assert DICTIONARY.name_of(39) == "OrdStatus"
    assert DICTIONARY.name_of(29_999) == "Tag 29999"
    assert DICTIONARY.meaning_of(39, "1") == "Partially filled"
    assert DICTIONARY.meaning_of(39, "?") == ""
    assert DICTIONARY.meaning_of(29_999, "1") == ""


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("8", REPORT, None),
        ("UMS", SETTLEMENT, None),
        ("8", [*REPORT[:-5], (453, "0")], None),  # a group without entries
        ("8", list(reversed(REPORT[:11])), None),  # 15: body fields in another order
        ("8", [*REPORT, (39_999, "later version")], None),
        ("ZZ", REPORT, (RejectReason.INVALID_MSG_TYPE, 35)),
        ("8", [*REPORT, (999, "x")], (RejectReason.UNDEFINED_TAG, 999)),
        ("8", [*REPORT, (112, "x")], (RejectReason.NOT_FOR_MESSAGE, 112)),
        ("8", REPORT[1:], (RejectReason.REQUIRED_MISSING, 37)),
        ("8", [*REPORT, (49, "Kalshi")], (RejectReason.REPEATED_TAG, 49)),
        ("8", [*REPORT, (142, "late header")], (RejectReason.OUT_OF_ORDER, 142)),
        ("8", [*REPORT, (37, "again")], (RejectReason.REPEATED_TAG, 37)),
        ("8", [*REPORT[:4], (39, "Z"), *REPORT[5:]], (RejectReason.INCORRECT_VALUE, 39)),
        ("8", [*REPORT[:4], (39, "10"), *REPORT[5:]], (RejectReason.INCORRECT_FORMAT, 39)),
        ("8", [*REPORT[:7], (151, "1e5"), *REPORT[8:]], (RejectReason.INCORRECT_FORMAT, 151)),
        ("8", [*REPORT, (1057, "1")], (RejectReason.INCORRECT_FORMAT, 1057)),
        ("8", [*REPORT[:-3], (453, "0")], (RejectReason.REQUIRED_MISSING, 138)),
        ("8", [*REPORT, (453, "2"), (448, "a"), (452, "24")], (RejectReason.GROUP_COUNT, 453)),
        ("8", [*REPORT, (453, "1"), (448, "a"), (448, "b")], (RejectReason.GROUP_COUNT, 453)),
        ("8", [*REPORT, (453, "1"), (452, "24"), (448, "a")], (RejectReason.GROUP_ORDER, 452)),
        ("8", [*REPORT, (448, "a")], (RejectReason.GROUP_COUNT, 448)),
        ("8", [*REPORT, (453, "1"), (448, "a"), (452, "24"), (452, "24")], (RejectReason.REPEATED_TAG, 452)),
        ("8", [*REPORT, (453, "-1")], (RejectReason.INCORRECT_FORMAT, 453)),
        ("2", [(7, "1")], (RejectReason.REQUIRED_MISSING, 16)),
        ("2", [(7, "x"), (16, "0")], (RejectReason.INCORRECT_FORMAT, 7)),
        ("3", [(45, "2"), (373, "777")], None),  # a reason that is new to us must not make a reject unreadable
    ],
)
def test_a_message_is_refused_for_its_first_problem(kind, body, expected):
    assert problem(kind, body) == expected


def test_custom_tags_may_be_refused_too():
    assert problem("8", [*REPORT, (39_999, "x")], custom_tags_pass=False) == (RejectReason.UNDEFINED_TAG, 39_999)


@pytest.mark.parametrize("tag", [49, 56, 34, 52])
def test_the_header_must_be_whole(tag):
    header = [field for field in HEADER if field[0] != tag]

    assert problem("0", [], header) == (RejectReason.REQUIRED_MISSING, tag)


def test_a_field_without_a_value_or_a_number_is_refused():
    raw = encode([(35, "0"), *HEADER, (112, "x")])

    assert check(decode(raw.replace(b"112=x", b"112=")), DICTIONARY).reason is RejectReason.NO_VALUE
    assert check(decode(raw.replace(b"112=x", b"abc=x")), DICTIONARY).reason is RejectReason.INVALID_TAG


def test_groups_are_read_with_what_is_inside_of_them():
    body = body_of(message("UMS", SETTLEMENT), DICTIONARY)

    assert isinstance(body, Entry)
    first, second = body.entries(20108)
    assert first.text(20109) == "user-456"
    assert [one.text(1704) for one in first.entries(1703)] == ["100.00"]
    assert [one.text(137) for one in first.entries(136)] == ["0.006"]
    assert (second.text(705), second.entries(136)) == ("3.5", [])
    assert body.text(893) == "Y"


@pytest.mark.parametrize(
    ("raw", "unix_ms"),
    [
        ("19700101-00:00:00.000", 0),
        ("20230809-05:28:18.035", 1_691_558_898_035),
        ("20230809-05:28:18", 1_691_558_898_000),
        ("20230809-05:28:18.035999999", 1_691_558_898_035),
        ("20161231-23:59:60", 1_483_228_800_000),
    ],
)
def test_timestamps(raw, unix_ms):
    assert values.timestamp_read(raw) == unix_ms
    assert values.timestamp_read(values.timestamp_write(unix_ms)) == unix_ms


@pytest.mark.parametrize("raw", ["", "20230809", "2023-08-09T05:28:18Z", "20231309-05:28:18", "20230809-25:28:18", "x"])
def test_what_is_no_timestamp(raw):
    with pytest.raises(WireFormatError):
        values.timestamp_read(raw)


@pytest.mark.parametrize("raw", ["", ".", "-", "1e5", "NaN", "Infinity", "1,5", "٣", "+1"])
def test_what_is_no_decimal(raw):
    with pytest.raises(WireFormatError):
        values.decimal_read(raw)


@pytest.mark.parametrize("raw", ["0", "-0.5", ".5", "23.", "100.00", "0.0001"])
def test_decimals_are_exact(raw):
    assert values.decimal_read(raw) == values.Decimal(raw)
