"""
The endpoints as functions from a request to a response, and the table of their routes; no socket.

`respond` is the edge: every error of the family leaves it as a row of `refusals.TABLE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from gamcli.actions import Gam, repository, tokens
from gamcli.errors import RefusedError, StoreBusyError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.server import details, forms, origins, refusals, token_requests
from gamcli.server.failures import Failures
from gamcli.server.messages import Request, Response, json_response
from gamcli.store import Transaction


@dataclass(slots=True)
class Trace:
    """
    What the log tells of a request, written down as it becomes known: no secret ever.

    `wait` is how many seconds a client has to wait that fails too often.
    """

    client_id: str = ""
    key_id: str = ""
    rule: str = ""
    detail: str = ""
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and what the log tells of how it came about."""

    response: Response
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True)
class Conduct:
    """
    What a server was told about its answers; `base_path` is in lower case and without a slash at its end.

    Who `hurries` wants no answer that takes long: a password's, or one of a store that another process holds.
    """

    base_path: str = ""
    manner: refusals.Manner = refusals.AS_GAM
    failures: Failures = field(default_factory=lambda: Failures(0))
    origins: frozenset[str] = frozenset()
    hurries: bool = False


AS_EVER = Conduct()


@dataclass(frozen=True, slots=True)
class Deferred:
    """A response that tells of what is yet to be written: `write` writes it."""

    write: Callable[[Transaction], Response]


@dataclass(frozen=True, slots=True)
class Later:
    """No answer, for it would take long: it is to be asked for again by who does not hurry."""


Endpoint = Callable[[Gam, Request, Trace, Conduct], Response | Deferred | Later]


