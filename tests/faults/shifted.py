"""Run gamcli on a computer whose clock is off: `python tests/faults/shifted.py SECONDS ARGUMENT...`."""

import sys
from datetime import datetime, timedelta, tzinfo
from typing import Self

SHIFT = timedelta(seconds=float(sys.argv[1]))


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class ShiftedDatetime(datetime, metaclass=_AnyDatetime):
    """A datetime whose `now` is that of the other computer."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(datetime.now(tz).timestamp(), tz) + SHIFT


if __name__ == "__main__":
    sys.modules["datetime"].datetime = ShiftedDatetime  # type: ignore[attr-defined]
    from gamcli.commands import main

    sys.exit(main(sys.argv[2:]))
