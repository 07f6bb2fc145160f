"""
The page at `/` of the development server: its applications, users and keys, and the newest requests.

It has no secrets unless they are asked for. Other sites cannot read or steer it: their host names are refused, no
response allows another origin, and the buttons use the control API, whose path is secret. Clients on other machines get
neither buttons nor secrets.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from html import escape
from importlib import resources
from ipaddress import ip_address
from itertools import islice
from string import Template

from gamcli.actions import apps, auth_types, keys, users
from gamcli.model import App, Key, User, format_rfc3339
from gamcli.server.dev.control import Controls
from gamcli.server.dev.journal import JournalRecord
from gamcli.server.endpoints.extras import is_loopback
from gamcli.server.transport.messages import Request, Response
from gamcli.store.apps import AppFilter
from gamcli.store.users import UserFilter

MAX_REQUESTS = 200
"""The page shows this many requests, the newest ones."""

MAX_ROWS = 100
"""The page shows this many applications, users and keys each."""

SECRETS = ("GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_PASSWORD", "GAM_CONTROL_URL")
"""Prefixes of variables whose values are secret."""

REFUSED_FROM = 400

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]+)?")
"""The address in brackets, or the name, and the port."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def respond(controls: Controls, request: Request) -> Response | None:
    """Return the page, None if the request is not for it."""
    knows_secret = bool(controls.path) and request.path == f"{controls.path}/"
    if request.method not in ("GET", "HEAD") or not (request.path == "/" or knows_secret):
        return None
    if not is_direct(request.fields.get("host", "")):
        return None
    is_trusted = knows_secret or is_loopback(request.peer)
    template, fields = _load_template()
    parts = _build_parts(controls, shows_secrets=controls.shows_secrets and is_trusted)
    text = template.safe_substitute(parts, control=controls.path if is_trusted else "")
    return Response(200, fields, text.encode("utf-8", "replace"))


def _build_parts(controls: Controls, *, shows_secrets: bool) -> dict[str, str]:
    gam, now = controls.gam, controls.gam.now()
    with apps.search(gam, AppFilter()) as found:
        known_apps = [*found]
    with users.search(gam, UserFilter()) as found_users:
        known_users = [*islice(found_users, MAX_ROWS)]
    with keys.search(gam, keys.KeySearch(limit=MAX_ROWS)) as found_keys:
        known_keys = [*found_keys]
    names = {app.client_id: app.name for app in known_apps}
    requests = [*controls.journal][-MAX_REQUESTS:][::-1]
    variables = controls.credentials.items()
    return {
        "state": _build_state(controls),
        "requests": _section(
            "Requests", ("Time", "Request", "Status", "Application", "Result"),
            (_request_cells(entry, names) for entry in requests), "No request yet.",
        ),
        "apps": _section(
            "Applications", ("Name", "Client ID", "Scopes", "State"),
            map(_app_cells, known_apps[:MAX_ROWS]), "None.",
        ),
        "users": _section(
            "Users", ("Name", "Email", "Password", "State"),
            (_user_cells(user, now) for user in known_users), "None.",
        ),
        "keys": _section(
            "API keys", ("ID", "User", "Application", "Scopes", "Expires", "State"),
            (_key_cells(key, key.displayed_status(now)) for key in known_keys), "None.",
        ),
        "variables": _section(
            "Variables", ("Name", "Value"),
            ((_code(name), _value(name, value, shows_secrets=shows_secrets)) for name, value in variables), "None.",
        ),
    }  # fmt: skip


def _build_state(controls: Controls) -> str:
    with auth_types.search(controls.gam, kind=None, enabled=None, sort=None) as found:
        types = ", ".join(f"{each.name} ({each.type}{'' if each.enabled else ', disabled'})" for each in found)
    time = f"Time: {format_rfc3339(controls.clock())}" + ("" if controls.clock.is_running else " (stopped)")
    note = "" if controls.path else "<p>With --control, this page has buttons, and the commands below work.</p>"
    faults = ", ".join(_code(fault) for fault in controls.faults) or "none"
    return f"<p>{escape(time)} · Faults: {faults} · Authentication types: {escape(types)}</p>{note}"


