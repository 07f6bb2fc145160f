"""Compares a response with the expected one; pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gamcli.conformance.exchange import FillPlaceholders, ReceivedResponse
from gamcli.conformance.table import ExpectedResponse

UNAUTHORIZED = 401
RETRY_STATUSES = (429, 503)
NO_CONTENT = 204

_DEFAULT_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
"""The header fields of every response with a body."""

_MAX_SHOWN_VALUE = 16
"""Longer values of header fields are left out of descriptions."""

_MAX_LINE = 120


class Difference(NamedTuple):
    """A difference between the expected and the received response."""

    expected: str
    found: str


def describe_expected(expected: ExpectedResponse, response_format: str) -> str:
    name, status = _expected_refusal(expected, response_format)
    words = [str(status), "without a name" if expected.gam and not name else name if name != str(status) else ""]
    words += [
        f"{field}: {value}" for field, value in expected.headers.items() if value and len(value) <= _MAX_SHOWN_VALUE
    ]
    words += ["closes"] if expected.closes else []
    return " ".join(filter(None, words))


def describe_response(response: ReceivedResponse, response_format: str) -> str:
    if response.problem:
        return f"no response: {response.problem}"
    error = _error_name(_parse_json(response), response_format)
    return f"{response.status} {error}" if error and error != str(response.status) else str(response.status)


def _expected_refusal(expected: ExpectedResponse, response_format: str) -> tuple[str, int]:
    """Return the error code, empty for none, and the status."""
    refusal = expected.gam if response_format == "gam" else expected.rfc
    if not refusal:
        return "", expected.status
    name, _, status = refusal.rpartition(" ")
    return name, int(status)


def _parse_json(response: ReceivedResponse) -> object:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _error_name(document: object, response_format: str) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    if response_format == "gam":
        error = error.get("code") if isinstance(error, dict) else None
    return error if isinstance(error, str) else ""


def find_differences(
    expected: ExpectedResponse, response: ReceivedResponse, response_format: str, fill: FillPlaceholders
) -> Iterator[Difference]:
    """Yield the differences; `fill` replaces the placeholders in expected texts."""
    if response.problem:
        yield Difference("a response", response.problem)
        return
    _, status = _expected_refusal(expected, response_format)
    if response.status != status:
        yield Difference(f"status {status}", str(response.status))
    document = _parse_json(response)
    if expected.gam:
        yield from _compare_refusal(expected, document, response_format)
    yield from _compare_headers(expected, response, response_format, fill)
    yield from _compare_body(expected, document, fill)
    if expected.closes and not response.closed:
        yield Difference("the connection closes", "it stays open")


def _compare_refusal(expected: ExpectedResponse, document: object, response_format: str) -> Iterator[Difference]:
    """Compare the names in the body of a refusal and their order, the error code and the message."""
    name, _ = _expected_refusal(expected, response_format)
    if response_format == "gam":
        error = document.get("error") if isinstance(document, dict) else None
        outer, inner = [*document] if isinstance(document, dict) else [], ["code", "message"]
        if outer != ["error"] or not isinstance(error, dict) or [*error] != inner:
            yield Difference('{"error":{"code","message"}}', _abbreviate(document))
            return
        code, message = error["code"], error["message"]
    else:
        fields = ["error", "error_description"] if name else ["error_description"]
        if not isinstance(document, dict) or [*document] != fields:
            yield Difference(f"the fields {', '.join(fields)}", _abbreviate(document))
            return
        code, message = document.get("error", ""), document["error_description"]
    if code != name:
        yield Difference(f"code {name}", _abbreviate(code))
    if not isinstance(message, str) or not message or not message.isprintable():
        yield Difference("a printable message", _abbreviate(message))
    elif expected.text and not re.fullmatch(expected.text, message):
        yield Difference(f"a message that matches {expected.text}", _abbreviate(message))


def _compare_headers(
    expected: ExpectedResponse, response: ReceivedResponse, response_format: str, fill: FillPlaceholders
) -> Iterator[Difference]:
    headers: dict[str, Any] = dict(_DEFAULT_HEADERS) if response.status != NO_CONTENT else {}
    if response.status == UNAUTHORIZED:
        headers["www-authenticate"] = _expected_challenge(expected, response_format)
    if response.status in RETRY_STATUSES:
        headers["retry-after"] = "~[1-9][0-9]*"
    headers |= {name.lower(): value for name, value in expected.headers.items()}
    for name, value in headers.items():
        actual = response.headers.get(name)
        if value is False:
            if actual is not None:
                yield Difference(f"no header {name}", actual)
        elif actual is None or not _matches(fill(value), actual):
            yield Difference(f"{name}: {fill(value)}", actual or "no such header")


def _expected_challenge(expected: ExpectedResponse, response_format: str) -> str:
    if response_format == "gam" and expected.challenge != "Basic":
        return '~OAuth realm="[^"]+"'
    has_error = response_format != "gam" and _expected_refusal(expected, response_format)[0] == "invalid_token"
    return f'{expected.challenge} realm="gam"' + (', error="invalid_token"' if has_error else "")


def _compare_body(expected: ExpectedResponse, document: object, fill: FillPlaceholders) -> Iterator[Difference]:
    body = document if isinstance(document, dict) else {}
    if expected.fields and [*body] != [*expected.fields]:
        yield Difference(f"the fields {' '.join(expected.fields)}", " ".join(body) or "no JSON object")
    for name, value in expected.json.items():
        filled = _fill_value(value, fill)
        if filled is False and name not in body:
            continue
        if not _matches(filled, body.get(name)):
            yield Difference(f"{name} = {_abbreviate(filled)}", _abbreviate(body.get(name)))


def _fill_value(value: object, fill: FillPlaceholders) -> object:
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, list):
        return [_fill_value(item, fill) for item in value]
    if isinstance(value, dict):
        return {name: _fill_value(item, fill) for name, item in value.items()}
    return value


def _matches(expected: object, actual: object) -> bool:
    if isinstance(expected, str) and expected.startswith("~"):
        is_scalar = actual is not None and not isinstance(actual, bool)
        return is_scalar and re.fullmatch(expected[1:], str(actual)) is not None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [*expected] == [*actual] and all(_matches(value, actual[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_matches, expected, actual))
    return type(expected) is type(actual) and expected == actual


_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!|00[0-9])[0-9A-Za-z_]{8,}")
"""Any credential, also the malformed ones that some rows send."""


def _abbreviate(value: object) -> str:
    """Return JSON of at most one line without credentials: a server may echo them."""
    text = _CREDENTIAL.sub(r"\1...", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MAX_LINE else text[: _MAX_LINE - 3] + "..."
