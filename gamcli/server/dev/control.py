"""
The control API of the development server: tests in any language move its clock, inject faults and change its store.

The paths are below `/_gamcli/SECRET/`, with a secret for each run, so that no web page can guess them. Requests and
responses are JSON; errors are `{"error":{"code","message","hint"}}`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote

from gamcli import __version__
from gamcli.actions import Gam, apps, key_changes, keys, users
from gamcli.actions.changes import STATE_VERBS
from gamcli.errors import ConflictError, GamcliError, NotFoundError, UsageError
from gamcli.model import format_rfc3339
from gamcli.rules import durations
from gamcli.rules.credentials import Secret
from gamcli.server.dev.clock import Clock
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Journal
from gamcli.server.request_log import format_json
from gamcli.server.transport.heads import MAX_BODY, MAX_LARGE_BODY
from gamcli.server.transport.messages import Request, Response, json_response

PREFIX = "/_gamcli/"

Body = Mapping[str, Any]
JsonValue = dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Controls:
    """
    State that the page shows and tests can change.

    `reset` restores the store of the start. `apply` applies the text of a manifest and returns the new credentials as
    environment variables; `credentials` are those of the start. `secret` is part of the path of the control API, empty
    without it.
    """

    secret: str
    gam: Gam
    clock: Clock
    faults: Faults
    journal: Journal
    reset: Callable[[], None]
    apply: Callable[[str], Mapping[str, str]]
    credentials: Mapping[str, str]
    shows_secrets: bool = False

    @property
    def path(self) -> str:
        """The path of the control API, without a slash at its end; empty without it."""
        return f"{PREFIX}{self.secret}" if self.secret else ""

    def max_body(self, path: str) -> int:
        """Return the size of the largest body at `path`: a manifest can be larger than a token request."""
        return MAX_LARGE_BODY if self.path and path == f"{self.path}/apply" else MAX_BODY


class Route(NamedTuple):
    """A method and path of the control API; `{name}` in the path is passed on."""

    method: str
    path: str
    summary: str
    run: Callable[..., JsonValue]
    body: Body = MappingProxyType({})


def _journal(controls: Controls, _: Body) -> JsonValue:
    return [json.loads(format_json(entry)) for entry in controls.journal]


def _clear(cleared: Journal | Faults) -> JsonValue:
    cleared.clear()
    return []


def _clock(controls: Controls, _: Body) -> JsonValue:
    return {"now": format_rfc3339(controls.clock()), "running": controls.clock.is_running}


def _set_clock(controls: Controls, body: Body) -> JsonValue:
    """Change the clock: `set` keeps it running or stopped, `stop` and `run` say which."""
    clock, unknown = controls.clock, {*body} - {"set", "forward", "stop", "run"}
    if unknown or not body:
        raise UsageError("invalid clock", 'use {"set": TIME}, {"forward": "2h"}, {"stop": true} or {"run": true}')
    if "set" in body:
        instant = str(body["set"])
        clock.run(instant) if clock.is_running else clock.stop(instant)
    if "forward" in body:
        clock.forward(str(body["forward"]))
    if body.get("stop"):
        clock.stop()
    if body.get("run"):
        clock.run()
    return _clock(controls, {})


def _add_faults(controls: Controls, body: Body) -> JsonValue:
    texts = body.get("faults", [body["fault"]] if "fault" in body else [])
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise UsageError("missing fault", 'use {"fault": "token=503:2x"} or {"faults": ["...", "..."]}')
    for text in texts:
        controls.faults.add(text)
    return [*controls.faults]


def _reset(controls: Controls, _: Body) -> JsonValue:
    controls.reset()
    return _clock(controls, {})


def _apply(controls: Controls, body: Body) -> JsonValue:
    if not isinstance(body.get("manifest"), str):
        raise UsageError("missing manifest", 'use {"manifest": "[user.ana]\\n..."}, the text of a manifest in TOML')
    return dict(controls.apply(body["manifest"]))


def _issue_key(controls: Controls, body: Body) -> JsonValue:
    unknown = {*body} - {"user", "app", "scopes", "expires_in", "label", "replace"}
    if unknown or not {"user", "app"} <= {*body}:
        raise UsageError("invalid key", 'use {"user": "ana", "app": "portal"}, and scopes, expires_in, label, replace')
    scopes, expires_in = body.get("scopes"), body.get("expires_in")
    issued = keys.generate(
        controls.gam,
        keys.KeySpec(
            user=str(body["user"]),
            app=str(body["app"]),
            scopes=None if scopes is None else tuple(map(str, scopes)),
            expires_in=None if expires_in is None else durations.parse(str(expires_in)),
            label=str(body.get("label", "")),
            replace=bool(body.get("replace", False)),
        ),
    )
    return {"id": issued.record.id, "api_key": issued.secret.reveal()}


def _change_key(controls: Controls, body: Body, name: str, verb: str) -> JsonValue:
    reason = None if body.get("reason") is None else str(body["reason"])
    key = keys.find_by_secret(controls.gam, Secret(name)) or keys.show(controls.gam, name)
    if verb == "revoke":
        keys.revoke(controls.gam, [key.id], reason)
    elif verb == "disable":
        key_changes.disable(controls.gam, key.id, reason)
    elif verb == "enable":
        key_changes.enable(controls.gam, key.id)
    else:
        raise _unknown_verb(verb, ("revoke", "disable", "enable"))
    key = keys.show(controls.gam, key.id)
    return {"id": key.id, "status": key.status(controls.gam.now()), "enabled": key.enabled}


def _change_user(controls: Controls, _: Body, name: str, verb: str) -> JsonValue:
    if verb not in STATE_VERBS:
        raise _unknown_verb(verb, STATE_VERBS)
    after = users.update(controls.gam, name, STATE_VERBS[verb].changes, verb).record
    return {"name": after.name, "enabled": after.enabled, "blocked": after.blocked}


def _change_app(controls: Controls, body: Body, name: str, verb: str) -> JsonValue:
    if verb == "rotate-secret":
        overlap = durations.parse(str(body["overlap"])) if "overlap" in body else timedelta(0)
        changed = apps.rotate_secret(controls.gam, name, overlap=overlap)
        assert changed.secret is not None
        return {"client_id": changed.record.client_id, "client_secret": changed.secret.reveal()}
    if verb not in ("enable", "disable"):
        raise _unknown_verb(verb, ("enable", "disable", "rotate-secret"))
    app = apps.update(controls.gam, name, STATE_VERBS[verb].changes).record
    return {"name": app.name, "enabled": app.enabled}


def _unknown_verb(verb: str, known: Any) -> NotFoundError:  # noqa: ANN401 - any collection of names
    return NotFoundError(f"unknown verb '{verb}'", f"one of: {', '.join(known)}")


def _openapi(_controls: Controls, _: Body) -> JsonValue:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operation: dict[str, Any] = {
            "summary": route.summary,
            "responses": {"200": {"description": "Done"}, "default": {"description": "An error with code and hint"}},
        }
        names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
        if names:
            operation["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
        if route.body:
            operation["requestBody"] = {
                "content": {"application/json": {"schema": {"type": "object"}, "example": dict(route.body)}}
            }
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "gamcli serve --ephemeral --control", "version": __version__},
        "paths": paths,
    }


ROUTES = (
    Route("GET", "journal", "Return the requests so far, with the rule that refused each", _journal),
    Route("DELETE", "journal", "Clear the journal", lambda controls, _: _clear(controls.journal)),
    Route("GET", "clock", "Return the time of the server", _clock),
    Route("POST", "clock", "Set, move, stop or start the clock", _set_clock, {"forward": "2h"}),
    Route("GET", "faults", "Return the injected faults", lambda controls, _: [*controls.faults]),
    Route("POST", "faults", "Inject faults, in the syntax of --fault", _add_faults, {"fault": "token=503:2x"}),
    Route("DELETE", "faults", "Remove all faults", lambda controls, _: _clear(controls.faults)),
    Route("POST", "reset", "Restore the initial store, clock, faults and journal", _reset),
    Route("POST", "apply", "Apply a manifest and return its new credentials", _apply, {"manifest": "[user.eva]\n"}),
    Route(
        "GET",
        "credentials",
        "Return the initial credentials as environment variables",
        lambda controls, _: dict(controls.credentials),
    ),
    Route("POST", "keys", "Issue an API key", _issue_key, {"user": "ana", "app": "portal"}),
    Route("POST", "keys/{name}/{verb}", "revoke, disable or enable an API key", _change_key, {"reason": "leaked"}),
    Route("POST", "users/{name}/{verb}", "enable, disable, block or unblock a user", _change_user),
    Route("POST", "apps/{name}/{verb}", "enable or disable an application; rotate-secret", _change_app),
    Route("GET", "openapi.json", "Return the OpenAPI document of the control API", _openapi),
)

_STATUS_BY_ERROR: tuple[tuple[type[GamcliError], int], ...] = ((NotFoundError, 404), (ConflictError, 409))


def handle(controls: Controls, request: Request) -> Response | None:
    """Return the response to a request to the control API; None if it is not one."""
    prefix = f"{controls.path}/"
    if not controls.path or not request.path.startswith(prefix):
        return None
    parts = request.path.removeprefix(prefix).split("/")
    try:
        route, names = _find_route(request.method, parts)
        return json_response(200, route.run(controls, _parse_body(request), *names))
    except GamcliError as error:
        status = next((status for kind, status in _STATUS_BY_ERROR if isinstance(error, kind)), 400)
        return json_response(status, {"error": {"code": error.code, "message": str(error), "hint": error.hint}})


def _find_route(method: str, parts: list[str]) -> tuple[Route, list[str]]:
    for route in ROUTES:
        pattern = route.path.split("/")
        is_match = len(pattern) == len(parts) and all(
            known.startswith("{") or known == part for known, part in zip(pattern, parts, strict=True)
        )
        if is_match and method == route.method:
            return route, [unquote(part) for known, part in zip(pattern, parts, strict=True) if known.startswith("{")]
    raise NotFoundError(f"the control API has no {method} {'/'.join(parts)}", "GET openapi.json lists the endpoints")


def _parse_body(request: Request) -> Body:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object", 'send a body such as {"forward": "2h"}')
    return body
