"""What the API answers. Lists of records have exactly the columns of the search and of its files."""

from typing import Any

from ninja import Field, Schema
from pydantic import create_model

from apps.history.search.columns import Column, Kind
from apps.history.search.sources import SOURCES, Source

_TYPES: dict[Kind, type] = {Kind.INTEGER: int, Kind.FLAG: bool}
_FORMS = {
    Kind.PRICE: "Dollars, four places.",
    Kind.COUNT: "Contracts, two places.",
    Kind.MONEY: "Dollars, six places.",
    Kind.TIME: "RFC 3339, UTC.",
    Kind.PERSON: "Name of a person; null: nobody of this desk.",
}


class TokenInfo(Schema):
    name: str
    prefix: str
    person: str
    desk: str
    scopes: list[str]
    expires_at_utc: str
    calls_per_minute: int


class Account(Schema):
    id: int = Field(description="Pass it as `account` to the lists")
    name: str
    environment: str = Field(description="paper, demo or production")


class Balance(Schema):
    account: str
    environment: str
    subaccount: int
    cash_dollars: str
    portfolio_value_dollars: str | None
    reported_at_utc: str | None = Field(description="Exchange clock")
    seen_at_utc: str = Field(description="The desk's clock")


class Position(Schema):
    account: str
    environment: str
    subaccount: int
    market: str
    contracts: str = Field(description="Above zero YES, below zero NO")
    cost_dollars: str = Field(description="Of the open contracts, without fees")
    realized_pnl_dollars: str
    fees_dollars: str
    total_traded_dollars: str | None = Field(description="Null until a listing of the exchange has told it")
    reported_at_utc: str | None = Field(description="Exchange clock")
    seen_at_utc: str = Field(description="The desk's clock")


class Sync(Schema):
    account: str
    environment: str
    data_set: str
    scope: str = Field(description="Ticker of trades and candles")
    status: str
    covered_from_utc: str | None
    covered_to_utc: str | None
    verified_at_utc: str | None = Field(description="When everything was last read from the beginning")
    stored_rows: int
    error: str


class Search(Schema):
    """Filters of every list; what a kind of record does not know is left out."""

    account: str = Field("", description="Row id of an account; without it, all of the desk")
    subaccount: str = ""
    q: str = Field("", description="How a ticker begins (market, event or series), or words of a title")
    id: str = Field("", description="Exact id of an order, trade, request or quote")
    side: str = Field("", description="yes or no: the outcome that is bought")
    state: str = ""
    person: str = Field("", description='Row id of a person, or "external"')
    source: str = Field("", description="answer, ws, rest or fix")
    first: str = Field("", alias="from", description="First day, UTC, as 2026-11-21")
    last: str = Field("", alias="to", description="Last day, UTC, as 2026-11-21")
    size_from: str = Field("", description="Contracts")
    size_to: str = Field("", description="Contracts")
    price_from: str = Field("", description="Cents of the YES leg")
    price_to: str = Field("", description="Cents of the YES leg")
    after: str = Field("", description="`next` of the page before")
    limit: int = Field(100, ge=1, le=1000)


def _field(column: Column) -> tuple[Any, Any]:
    told = " ".join(part for part in (column.help and f"{column.help}.", _FORMS.get(column.kind, "")) if part)
    return (_TYPES.get(column.kind, str) | None, Field(description=told or column.label))


def page_of(source: Source) -> type[Schema]:
    """Return the schema of a page of a kind of record."""
    name = source.kind.capitalize()
    fields: dict[str, Any] = {column.id: _field(column) for column in source.columns}
    row = create_model(f"{name}Row", __base__=Schema, **fields)
    page: dict[str, Any] = {
        "rows": (list[row], ...),  # type: ignore[valid-type]
        "next": (str | None, Field(description="Pass it as `after`; null: there is nothing older")),
        "looked_to_utc": (
            str | None,
            Field(description="Set when filters without an index ran out of time there: go on with `next`"),
        ),
    }
    return create_model(f"{name}Page", __base__=Schema, **page)


PAGES: dict[str, type[Schema]] = {kind: page_of(source) for kind, source in SOURCES.items()}
