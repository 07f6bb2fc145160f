"""Copying all rows of a store to another one, which may use another engine."""

from collections.abc import Iterator
from functools import partial

from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import placeholders

TABLES = (
    "auth_type", "repository", "app", "app_use", "user", "user_attribute", "key", "token", "token_floor", "session",
    "refresh_token", "audit", "batch", "batch_part", "key_request", "adoption", "default_type_use",
)  # fmt: skip
"""All tables except the record of migrations, each after those that it refers to."""

SUMS = {
    "app_use": """SELECT client_id, CAST(sum(grants) AS INTEGER) AS grants, max(last_used_at) AS last_used_at
        FROM app_use GROUP BY client_id""",
    "default_type_use": """SELECT day, CAST(sum(requests) AS INTEGER) AS requests FROM default_type_use GROUP BY day""",
}
"""What to copy of counters that have a row for each node: their sums."""


def copy_rows(source: Transaction, target: Transaction) -> int:
    """Copy the rows of all tables; return how many there were."""
    count = 0
    for table in TABLES:
        known = source.columns(table).keys() & target.columns(table).keys()
        columns = {name: is_boolean for name, is_boolean in target.columns(table).items() if name in known - {"node"}}
        names = ", ".join(f"{table}.{name}" for name in columns)
        copied = f"({SUMS[table]}) AS {table}" if table in SUMS else table
        flags = [place for place, is_boolean in enumerate(columns.values()) if is_boolean]
        converted = map(partial(_convert, flags), source.stream(f"SELECT {names} FROM {copied}"))
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({placeholders([*columns])})"
        count += target.run_many(insert, converted)
    return count


def _convert(flags: list[int], row: Row) -> Row:
    """Return the row with Boolean values where the target has a Boolean column."""
    values = [*row]
    for place in flags:
        values[place] = bool(values[place])
    return tuple(values)


def read_all(tx: Transaction, table: str) -> Iterator[Row]:
    """Yield the rows of a table in the order of all columns, for comparisons."""
    names = [name for name in tx.columns(table) if name != "node"]
    rows = SUMS.get(table, f"SELECT * FROM {table}")
    return tx.each(f"SELECT {', '.join(names)} FROM ({rows}) AS copied ORDER BY {', '.join(names)}")
