"""What is written into a file: columns, and an endless supply of rows of raw values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from apps.history.search.columns import Column, Names


@dataclass(frozen=True, slots=True)
class Table:
    """name: of the file and the sheet. rows: raw values, one per column (see `search.columns`)."""

    name: str
    columns: tuple[Column, ...]
    rows: Iterable[tuple[Any, ...]]
    names: Names


def batches(rows: Iterable[tuple[Any, ...]], length: int) -> Iterator[list[tuple[Any, ...]]]:
    source = iter(rows)
    while batch := list(islice(source, length)):
        yield batch
