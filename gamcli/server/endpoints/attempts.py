"""Attempts of a client to authenticate, whose failures count: rule 17 is judged between rules 4 and 5."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules.credentials import NO_SECRET
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints.failure_limit import Client
from gamcli.server.endpoints.outcomes import ServerConfig, Trace
from gamcli.server.transport.messages import Request

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

    request: Request
    trace: Trace
    config: ServerConfig

    def judge(
        self,
        gam: Gam,
        token_request: TokenRequest,
        decide: Callable[[Gam, TokenRequest, Callable[[App], None]], ResultT],
    ) -> ResultT:
        """Return what `decide` does; the request counts as a failure until then, see FailureLimiter.begin."""
        limiter, has_begun, has_failed = self.config.failure_limiter, False, False

        def begin(app: App) -> None:
            nonlocal has_begun
            self.trace.client_id = app.client_id
            self._require_no_wait(limiter.begin(self._client, gam.now))
            has_begun = True

        try:
            return decide(gam, token_request, begin)
        except RefusedError as error:
            has_failed = error.rule in COUNTED_RULES
            raise name_missing_secret(error, token_request) from None
        finally:
            if has_begun:
                limiter.end(self._client, gam.now, failed=has_failed)

    def require_allowed(self, gam: Gam, app: App) -> None:
        """Raise RefusedError if the client has failed too often."""
        self.trace.client_id = app.client_id
        self._require_no_wait(self.config.failure_limiter.retry_after(self._client, gam.now()))

    def count_failure(self, gam: Gam, error: RefusedError) -> None:
        if error.rule in COUNTED_RULES:
            self.config.failure_limiter.record(self._client, gam.now())

    def _require_no_wait(self, seconds: int) -> None:
        self.trace.retry_after = seconds
        if seconds:
            raise RefusedError("too_many_failures", "too many recent failures")

    @property
    def _client(self) -> Client:
        # The client_id is that of an existing application: another one may be a secret sent in the wrong parameter.
        return Client(self.trace.client_id, self.request.peer)


def name_missing_secret(error: RefusedError, token_request: TokenRequest) -> RefusedError:
    """Return the error, or the one for a secret that was not sent."""
    if error.rule == "client_secret_wrong" and token_request.client_secret == NO_SECRET:
        return RefusedError("client_secret_missing", error.message)
    return error
