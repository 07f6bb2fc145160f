"""
Issues access tokens, in five steps from token requests to the rows that they write.

1. `verify_password` checks the password of a password grant, which takes about 0.3 seconds, without a transaction.
2. A `Turn` knows the queries about all its requests: the head of the audit log first, then what the store holds about
   them (`grant_facts`), in one statement per kind. They are the first of the transaction that saves the tokens, so an
   engine can answer them when it begins. If all decisions are cached, it may only compare the head, when it commits.
3. The rules of each grant judge these facts one by one and build a `Grant`, or refuse. Grants of API keys are cached
   while the head stays the same (`grant_cache`): no token is issued after a change was acknowledged.
4. Each grant becomes rows: an access token, its session and its refresh token. What it changes counts for the requests
   of the turn that follow.
5. The turn inserts all rows, and updates the counters of the applications and the last use of the keys.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.grant_cache import CachedGrant, GrantCache
from gamcli.actions.grant_facts import FactLoader, read_facts
from gamcli.errors import RefusedError
from gamcli.model import App, Key, User
from gamcli.model.token_ids import format_token_id
from gamcli.model.tokens import RefreshToken, Session
from gamcli.rules import api_key_grant, durations, grants, password_grant, passwords, refresh_grant, scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import NO_SECRET, Secret, mint_access_token, mint_refresh_token
from gamcli.rules.grants import Grant, GrantFacts, Rule, TokenRequest
from gamcli.rules.refresh_grant import RefreshTokenReuse
from gamcli.store import Transaction
from gamcli.store.engine import Query
from gamcli.store.hash_chain import ChainHead
from gamcli.store.tokens import NewToken
from gamcli.store.users import RenewedHash


class VerifiedPassword(NamedTuple):
    """The user whose password was verified, and a new hash of it if the stored one was made with other parameters."""

    user: User
    renewed_hash: RenewedHash | None


class GrantAttempt(NamedTuple):
    """
    A token request to be judged by `rules`, which are those for API keys.

    `check_app` is called with the application, if it exists, before any rule; it may raise RefusedError. `on_refusal`
    is called with the error, and the key that was found, when the request is refused. `password` is set for password
    grants. The decision about an API key is cached by `digest` unless it is empty. `address` is the client's, None if
    it is not to be recorded.
    """

    request: TokenRequest
    rules: Iterable[Rule] = API_KEY_GRANT
    password: VerifiedPassword | None = None
    check_app: Callable[[App], None] = lambda _: None
    on_refusal: Callable[[RefusedError, Key | None], None] = lambda _error, _key: None
    digest: bytes = b""
    address: str | None = None


class IssuedToken(NamedTuple):
    """
    A new access token; `refresh_token` is empty when there is none.

    `expires_in` is in seconds, 0 = never.
    """

    secret: Secret
    grant: Grant
    row: int
    expires_in: int
    refresh_token: Secret = NO_SECRET

    @property
    def id(self) -> str:
        return format_token_id(self.row)


def exchange(gam: Gam, request: TokenRequest, rules: Iterable[Rule] = API_KEY_GRANT) -> IssuedToken:
    """Issue the access token that `request` asks for; raises RefusedError with the rule that refused."""
    password = verify_password(gam, request) if request.grant == grants.PASSWORD else None
    with gam.store.writing() as tx:
        (outcome,) = Turn(gam, [GrantAttempt(request, rules, password)]).issue_tokens(tx)
    if isinstance(outcome, RefusedError):  # raised after the commit, which may have revoked a session
        raise outcome
    return outcome


RULES_WITHOUT_CLIENT_SECRET = tuple(rule for rule in API_KEY_GRANT if rule is not grants.CLIENT_SECRET_WRONG)
"""For callers who can write the store: they could set another client secret anyway."""


def exchange_locally(gam: Gam, app: str, api_key: Secret) -> IssuedToken:
    """Exchange an API key without the client secret; raises NotFoundError, or RefusedError as `exchange` does."""
    with gam.store.reading() as tx:
        record = store.apps.get(tx, app)
        auth_type = api_key_grant.find_auth_type(record, store.auth_types.search(tx))
    name = auth_type.name if auth_type else ""
    request = TokenRequest(record.client_id, api_key=api_key, authentication_type_name=name)
    return exchange(gam, request, rules=RULES_WITHOUT_CLIENT_SECRET)


def verify_password(
    gam: Gam, request: TokenRequest, check_app: Callable[[App], None] = lambda _: None
) -> VerifiedPassword:
    """Verify the password of a request; raises RefusedError if a rule refuses the request already."""
    user = password_grant.decide(read_facts(gam, request, check_app)).user
    before = user.password_hash
    if before is None or not passwords.needs_rehash(before, request.password):
        return VerifiedPassword(user, None)
    after = passwords.hash_password(request.password, gam.entropy)
    return VerifiedPassword(user, RenewedHash(after, user.guid, before))


def save_key_uses(gam: Gam, cache: GrantCache) -> None:
    """Write the uses of keys that no batch has written, when the server stops."""
    if uses := cache.key_uses.pop_due(gam.now(), everything=True):
        with gam.store.writing() as tx:
            store.key_uses.record(tx, uses)


class Turn:
    """The token requests of one transaction and the rows they write; without a cache, key uses are written at once."""

    def __init__(self, gam: Gam, attempts: Sequence[GrantAttempt], cache: GrantCache | None = None) -> None:
        self._gam, self._attempts = gam, attempts
        self._cache = GrantCache() if cache is None else cache
        self._writes_all_uses = cache is None
        self._last_id = 0
        self._tokens: list[NewToken] = []
        self._sessions: list[Session] = []
        self._refresh_tokens: list[RefreshToken] = []
        self._used: dict[tuple[int, int], RefreshToken] = {}
        self._revoked_sessions: set[int] = set()
        self._floors: dict[tuple[str, str], int] = {}
        self._uses_by_app: Counter[str] = Counter()
        self._default_type_uses = 0
        self._cache.key_uses.begin()
        self._renewed_hashes: list[RenewedHash] = []
        self._find_cached()

    def _find_cached(self) -> None:
        self._now = self._gam.now()
        cached = [self._cache.find_grant(each.digest, self._now) for each in self._attempts]
        unknown = [each.request for each, grant in zip(self._attempts, cached, strict=True) if grant is None]
        self._cached, self._facts = cached, FactLoader(unknown, self._cache.clients)
        self.queries: list[Query[Any]] = [store.tokens.ID_STATE, *self._facts.queries]

    @property
    def head(self) -> ChainHead | None:
        """The head of the audit log that all decisions are cached for; None unless nothing has to be read."""
        grants = self._cached or [None]
        return None if any(each is None or each.app.one_token_per_user for each in grants) else self._cache.head

    def issue_tokens(self, tx: Transaction) -> list[IssuedToken | RefusedError]:
        """
        Judge the attempts one by one, save the tokens of those that are granted, and return the outcome of each.

        Runs the same number of statements however many attempts there are. The transaction must be committed even if
        all are refused: a session may have been revoked.
        """
        self._tx = tx
        if not tx.is_optimistic:
            self._read(tx)
        outcomes = [self._settle(each, grant) for each, grant in zip(self._attempts, self._cached, strict=True)]
        self._save()
        return outcomes

    def _read(self, tx: Transaction) -> None:
        (head, self._last_id), *facts = tx.fetch_together(self.queries)
        while self._cache.clear_if_changed(head) or self._is_outdated():
            self._find_cached()
            (head, self._last_id), *facts = tx.fetch_together(self.queries)
        self._facts.add(facts)

    def _is_outdated(self) -> bool:
        """Read the clock after the rows; return whether a cached decision does not hold at that time."""
        self._now, pairs = self._gam.now(), zip(self._attempts, self._cached, strict=True)
        return any(grant and not self._cache.find_grant(each.digest, self._now) for each, grant in pairs)

    def _settle(self, attempt: GrantAttempt, cached: Grant | None) -> IssuedToken | RefusedError:
        known = cached or self._facts.build(attempt.request, self._now)
        try:
            if known.app is not None:
                attempt.check_app(known.app)
            grant = known if isinstance(known, Grant) else self._judge(attempt, known)
            return self._issue(attempt, grant)
        except RefusedError as error:
            attempt.on_refusal(error, known.key)
            return error

    def _judge(self, attempt: GrantAttempt, facts: GrantFacts) -> Grant:
        if attempt.request.grant == grants.REFRESH:
            result = refresh_grant.decide(self._with_outcomes_before(facts))
            if isinstance(result, RefreshTokenReuse):
                self._revoked_sessions.add(result.session)
                raise result.refusal
            return result
        if attempt.password is not None:
            is_right = password_grant.is_same_password(attempt.password.user, facts.user)
            grant = password_grant.decide(facts._replace(is_password_right=is_right))
            if attempt.password.renewed_hash is not None:
                self._renewed_hashes.append(attempt.password.renewed_hash)
            return grant
        grant = api_key_grant.decide(facts, attempt.rules)
        if attempt.digest:
            times = self._now, api_key_grant.decision_expires_at(facts)
            self._cache.grants[attempt.digest] = CachedGrant(attempt.request, grant, *times)
        return grant

    def _with_outcomes_before(self, facts: GrantFacts) -> GrantFacts:
        """Add to a refresh token what earlier attempts of the turn did to it and its session."""
        token, session = facts.refresh_token, facts.session
        if token is None or session is None:
            return facts
        if (token.session, token.counter) in self._used:
            token = token._replace(used_at=self._now)
        if self._floors.get((session.client_id, session.user_guid), 0) > token.token:
            token = token._replace(is_superseded=True)
        if session.id in self._revoked_sessions:
            session = session._replace(revoked_at=self._now)
        return facts._replace(refresh_token=token, session=session)

    def _issue(self, attempt: GrantAttempt, grant: Grant) -> IssuedToken:
        row = self._last_id = store.tokens.next_id(self._tx, self._now, self._last_id)
        secret = mint_access_token(grant.repository, row, self._gam.entropy)
        expires_at = grant.expires_at(self._now)
        session = self._continue_or_start_session(grant, row) if grant.has_session else None
        source = grant.key or session
        assert source is not None, "a token without a key has a session"
        parts = scopes.join(grant.scopes), session.id if session else None
        self._tokens.append(NewToken(row, secret.digest(), self._now, expires_at, source, *parts))
        if grant.app.one_token_per_user:
            self._floors[grant.app.client_id, grant.user.guid] = row
        self._record_use(attempt, grant)
        refresh_token = self._issue_refresh_token(session.id, grant.renewal_number, row) if session else NO_SECRET
        return IssuedToken(secret, grant, row, durations.seconds_until(self._now, expires_at), refresh_token)

    def _continue_or_start_session(self, grant: Grant, row: int) -> Session:
        """Return the session of the token in that row."""
        used = grant.used_refresh_token
        session = Session(
            id=row if used is None else used.session,
            user_guid=grant.user.guid,
            client_id=grant.app.client_id,
            auth_type=grant.auth_type,
            scopes=grant.scopes,
            key=grant.key.id if grant.key else None,
            initial_properties=grant.initial_properties,
        )
        if used is None:
            self._sessions.append(session)
        else:
            self._used[used.session, used.counter] = used
        return session

    def _issue_refresh_token(self, session: int, renewal_number: int, row: int) -> Secret:
        if not renewal_number:
            return NO_SECRET
        secret = mint_refresh_token(session, renewal_number, self._gam.entropy)
        expires_at = self._now + grants.REFRESH_TIMEOUT
        self._refresh_tokens.append(RefreshToken(session, renewal_number, row, secret.digest(), expires_at))
        return secret

    def _record_use(self, attempt: GrantAttempt, grant: Grant) -> None:
        """Count the use of the application, the key and the default authentication type."""
        self._uses_by_app[grant.app.client_id] += 1
        if grant.key is not None:
            self._cache.key_uses.add(grant.key, self._now, attempt.address)
        if not attempt.request.authentication_type_name and attempt.request.grant != grants.REFRESH:
            self._default_type_uses += 1

    def _save(self) -> None:
        """Write all rows, one statement per kind; counters come last, since other transactions wait for them."""
        tx, now = self._tx, self._now
        inserts: list[tuple[Callable[[Transaction, Any], None], Collection[Any]]] = [
            (store.tokens.add, self._tokens),
            (store.sessions.add, self._sessions),
            (store.sessions.add_refresh_tokens, self._refresh_tokens),
            (store.tokens.supersede, self._floors),
            (store.users.replace_password_hashes, self._renewed_hashes),
        ]
        for insert, rows in inserts:
            if rows:
                insert(tx, rows)
        if self._used:
            store.sessions.mark_used(tx, self._used.values(), now)
        if self._revoked_sessions:
            store.sessions.revoke(tx, sorted(self._revoked_sessions), now)
        if self._default_type_uses:
            store.repository.count_default_type_uses(tx, self._default_type_uses, now)
        if uses := self._cache.key_uses.pop_due(now, everything=self._writes_all_uses):
            store.key_uses.record(tx, uses)
        if self._uses_by_app:
            store.apps.record_grants(tx, self._uses_by_app, now)
