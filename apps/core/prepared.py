"""Reads that are asked for with each order: their SQL is written once, by the ORM, and kept.

Building and compiling a queryset takes several times as long as the database takes to answer it (measured:
0.4-0.7 ms against 0.03-0.07 ms for one row by its key, docs/adr/0009). Some thirty such reads lie between a
click and the exchange. The queryset stays the one place that says what is read; nothing else is by hand.
"""

import functools
import re
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

Row = TypeVar("Row", bound=Model)
Value = int | str | uuid.UUID

# Stand for the values while the SQL is written. Within the range of the smallest integer column.
_FIRST_NUMBER = 31_001
_NAME = re.compile(r"%\((\w+)\)s")
_TEXT = "\u2063prepared {}"
# Rows per statement whose values stay converted: the same few people, accounts and markets are asked for again.
_KEPT = 32
# What nobody can change in place, so that two rows may share it. Everything else is made anew for each.
_UNCHANGING = frozenset({type(None), bool, int, float, str, bytes, Decimal, datetime, uuid.UUID})

Converter = tuple[int, Callable[..., Any], Any]  # column, converter, expression


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    sqlite: str  # the same as SQLite itself takes it; "" for other databases
    params: tuple[Any, ...]
    places: tuple[tuple[int, int, bool], ...]  # (index in params, number of the value, is a UUID kept as hex)
    names: tuple[str, ...]
    converters: tuple[Converter, ...]
    is_plain: bool
    # By the row as SQLite gave it: its values, and what is converted anew each time. The database is asked always;
    # kept is only what its answer means.
    kept: dict[Any, tuple[tuple[Any, ...], tuple[Converter, ...]]] = field(default_factory=dict)


