"""What the gateway and people read about FIX sessions."""

from dataclasses import dataclass
from datetime import datetime

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
    for row in rows:
        key = _key(row)
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


def _key(row: FixSession) -> ApiKey | str:
    """Return the session's key, or what is missing. Keys that only read serve listeners, drop copy and settlement."""
    if not row.account.is_active:
        return "The account is not active."
    purpose = PURPOSES[row.kind]
    keys = ApiKey.objects.filter(account=row.account, purpose=purpose)
    key = keys.exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID]).exclude(key_id="").first()
    if key is None:
        return f"There is no working key for “{purpose.label}” in the vault. Add one in Settings > Vault."
    trades = KINDS[row.kind] in _TRADING and not row.is_listener
    if trades and "write" not in key.scopes:
        return "The key may only read. Make this a listener session, or use a key that may trade."
    if ApiKey.objects.filter(key_id=key.key_id).exclude(pk=key.pk).exclude(status=ApiKey.Status.REVOKED).exists():
        return "Another row of the vault has the same key id. One key takes one connection: use a key of its own."
    return key
