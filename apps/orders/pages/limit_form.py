"""The form of limits as people type it: "10,000", "$2,500", "25c"; an empty field does not limit."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import format_dollars, format_price, parse_count, parse_dollars, parse_price
from apps.orders.forms import cents_typed
from apps.orders.models import RiskLimit
from apps.orders.pages.limits import LABELS

_TEXT_AT_MOST = 40
HINTS = {
    "max_count": "contracts",
    "max_notional": "dollars",
    "price_band": "cents",
    "orders_per_minute": "orders",
    "max_open_contracts": "contracts",
}


def limit_fields(typed: Mapping[str, str], faults: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the fields of the form: name, label, unit, text as typed, fault."""
    return [
        {"name": name, "label": label, "unit": HINTS[name], "text": typed.get(name, ""), "fault": faults.get(name, "")}
        for name, (label, _) in LABELS.items()
    ]


def limit_typed(post: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields exactly as typed, to show them again."""
    return {name: str(post.get(name, "")).strip()[:_TEXT_AT_MOST] for name in (*LABELS, "user_id", "account_id")}


def typed_from(limit: RiskLimit) -> dict[str, str]:
    """Return an existing row as it would be typed."""
    texts = {
        "max_count": _plain(limit.max_count),
        "max_notional": _plain(limit.max_notional),
        "price_band": _plain(None if limit.price_band is None else limit.price_band * 100),
        "orders_per_minute": _plain(limit.orders_per_minute),
        "max_open_contracts": _plain(limit.max_open_contracts),
    }
    return texts | {"user_id": str(limit.user_id or ""), "account_id": str(limit.account_id or "")}


def limit_values(typed: Mapping[str, str]) -> dict[str, Decimal | int | None]:
    """Raises DeskError `bad_input` with what is wrong by field; at least one limit must be given."""
    readers: dict[str, Callable[[str], Decimal | int]] = {
        "max_count": _count,
        "max_notional": lambda text: parse_dollars(format_dollars(Decimal(_bare(text)))),
        "price_band": lambda text: parse_price(format_price(Decimal(cents_typed(text)))),
        "orders_per_minute": lambda text: int(_bare(text)),
        "max_open_contracts": _count,
    }
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


def _bare(text: str) -> str:
    return text.lstrip("$").replace(",", "").strip()


def _plain(value: Decimal | int | None) -> str:
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
