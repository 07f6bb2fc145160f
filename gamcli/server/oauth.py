"""
The endpoints as functions from a request to a response, and the table of their routes; no socket.

`respond` is the edge: every error of the family leaves it as a row of `refusals.TABLE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gamcli.actions import Gam, repository, tokens
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import Secret, api_key_id
from gamcli.rules.grants import TokenRequest
from gamcli.server import forms, origins, refusals
from gamcli.server.failures import Failures
from gamcli.server.messages import Request, Response, json_response


@dataclass(slots=True)
class Trace:
    """What the log tells of a request, written down as it becomes known: no secret ever."""

    client_id: str = ""
    key_id: str = ""
    rule: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and what the log tells of how it came about."""

    response: Response
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a server was told about its answers; `base_path` is in lower case and without a slash at its end."""

    base_path: str = ""
    manner: refusals.Manner = refusals.AS_GAM
    failures: Failures = field(default_factory=lambda: Failures(0))
    origins: frozenset[str] = frozenset()


AS_EVER = Conduct()

Endpoint = Callable[[Gam, Request, Trace, Conduct], Response]


def access_token(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Response:
    """Issue an access token (GAM wiki 56104, RFC 6749 §4.3)."""
    issued = _exchanged(gam, request, trace, conduct.failures)
    return json_response(
        200,
        {
            "access_token": issued.secret.reveal(),
            "token_type": "Bearer",
            "expires_in": issued.grant.expires_in,
            "refresh_token": "",
            "scope": scopes.join(issued.grant.scopes),
            "user_guid": issued.grant.user_guid,
        },
    )


_FAILURES = frozenset({"client_secret_wrong", "key_unproven"})
"""Rules 5 and 12: what a guesser fails at is counted."""


def _exchanged(gam: Gam, request: Request, trace: Trace, failures: Failures) -> tokens.IssuedToken:
    """Trade the key unless its client fails too often: rule 17, judged between rules 4 and 5."""
    wish = _token_request(request)
    trace.key_id = api_key_id(wish.api_key) or ""

    def notice(app: App) -> None:
        trace.client_id = app.client_id  # never one that is none: it may be a secret in the wrong place
        if failures.wait(_client(request, trace), gam.now()):
            raise RefusedError("too_many_failures", "too many failures of late")

    try:
        return tokens.exchange(gam, wish, notice)
    except RefusedError as refused:
        if refused.rule in _FAILURES:
            failures.count(_client(request, trace), gam.now())
        raise


def _client(request: Request, trace: Trace) -> tuple[str, str]:
    """Return whose failures are counted together."""
    return trace.client_id, request.peer


def _token_request(request: Request) -> TokenRequest:
    """Return what is asked, judged by rules 1 to 3 and the form of rule 4."""
    form = forms.read(request)
    _require_grant_type(form)
    client = forms.client(request, form)
    _require_api_key_grant(form)
    if client is None:
        raise RefusedError("client_basic_malformed", "HTTP Basic that is malformed")
    client_id, client_secret = client
    return TokenRequest(
        client_id=client_id,
        client_secret=client_secret,
        api_key=Secret(form["api_key"]),
        authentication_type_name=form.get("authentication_type_name", ""),
        username=form.get("username", ""),
        scope=form.get("scope", ""),
        repository=form.get("repository", ""),
    )


def _require_grant_type(form: Mapping[str, str]) -> None:
    if "grant_type" not in form:
        raise RefusedError("grant_type_missing", "no grant_type")


def _require_api_key_grant(form: Mapping[str, str]) -> None:
    if form["grant_type"].lower() != "password" or "api_key" not in form:
        raise RefusedError("grant_type_unknown", "no grant that is served here")


def userinfo(gam: Gam, request: Request, _trace: Trace, _: Conduct) -> Response:
    """Tell the claims that an access token reveals (GAM wiki 55623)."""
    return json_response(200, tokens.userinfo(gam, forms.bearer(request)))


def healthz(gam: Gam, _request: Request, _trace: Trace, _: Conduct) -> Response:
    """Tell whether the store answers."""
    repository.probe(gam)
    return json_response(200, {"status": "ok"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/access_token": {"POST": access_token},
    "/oauth/gam/v2.0/userinfo": {"GET": userinfo, "POST": userinfo},
    "/healthz": {"GET": healthz},
}
"""Paths below the base path, in lower case, and who answers which method."""


def respond(gam: Gam, request: Request, conduct: Conduct = AS_EVER) -> Answer:
    """Answer `request`, whatever happens."""
    answer = _answer(gam, request, conduct)
    if conduct.origins:
        fields = cross_origin(conduct, request.fields.get("origin", ""))
        return Answer(answer.response.with_fields(fields), answer.trace)
    return answer


def cross_origin(conduct: Conduct, sent: str = "") -> tuple[tuple[str, str], ...]:
    """Return the fields that let a page of the origin `sent` read a response, if it may."""
    return origins.allowed(conduct.origins, sent) if conduct.origins else ()


def _answer(gam: Gam, request: Request, conduct: Conduct) -> Answer:
    trace = Trace()
    methods = _methods(request.path, conduct.base_path)
    try:
        return Answer(_endpoint(methods, request, conduct)(gam, request, trace, conduct), trace)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
        trace.rule = refusals.rule_of(error)
        trace.detail = _DETAIL.get(trace.rule, _nothing)(error)
        extra = _extra(trace.rule, request, methods, conduct.manner)
        if trace.rule == "too_many_failures":
            extra = _retry_after(conduct.failures.wait(_client(request, trace), gam.now()))
        return Answer(refusals.response(trace.rule, extra, conduct.manner), trace)


def _methods(path: str, base_path: str) -> Mapping[str, Endpoint]:
    path = path.lower()
    return ROUTES.get(path.removeprefix(base_path), {}) if path.startswith(base_path) else {}


def _endpoint(methods: Mapping[str, Endpoint], request: Request, conduct: Conduct) -> Endpoint:
    if not methods:
        raise RefusedError("path_unknown", "no such path")
    if request.method == "OPTIONS" and conduct.origins:
        return lambda *_: origins.preflight(methods)
    if request.method not in methods:
        raise RefusedError("method_wrong", "no such method")
    return methods[request.method]


_CLIENT_RULES = frozenset(
    {"client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_wrong", "app_disabled"}
)
"""Rules 4 to 6: a client that used HTTP Basic is asked for it again (RFC 6749 §5.2)."""


def _extra(
    rule: str, request: Request, methods: Mapping[str, Endpoint], manner: refusals.Manner
) -> tuple[tuple[str, str], ...]:
    """Return the fields that the status of a refusal asks for (RFC 9110 §10.2.1, §11.6.1)."""
    if rule == "method_wrong":
        return (("Allow", ", ".join(methods)),)
    if manner.told(rule)[0] != refusals.UNAUTHORIZED:
        return ()
    uses_basic = rule in _CLIENT_RULES and forms.uses_basic(request)
    return (("WWW-Authenticate", 'Basic realm="gam"' if uses_basic else manner.challenge(rule)),)


def _retry_after(seconds: int) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(max(seconds, refusals.RETRY_SECONDS))),)  # the minute may have ended just now


def _where(error: Exception) -> str:
    """Return the kind of an error and its place in the code; its text may hold a secret."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return type(error).__name__ + (f" in {step.tb_frame.f_code.co_name}, line {step.tb_lineno}" if step else "")


def _why(error: Exception) -> str:
    """Return what the store says, in one line: it knows no secret."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))


def _nothing(_: Exception) -> str:
    return ""


_DETAIL: dict[str, Callable[[Exception], str]] = {"bug": _where, "store_gone": _why}
"""What the log tells of an error beyond its rule."""
