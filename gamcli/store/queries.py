"""How lists are asked for: conditions, an order and a limit become SQL, with values always apart from the text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gamcli.errors import UsageError


@dataclass(slots=True)
class Conditions:
    """The WHERE of a list: `equal` adds a condition only when its value is given."""

    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def equal(self, column: str, value: object) -> None:
        """Ask for rows whose `column` is `value`, or for all when `value` is None."""
        if value is not None:
            self.add(f"{column} = ?", value)

    def add(self, sql: str, *values: object) -> None:
        """Ask for rows that satisfy `sql`."""
        self.conditions.append(sql)
        self.values.extend(values)

    def where(self) -> str:
        """Return the clause, empty when every row is asked for."""
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def order_by(sort: str | None, columns: Mapping[str, str], default: str, unique: str) -> str:
    """Return the ORDER BY for `sort`, a field of `columns`, a leading `-` for descending; `unique` breaks ties."""
    name = sort or default
    field_name = name.removeprefix("-")
    if field_name not in columns:
        raise UsageError(f"cannot sort by '{field_name}'", f"one of: {', '.join(columns)}; '-' before it reverses")
    column, direction = columns[field_name], " DESC" if name.startswith("-") else ""
    ties = "" if column == unique else f", {unique}"
    return f" ORDER BY {column}{direction}{ties}"


def placeholders(values: Sequence[object]) -> str:
    """Return a `?` for each of `values`, for VALUES and IN."""
    return ", ".join("?" * len(values))


CHUNK = 250
"""So many values of an `IN` are asked for at once: few enough for every SQLite, enough to spare most statements."""


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Yield `values`, each once, in lists of at most CHUNK."""
    rest = list(dict.fromkeys(values))
    return (rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK))
