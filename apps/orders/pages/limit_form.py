"""The form of limits as people type it: "10,000", "$2,500", "25c"; an empty field does not limit."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import format_dollars, format_price, parse_count, parse_dollars, parse_price
from apps.orders.forms import cents_typed
from apps.orders.models import RiskLimit
from apps.orders.pages.limits import LABELS
from apps.orders.services.limit_rows import ASK_AGAIN, SUMMED

_TEXT_AT_MOST = 40
HINTS = {
    "max_count": "contracts",
    "max_notional": "dollars",
    "price_band": "cents",
    "orders_per_minute": "orders",
    "max_open_contracts": "contracts",
    "max_open_rfqs": "requests",
    "max_open_quotes": "quotes",
    "max_daily_loss": "dollars",
    "approve_count": "contracts",
    "approve_notional": "dollars",
    SUMMED: "minutes",
    ASK_AGAIN: "dollars",
}
_PLACES = ("all", "series", "market")


def limit_fields(typed: Mapping[str, str], faults: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the fields of the form: name, label, unit, text as typed, fault."""
    return [
        {"name": name, "label": label, "unit": HINTS[name], "text": typed.get(name, ""), "fault": faults.get(name, "")}
        for name, (label, _) in LABELS.items()
    ]


def limit_typed(post: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields exactly as typed, to show them again."""
    typed = {name: str(post.get(name, "")).strip()[:_TEXT_AT_MOST] for name in (*LABELS, "user_id", "account_id")}
    typed["kind"] = kind if (kind := str(post.get("kind", ""))) in _PLACES else "all"
    typed["place"] = str(post.get("place", "")).strip()[:120]
    typed["loss_if_stale"] = str(post.get("loss_if_stale", "")) or RiskLimit.Stale.REFUSE.value
    return typed | {"reason": str(post.get("reason", "")).strip()[:200]}


def place_typed(typed: Mapping[str, str]) -> tuple[str, str]:
    """Return series and ticker as the form names them. Raises DeskError `bad_input`."""
    kind, place = typed["kind"], typed["place"].upper()
    if (kind == "all") == bool(place):
        text = "Choose series or market beside it." if place else "Name the series or market."
        raise DeskError("bad_input", text, fields={"place": text})
    return (place if kind == "series" else "", place if kind == "market" else "")


def typed_from(limit: RiskLimit) -> dict[str, str]:
    """Return an existing row as it would be typed."""
    texts = {name: _plain(getattr(limit, name)) for name in LABELS}
    texts["price_band"] = _plain(None if limit.price_band is None else limit.price_band * 100)
    kind = "series" if limit.series else "market" if limit.ticker else "all"
    place = {"kind": kind, "place": limit.series or limit.ticker, "loss_if_stale": limit.loss_if_stale, "reason": ""}
    return texts | place | {"user_id": str(limit.user_id or ""), "account_id": str(limit.account_id or "")}


def limit_values(typed: Mapping[str, str]) -> dict[str, Decimal | int | None]:
    """Raises DeskError `bad_input` with what is wrong by field; at least one limit must be given."""
    by_unit: dict[str, Callable[[str], Decimal | int]] = {
        "contracts": _count,
        "dollars": lambda text: parse_dollars(format_dollars(Decimal(_bare(text)))),
        "cents": lambda text: parse_price(format_price(Decimal(cents_typed(text)))),
    }
    readers = {name: by_unit.get(HINTS[name], _whole) for name in LABELS}
    values: dict[str, Decimal | int | None] = {}
    faults: dict[str, str] = {}
    for name, reader in readers.items():
        text = typed[name]
        values[name] = None
        if not text:
            continue
        try:
            values[name] = reader(text)
        except (ArithmeticError, ValueError, WireFormatError):
            faults[name] = f"“{text}” is not a number of {HINTS[name]}."
    if not faults and all(value is None for value in values.values()):
        faults["general"] = "Give at least one limit, or remove the row."
    if faults:
        raise DeskError("bad_input", "Some limits cannot be used.", fields=faults)
    return values


def _count(text: str) -> Decimal:
    return parse_count(_bare(text))


def _whole(text: str) -> int:
    return int(_bare(text))


def _bare(text: str) -> str:
    return text.lstrip("$").replace(",", "").strip()


def _plain(value: Decimal | int | None) -> str:
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
