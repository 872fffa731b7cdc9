"""What the gateway and people read about FIX sessions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.conf import settings

from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind, SessionRules, rules_of
from apps.fix.models import FixMessage, FixSession
from apps.vault.models import ApiKey

MARGIN = frozenset({"mnr", "mrt", "mdc", "mmd"})  # kinds of the margin exchange
KINDS = {one.value: Kind[(one.value[1:] if one.value in MARGIN else one.value).upper()] for one in FixSession.Kind}
_TRADING = (Kind.NR, Kind.RT, Kind.RFQ)
PURPOSES = {one.value: ApiKey.Purpose(f"fix_{one.value}") for one in FixSession.Kind}


@dataclass(frozen=True, slots=True)
class Wish:
    """A session that should run, and with what. Another wish means: connect anew."""

    session_id: int
    account_id: int
    desk_id: int
    environment: str
    kind: Kind
    heartbeat: int
    flags: LogonFlags
    key_row: int
    key_id: str
    key_version: int
    may_write: bool
    changed_at: datetime | None
    symbols: tuple[str, ...] = ()

    @property
    def is_margin(self) -> bool:
        return self.flags.is_margin

    @property
    def rules(self) -> SessionRules:
        rules = rules_of(self.kind, is_margin=self.is_margin)
        assert rules is not None, "checked when the session was defined"
        return rules

    @property
    def source(self) -> str:
        """What rows call the session's kind ("nr", "mnr")."""
        return ("m" if self.is_margin else "") + self.kind.name.lower()


@dataclass(frozen=True, slots=True)
class Unable:
    """A session that should run and cannot, and why."""

    session_id: int
    text: str


def rules_for(kind: str) -> SessionRules:
    """Return the rules of a kind of rows."""
    rules = rules_of(KINDS[kind], is_margin=kind in MARGIN)
    assert rules is not None
    return rules


def target_words(kind: str) -> str:
    """Return TargetCompID, and of which exchange when it is the margin exchange's."""
    return f"{KINDS[kind].value} (margin)" if kind in MARGIN else KINDS[kind].value


def flags_of(row: FixSession) -> LogonFlags:
    settlements = row.receive_settlements if row.kind == FixSession.Kind.RT else None
    is_margin = row.kind in MARGIN
    if row.is_listener:
        return LogonFlags.listening(
            use_dollars=row.use_dollars, receive_settlements=settlements or None, is_margin=is_margin
        )
    return LogonFlags(
        is_margin=is_margin,
        use_dollars=row.use_dollars,
        cancel_on_disconnect=row.cancel_on_disconnect,
        receive_settlements=settlements or None,
    )


def wishes() -> tuple[list[Wish], list[Unable], set[int]]:
    """Return what should run, what cannot and why, and which of them are to be reset."""
    rows = (
        FixSession.objects.filter(is_wanted=True, account__environment__in=settings.EXCHANGE_ENVIRONMENTS)
        .select_related("account")
        .order_by("pk")
    )
    found: list[Wish] = []
    unable: list[Unable] = []
    keys = _Keys.of(rows)
    for row in rows:
        key = _key(row, keys)
        if isinstance(key, str):
            unable.append(Unable(row.pk, key))
            continue
        found.append(
            Wish(
                session_id=row.pk,
                account_id=row.account_id,
                desk_id=row.account.desk_id,
                environment=row.account.environment,
                kind=KINDS[row.kind],
                heartbeat=row.heartbeat,
                flags=flags_of(row),
                key_row=key.pk,
                key_id=key.key_id,
                key_version=key.version,
                may_write="write" in key.scopes,
                changed_at=row.changed_at,
                symbols=tuple(row.symbols),
            )
        )
    return found, unable, {row.pk for row in rows if row.is_reset_wanted}


@dataclass(frozen=True, slots=True)
class DecodedField:
    """One field for people. meaning: what a coded value stands for, "" for none."""

    tag: int
    name: str
    value: str
    meaning: str


def decoded(message: FixMessage) -> list[DecodedField]:
    """Return a stored message tag by tag, in the exchange's words. Secrets were never stored."""
    dictionary = kalshi()
    return [
        DecodedField(tag, dictionary.name_of(tag), value, dictionary.meaning_of(tag, value))
        for tag, value in message.fields
    ]


def message_name(msg_type: str) -> str:
    """Return the name of a MsgType ("8" -> "ExecutionReport"), the type itself when the dictionary lacks it."""
    known = kalshi().messages.get(msg_type)
    return known.name if known else msg_type


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of all sessions, in two questions: they are asked for each second."""

    usable: dict[tuple[int, str], ApiKey]  # (account, purpose) -> the oldest
    rows_of: dict[str, set[int]]  # key id -> rows of the vault that have it and are not revoked

    @classmethod
    def of(cls, sessions: Iterable[FixSession]) -> Self:
        asked = {(one.account_id, PURPOSES[one.kind].value) for one in sessions}
        accounts, purposes = {account for account, _ in asked}, {purpose for _, purpose in asked}
        keys = ApiKey.objects.filter(account_id__in=accounts, purpose__in=purposes).exclude(key_id="")
        usable: dict[tuple[int, str], ApiKey] = {}
        for key in keys.exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID]).order_by("pk"):
            usable.setdefault((key.account_id, key.purpose), key)
        alike = ApiKey.objects.filter(key_id__in={key.key_id for key in usable.values()})
        rows_of: dict[str, set[int]] = {}
        for pk, key_id in alike.exclude(status=ApiKey.Status.REVOKED).values_list("pk", "key_id"):
            rows_of.setdefault(key_id, set()).add(pk)
        return cls(usable, rows_of)


def _key(row: FixSession, keys: _Keys) -> ApiKey | str:
    """Return the session's key, or what is missing. Keys that only read serve listeners, drop copy and settlement."""
    if not row.account.is_active:
        return "The account is not active."
    purpose = PURPOSES[row.kind]
    key = keys.usable.get((row.account_id, purpose.value))
    if key is None:
        return f"There is no working key for “{purpose.label}” in the vault. Add one in Settings > Vault."
    trades = KINDS[row.kind] in _TRADING and not row.is_listener
    if trades and "write" not in key.scopes:
        return "The key may only read. Make this a listener session, or use a key that may trade."
    if keys.rows_of.get(key.key_id, set()) - {key.pk}:
        return "Another row of the vault has the same key id. One key takes one connection: use a key of its own."
    return key
