"""SQL for lists: WHERE, ORDER BY and placeholders; values are always bound, never part of the text."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from gamcli.errors import UsageError
from gamcli.model import normalize_name
from gamcli.store.engine import Transaction

ValueT = TypeVar("ValueT", bound=Hashable)


@dataclass(slots=True)
class Conditions:
    """The conditions of a WHERE clause with their values."""

    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def equal(self, column: str, value: object) -> None:
        """Require `column` to equal `value`, unless `value` is None."""
        if value is not None:
            self.add(f"{column} = ?", value)

    def add(self, sql: str, *values: object) -> None:
        self.conditions.append(sql)
        self.values.extend(values)

    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


MAX_SIMILAR = 2000
"""How many names are compared to find a similar one."""


def suggest_name(tx: Transaction, table: str, name: str, listing: str) -> str:
    """Return the hint for an unknown name: the most similar one that begins with the same letter, or the `listing`."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    fold = normalize_name(name)
    first = fold[:1]
    rows: Iterator[Any] = tx.each(
        f"SELECT fold, name FROM {table} WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT {MAX_SIMILAR}",
        [first, f"{first}\U0010ffff"],
    )
    names = dict(rows)
    near = get_close_matches(fold, names, n=1)
    return f"did you mean {names[near[0]]}? To list all: {listing}" if near else listing


def order_by(sort: str | None, columns: Mapping[str, str], default: str, unique: str) -> str:
    """Return the ORDER BY clause for the field `sort` (`-` before it for descending); `unique` breaks ties."""
    sort = sort or default
    field_name = sort.removeprefix("-")
    if field_name not in columns:
        hint = f"use one of: {', '.join(columns)}; with '-' before it for descending order"
        raise UsageError(f"cannot sort by '{field_name}'", hint)
    column, direction = columns[field_name], " DESC NULLS LAST" if sort.startswith("-") else " NULLS FIRST"
    ties = "" if column == unique else f", {unique}"
    return f" ORDER BY {column}{direction}{ties}"


def placeholders(values: Sequence[object]) -> str:
    """Return a placeholder for each value of an IN list; without values, NULL, which matches nothing."""
    return ", ".join("?" * len(values)) or "NULL"


def with_asked(columns: str, rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
    """
    Return the WITH clause of a table `asked` that holds `rows`, and its values.

    The last row is repeated up to a power of two, so that the engine prepares few different statements.
    """
    padded = [*rows, *[rows[-1]] * ((1 << (len(rows) - 1).bit_length()) - len(rows))]
    row = f"({placeholders(rows[0])})"
    return f"WITH asked ({columns}) AS (VALUES {', '.join([row] * len(padded))}) ", [*chain.from_iterable(padded)]


@lru_cache(maxsize=1024)
def split_joined(text: str | None) -> tuple[str, ...]:
    """Return the parts of a value that is joined by `+`, nothing for None."""
    return tuple(str(text).split("+")) if text else ()


@lru_cache(maxsize=1024)
def share(value: ValueT) -> ValueT:
    """Return a value that is in many rows as one object, since a server caches thousands of records."""
    return value


CHUNK = 250
"""Values per IN list: within every SQLite limit, and enough to save most statements."""


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Yield the distinct values in lists of at most CHUNK."""
    distinct = list(dict.fromkeys(values))
    return (distinct[at : at + CHUNK] for at in range(0, len(distinct), CHUNK))


def next_number_sql(table: str) -> str:
    """Return an expression for the next number of a user or an application, to which no key refers either."""
    used = f"SELECT max(number) AS number FROM {table} UNION ALL SELECT max({table}_number) FROM key"
    return f"(SELECT coalesce(max(number), 0) + 1 FROM ({used}) AS used)"
