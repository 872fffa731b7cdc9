"""How a person likes the lists of a desk, kept on the server so that every browser of theirs shows the same."""

import json
import re
from typing import Any

from django.db import transaction

from apps.accounts.models import Preference
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now

# What may be kept; static/js/grid/kept.js and the pages know the same names.
KEYS = frozenset(
    {
        "orders.columns",
        "orders.group",
        "orders.filters",
        "markets.columns",
        "markets.filters",
        "history.columns",
        "history.filters",
        "portfolio.columns",
        "portfolio.view",
    }
)
# What a person has read and put away, in the frame of every page; no page writes it by `preference_keep`.
_PUT_AWAY = "frame.put_away"
PUT_AWAY_AT_MOST = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
VALUE_AT_MOST = 8_192  # bytes of JSON: a grid of 20 columns takes about 2,000


def preference_keep(actor: Actor, key: str, text: str) -> None:
    """Keep a JSON value of the actor's own under a key, or forget it where `text` is empty.

    Raises NotAllowed; DeskError `bad_input` for another key, no JSON, or too much of it.
    """
    if not actor.may(Permission.MARKET_VIEW):
        raise NotAllowed
    if key not in KEYS:
        raise DeskError("bad_input", "Nothing is kept under this name.")
    own = Preference.objects.filter(user_id=actor.user_id, desk_id=actor.desk_id, key=key)
    if not text:
        own.delete()
        return
    if len(text.encode()) > VALUE_AT_MOST:
        raise DeskError("too_large", f"At most {VALUE_AT_MOST:,} bytes are kept. Remove some saved filters.")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise DeskError("bad_input", "This cannot be read.") from exc
    with transaction.atomic():
        Preference.objects.update_or_create(
            user_id=actor.user_id,
            desk_id=actor.desk_id,
            key=key,
            defaults={"value": value, "changed_at": utc_now()},
        )


def preferences_of(actor: Actor, prefix: str) -> dict[str, Any]:
    """Return the actor's own values by key, those of one page. Raises NotAllowed."""
    if not actor.may(Permission.MARKET_VIEW):
        raise NotAllowed
    rows = Preference.objects.filter(
        user_id=actor.user_id, desk_id=actor.desk_id, key__in=[key for key in KEYS if key.startswith(f"{prefix}.")]
    )
    return dict(rows.values_list("key", "value"))


def put_away(actor: Actor, name: str) -> None:
    """Never show the actor this announcement again, wherever they sit; the last PUT_AWAY_AT_MOST are remembered.

    Raises NotAllowed; DeskError `bad_input` for what is no name of one.
    """
    if not actor.may(Permission.MARKET_VIEW):
        raise NotAllowed
    if not _DIGEST.fullmatch(name):
        raise DeskError("bad_input", "This is no announcement.")
    with transaction.atomic():
        row, _ = Preference.objects.select_for_update().get_or_create(
            user_id=actor.user_id,
            desk_id=actor.desk_id,
            key=_PUT_AWAY,
            defaults={"value": [], "changed_at": utc_now()},
        )
        row.value = [*(one for one in row.value if one != name), name][-PUT_AWAY_AT_MOST:]
        row.changed_at = utc_now()
        row.save(update_fields=["value", "changed_at"])


def put_away_by(actor: Actor) -> set[str]:
    """Return the names of what the actor has put away."""
    own = Preference.objects.filter(user_id=actor.user_id, desk_id=actor.desk_id, key=_PUT_AWAY)
    return set(own.values_list("value", flat=True).first() or [])


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