def is_direct(host: str) -> bool:
    """Return whether a Host is an address or localhost: other sites can have any other name lead to this server."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1] or match[2]
    try:
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False


def _app_cells(app: App) -> tuple[str, ...]:
    problems = {
        "disabled": not app.enabled,
        "no remote REST": not app.remote_rest,
        "no API keys": not app.api_keys.enabled,
    }
    return app.name, _code(app.client_id), _scopes(app.scopes), _state_of(problems)


def _user_cells(user: User, now: datetime) -> tuple[str, ...]:
    problems = {"disabled": not user.enabled, "blocked": user.blocked}
    return user.name, user.email, _password_state(user, now), _state_of(problems)


def _password_state(user: User, now: datetime) -> Html:
    if user.password_hash is None:
        return Html("none")
    if user.password_must_change:
        return _span("bad", "must be changed")
    is_expired = user.password_expires_at is not None and user.password_expires_at <= now
    return _span("bad", "expired") if is_expired else _span("good", "set")


def _key_cells(key: Key, status: str) -> tuple[str, ...]:
    expires = format_rfc3339(key.expires_at) if key.expires_at else "never"
    kind = "good" if status in ("active", "retiring") else "bad"
    return _code(key.id), key.user, key.app, _scopes(key.scopes), expires, _span(kind, status)


def _request_cells(entry: JournalRecord, names: Mapping[str, str]) -> tuple[str, ...]:
    time = Html(f'<span class="nowrap">{escape(entry.time[11:19])}</span>')
    what = f"{entry.method} {entry.path.rpartition('/')[2] or entry.path}"
    grant = f' · <span class="nowrap">{entry.grant.replace("_", " ")}</span>' if entry.grant else ""
    client = names.get(entry.client_id, entry.client_id)
    is_refused = entry.status >= REFUSED_FROM or not entry.status
    status = _span("bad" if is_refused else "good", str(entry.status or "closed"))
    return time, Html(f"{_code(what)}{grant}"), status, client, _result(entry)


def _result(entry: JournalRecord) -> Html:
    cause = " · ".join(filter(None, (entry.rule, entry.detail)))
    fix = f'<br><code class="fix">{escape(entry.fix)}</code>' if entry.fix else ""
    who = f"key {entry.key}" if entry.key and not cause else ""
    return Html(escape(cause or who) + fix)


def _value(name: str, value: str, *, shows_secrets: bool) -> Html:
    is_hidden = name.startswith(SECRETS) and not shows_secrets
    return _span("soft", "hidden; start the server with --show-secrets") if is_hidden else _code(value)


def _state_of(problems: Mapping[str, bool]) -> Html:
    found = [name for name, is_there in problems.items() if is_there]
    return _span("bad", ", ".join(found)) if found else _span("good", "enabled")


def _scopes(scopes: tuple[str, ...]) -> Html:
    return Html("<br>".join(map(_code, scopes)))


def _span(kind: str, text: str) -> Html:
    return Html(f'<span class="{kind}">{escape(text)}</span>')


def _code(text: str) -> Html:
    return Html(f"<code>{escape(text)}</code>")


def _section(title: str, labels: tuple[str, ...], rows: Iterable[tuple[str, ...]], empty: str) -> str:
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    body = ""
    for row in rows:
        texts = (text if isinstance(text, Html) else escape(text) for text in row)
        cells = (f'<td data-label="{label}">{text}</td>' for label, text in zip(labels, texts, strict=True))
        body += f"<tr>{''.join(cells)}</tr>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else f"<p>{escape(empty)}</p>"
    return f"<h2>{escape(title)}</h2>{table}"


@lru_cache(maxsize=1)
def _load_template() -> tuple[Template, tuple[tuple[str, str], ...]]:
    """Return the template and the header fields; their policy allows its own style and script and nothing else."""
    text = resources.files("gamcli.server.dev").joinpath("page.html").read_text(encoding="utf-8")
    hashes = {name: _hash(re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)[0]) for name in ("style", "script")}
    policy = (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return (
        Template(text),
        (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ),
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
