"""Rows that are not as gamcli writes them: reported with their table and ID, whatever reads them."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import wraps
from operator import itemgetter
from typing import TypeVar

from gamcli.errors import DamagedRowError
from gamcli.store.engine import Row

RecordT = TypeVar("RecordT")

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def reports_damage(
    table: str, columns: Sequence[str], nullable: Collection[str] = ()
) -> Callable[[Callable[[Row], RecordT]], Callable[[Row], RecordT]]:
    """
    Decorate a function that builds a record of a row: DamagedRowError names a row that is not a valid record.

    The row begins with `columns`, the first of which is its ID; only the `nullable` ones may be NULL.
    """
    required = [place for place, column in enumerate(columns) if column not in nullable]
    pick = itemgetter(*required, required[0])  # at least two, so that the result is a tuple

    def decorate(build: Callable[[Row], RecordT]) -> Callable[[Row], RecordT]:
        @wraps(build)
        def build_or_report(row: Row) -> RecordT:
            try:
                if None in pick(row):
                    missing = next(columns[place] for place in required if row[place] is None)
                    raise DamagedRowError(f"no value for '{missing}'")  # noqa: TRY301 - named below, as others are
                return build(row)
            except DamagedRowError as error:
                raise DamagedRowError(error.problem, f"row '{row[0]}' of table '{table}'") from error
            except _UNREADABLE as error:
                raise DamagedRowError("an unreadable value", f"row '{row[0]}' of table '{table}'") from error

        return build_or_report

    return decorate


def require_id(number: int) -> int:
    """Return the number of a token or session, which is never negative: its ID in base62 could not be shown."""
    if number < 0:
        raise DamagedRowError("a negative ID")
    return number


def parse_json(text: object, kind: type[RecordT], name: str) -> RecordT:
    """Return the value of a JSON document, which must be of a kind; `name` is what it holds, for the error."""
    import json  # noqa: PLC0415 - start-up: most commands read no JSON

    with suppress(ValueError, TypeError, RecursionError):
        value = json.loads(text)  # type: ignore[arg-type] # NULL is a TypeError
        if isinstance(value, kind):
            return value
    raise DamagedRowError(f"invalid {name}")
