"""Which session is of which exchange, and what it may ask for: the tables of event and margin."""

import pytest

from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import ADMIN, MARGIN_LACKS, MARGIN_RULES, RULES, Kind, rules_of


def test_each_exchange_has_its_sessions():
    assert set(RULES) == {Kind.NR, Kind.RT, Kind.DC, Kind.PT, Kind.RFQ}
    assert set(MARGIN_RULES) == {Kind.NR, Kind.RT, Kind.DC, Kind.MD}
    assert rules_of(Kind.MD) is None
    assert rules_of(Kind.RFQ, is_margin=True) is None
    assert [kind.value for kind, one in MARGIN_RULES.items() if one.is_retained] == ["KalshiRT"]


@pytest.mark.parametrize(
    ("kind", "flags", "words"),
    [
        (Kind.MD, LogonFlags(), "no KalshiMD on the event exchange"),
        (Kind.PT, LogonFlags(is_margin=True), "no KalshiPT on the margin exchange"),
        (Kind.RFQ, LogonFlags(is_margin=True), "no KalshiRFQ on the margin exchange"),
        (Kind.RT, LogonFlags(is_margin=True, receive_settlements=True), "no settlement reports"),
        (Kind.MD, LogonFlags.listening(is_margin=True), "no listener mode"),
        (Kind.DC, LogonFlags(is_margin=True, retention_hours=5), "keeps no messages"),
        (Kind.RT, LogonFlags(is_margin=True, retention_hours=73), "1 to 72 hours"),
        (Kind.NR, LogonFlags.listening(is_margin=True, cancel_on_disconnect=True), "8013"),
    ],
)
def test_what_the_exchange_would_refuse_is_refused_here(kind, flags, words):
    with pytest.raises(SendRefused) as refused:
        flags.check(kind)
    assert words in refused.value.text


def test_margin_prices_are_dollars_whatever_was_asked():
    flags = LogonFlags(is_margin=True, use_dollars=False)

    assert flags.prices_in_dollars
    assert {tag for tag, _ in flags.fields()}.isdisjoint({21005, 21026, 20127})
    assert (21005, "Y") in list(LogonFlags().fields())


def test_every_message_of_the_tables_is_in_the_dictionary():
    known = kalshi().messages
    for rules in (*RULES.values(), *MARGIN_RULES.values()):
        assert (rules.sends | rules.receives) <= set(known)
        assert rules.sends.isdisjoint(ADMIN)
    assert all(tags <= known[kind].body.known for kind, tags in MARGIN_LACKS.items())
