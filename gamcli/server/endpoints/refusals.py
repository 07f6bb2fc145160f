"""
The table of refusals, and the two formats of error responses.

Rules come from `rules.grants`, `rules.claims` and the server, which refuses invalid requests. Messages show neither
secrets nor anything that the client sent; the log has the details.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gamcli.server.transport.messages import Response, json_response

UNAUTHORIZED = 401

RETRY_SECONDS = 1
"""The value of `Retry-After`: by then the store or a connection is usually free."""


class Refusal(NamedTuple):
    """
    A row: code and status of GAM, error name and status of RFC 6749 and 6750, and the message of both.

    `decided` is set if no GAM page names code and status: the question on the manual page `gam` that gamcli decided.
    """

    code: str
    status: int
    error: str
    rfc_status: int
    message: str
    decided: str = ""


_FAILED = "malformed requests and failures of the server"


def _http_refusal(status: int, message: str, decided: str = _FAILED, error: str = "invalid_request") -> Refusal:
    """Return the row of a refusal by HTTP, whose code is its status."""
    return Refusal(str(status), status, error, status, message, decided)


def _unavailable(message: str) -> Refusal:
    return _http_refusal(503, message, error="temporarily_unavailable")


def _parameter_refusal(
    message: str, decided: str = "a missing, repeated or unsupported parameter", error: str = "invalid_request"
) -> Refusal:
    return Refusal("292", 400, error, 400, message, decided)


def _invalid_key(message: str) -> Refusal:
    decided = "codes for expired, revoked, replaced, invalidated and disabled keys"
    return Refusal("11", 401, "invalid_grant", 400, message, decided)


_NOT_A_REFRESH_TOKEN = "The refresh token is not valid: log in again."  # noqa: S105 - a text
_NOT_A_KEY = "The API key is not valid for this application."
_NOT_A_TOKEN = "The access token is not valid: log in again."  # noqa: S105 - a text

TABLE: dict[str, Refusal] = {
    # 1, and what is refused before a route is known
    "request_unreadable": _http_refusal(400, "The request is not valid HTTP/1.1 (RFC 9112)."),
    "version_unknown": _http_refusal(505, "The server supports HTTP/1.0 and HTTP/1.1 only."),
    "request_line_too_long": _http_refusal(414, "The request line is longer than 8 KiB.", "limits"),
    "fields_too_large": _http_refusal(431, "The header fields are larger than 16 KiB.", "limits"),
    "fields_too_many": _http_refusal(431, "There are more than 64 header fields.", "limits"),
    "request_slow": _http_refusal(408, "The request took too long to arrive."),
    "expectation_unknown": _http_refusal(417, "The server supports the expectation 100-continue only."),
    "transfer_coding_unknown": _http_refusal(501, "The server supports the transfer coding chunked only."),
    "path_unknown": _http_refusal(404, "There is nothing at this path.", "paths"),
    "method_wrong": _http_refusal(405, "This path does not support that method.", "methods"),
    "method_only_renews": _http_refusal(
        405, "GET is for grant_type=refresh_token only: send other grants by POST.", "methods"
    ),
    "media_type_wrong": _http_refusal(
        415, "Send the parameters as application/x-www-form-urlencoded or multipart/form-data."
    ),
    "media_type_malformed": _http_refusal(
        415, "The parameters of a Content-Type are malformed: send each once, as NAME=VALUE (RFC 9110)."
    ),
    "content_encoding_unknown": _http_refusal(415, "The Content-Encoding is not supported: send the body as it is."),
    "charset_unknown": _http_refusal(415, "The charset of the Content-Type is not UTF-8.", "charset other than UTF-8"),
    "charset_not_ascii": _http_refusal(
        415,
        "With a charset other than UTF-8, the parameters may contain ASCII only: send charset=UTF-8.",
        "charset other than UTF-8",
    ),
    "body_too_large": _http_refusal(413, "The body is too large.", "limits"),
    "length_missing": _http_refusal(411, "Send the body with a Content-Length, or chunked."),
    "form_unreadable": _http_refusal(400, "A % is not followed by two hexadecimal digits: send it as %25."),
    "control_character": _http_refusal(400, "The parameters contain a control character: percent-encode it."),
    "form_not_utf8": _http_refusal(400, "The parameters are not UTF-8."),
    "parameters_too_many": _http_refusal(400, "There are more than 64 parameters.", "limits"),
    "boundary_missing": _http_refusal(400, "The Content-Type has no valid boundary (RFC 2046).", "multipart bodies"),
    "multipart_unreadable": _http_refusal(
        400, "The body is not valid multipart/form-data (RFC 7578).", "multipart bodies"
    ),
    "disposition_malformed": _http_refusal(
        400,
        'The Content-Disposition of a part is missing or malformed: send form-data; name="NAME" (RFC 7578).',
        "multipart bodies",
    ),
    "multipart_file": _http_refusal(400, "A part of the body is a file: send text fields only.", "multipart bodies"),
    "multipart_nested": _http_refusal(
        400, "A part of the body has parts itself: send text fields only.", "multipart bodies"
    ),
    "multipart_type": _http_refusal(400, "A part of the body is not text/plain.", "multipart bodies"),
    "multipart_encoded": _http_refusal(
        400, "A part of the body has a Content-Transfer-Encoding: send it as it is.", "multipart bodies"
    ),
    "initial_properties_malformed": _http_refusal(
        400, 'The parameter initial_properties is not a JSON array of {"Id":"…","Value":"…"}.'
    ),
    "initial_properties_too_many": _http_refusal(
        400, "The parameter initial_properties has more than 100 elements.", "limits"
    ),
    # 2
    "grant_type_missing": _parameter_refusal("The parameter grant_type is missing."),
    "parameter_repeated": _parameter_refusal("A parameter was sent more than once."),
    "api_key_empty": _parameter_refusal("The parameter api_key is empty.", "an empty parameter, or one without ="),
    "parameter_token_missing": _parameter_refusal(
        "The parameter token is missing.", "introspection, revocation and metadata"
    ),
    "client_twice": _parameter_refusal(
        "Send the client's credentials in the body or as HTTP Basic, not both.", "credentials in HTTP Basic"
    ),
    "client_ids_differ": _parameter_refusal(
        "The client_id in the body differs from the one in HTTP Basic.", "credentials in HTTP Basic"
    ),
    "request_token_type_unknown": _parameter_refusal(
        "The parameter request_token_type is neither OAuth nor Web.", "request_token_type"
    ),
    # 3
    "grant_type_unknown": _parameter_refusal(
        "The supported grants are password and refresh_token.", error="unsupported_grant_type"
    ),
    # 4
    "client_basic_malformed": Refusal("39", 401, "invalid_client", 401, "The HTTP Basic credentials are malformed."),
    "client_id_missing": Refusal("39", 401, "invalid_client", 401, "The parameter client_id is missing."),
    "client_unknown": Refusal("236", 401, "invalid_client", 401, "No application has this client_id."),
    # 5 to 11
    "client_secret_missing": Refusal("116", 401, "invalid_client", 401, "The client_secret is missing."),
    "client_secret_wrong": Refusal("116", 401, "invalid_client", 401, "The client_secret is wrong."),
    "app_disabled": Refusal("111", 401, "invalid_client", 401, "The application is disabled."),
    "remote_rest_off": Refusal(
        "230", 401, "unauthorized_client", 400, "The application does not allow remote REST authentication."
    ),
    "repository_wrong": Refusal("2", 401, "invalid_request", 400, "This server does not serve that repository."),
    "auth_type_missing": Refusal(
        "35",
        401,
        "invalid_grant",
        400,
        "The parameter authentication_type_name is missing: the default authentication type does not accept API keys.",
    ),
    "auth_type_unavailable": Refusal(
        "240", 401, "invalid_grant", 400, "The authentication type is unknown or disabled."
    ),
    "auth_type_wrong": Refusal(
        "35", 401, "invalid_grant", 400, "The application does not allow this authentication type for this grant."
    ),
    "api_keys_off": Refusal(
        "230",
        401,
        "unauthorized_client",
        400,
        "The application does not accept API keys.",
        "code when API keys are off",
    ),
    # 12: one text for many causes
    "key_unproven": Refusal("11", 401, "invalid_grant", 400, _NOT_A_KEY),
    "password_wrong": Refusal("11", 401, "invalid_grant", 400, "The user name or the password is wrong."),
    # 13: the client has proven that it has the key
    "key_expired": _invalid_key("The API key has expired."),
    "key_revoked": _invalid_key("The API key was revoked."),
    "key_replaced": _invalid_key("The API key was replaced by a newer one."),
    "key_invalidated": _invalid_key("The API key is invalid: one of its scopes was withdrawn."),
    "key_disabled": _invalid_key("The API key is suspended: it was disabled."),
    # 14, 15
    "user_inactive": Refusal("9", 401, "invalid_grant", 400, "The user is not active."),
    "user_blocked": Refusal("10", 401, "invalid_grant", 400, "The user is blocked."),
    "password_must_change": Refusal("23", 401, "invalid_grant", 400, "The user must change the password."),
    "password_expired": Refusal("24", 401, "invalid_grant", 400, "The password has expired."),
    "scope_missing": Refusal("232", 401, "invalid_scope", 400, "The application requires the parameter scope."),
    "scope_beyond": Refusal("235", 401, "invalid_scope", 400, "A scope is unknown, or exceeds those of the API key."),
    "scope_unpublished": Refusal(
        "235", 401, "invalid_scope", 400, "A scope is unknown, or the application does not publish it."
    ),
    # 16: one message, except when no renewals are left
    "refresh_unknown": Refusal("101", 401, "invalid_grant", 400, _NOT_A_REFRESH_TOKEN),
    "refresh_used": Refusal("101", 401, "invalid_grant", 400, _NOT_A_REFRESH_TOKEN),
    "refresh_expired": Refusal("101", 401, "invalid_grant", 400, _NOT_A_REFRESH_TOKEN),
    "refresh_revoked": Refusal("101", 401, "invalid_grant", 400, _NOT_A_REFRESH_TOKEN),
    "renewals_spent": Refusal("168", 401, "invalid_grant", 400, "The token cannot be refreshed again: log in again."),
    # userinfo
    "authorization_missing": Refusal("0", 401, "", 401, "This service needs an Authorization Header"),
    "token_twice": _http_refusal(
        400,
        "Send the access token in the Authorization header or in the body, not both.",
        "an access token in the body of a POST to userinfo",
    ),
    "token_unknown": Refusal("112", 401, "invalid_token", 401, _NOT_A_TOKEN),
    "token_expired": Refusal("103", 401, "invalid_token", 401, "The access token has expired: log in again."),
    "token_revoked": Refusal("102", 401, "invalid_token", 401, "The access token was revoked: log in again."),
    "token_app_disabled": Refusal("111", 401, "invalid_token", 401, "The application is disabled."),
    "token_user_blocked": Refusal("10", 401, "invalid_token", 401, "The user is blocked."),
    "token_user_inactive": Refusal("9", 401, "invalid_token", 401, "The user is not active."),
    # 17
    "too_many_failures": _http_refusal(429, "Too many failed requests: try again in a minute.", "too many failures"),
    # 18
    "store_busy": _unavailable("The store is busy: try again in a moment."),
    "store_gone": _unavailable("The store is unavailable."),
    "store_version": _unavailable("The store has the schema version of another release."),
    "draining": _unavailable("The server is stopping."),
    "connections_full": _unavailable("Too many connections: try again in a moment."),
    "bug": _http_refusal(500, "Internal server error: see the server's log.", error="server_error"),
}

CAUSES: dict[str, dict[str, str]] = {
    "body_too_large": {
        "body": "The body is larger than 16 KiB.",
        "manifest": "The manifest is larger than 1 MiB.",
    },
    "auth_type_unavailable": {
        "unknown": "No authentication type has this name.",
        "disabled": "The authentication type is disabled.",
    },
    "auth_type_wrong": {
        "not_for_keys": "The authentication type does not accept API keys.",
        "not_for_passwords": "The authentication type does not accept passwords.",
        "not_allowed": "The application allows only another authentication type for API keys.",
    },
    "scope_beyond": {
        "unknown": "A scope requested with the API key is unknown.",
        "beyond": "A requested scope exceeds those of the API key.",
    },
    "scope_unpublished": {
        "unknown": "A requested scope is unknown.",
        "unpublished": "The application does not publish a requested scope.",
        "withdrawn": "The application no longer publishes a scope of the session.",
    },
}
"""The messages of rules with several causes, by RefusedError.cause; TABLE has one for all of them."""


def find_refusal(rule: str, cause: str = "") -> Refusal:
    """Return the row of a rule with the message for the cause."""
    refusal = TABLE[rule]
    if rule == "request_unreadable" and cause:  # one of the texts in `transport`
        return refusal._replace(message=f"The request is not valid HTTP/1.1 (RFC 9112): {cause}.")
    return refusal._replace(message=CAUSES[rule][cause]) if cause in CAUSES.get(rule, ()) else refusal


FORMATS = ("gam", "rfc6749")
"""The values of `--format`."""

NOT_IN_HOST = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The format of responses: GAM's or RFC 6749's; `expired_status` is the status for an expired access token."""

    name: str = "gam"
    expired_status: int = UNAUTHORIZED

    @property
    def is_rfc(self) -> bool:
        """Whether successful responses follow RFC 6749 §5.1 and OpenID Connect §5.3, too."""
        return self.name == "rfc6749"

    def status_and_body(self, rule: str, cause: str = "") -> tuple[int, dict[str, object]]:
        """Return those of a refusal, in RFC form by RFC 6749 §5.2; RFC 6750 §3.1 has cases without an error name."""
        refusal = find_refusal(rule, cause)
        status, body = refusal.status, dict[str, object](error={"code": refusal.code, "message": refusal.message})
        if self.is_rfc:
            named = {"error": refusal.error} if refusal.error else {}
            status, body = refusal.rfc_status, {**named, "error_description": refusal.message}
        return self.expired_status if rule == "token_expired" else status, body

    def challenge(self, rule: str, host: str = "") -> str:
        """Return the WWW-Authenticate challenge: that of GAM's .NET runtime for `host`, or that of RFC 6750 §3."""
        if self.name == "gam":
            return f'OAuth realm="{NOT_IN_HOST.sub("", host) or "gam"}"'
        name = TABLE[rule].error
        return f'Bearer realm="gam", error="{name}"' if name == "invalid_token" else 'Bearer realm="gam"'


GAM_FORMAT = ResponseFormat()


def refusal_response(
    rule: str, extra: Iterable[tuple[str, str]] = (), response_format: ResponseFormat = GAM_FORMAT, cause: str = ""
) -> Response:
    status, body = response_format.status_and_body(rule, cause)
    retry = (("Retry-After", str(RETRY_SECONDS)),) if status == 503 else ()  # noqa: PLR2004 - an HTTP status
    return json_response(status, body, (*retry, *extra))
