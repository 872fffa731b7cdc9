"""Parquet with typed columns: decimals as decimal128, times as UTC microseconds, in row groups that are streamed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from apps.history.exports.tables import Table, batches
from apps.history.search.columns import PLACES, Column, Kind, writers

if TYPE_CHECKING:
    import pyarrow

ROWS_PER_GROUP = 10_000
_DIGITS = 19  # of a 64-bit integer


class _Sink:
    """Where the writer puts its bytes; they are taken out after each row group."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def parquet_chunks(table: Table) -> Iterator[bytes]:
    """Yield the file; a column is null where a value is not known."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([pyarrow.field(column.id, _type(pyarrow, column)) for column in table.columns])
    write = writers(table.columns, table.names)
    sink = _Sink()
    with parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for batch in batches(table.rows, ROWS_PER_GROUP):
            arrays = [
                _array(pyarrow, column, values, one)
                for column, values, one in zip(table.columns, zip(*batch, strict=True), write, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=ROWS_PER_GROUP)
            yield sink.taken()
    yield sink.taken()


def _type(arrow: Any, column: Column) -> "pyarrow.DataType":
    if column.kind in PLACES:
        return arrow.decimal128(_DIGITS, PLACES[column.kind])
    if column.kind is Kind.TIME:
        return arrow.timestamp("us", tz="UTC")
    return {Kind.INTEGER: arrow.int64(), Kind.FLAG: arrow.bool_()}.get(column.kind, arrow.string())


def _array(arrow: Any, column: Column, values: Sequence[Any], write: Any) -> "pyarrow.Array":
    kind = column.kind
    if kind in PLACES:
        # The integers are the decimals' own digits: only the place of the point is said anew.
        whole = arrow.array(values, type=arrow.int64()).cast(arrow.decimal128(_DIGITS, 0))
        type_ = arrow.decimal128(_DIGITS, PLACES[kind])
        return arrow.Decimal128Array.from_buffers(type_, len(whole), whole.buffers(), whole.null_count)
    if kind in (Kind.TIME, Kind.INTEGER, Kind.FLAG):
        return arrow.array(values, type=_type(arrow, column))
    return arrow.array([None if value is None else str(write(value)) for value in values], type=arrow.string())
