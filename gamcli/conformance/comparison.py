"""What an answer was promised to be, and where it differs; pure."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gamcli.conformance.exchange import Answer
from gamcli.conformance.table import Promise

UNAUTHORIZED = 401
RETRY = (429, 503)
NO_CONTENT = 204

_PLAIN = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
"""The headers of every answer that has a body: nobody may keep a copy."""


class Difference(NamedTuple):
    """What was promised, and what was found instead."""

    promised: str
    found: str


Fill = Callable[[str], str]

_SHORT = 16
"""The values of headers are told when they are no longer than that."""


def promised(promise: Promise, error_format: str) -> str:
    """Return in a few words what the answer is to be."""
    name, status = _refusal(promise, error_format)
    words = [str(status), "without a name" if promise.gam and not name else name if name != str(status) else ""]
    words += [f"{field}: {value}" for field, value in promise.headers.items() if value and len(value) <= _SHORT]
    words += ["closes"] if promise.closes else []
    return " ".join(filter(None, words))


def found(answer: Answer, error_format: str) -> str:
    """Return in a few words what the answer is."""
    if answer.trouble:
        return f"no answer: {answer.trouble}"
    error = _error(_document(answer), error_format)
    return f"{answer.status} {error}" if error and error != str(answer.status) else str(answer.status)


def _refusal(promise: Promise, error_format: str) -> tuple[str, int]:
    """Return code or name, and status."""
    told = promise.gam if error_format == "gam" else promise.rfc
    if not told:
        return "", promise.status
    name, _, status = told.rpartition(" ")
    return name, int(status)


def _document(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _error(document: object, error_format: str) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    if error_format == "gam":
        error = error.get("code") if isinstance(error, dict) else None
    return error if isinstance(error, str) else ""


def differences(promise: Promise, answer: Answer, error_format: str, filled: Fill) -> Iterator[Difference]:
    """Yield where the answer differs; `filled` puts the values of the world into texts."""
    if answer.trouble:
        yield Difference("an answer", answer.trouble)
        return
    _, status = _refusal(promise, error_format)
    if answer.status != status:
        yield Difference(f"status {status}", str(answer.status))
    document = _document(answer)
    if promise.gam:
        yield from _shape(promise, document, error_format)
    yield from _headers(promise, answer, error_format, filled)
    yield from _body(promise, document, filled)
    if promise.closes and not answer.closed:
        yield Difference("the connection closes", "it stays open")


def _shape(promise: Promise, document: object, error_format: str) -> Iterator[Difference]:
    """Look at the body of a refusal: its fields in their order, its code or name, a text for people."""
    name, _ = _refusal(promise, error_format)
    if error_format == "gam":
        inner = document.get("error") if isinstance(document, dict) else None
        whole, wanted = [*document] if isinstance(document, dict) else [], ["code", "message"]
        if whole != ["error"] or not isinstance(inner, dict) or [*inner] != wanted:
            yield Difference('{"error":{"code","message"}}', _short(document))
            return
        code, text = inner["code"], inner["message"]
    else:
        wanted = ["error", "error_description"] if name else ["error_description"]
        if not isinstance(document, dict) or [*document] != wanted:
            yield Difference(f"the fields {', '.join(wanted)}", _short(document))
            return
        code, text = document.get("error", ""), document["error_description"]
    if code != name:
        yield Difference(f"code {name}", _short(code))
    if not isinstance(text, str) or not text or not text.isprintable():
        yield Difference("a text for people", _short(text))
    elif promise.text and not re.fullmatch(promise.text, text):
        yield Difference(f"a text like {promise.text}", _short(text))


def _headers(promise: Promise, answer: Answer, error_format: str, filled: Fill) -> Iterator[Difference]:
    wanted: dict[str, Any] = dict(_PLAIN) if answer.status != NO_CONTENT else {}
    if answer.status == UNAUTHORIZED:
        wanted["www-authenticate"] = _challenge(promise, error_format)
    if answer.status in RETRY:
        wanted["retry-after"] = "~[1-9][0-9]*"
    wanted |= {name.lower(): value for name, value in promise.headers.items()}
    for name, value in wanted.items():
        there = answer.headers.get(name)
        if value is False:
            if there is not None:
                yield Difference(f"no header {name}", there)
        elif there is None or not _is(filled(value), there):
            yield Difference(f"{name}: {filled(value)}", there or "no such header")


def _challenge(promise: Promise, error_format: str) -> str:
    named = error_format != "gam" and _refusal(promise, error_format)[0] == "invalid_token"
    return f'{promise.challenge} realm="gam"' + (', error="invalid_token"' if named else "")


def _body(promise: Promise, document: object, filled: Fill) -> Iterator[Difference]:
    there = document if isinstance(document, dict) else {}
    if promise.fields and [*there] != [*promise.fields]:
        yield Difference(f"the fields {' '.join(promise.fields)}", " ".join(there) or "no JSON object")
    for name, value in promise.json.items():
        wanted = _filled(value, filled)
        if not _is(wanted, there.get(name)):
            yield Difference(f"{name} = {_short(wanted)}", _short(there.get(name)))


def _filled(value: object, filled: Fill) -> object:
    if isinstance(value, str):
        return filled(value)
    if isinstance(value, list):
        return [_filled(each, filled) for each in value]
    if isinstance(value, dict):
        return {name: _filled(each, filled) for name, each in value.items()}
    return value


def _is(wanted: object, there: object) -> bool:
    if isinstance(wanted, str) and wanted.startswith("~"):
        return there is not None and not isinstance(there, bool) and re.fullmatch(wanted[1:], str(there)) is not None
    if isinstance(wanted, dict) and isinstance(there, dict):
        return [*wanted] == [*there] and all(_is(value, there[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(there, list):
        return len(wanted) == len(there) and all(map(_is, wanted, there))
    return type(wanted) is type(there) and wanted == there


# The letters of a secret are shown to nobody, not even by a server that sends them back.
_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!|00[0-9])[0-9A-Za-z_]{8,}")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    hidden = _CREDENTIAL.sub(r"\1...", text)
    return hidden if len(hidden) <= 120 else hidden[:117] + "..."  # noqa: PLR2004 - a line