class Prepared(Generic[Row]):
    """A read of whole rows of one model, by values that are compared as they are (ints, strings, UUIDs).

        key_of = Prepared(lambda account_id: ApiKey.objects.filter(account_id=account_id).order_by("pk"))
        key_of.first(7)

    Args:
        build: gives the queryset for its values. It is called once per kind of database with stand-ins, so it must
            not look at them, and each must come out of the ORM as it went in: no `in`, no `None`, no expressions.
    """

    def __init__(self, build: Callable[..., QuerySet[Row]]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._written: dict[tuple[str, tuple[type, ...]], tuple[type[Row], _Statement]] = {}

    def __call__(self, *values: Value) -> list[Row]:
        """Return the rows. Raises TypeError for a value of another kind."""
        database = connections[DEFAULT_DB_ALIAS]
        model, statement = self._statement(values, database)
        rows = _found(statement, values, database)
        if statement.is_plain:
            return [_loaded(model, statement.names, row) for row in rows]
        return [model.from_db(DEFAULT_DB_ALIAS, statement.names, row) for row in rows]

    def first(self, *values: Value) -> Row | None:
        """Return the first row, or None. The queryset should be sliced."""
        return next(iter(self(*values)), None)

    def _statement(self, values: tuple[Value, ...], database: BaseDatabaseWrapper) -> tuple[type[Row], _Statement]:
        key = (database.vendor, tuple(map(type, values)))
        written = self._written.get(key)
        if written is None:
            with self._lock:
                written = self._written[key] = self._write(values)
        return written

    def _write(self, values: tuple[Value, ...]) -> tuple[type[Row], _Statement]:
        markers = [marker_of(number, type(value)) for number, value in enumerate(values)]
        queryset = self._build(*markers)
        query = queryset.query
        left_out, is_left_out = query.deferred_loading
        if query.select_related or query.annotations or not query.default_cols or (left_out and not is_left_out):
            raise TypeError("a prepared read gives whole rows of one model")
        sql, params = query.sql_with_params()
        places = _places(params, markers)
        model: type[Row] = queryset.model
        # A column that is left out of each row, as by ApiKey's manager, is read when it is asked for, as ever.
        fields = [one for one in model._meta.concrete_fields if one.attname not in left_out]
        converters = []
        for column, one in enumerate(fields):
            expression = one.get_col(model._meta.db_table)
            for convert in (*connection.ops.get_db_converters(expression), *one.get_db_converters(connection)):
                converters.append((column, convert, expression))
        names = tuple(one.attname for one in fields)
        without_names = sql % (("?",) * len(params)) if connection.vendor == "sqlite" else ""
        return model, _Statement(sql, without_names, tuple(params), places, names, tuple(converters), _is_plain(model))


class PreparedColumns:
    """As `Prepared`, for some columns, also of several tables: `build` gives a `values_list` of named columns."""

    def __init__(self, build: Callable[..., QuerySet[Any, tuple[Any, ...]]]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._written: dict[tuple[str, tuple[type, ...]], _Statement] = {}

    def __call__(self, *values: Value) -> list[Sequence[Any]]:
        """Return the rows. Raises TypeError for a value of another kind."""
        database = connections[DEFAULT_DB_ALIAS]
        key = (database.vendor, tuple(map(type, values)))
        written = self._written.get(key)
        if written is None:
            with self._lock:
                written = self._written[key] = self._write(values)
        return list(_found(written, values, database))

    def _write(self, values: tuple[Value, ...]) -> _Statement:
        markers = [marker_of(number, type(value)) for number, value in enumerate(values)]
        query = self._build(*markers).query
        if query.annotations or query.default_cols or not query.values_select:
            raise TypeError("a prepared read of columns names them, and calculates nothing")
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        expressions = compiler.get_converters([one for one, _, _ in compiler.select])
        converters = tuple(
            (column, convert, expression)
            for column, (converts, expression) in expressions.items()
            for convert in converts
        )
        without_names = sql % (("?",) * len(params)) if connection.vendor == "sqlite" else ""
        names = tuple(query.values_select)
        return _Statement(sql, without_names, tuple(params), _places(params, markers), names, converters, True)


def _places(params: Iterable[Any], markers: Sequence[Value]) -> tuple[tuple[int, int, bool], ...]:
    """Return where each value stands among the parameters. Raises TypeError for one that is not there as it is."""
    places = []
    for index, param in enumerate(params):
        for number, marker in enumerate(markers):
            # A database without UUIDs of its own keeps them as text.
            as_hex = isinstance(marker, uuid.UUID) and param == marker.hex
            if as_hex or (param == marker and isinstance(param, type(marker))):
                places.append((index, number, as_hex))
    if {number for _, number, _ in places} != set(range(len(markers))):
        raise TypeError("a value of a prepared read does not reach the database as it is")
    return tuple(places)


def _found(statement: _Statement, values: tuple[Value, ...], database: BaseDatabaseWrapper) -> Iterable[Sequence[Any]]:
    params = list(statement.params)
    for index, number, as_hex in statement.places:
        value = values[number]
        params[index] = value.hex if as_hex and isinstance(value, uuid.UUID) else value
    found = _quickly(statement, params, database)
    if found is None:
        with database.cursor() as cursor:
            cursor.execute(statement.sql, params)
            found = cursor.fetchall()
    return _converted(found, statement, database)


def _is_plain(model: type[Model]) -> bool:
    """Does loading a row do no more than set its columns?"""
    own = model.__init__ is Model.__init__ and model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]
    heard = any(signal.has_listeners(model) for signal in (pre_init, post_init))
    return own and not heard


def _loaded(model: type[Row], names: tuple[str, ...], row: Sequence[Any]) -> Row:
    """Do what `Model.from_db` does for a whole row, in a fifth of the time."""
    loaded = model.__new__(model)
    loaded._state = state = ModelState()
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    loaded.__dict__.update(zip(names, row, strict=True))
    return loaded


def _quickly(statement: _Statement, params: list[Any], database: BaseDatabaseWrapper) -> list[Any] | None:
    """Ask SQLite itself. None: Django has to be asked, which also says in its own words what is wrong.

    Between the two lie four wrappers that write each query anew, count it or time it: as long as SQLite itself takes.
    """
    return _asked_itself(statement.sqlite, params, database) if statement.sqlite else None


def _asked_itself(sql: str, values: Any, database: BaseDatabaseWrapper) -> list[Any] | None:
    raw = database.connection
    if raw is None or database.needs_rollback or database.execute_wrappers or database.queries_logged:
        return None
    try:
        found: list[Any] = raw.execute(sql, values).fetchall()
    except sqlite3.Error:
        return None
    return found


def row_of(sql: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """Return the one row of a statement written by hand, with "%(name)s" for its values and no other "%"."""
    database = connections[DEFAULT_DB_ALIAS]
    found = _asked_itself(_named(sql), values, database) if database.vendor == "sqlite" else None
    if found is None:
        with database.cursor() as cursor:
            cursor.execute(sql, values)
            found = cursor.fetchall()
    [row] = found
    return row  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=256)
def _named(sql: str) -> str:
    """The same as SQLite itself takes it."""
    return _NAME.sub(r":\1", sql)


def marker_of(number: int, kind: type) -> Value:
    if kind is int:
        return _FIRST_NUMBER + number
    if kind is str:
        return _TEXT.format(number)
    if kind is uuid.UUID:
        return uuid.UUID(int=_FIRST_NUMBER + number)
    raise TypeError(f"a prepared read takes ints, strings and UUIDs; value {number} is {kind.__name__}")


def _converted(
    rows: Iterable[Sequence[Any]], statement: _Statement, database: BaseDatabaseWrapper
) -> Iterable[Sequence[Any]]:
    if not statement.converters:
        return rows
    if not statement.sqlite:  # the drivers of servers give what cannot be looked up by
        return [_values(row, row, statement.converters, database) for row in rows]
    kept, converted = statement.kept, []
    for row in rows:
        known = kept.get(row)
        if known is None:
            values = _values(row, row, statement.converters, database)
            anew = tuple(one for one in statement.converters if type(values[one[0]]) not in _UNCHANGING)
            if len(kept) >= _KEPT:
                kept.clear()
            kept[row] = (tuple(values), anew)
        else:
            values = _values(row, known[0], known[1], database) if known[1] else known[0]
        converted.append(values)
    return converted


def _values(
    row: Sequence[Any], known: Sequence[Any], converters: Iterable[Converter], database: BaseDatabaseWrapper
) -> Sequence[Any]:
    """Return `known` with the columns of these converters as they come out of them."""
    values = list(known)
    for column, _, _ in converters:
        values[column] = row[column]
    for column, convert, expression in converters:
        values[column] = convert(values[column], expression, database)
    return values
