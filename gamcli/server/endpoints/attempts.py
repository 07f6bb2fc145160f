"""Attempts of a client to authenticate, whose failures count: rule 17 is judged between rules 4 and 5."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.model import App, Key
from gamcli.rules.credentials import NO_SECRET
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints.context import RequestContext
from gamcli.server.endpoints.failure_limit import Client

ResultT = TypeVar("ResultT")

COUNTED_RULES = frozenset(
    {
        "client_secret_missing", "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown",
        "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: refusals that count as failures of the client."""


class ClientAttempt(NamedTuple):
    """A request by which a client authenticates."""

    gam: Gam
    context: RequestContext

    def judge(
        self, token_request: TokenRequest, decide: Callable[[Gam, TokenRequest, Callable[[App], None]], ResultT]
    ) -> ResultT:
        """Return what `decide` does; the request counts as a failure until then, see FailureLimiter.begin."""
        limiter, has_begun, has_failed = self.context.config.failure_limiter, False, False

        def begin(app: App) -> None:
            nonlocal has_begun
            self._require_no_wait(limiter.begin(self._client_of(app), self.gam.now))
            has_begun = True

        try:
            return decide(self.gam, token_request, begin)
        except RefusedError as error:
            has_failed = error.rule in COUNTED_RULES
            raise name_missing_secret(error, token_request) from None
        finally:
            if has_begun:
                limiter.end(self._client, self.gam.now, failed=has_failed)

    def require_allowed(self, app: App) -> None:
        """Raise RefusedError if the client has failed too often."""
        limiter = self.context.config.failure_limiter
        self._require_no_wait(limiter.retry_after(self._client_of(app), self.gam.now()))

    def record_refusal(self, error: RefusedError, key: Key | None) -> None:
        """Record the key of a refused request for the log, and a failure that counts."""
        if key is not None:
            self.context.trace.key_id = key.id
        if error.rule in COUNTED_RULES:
            self.context.config.failure_limiter.record(self._client, self.gam.now())

    def _require_no_wait(self, seconds: int) -> None:
        self.context.trace.retry_after = seconds
        if seconds:
            raise RefusedError("too_many_failures", "too many recent failures")

    def _client_of(self, app: App) -> Client:
        self.context.trace.client_id = app.client_id
        return self._client

    @property
    def _client(self) -> Client:
        # The client_id is that of an existing application: another one may be a secret sent in the wrong parameter.
        return Client(self.context.trace.client_id, self.context.request.peer)


def name_missing_secret(error: RefusedError, token_request: TokenRequest) -> RefusedError:
    """Return the error, or the one for a secret that was not sent."""
    if error.rule == "client_secret_wrong" and token_request.client_secret == NO_SECRET:
        return RefusedError("client_secret_missing", error.message)
    return error
