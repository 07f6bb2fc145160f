"""What an answer was promised to be, and where it differs; pure."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gamcli.conformance.exchange import ReceivedResponse
from gamcli.conformance.table import ExpectedResponse

UNAUTHORIZED = 401
RETRY_STATUSES = (429, 503)
NO_CONTENT = 204

_DEFAULT_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
"""The headers of every answer that has a body: nobody may keep a copy."""


class Difference(NamedTuple):
    """What was promised, and what was found instead."""

    expected: str
    found: str


FillPlaceholders = Callable[[str], str]

_MAX_SHOWN_VALUE = 16
"""The values of headers are told when they are no longer than that."""


def describe_expected(expected: ExpectedResponse, error_format: str) -> str:
    """Return in a few words what the answer is to be."""
    name, status = _expected_refusal(expected, error_format)
    words = [str(status), "without a name" if expected.gam and not name else name if name != str(status) else ""]
    words += [
        f"{field}: {value}" for field, value in expected.headers.items() if value and len(value) <= _MAX_SHOWN_VALUE
    ]
    words += ["closes"] if expected.closes else []
    return " ".join(filter(None, words))


def describe_response(response: ReceivedResponse, error_format: str) -> str:
    """Return in a few words what the answer is."""
    if response.problem:
        return f"no answer: {response.problem}"
    error = _error_name(_parse_json(response), error_format)
    return f"{response.status} {error}" if error and error != str(response.status) else str(response.status)


def _expected_refusal(expected: ExpectedResponse, error_format: str) -> tuple[str, int]:
    """Return code or name, and status."""
    told = expected.gam if error_format == "gam" else expected.rfc
    if not told:
        return "", expected.status
    name, _, status = told.rpartition(" ")
    return name, int(status)


def _parse_json(response: ReceivedResponse) -> object:
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _error_name(document: object, error_format: str) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    if error_format == "gam":
        error = error.get("code") if isinstance(error, dict) else None
    return error if isinstance(error, str) else ""


def find_differences(
    expected: ExpectedResponse, response: ReceivedResponse, error_format: str, fill: FillPlaceholders
) -> Iterator[Difference]:
    """Yield where the answer differs; `filled` puts the values of the world into texts."""
    if response.problem:
        yield Difference("an answer", response.problem)
        return
    _, status = _expected_refusal(expected, error_format)
    if response.status != status:
        yield Difference(f"status {status}", str(response.status))
    document = _parse_json(response)
    if expected.gam:
        yield from _compare_refusal(expected, document, error_format)
    yield from _compare_headers(expected, response, error_format, fill)
    yield from _compare_body(expected, document, fill)
    if expected.closes and not response.closed:
        yield Difference("the connection closes", "it stays open")


def _compare_refusal(expected: ExpectedResponse, document: object, error_format: str) -> Iterator[Difference]:
    """Look at the body of a refusal: its fields in their order, its code or name, a text for people."""
    name, _ = _expected_refusal(expected, error_format)
    if error_format == "gam":
        inner = document.get("error") if isinstance(document, dict) else None
        whole, wanted = [*document] if isinstance(document, dict) else [], ["code", "message"]
        if whole != ["error"] or not isinstance(inner, dict) or [*inner] != wanted:
            yield Difference('{"error":{"code","message"}}', _abbreviate(document))
            return
        code, text = inner["code"], inner["message"]
    else:
        wanted = ["error", "error_description"] if name else ["error_description"]
        if not isinstance(document, dict) or [*document] != wanted:
            yield Difference(f"the fields {', '.join(wanted)}", _abbreviate(document))
            return
        code, text = document.get("error", ""), document["error_description"]
    if code != name:
        yield Difference(f"code {name}", _abbreviate(code))
    if not isinstance(text, str) or not text or not text.isprintable():
        yield Difference("a text for people", _abbreviate(text))
    elif expected.text and not re.fullmatch(expected.text, text):
        yield Difference(f"a text like {expected.text}", _abbreviate(text))


def _compare_headers(
    expected: ExpectedResponse, response: ReceivedResponse, error_format: str, fill: FillPlaceholders
) -> Iterator[Difference]:
    wanted: dict[str, Any] = dict(_DEFAULT_HEADERS) if response.status != NO_CONTENT else {}
    if response.status == UNAUTHORIZED:
        wanted["www-authenticate"] = _expected_challenge(expected, error_format)
    if response.status in RETRY_STATUSES:
        wanted["retry-after"] = "~[1-9][0-9]*"
    wanted |= {name.lower(): value for name, value in expected.headers.items()}
    for name, value in wanted.items():
        there = response.headers.get(name)
        if value is False:
            if there is not None:
                yield Difference(f"no header {name}", there)
        elif there is None or not _matches(fill(value), there):
            yield Difference(f"{name}: {fill(value)}", there or "no such header")


def _expected_challenge(expected: ExpectedResponse, error_format: str) -> str:
    named = error_format != "gam" and _expected_refusal(expected, error_format)[0] == "invalid_token"
    return f'{expected.challenge} realm="gam"' + (', error="invalid_token"' if named else "")


def _compare_body(expected: ExpectedResponse, document: object, fill: FillPlaceholders) -> Iterator[Difference]:
    there = document if isinstance(document, dict) else {}
    if expected.fields and [*there] != [*expected.fields]:
        yield Difference(f"the fields {' '.join(expected.fields)}", " ".join(there) or "no JSON object")
    for name, value in expected.json.items():
        wanted = _fill_value(value, fill)
        if not _matches(wanted, there.get(name)):
            yield Difference(f"{name} = {_abbreviate(wanted)}", _abbreviate(there.get(name)))


def _fill_value(value: object, fill: FillPlaceholders) -> object:
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, list):
        return [_fill_value(each, fill) for each in value]
    if isinstance(value, dict):
        return {name: _fill_value(each, fill) for name, each in value.items()}
    return value


def _matches(expected: object, actual: object) -> bool:
    if isinstance(expected, str) and expected.startswith("~"):
        return (
            actual is not None and not isinstance(actual, bool) and re.fullmatch(expected[1:], str(actual)) is not None
        )
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [*expected] == [*actual] and all(_matches(value, actual[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_matches, expected, actual))
    return type(expected) is type(actual) and expected == actual


# The letters of a secret are shown to nobody, not even by a server that sends them back.
_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!|00[0-9])[0-9A-Za-z_]{8,}")


def _abbreviate(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    hidden = _CREDENTIAL.sub(r"\1...", text)
    return hidden if len(hidden) <= 120 else hidden[:117] + "..."  # noqa: PLR2004 - a line
