"""The password grant: its rules in the order in which they are checked, with their messages (GAM wiki 55623)."""

from gamcli.errors import command
from gamcli.model import GAMLOCAL, User
from gamcli.rules import grants, passwords, scopes
from gamcli.rules.grants import Grant, GrantFacts, Rule


def _has_valid_password(facts: GrantFacts) -> bool:
    if facts.is_password_right is not None:
        return facts.is_password_right
    # Always hash: the response time must not show whether the user exists or has a password.
    is_right = passwords.verify(facts.parameters.password, facts.password_hash)
    return is_right and facts.user is not None and facts.user.password_hash is not None


def _is_password_current(facts: GrantFacts) -> bool:
    end = facts.known_user.password_expires_at
    return end is None or facts.now < end


def _suggest_new_password(facts: GrantFacts) -> str:
    return command("user", "set-password", facts.known_user.name)


AUTH_TYPE_WRONG = Rule(
    "auth_type_wrong",
    lambda f: f.auth_type is not None and f.auth_type.type == GAMLOCAL,
    lambda f: f"authentication type '{f.auth_type_name}' does not accept passwords",
    lambda _: command("auth-type", "list", "--type", GAMLOCAL),
    lambda _: "not_for_passwords",
)
PASSWORD_WRONG = Rule("password_wrong", _has_valid_password, lambda _: "incorrect username or password")
PASSWORD_MUST_CHANGE = Rule(
    "password_must_change",
    lambda f: not f.known_user.password_must_change,
    lambda f: f"user '{f.known_user.name}' must change the password",
    _suggest_new_password,
)
PASSWORD_EXPIRED = Rule(
    "password_expired",
    _is_password_current,
    lambda f: f"the password of user '{f.known_user.name}' has expired",
    _suggest_new_password,
)
SCOPE_MISSING = Rule(
    "scope_missing",
    lambda f: not f.known_app.require_scope or bool(scopes.split(f.parameters.scope)),
    lambda f: f"application '{f.known_app.name}' requires a scope",
)
SCOPE_UNPUBLISHED = Rule(
    "scope_unpublished",
    lambda f: grants.find_refused_scope(f) is None,
    lambda f: f"a scope is unknown, or application '{f.known_app.name}' does not publish it",
    cause=lambda f: grants.scope_cause(f, "unpublished"),
)

USER_RULES = (*grants.USER_RULES, PASSWORD_MUST_CHANGE, PASSWORD_EXPIRED)
PASSWORD_GRANT = (
    *grants.CLIENT_RULES,
    grants.APP_DISABLED,
    grants.REMOTE_REST_OFF,
    grants.REPOSITORY_WRONG,
    grants.AUTH_TYPE_UNAVAILABLE,
    AUTH_TYPE_WRONG,
    PASSWORD_WRONG,
    *USER_RULES,
    SCOPE_MISSING,
    SCOPE_UNPUBLISHED,
)
"""The rules of the password grant, in order: the first violated rule refuses the request."""

LOGIN_RULES = (grants.AUTH_TYPE_UNAVAILABLE, AUTH_TYPE_WRONG, *USER_RULES)
"""The rules about the state of the user and the authentication type."""


def decide(facts: GrantFacts) -> Grant:
    """Return the contents of the access token, or raise RefusedError for the first violated rule."""
    grants.require(PASSWORD_GRANT, facts)
    return grants.build_grant(facts, facts.requested_scopes or facts.allowed_scopes)


def is_same_password(verified: User, current: User | None) -> bool:
    """Say whether the password that was verified is still the user's, without hashing it again."""
    if current is None or current.guid != verified.guid or verified.password_hash is None:
        return False
    # Another login may have replaced a hash that was made with other parameters; the password is the same then.
    after, is_same_setting = current.password_hash, current.password_set_at == verified.password_set_at
    is_rehashed = after is not None and is_same_setting and passwords.may_be_renewal(verified.password_hash, after)
    return after == verified.password_hash or is_rehashed
