"""Writes that happen with each order: their SQL is written once, by the ORM, and kept (docs/adr/0009).

Nothing is checked less: constraints are the database's, and fields bring their values to it as they do in the ORM.
"""

import operator
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.models import Model, QuerySet
from django.db.models.sql.subqueries import InsertQuery, UpdateQuery

from apps.core.prepared import Value, marker_of

Row = TypeVar("Row", bound=Model)
Given = Value | datetime
Columns = tuple[Any, ...]  # Django's fields, which are generic only for type checkers

_FIRST_MOMENT = datetime(1999, 1, 1, tzinfo=UTC)


class _Column(NamedTuple):
    """A column of an insert. kind: values of exactly this type reach SQLite as `adapt` (None: nobody) makes them, and
    None as it is; kind None: the field brings each value to the database itself.
    """

    field: Any
    name: str
    kind: type | None = None
    adapt: Callable[[Any], Any] | None = None


_ABSENT = object()
# What a field does with a value of exactly its own type, for SQLite: nothing. Most of an insert's time went into that.
_KINDS: dict[type, type] = {
    models.CharField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.BigAutoField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.UUIDField: uuid.UUID,
    models.DateTimeField: datetime,
}


def _column(one: Any) -> _Column:
    of = one.target_field if type(one) is models.ForeignKey else one
    kind = _KINDS.get(type(of))
    is_made = getattr(one, "auto_now", False) or getattr(one, "auto_now_add", False) or one.has_db_default()
    if connection.vendor != "sqlite" or kind is None or is_made:
        return _Column(one, one.attname)
    if kind is uuid.UUID:
        return _Column(one, one.attname, kind, operator.attrgetter("hex"))
    if kind is datetime:
        return _Column(one, one.attname, kind, connection.ops.adapt_datetimefield_value)
    return _Column(one, one.attname, kind)


class PreparedInsert(Generic[Row]):
    """Stores new rows of one model whose key the database gives.

        _intents = PreparedInsert(OrderIntent)
        intent = _intents(OrderIntent(ticker=...))

    Signals of `save` are not sent: raises TypeError for a model that somebody listens to, and for one whose columns
    take more than their plain value.
    """

    def __init__(self, model: type[Row]) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._written: dict[str, tuple[str, tuple[_Column, ...]]] = {}

    def __call__(self, row: Row) -> Row:
        """Store the row and return it with its key. Raises what `save(force_insert=True)` does."""
        sql, columns = self._statement()
        database = connections[DEFAULT_DB_ALIAS]  # once: `connection` looks it up again for each of its attributes
        values = row.__dict__
        params: list[Any] = []
        for column in columns:
            value = values.get(column.name, _ABSENT)
            if value is None and column.kind is not None:
                params.append(None)
            elif type(value) is column.kind:
                params.append(value if column.adapt is None else column.adapt(value))
            else:
                one = column.field
                params.append(one.get_db_prep_save(one.pre_save(row, True), connection=database))
        with transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS), database.cursor() as cursor:
            cursor.execute(sql, params)
            [key] = cursor.fetchone()
        row.pk = key
        row._state.adding = False
        row._state.db = DEFAULT_DB_ALIAS
        return row

    def _statement(self) -> tuple[str, "tuple[_Column, ...]"]:
        written = self._written.get(connection.vendor)
        if written is None:
            with self._lock:
                written = self._written[connection.vendor] = self._write()
        return written

    def _write(self) -> tuple[str, "tuple[_Column, ...]"]:
        meta = self._model._meta
        fields = tuple(one for one in meta.local_concrete_fields if not one.primary_key)
        if meta.parents or meta.db_returning_fields != [meta.pk] or any(one.generated for one in fields):
            raise TypeError("a prepared insert stores all columns of one table and gets its key back")
        query = InsertQuery(self._model)
        query.insert_values(fields, [self._model()], raw=True)
        compiler = query.get_compiler(connection.alias)
        compiler.returning_fields = meta.db_returning_fields
        [(sql, params)] = compiler.as_sql()
        if len(params) != len(fields) or sql.count("%s") != len(fields):
            raise TypeError("a column of a prepared insert takes more than its value")
        return sql, tuple(_column(one) for one in fields)


@dataclass(frozen=True, slots=True)
class _Update:
    sql: str
    params: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]  # (index in params, number of the value)


class PreparedUpdate(Generic[Row]):
    """Changes the rows of one model that a condition finds, in one statement.

        _claims = PreparedUpdate(lambda pk, now: (Intent.objects.filter(pk=pk, state="new"), {"claimed_at": now}))
        if _claims(7, utc_now()) == 1: ...

    Args:
        build: gives queryset and changes for its values (ints, strings, UUIDs, aware times). As with `Prepared`, it is
            called with stand-ins and must not look at them.
    """

    def __init__(self, build: Callable[..., tuple[QuerySet[Row], Mapping[str, Any]]]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._written: dict[tuple[str, tuple[type, ...]], _Update] = {}

    def __call__(self, *values: Given) -> int:
        """Return how many rows were changed. Raises TypeError for a value of another kind."""
        statement = self._statement(values)
        params = list(statement.params)
        for index, number in statement.places:
            params[index] = _adapted(values[number])
        with transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS), connection.cursor() as cursor:
            cursor.execute(statement.sql, params)
            return int(cursor.rowcount)

    def _statement(self, values: tuple[Given, ...]) -> _Update:
        key = (connection.vendor, tuple(map(type, values)))
        written = self._written.get(key)
        if written is None:
            with self._lock:
                written = self._written[key] = self._write(values)
        return written

    def _write(self, values: tuple[Given, ...]) -> _Update:
        markers = [_marker(number, type(value)) for number, value in enumerate(values)]
        queryset, changes = self._build(*markers)
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(changes)
        if query.related_updates or query.annotations or sum(map(bool, query.alias_refcount.values())) > 1:
            raise TypeError("a prepared update changes rows of one table")
        sql, params = query.get_compiler(connection.alias).as_sql()
        stand_ins = [_adapted(marker) for marker in markers]
        places = [
            (index, number)
            for index, param in enumerate(params)
            for number, stand_in in enumerate(stand_ins)
            if param == stand_in and isinstance(param, type(stand_in))
        ]
        if {number for _, number in places} != set(range(len(values))):
            raise TypeError("a value of a prepared update does not reach the database as it is")
        return _Update(sql, tuple(params), tuple(places))


def _marker(number: int, kind: type) -> Given:
    return _FIRST_MOMENT + timedelta(seconds=number) if kind is datetime else marker_of(number, kind)


def _adapted(value: Given) -> Any:
    """Return the value as the database's driver takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, int | str) or connection.features.has_native_uuid_field:
        return value
    return value.hex
