"""
The URL of a store on PostgreSQL, with the parameters of libpq and `schema`, the database schema (default: gamcli).

The password comes from where libpq looks for it: PGPASSWORD, PGPASSFILE, a service file. A URL with a password is
accepted from a file only, since others can read the arguments of a process, and its environment is logged by many
tools.
"""

import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from gamcli.errors import UsageError
from gamcli.store.engine import Store, StoreUrl

SCHEMES = ("postgresql", "postgres")

DEFAULT_SCHEMA = "gamcli"

PASSWORD_HINT = "set PGPASSWORD or PGPASSFILE, or use --store-url-file FILE"  # noqa: S105 - not a password

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_URL_HINT = (
    "use postgresql://user@host:5432/database; in names and passwords write %40 for @, %2F for /, %23 for #, %25 for %"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]*)(:[0-9]*)?")
_INVALID = re.compile(r"#|%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True)
class PostgresUrl(StoreUrl):
    """Where the store is: `conninfo` for libpq, which may hold a password, and `shown`, which does not."""

    conninfo: str = field(repr=False)
    shown: str
    schema: str = DEFAULT_SCHEMA

    def __str__(self) -> str:
        return self.shown

    def with_schema(self, schema: str) -> "PostgresUrl":
        """Return the URL of the same database with another schema."""
        parts = urlsplit(self.shown)
        pairs = [(name, value) for name, value in parse_qsl(parts.query) if name != "schema"]
        pairs += [("schema", require_schema_name(schema))] if schema != DEFAULT_SCHEMA else []
        shown = _join(parts.netloc, parts.path, urlencode(pairs, quote_via=quote, safe="/,:"))
        return PostgresUrl(self.conninfo, shown, schema)

    def open_store(self, *, durable: bool, timeout: float) -> Store:
        opened: Store = self._engine().open_database(self, durable=durable, timeout=timeout)
        return opened

    def create_store(self) -> Store:
        created: Store = self._engine().open_database(self, create=True)
        return created

    def read_version(self) -> int:
        return int(self._engine().read_version(self))

    def format_command(self, line: str) -> str:
        plain = self.with_schema(DEFAULT_SCHEMA)
        return line.format(url=plain, schema=self.schema)

    @staticmethod
    def _engine() -> Any:  # noqa: ANN401 - the class, which needs the driver
        try:
            return import_module("gamcli.store.postgres.database").PostgresStore
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in ("psycopg", "psycopg_binary", "psycopg_c"):
                raise
            raise UsageError(
                "a store on PostgreSQL needs the Python package psycopg", "pip install 'gamcli[postgres]'"
            ) from error


def is_url(text: str) -> bool:
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def parse_url(text: str, *, may_have_password: bool = False) -> PostgresUrl:
    """Parse the URL of a store; raises UsageError, which never repeats a password."""
    try:
        parts = urlsplit(text.strip())
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise invalid_url_error() from None
    secrets = [value for name, value in pairs if _is_secret(name)]
    user_info, _, address = parts.netloc.rpartition("@")
    if (
        "@" in user_info + parts.path + parts.query
        or _INVALID.search(text)
        or not all(_HOST.fullmatch(host) for host in address.split(","))
    ):
        raise invalid_url_error()
    user, separator, _ = user_info.partition(":")
    if (separator or secrets) and not may_have_password:
        raise UsageError("the URL of the store contains a password, which other users could read", PASSWORD_HINT)
    schema = next((value for name, value in pairs if name == "schema"), DEFAULT_SCHEMA)
    public = [(name, value) for name, value in pairs if not _is_secret(name)]
    shown_netloc = f"{user}@{address}" if user else address
    libpq = urlencode([pair for pair in pairs if pair[0] != "schema"], quote_via=quote)
    return PostgresUrl(
        _join(parts.netloc, parts.path, libpq),
        _join(shown_netloc, parts.path, urlencode(public, quote_via=quote, safe="/,:")),
        require_schema_name(unquote(schema)),
    )


def invalid_url_error(reason: str = "") -> UsageError:
    """Return the error for a URL, which is not repeated: a password in it may have ended up in another part."""
    return UsageError(f"invalid store URL{reason}", _URL_HINT)


def _is_secret(parameter: str) -> bool:
    return "pass" in parameter.lower() and parameter != "passfile"


def _join(address: str, path: str, query: str) -> str:
    """Return a URL; `urlunsplit` leaves the slashes out when there is no address, and libpq needs them."""
    return f"postgresql://{address}{path}" + (f"?{query}" if query else "")


def require_schema_name(name: str) -> str:
    """Return the name of a database schema; raises UsageError when it would have to be quoted."""
    if not _SCHEMA_NAME.fullmatch(name) or name.startswith("pg_"):
        raise UsageError(f"invalid schema name '{name}'", "use lower-case letters, digits and '_', such as gamcli")
    return name
