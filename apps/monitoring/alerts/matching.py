"""When a rule matches, when it is quiet, how often is too often, when to try again. Pure; time is an argument."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from apps.monitoring.alerts.kinds import known

RETRY_AFTER: Final = (timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
TRIES: Final = len(RETRY_AFTER) + 1


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was committed, and that a rule may be about.

    key: the same for the same thing however often it is read; makes telling it twice impossible.
    subject: what it is about ("order_intent:17", "part:feed_paper"): a later `resolves` of it closes the alert.
    title has no amounts in it, text may. only_for: people, where it concerns nobody else. for_rule: the one rule that
    it was found for, by that rule's own filters. count: how many happened at once.
    """

    kind: str
    key: str
    subject: str
    at: datetime
    title: str
    text: str = ""
    link: str = ""
    account_id: int | None = None
    ticker: str = ""
    user_id: int | None = None
    amount: Decimal | None = None
    only_for: frozenset[int] | None = None
    for_rule: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Filter:
    """What a rule narrows to; None and empty do not narrow. tickers: beginnings. user_id: only this person's."""

    kinds: frozenset[str]
    account_id: int | None = None
    tickers: tuple[str, ...] = ()
    least: Decimal | None = None
    user_id: int | None = None

    def matches(self, one: Happening) -> bool:
        """What is asked for and not known does not match; a kind that has no such thing is not narrowed by it.

        So a rule for one market still tells of the kill switch, and "only mine" hides what nobody here placed.
        """
        kind = known(one.kind)
        if one.kind not in self.kinds:
            return False
        if self.account_id is not None and one.account_id not in (None, self.account_id):
            return False
        if self.tickers and kind.has_market and not one.ticker.startswith(self.tickers):
            return False
        if self.least is not None and kind.has_amount and (one.amount is None or one.amount < self.least):
            return False
        return self.user_id is None or not kind.has_person or one.user_id == self.user_id


def tickers_of(text: str) -> tuple[str, ...]:
    """Return the beginnings of tickers in "KXNBA, KXNFL"; at most ten."""
    words = dict.fromkeys(word.strip().upper() for word in text.replace(";", ",").split(","))
    return tuple(word for word in words if word)[:10]


# --- quiet hours ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of a person's day, in their own zone; begins and ends alike: none. Over midnight is fine."""

    begins: time | None
    ends: time | None
    zone: str = "UTC"

    def until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that hold at `now` end, in UTC; None outside of them."""
        if self.begins is None or self.ends is None or self.begins == self.ends:
            return None
        zone = ZoneInfo(self.zone)
        here = now.astimezone(zone)
        clock = here.time().replace(tzinfo=None)
        if self.begins < self.ends:
            if not self.begins <= clock < self.ends:
                return None
            day = here.date()
        else:
            if self.ends <= clock < self.begins:
                return None
            day = here.date() if clock < self.ends else here.date() + timedelta(days=1)
        end = datetime.combine(day, self.ends, tzinfo=zone).astimezone(UTC)
        # When clocks are set back the same reading comes twice: never answer with a time that is over.
        return end if end > now else now + timedelta(minutes=1)


# --- how often, and again ---------------------------------------------------------------------------


def window_end(now: datetime, every: timedelta) -> datetime | None:
    """Return until when more of the same is gathered after the first was told; None: each is told at once."""
    return now + every if every > timedelta(0) else None


def more_text(told: int, count: int) -> str:
    """Say what came after what was told: "and 14 more"; "" when nothing did."""
    return f"and {count - told:,} more" if count > told else ""


def retry_at(attempts: int, now: datetime) -> datetime | None:
    """Return when to try again after `attempts` tries that failed; None when it was the last."""
    return None if attempts > len(RETRY_AFTER) else now + RETRY_AFTER[max(1, attempts) - 1]


def level_of(levels: Collection[str]) -> str:
    """The gravest of several."""
    return next((level for level in ("danger", "warning") if level in levels), "info")
