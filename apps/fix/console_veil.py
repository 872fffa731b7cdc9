"""What people may read of a stored FIX message: secrets never, key ids only with the vault's right.

Signatures and passwords are taken out before a message is stored (`records.messages_store`) and once more here, so
that a row written by older code shows none either.
"""

from dataclasses import dataclass
from typing import Any, Final

from apps.core.permissions import Actor, Permission
from apps.fix.engine.codec import REDACTED, SECRET_TAGS, SOH, encode
from apps.fix.engine.dictionary import kalshi
from apps.fix.models import FixMessage
from apps.vault.models import ApiKey

HIDDEN_KEY: Final = "<key id>"
# RawData, Signature, SecureData, Username, Password and their new and encrypted forms.
_NEVER: Final = SECRET_TAGS | {89, 91, 925, 1402, 1404}
# Comp ids and their variants: one side of each is the key's id.
_COMP_TAGS: Final = frozenset({49, 50, 56, 57, 109, 115, 116, 128, 129, 142, 143, 144, 145})
_EXCHANGE_PREFIX: Final = "Kalshi"


@dataclass(frozen=True, slots=True)
class Veil:
    """One reader's view. key_ids: what is replaced in every text, empty for those who may see them."""

    sees_keys: bool
    key_ids: tuple[str, ...]

    @classmethod
    def of(cls, actor: Actor) -> "Veil":
        if actor.may(Permission.VAULT_VIEW):
            return cls(sees_keys=True, key_ids=())
        known = ApiKey.objects.filter(account__desk_id=actor.desk_id).exclude(key_id="")
        return cls(sees_keys=False, key_ids=tuple(sorted(set(known.values_list("key_id", flat=True)))))

    def value(self, tag: int, value: str) -> str:
        if tag in _NEVER:
            return REDACTED
        if self.sees_keys:
            return value
        if tag in _COMP_TAGS and not value.startswith(_EXCHANGE_PREFIX):
            return HIDDEN_KEY
        for key_id in self.key_ids:
            value = value.replace(key_id, HIDDEN_KEY)
        return value

    def fields(self, message: FixMessage) -> list[tuple[int, str]]:
        return [(int(tag), self.value(int(tag), str(value))) for tag, value in message.fields]

    def may_filter(self, tag: int) -> bool:
        """Whether messages may be looked for by this tag: a hidden value must not be guessed at."""
        return tag not in _NEVER and (self.sees_keys or tag not in _COMP_TAGS)

    def raw(self, message: FixMessage, *, separator: str = SOH) -> str:
        """Return the message as it is on the wire, as far as it may be read.

        A sent message is kept without BeginString, BodyLength and CheckSum; they are put back where nothing is hidden.
        """
        fields = self.fields(message)
        if fields and fields[0][0] != 8 and fields == [(int(tag), str(value)) for tag, value in message.fields]:
            try:
                return encode(fields).decode("utf-8", "replace").replace(SOH, separator)
            except ValueError:
                pass
        return "".join(f"{tag}={value}{separator}" for tag, value in fields)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One field for people. meaning: what a coded value stands for, "" for none. depth: inside a repeating group."""

    tag: int
    name: str
    value: str
    meaning: str
    depth: int = 0


def decoded(message: FixMessage, veil: Veil) -> list[Decoded]:
    """Return a message tag by tag in the exchange's words; entries of repeating groups are indented."""
    dictionary = kalshi()
    known = dictionary.messages.get(message.msg_type)
    groups: dict[int, Any] = dict(known.body.groups) if known else {}
    for group in list(groups.values()):
        groups |= group.groups
    rows, inside = [], frozenset[int]()
    for tag, value in veil.fields(message):
        if tag in groups:
            inside = groups[tag].known
            depth = 0
        else:
            depth = 1 if tag in inside else 0
            if not depth:
                inside = frozenset()
        rows.append(Decoded(tag, dictionary.name_of(tag), value, _meaning(tag, value), depth))
    return rows


def _meaning(tag: int, value: str) -> str:
    dictionary = kalshi()
    if tag == 35:
        known = dictionary.messages.get(value)
        return known.name if known else ""
    return dictionary.meaning_of(tag, value)
