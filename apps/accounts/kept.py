"""How a person likes the lists of a desk, kept on the server so that every browser of theirs shows the same."""

import json
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


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
