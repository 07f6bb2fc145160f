"""The password grant, top to bottom: which rules are judged, in which order, what each one says (GAM wiki 55623)."""

from gamcli.errors import command
from gamcli.model import GAMLOCAL
from gamcli.rules import grants, passwords, scopes
from gamcli.rules.grants import Facts, Grant, Rule


def _auth_type_is_right(facts: Facts) -> bool:
    return facts.auth_type is not None and facts.auth_type.type == GAMLOCAL


def _password_is_right(facts: Facts) -> bool:
    # Hashed always: a guesser's clock does not tell whether there is such a user, or whether they have a password.
    right = passwords.verify(facts.sent.password, facts.password_hash)
    return right and facts.user is not None and facts.user.password_hash is not None


def _has_not_ended(facts: Facts) -> bool:
    end = facts.the_user.password_expires_at
    return end is None or facts.now < end


def _new_password(facts: Facts) -> str:
    return command("user", "set-password", facts.the_user.name)


def _scopes_are_allowed(facts: Facts) -> bool:
    return grants.are_within(scopes.split(facts.sent.scope), facts.the_app.scopes, facts.attributes)


AUTH_TYPE_WRONG = Rule(
    "auth_type_wrong",
    _auth_type_is_right,
    lambda f: f"authentication type '{grants.auth_type_name(f)}' is not for passwords",
    lambda _: command("auth-type", "list", "--type", GAMLOCAL),
)
PASSWORD_WRONG = Rule("password_wrong", _password_is_right, lambda _: "no user of that name has that password")
PASSWORD_MUST_CHANGE = Rule(
    "password_must_change",
    lambda f: not f.the_user.password_must_change,
    lambda f: f"user '{f.the_user.name}' must change the password",
    _new_password,
)
PASSWORD_EXPIRED = Rule(
    "password_expired", _has_not_ended, lambda f: f"the password of user '{f.the_user.name}' has expired", _new_password
)
SCOPE_MISSING = Rule(
    "scope_missing",
    lambda f: not f.the_app.require_scope or bool(scopes.split(f.sent.scope)),
    lambda f: f"application '{f.the_app.name}' requires a scope",
)
SCOPE_UNPUBLISHED = Rule(
    "scope_unpublished",
    _scopes_are_allowed,
    lambda f: f"a scope is unknown, or application '{f.the_app.name}' does not publish it",
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
"""The rules of the password grant in the order in which they are judged: the first that does not hold speaks."""

LOGIN_RULES = (grants.AUTH_TYPE_UNAVAILABLE, AUTH_TYPE_WRONG, *USER_RULES)
"""The rules about the state of a login and of what it stands on, beside its application."""


def decide(facts: Facts) -> Grant:
    """Return what the token of a password grant carries, or raise RefusedError with the rule that said no."""
    grants.require(PASSWORD_GRANT, facts)
    return grants.of(facts, scopes.split(facts.sent.scope) or facts.the_app.scopes)