def access_token(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _granting(gam, token_requests.posted(request), _Attempt(request, trace, conduct))


def renewal(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Renew an access token by GET, as GAM documents it (wiki 55623)."""
    return _granting(gam, token_requests.got(request), _Attempt(request, trace, conduct))


def _granted(issued: tokens.IssuedToken) -> Response:
    return json_response(
        200,
        {
            "access_token": issued.secret.reveal(),
            "token_type": "Bearer",
            "expires_in": issued.grant.expires_in,
            "refresh_token": issued.refresh_token.reveal(),
            "scope": scopes.join(issued.grant.scopes),
            "user_guid": issued.grant.user_guid,
        },
    )


_FAILURES = frozenset(
    {
        "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown", "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: what a guesser fails at is counted."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A request whose failures are counted for its client: rule 17, judged between rules 4 and 5."""

    request: Request
    trace: Trace
    conduct: Conduct

    def hear(self, gam: Gam, app: App) -> None:
        """Take note of the application; raises RefusedError when its client fails too often."""
        self.trace.client_id = app.client_id  # never one that is none: it may be a secret in the wrong place
        self.trace.wait = self.conduct.failures.wait(self._client, gam.now())
        if self.trace.wait:
            raise RefusedError("too_many_failures", "too many failures of late")

    def count(self, gam: Gam, refused: RefusedError) -> None:
        """Count what a guesser fails at."""
        if refused.rule in _FAILURES:
            self.conduct.failures.count(self._client, gam.now())

    @property
    def _client(self) -> tuple[str, str]:
        """Whose failures are counted together."""
        return self.trace.client_id, self.request.peer


def _granting(gam: Gam, wish: TokenRequest, attempt: _Attempt) -> Deferred | Later:
    """Decide about what is wished, and leave it to be written."""
    if attempt.conduct.hurries and wish.grant == PASSWORD:
        return Later()
    attempt.trace.key_id = api_key_id(wish.api_key) or ""
    try:
        decided = tokens.decide(gam, wish, partial(attempt.hear, gam))
    except RefusedError as refused:
        attempt.count(gam, refused)
        raise

    def write(tx: Transaction) -> Response:
        try:
            issued = tokens.keep(gam, tx, decided)
        except RefusedError as refused:
            attempt.count(gam, refused)
            raise
        if issued.grant.key is not None:
            attempt.trace.key_id = issued.grant.key.id
        return _granted(issued)

    return Deferred(write)


def userinfo(gam: Gam, request: Request, _trace: Trace, _: Conduct) -> Response:
    """Tell the claims that an access token reveals (GAM wiki 55623)."""
    return json_response(200, tokens.userinfo(gam, forms.bearer(request)))


def healthz(gam: Gam, _request: Request, _trace: Trace, _: Conduct) -> Response:
    """Tell whether the store answers."""
    repository.probe(gam)
    return json_response(200, {"status": "ok"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/access_token": {"POST": access_token, "GET": renewal},
    "/oauth/gam/v2.0/userinfo": {"GET": userinfo, "POST": userinfo},
    "/healthz": {"GET": healthz},
}
"""Paths below the base path, in lower case, and who answers which method."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What was decided of a request and is yet to be written; its answer leaves no sooner."""

    request: Request
    conduct: Conduct
    trace: Trace
    deferred: Deferred

    def written(self, tx: Transaction) -> Answer:
        """Write it, and return the answer that may leave once the transaction is committed."""
        try:
            response = self.deferred.write(tx)
        except RefusedError as refused:  # before it wrote any of a grant: others may share the transaction
            return self.failed(refused)
        return _answer(response, self.request, self.conduct, self.trace)

    def failed(self, error: Exception) -> Answer:
        """Return the answer when it cannot be written."""
        return failed(error, self.request, self.conduct, self.trace)


def respond(gam: Gam, request: Request, conduct: Conduct = AS_EVER) -> Answer:
    """Answer `request`, whatever happens and however long it takes."""
    begun = begin(gam, request, replace(conduct, hurries=False) if conduct.hurries else conduct)
    if not isinstance(begun, Pending):
        assert isinstance(begun, Answer), "only who hurries is told to come back"
        return begun
    try:
        with gam.store.writing() as tx:
            return begun.written(tx)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
        return begun.failed(error)


def begin(gam: Gam, request: Request, conduct: Conduct) -> Answer | Pending | Later:
    """Answer `request` as far as nothing has to be written for it."""
    trace = Trace()
    try:
        found = _endpoint(_methods(request.path, conduct.base_path), request, conduct)(gam, request, trace, conduct)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
        if conduct.hurries and isinstance(error, StoreBusyError):
            return Later()
        return failed(error, request, conduct, trace)
    if isinstance(found, Response):
        return _answer(found, request, conduct, trace)
    return Pending(request, conduct, trace, found) if isinstance(found, Deferred) else found


def failed(error: Exception, request: Request, conduct: Conduct, trace: Trace | None = None) -> Answer:
    """Return the answer to a request that ended with `error`; `trace` is what is known of it."""
    trace = trace or Trace()
    trace.rule = refusals.rule_of(error)
    trace.detail = details.of(trace.rule, error)
    response = refusals.response(trace.rule, _extra(trace, request, conduct), conduct.manner)
    return _answer(response, request, conduct, trace)


def _answer(response: Response, request: Request, conduct: Conduct, trace: Trace) -> Answer:
    fields = cross_origin(conduct, request.fields.get("origin", "")) if conduct.origins else ()
    return Answer(response.with_fields(fields) if fields else response, trace)


def cross_origin(conduct: Conduct, sent: str = "") -> tuple[tuple[str, str], ...]:
    """Return the fields that let a page of the origin `sent` read a response, if it may."""
    return origins.allowed(conduct.origins, sent) if conduct.origins else ()


def _methods(path: str, base_path: str) -> Mapping[str, Endpoint]:
    path = path.lower()
    return ROUTES.get(path.removeprefix(base_path), {}) if path.startswith(base_path) else {}


def _told(methods: Mapping[str, Endpoint]) -> list[str]:
    """Return the methods that a client is told of: GET renews, and no more, for those who know that it does."""
    return [method for method, endpoint in methods.items() if endpoint is not renewal]


def _endpoint(methods: Mapping[str, Endpoint], request: Request, conduct: Conduct) -> Endpoint:
    if not methods:
        raise RefusedError("path_unknown", "no such path")
    if request.method == "OPTIONS" and conduct.origins:
        return lambda *_: origins.preflight(_told(methods))
    if request.method not in methods:
        raise RefusedError("method_wrong", "no such method")
    return methods[request.method]


_CLIENT_RULES = frozenset(
    {"client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_wrong", "app_disabled"}
)
"""Rules 4 to 6: a client that used HTTP Basic is asked for it again (RFC 6749 §5.2)."""


def _extra(trace: Trace, request: Request, conduct: Conduct) -> tuple[tuple[str, str], ...]:
    """Return the fields that the status of a refusal asks for (RFC 9110 §10.2.1, §10.2.3, §11.6.1)."""
    rule, manner = trace.rule, conduct.manner
    if trace.wait:
        return (("Retry-After", str(trace.wait)),)
    if rule == "method_wrong":
        return (("Allow", ", ".join(_told(_methods(request.path, conduct.base_path)))),)
    if manner.told(rule)[0] != refusals.UNAUTHORIZED:
        return ()
    uses_basic = rule in _CLIENT_RULES and forms.uses_basic(request)
    return (("WWW-Authenticate", 'Basic realm="gam"' if uses_basic else manner.challenge(rule)),)
