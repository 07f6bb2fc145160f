"""The work for input that only looks like many credentials: it must not stall a pipeline."""

import base64
import sys
from types import FrameType

import pytest

from gamcli.rules.leak_detection import find_leaks
from tests.cases import for_each

SIZE = 20_000


def repeat(unit: bytes) -> bytes:
    return (unit * (SIZE // len(unit) + 1))[:SIZE]


def escape(text: str, escape: str) -> str:
    return "".join(escape % ord(letter) for letter in text)


@for_each("unit", [b"Z2Fta2V5X", base64.b64encode(b"gamkey_12"), b"Z2F\nta2\nV5X\n", base64.b64encode(b" gamsec_a")])
def test_repeated_base64_of_a_prefix_is_decoded_once_per_offset(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    decode = base64.b64decode

    def count(text: bytes, altchars: bytes | None = None) -> bytes:
        nonlocal decoded
        decoded += len(text)
        return decode(text, altchars)

    monkeypatch.setattr(base64, "b64decode", count)
    list(find_leaks([repeat(unit)]))
    assert 0 < decoded < 6 * SIZE


@for_each(
    "unit",
    [
        *("ZZZX", "Z2", "g\\\n", "g\\\na", "\\", "gamkey_", "gamkey_12345678", "gamk"),
        *(escape(text, form) for text in ("g", "gamkey_") for form in ("%%%02x", "\\%03o", "&#%d;", "\\\\\\\\u%04x")),
    ],
)
@for_each("encoding", ["ascii", "utf-16-le"])
def test_the_beginning_of_a_credential_takes_few_calls(unit: str, encoding: str) -> None:
    data = repeat(unit.encode(encoding))
    list(find_leaks([data]))  # compiles the expressions
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        list(find_leaks([data]))
    finally:
        sys.setprofile(None)
    assert calls < 4 * SIZE
