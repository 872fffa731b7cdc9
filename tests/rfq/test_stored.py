"""The way of an accept reads by statements that are written once, and they say what the ORM says."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Decision, Policy, QuotePrices, QuoteState
from apps.core.timestamps import utc_now
from apps.paper.testing import DECI, LINEAR
from apps.rfq import stored
from apps.rfq.events import words
from apps.rfq.events.confirmations import confirmation_row
from apps.rfq.events.quotes import quote_row
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services import guard
from apps.rfq.services.confirm_send import LEASE, confirmation_look
from apps.rfq.services.confirmations import decide
from apps.rfq.services.quotes_apply import quote_known
from tests.rfq.window import Window, window

__all__ = ["window"]
ROW = ("account", "incoming", "owner", "placed_by", "rule_version__rule", "confirmation")
CONFIRMATION_ROW = ("quote__account", "quote__incoming", "quote__owner", "decided_by")


@contextmanager
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which tables the ORM writes reads of meanwhile."""
    tables: list[str] = []
    execute = SQLCompiler.execute_sql

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        tables.append(self.query.model._meta.db_table)
        return execute(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(SQLCompiler, "execute_sql", counted)
        yield tables


def test_an_accept_is_judged_by_statements_that_were_written_before(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.accepted()
    window.scene.work()
    quote = window.quote(ticker=DECI)
    window.accept(quote)

    with written(monkeypatch) as tables:
        window.scene.hear()

    assert Confirmation.objects.get(quote=quote).state == State.CONFIRMING
    assert tables == []


def test_what_is_confirmed_beside_it_counts_once_and_of_its_own_subaccount(window: Window) -> None:
    first, second = window.accepted(), window.accepted("no", ticker=DECI, contracts=20)

    beside = stored.pending_beside(second.quote)

    assert beside == [(Decimal(50), "yes", QuotePrices(Decimal("0.30"), Decimal("0.60")), LINEAR)]
    other = stored.pending_beside(first.quote)
    assert [(contracts, side, ticker) for contracts, side, _, ticker in other] == [(Decimal(20), "no", DECI)]
    second.quote.subaccount = 1
    assert stored.pending_beside(second.quote) == []
    Confirmation.objects.filter(pk=first.pk).update(state=State.EXECUTED)
    second.quote.subaccount = 0
    assert stored.pending_beside(second.quote) == []


def test_a_quote_is_read_with_what_its_accept_needs(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    quote = window.quote()
    account_id, quote_id = quote.account_id, quote.quote_id or ""

    before = quote_known(account_id, quote_id)
    window.accept(quote)
    window.scene.hear()
    known = quote_known(account_id, quote_id)

    assert before is not None
    assert known is not None
    with written(monkeypatch) as tables:
        assert not hasattr(before, "confirmation")
        assert (known.account.environment, known.incoming.ticker) == ("paper", LINEAR)
        assert known.confirmation.state == State.CONFIRMING
    assert tables == []
    assert quote_known(account_id, "another") is None
    assert quote_known(account_id + 1, quote_id) is None


@pytest.mark.parametrize("policy", [Policy.MANUAL, Policy.AUTO])
def test_browsers_get_the_same_rows(window: Window, policy: Policy) -> None:
    confirmation = window.accepted(policy=policy)
    if policy is Policy.MANUAL:
        decide(window.scene.other, confirmation, Decision.CONFIRM)

    plain = Confirmation.objects.select_related(*CONFIRMATION_ROW).get(pk=confirmation.pk)
    assert confirmation_row(stored.confirmation_shown(confirmation.pk)) == confirmation_row(plain)
    assert (plain.decided_by is None) is (policy is Policy.AUTO)
    quote = Quote.objects.select_related(*ROW).get(pk=confirmation.quote_id)
    assert quote_row(stored.quote_shown(quote.pk)) == quote_row(quote)


def test_a_quote_that_nobody_here_made_has_nobody(window: Window) -> None:
    quote = window.quote()
    Quote.objects.filter(pk=quote.pk).update(placed_by=None, owner=None)

    row = quote_row(stored.quote_shown(quote.pk))

    assert (row["owner"], row["placed_by"], row["confirm"]) == (None, None, None)


def test_markets_are_called_the_same_one_by_one_and_together(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    tickers = [LINEAR, DECI, "KXELSE-1"]
    few = words.titles_of("paper", tickers)
    monkeypatch.setattr(words, "FEW", 0)

    assert few == words.titles_of("paper", tickers)
    assert few["KXELSE-1"] == "KXELSE-1"


def test_a_row_is_renewed_where_it_stands(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    quote = confirmation.quote
    held = quote.account
    Confirmation.objects.filter(pk=confirmation.pk).update(decided_by_id=window.scene.lead.user_id, reason="manual")
    Quote.objects.filter(pk=quote.pk).update(state=QuoteState.CONFIRMED, yes_bid=Decimal("0.3100"))

    stored.confirmation_refresh(confirmation)
    stored.quote_refresh(quote)

    assert confirmation.decided_by is not None
    assert (confirmation.decided_by.pk, confirmation.reason) == (window.scene.lead.user_id, "manual")
    assert (quote.state, quote.yes_bid) == (QuoteState.CONFIRMED, Decimal("0.3100"))
    assert quote.account is held


def test_a_lease_is_taken_once_while_something_is_to_be_sent_and_there_is_time(window: Window) -> None:
    confirmation = window.accepted()
    now = utc_now()
    holder = uuid.uuid4().hex

    assert not stored.lease_take(confirmation.pk, holder, now=confirmation.send_by, until=confirmation.send_by + LEASE)
    assert stored.lease_take(confirmation.pk, holder, now=now, until=now + LEASE)
    assert not stored.lease_take(confirmation.pk, "another", now=now, until=now + LEASE)
    leased = stored.confirmation_again(confirmation)
    assert (leased.lease_holder, leased.lease_until, leased.attempts) == (holder, now + LEASE, 1)
    assert (leased.first_sent_at, leased.last_sent_at) == (now, now)
    # Whoever held it died: the next one goes on, and the first attempt stays the first.
    later = now + LEASE
    assert stored.lease_take(confirmation.pk, "another", now=later, until=later + LEASE)
    leased = stored.confirmation_again(confirmation)
    assert (leased.lease_holder, leased.attempts) == ("another", 2)
    assert (leased.first_sent_at, leased.last_sent_at) == (now, later)

    Confirmation.objects.filter(pk=confirmation.pk).update(state=State.CONFIRMED, lease_until=None)
    assert not stored.lease_take(confirmation.pk, holder, now=later, until=later + LEASE)


def test_a_window_that_waits_for_people_is_watched_by_one_statement(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)

    with written(monkeypatch) as tables:
        assert guard.look() == ([], True)
    assert tables == ["rfq_confirmation"]

    decide(window.scene.quoter, confirmation, Decision.CONFIRM)
    decided = utc_now() - guard.TAKE_OVER_AFTER * 2
    Confirmation.objects.filter(pk=confirmation.pk).update(decided_at=decided)
    assert guard.look() == ([confirmation.pk], True)


def test_a_reading_that_says_nothing_new_takes_no_write_lock(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.work()
    Confirmation.objects.filter(pk=confirmation.pk).update(next_look_at=utc_now())
    confirmation_look(confirmation.pk)  # learns when the exchange had it

    with CaptureQueriesContext(connection) as asked:
        known = confirmation_look(confirmation.pk)

    assert (known.state, known.looks) == (State.CONFIRMED, 2)
    writes = [one["sql"] for one in asked if not one["sql"].startswith("SELECT")]
    assert len(writes) == 1
    assert writes[0].startswith('UPDATE "rfq_confirmation" SET "looks"')
