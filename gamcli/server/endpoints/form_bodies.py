"""
Decodes the parameters of a body or a query: URL-encoded, or multipart/form-data with text fields only.

Pure: bytes come in, parameters or a refusal of rule 1 or 2 come out. A parameter without a value is empty.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote_plus

from gamcli.errors import RefusedError
from gamcli.server.transport.messages import Request

MEDIA_TYPE = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

MAX_PARAMETERS = 64
"""As many as header fields, to bound the work for clients that have not authenticated."""

UTF8 = "utf-8"
ASCII_CHARSETS = ("iso-8859-1", "us-ascii")
"""Charsets that are accepted for ASCII only. ISO-8859-1 is what Apache HttpClient declares by default."""

BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - RFC 9110 §5.6.2
_PARAMETER = re.compile(rf'[ \t]*(?:({_TOKEN}+)=("(?:[^"\\]|\\.)*"|[^ \t;"]*))?[ \t]*(?:;|\Z)')
"""One parameter, which may be missing (RFC 9110 §5.6.6); a value may contain more than the characters of a token."""

_QUOTED_PAIR = re.compile(r"\\(.)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046 §5.1.1
_PART_FIELD = re.compile(rf"({_TOKEN}+):[ \t]*([\t\x20-\x7e\x80-\U0010ffff]*)")
_PLAIN_ENCODINGS = ("7bit", "8bit", "binary")

Pairs = Iterable[tuple[str, str]]
Parameters = Mapping[str, str]


def parse_body(request: Request) -> dict[str, str]:
    """Return the parameters in the body; raises RefusedError for anything but a form."""
    media_type = media_type_of(request)
    if media_type not in (MEDIA_TYPE, MULTIPART):
        raise RefusedError("media_type_wrong", "the Content-Type is not a form")
    options = _media_type_options(request.fields["content-type"])
    charset = _known_charset(options)
    if request.fields.get("content-encoding", "identity").lower() != "identity":  # RFC 9110 §8.4
        raise RefusedError("content_encoding_unknown", "the body has a Content-Encoding")
    if "content-length" not in request.fields and "transfer-encoding" not in request.fields:
        raise RefusedError("length_missing", "neither Content-Length nor Transfer-Encoding")
    if media_type == MULTIPART:
        return _collect(_split_multipart(request.body, options.get("boundary", ""), charset))
    return _collect(_split_pairs(request.body, charset))


def parse_query(request: Request) -> dict[str, str]:
    """Return the parameters in the query; raises RefusedError."""
    return _collect(_split_pairs(request.query.encode("latin-1"), UTF8))


def media_type_of(request: Request) -> str:
    """Return the media type of the body in lower case, without parameters."""
    return _split_value(request.fields.get("content-type", ""))[0]


def _split_value(text: str) -> tuple[str, str]:
    value, _, parameters = text.partition(";")
    return value.strip(" \t").lower(), parameters


@lru_cache(maxsize=256)
def _parse_options(text: str) -> Parameters | None:
    """Return the parameters of a header field, names in lower case; None if they are malformed or repeated."""
    _, rest = _split_value(text)
    options: dict[str, str] = {}
    place = 0
    while place < len(rest):
        match = _PARAMETER.match(rest, place)
        if match is None or (name := (match[1] or "").lower()) in options:
            return None
        place = match.end()
        if name:
            value = match[2]
            options[name] = _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return MappingProxyType(options)


def _media_type_options(text: str) -> Parameters:
    options = _parse_options(text)
    if options is None:
        raise RefusedError("media_type_malformed", "malformed or repeated parameters of a Content-Type")
    return options


def _known_charset(options: Parameters) -> str:
    charset = options.get("charset", UTF8).lower()
    if charset != UTF8 and charset not in ASCII_CHARSETS:
        raise RefusedError("charset_unknown", "the charset is not UTF-8")
    return charset


def _collect(pairs: Pairs) -> dict[str, str]:
    """Return the parameters; one that is sent with a value and also empty has the value."""
    parameters: dict[str, str] = {}
    is_repeated = False
    for count, (name, value) in enumerate(pairs, 1):
        if count > MAX_PARAMETERS:
            raise RefusedError("parameters_too_many", "too many parameters")
        before = parameters.get(name, "")
        is_repeated = is_repeated or bool(value and before)
        parameters[name] = value or before
    if is_repeated:
        raise RefusedError("parameter_repeated", "a parameter was sent twice")
    return parameters


def _split_pairs(body: bytes, charset: str) -> Iterator[tuple[str, str]]:
    text = _decode(body, charset)
    if CONTROL.search(text):
        raise RefusedError("control_character", "a control character in a parameter")
    if BROKEN_ESCAPE.search(text):
        raise RefusedError("form_unreadable", "an invalid escape")
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield _unescape(name, charset), _unescape(value, charset)


def _decode(data: bytes, charset: str) -> str:
    if charset != UTF8 and not data.isascii():
        raise _not_ascii()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _unescape(text: str, charset: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise (_not_utf8() if charset == UTF8 else _not_ascii()) from None


def _not_utf8() -> RefusedError:
    return RefusedError("form_not_utf8", "the form is not UTF-8")


def _not_ascii() -> RefusedError:
    return RefusedError("charset_not_ascii", "not ASCII, in a charset other than UTF-8")


def _split_multipart(body: bytes, boundary: str, charset: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of multipart/form-data (RFC 7578), without preamble and epilogue."""
    if not _BOUNDARY.fullmatch(boundary):
        raise RefusedError("boundary_missing", "missing or invalid boundary")
    first, *parts = (b"\r\n" + body.removeprefix(b"\r\n")).split(b"\r\n--" + boundary.encode())
    if first or not parts or parts[-1] not in (b"--", b"--\r\n"):
        raise _malformed_multipart()
    for part in parts[:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"\r\n"):
            raise _malformed_multipart()
        yield _parse_part(_parse_part_head(_decode(head[2:], charset)), content, charset)


def _parse_part_head(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.split("\r\n"):
        match = _PART_FIELD.fullmatch(line)
        if match is None or match[1].lower() in fields:
            raise _malformed_multipart()
        fields[match[1].lower()] = match[2]
    return fields


def _parse_part(fields: Parameters, content: bytes, charset: str) -> tuple[str, str]:
    disposition = fields.get("content-disposition", "")
    options = _parse_options(disposition)
    if options is None or _split_value(disposition)[0] != "form-data" or "name" not in options or "name*" in options:
        raise RefusedError("disposition_malformed", "missing or malformed Content-Disposition of a part")
    if "filename" in options or "filename*" in options:
        raise RefusedError("multipart_file", "a part is a file")
    if fields.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise RefusedError("multipart_encoded", "a part is encoded")
    content_type = fields.get("content-type", "text/plain")
    media_type, type_options = _split_value(content_type)[0], _media_type_options(content_type)
    if media_type.startswith("multipart/"):
        raise RefusedError("multipart_nested", "nested multipart")
    if media_type != "text/plain":
        raise RefusedError("multipart_type", "a part is not text")
    return options["name"], _decode(content, _known_charset({"charset": charset, **type_options}))


def _malformed_multipart() -> RefusedError:
    return RefusedError("multipart_unreadable", "malformed multipart/form-data")
