"""What records derive from their own fields."""

from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli import model
from gamcli.model import App, Key, User, token_ids
from gamcli.model.token_ids import BASE62_ALPHABET
from gamcli.model.tokens import Token
from tests.cases import for_each

INSTANTS = st.none() | st.integers(-3, 3)


def key(now: datetime, **settings: object) -> Key:
    plain = {"id": "K1234567", "user": "ana", "user_guid": "g", "app": "portal", "client_id": "c"}
    more = {"auth_type": "apikey", "scopes": (), "digest": b"the digest", "created_at": now}
    return Key(**{**plain, **more, **settings})  # type: ignore[arg-type]


def token(now: datetime, **settings: object) -> Token:
    plain = {"row": 62, "user": "ana", "user_guid": "g", "app": "portal", "client_id": "c", "key": None}
    return Token(**{**plain, "scopes": (), "digest": b"the digest", "issued_at": now, **settings})  # type: ignore[arg-type]


def user(now: datetime) -> User:
    return User(
        guid="6f1b4a52", name="Ana", created_at=now, updated_at=now, email="Ana@Example.com", password_hash="pw"
    )


@for_each(
    ("expires", "retires", "end", "status"),
    [
        (None, None, None, "active"),
        (1, None, None, "active"),
        (0, None, None, "expired"),
        (-1, None, None, "expired"),
        (None, 1, None, "retiring"),
        (None, 0, None, "replaced"),
        (None, -1, None, "replaced"),
        (2, 1, None, "retiring"),
        (1, 2, None, "retiring"),
        (1, 0, None, "replaced"),
        (0, -1, None, "replaced"),
        (-1, 0, None, "expired"),
        (-1, -1, None, "expired"),
        (-1, -2, None, "replaced"),
        (None, None, "revoked", "revoked"),
        (-1, -1, "revoked", "revoked"),
        (-1, None, "replaced", "replaced"),
        (None, 1, "invalidated", "invalidated"),
    ],
)
def test_a_key_is_what_ended_it_first(
    now: datetime, expires: int | None, retires: int | None, end: str | None, status: str
) -> None:
    times = {"expires_at": expires, "retires_at": retires}
    made = key(now, end=end, **{name: None if at is None else now + timedelta(at) for name, at in times.items()})
    assert made.status(now) == status


@given(INSTANTS, INSTANTS, st.sampled_from([None, "revoked", "replaced", "invalidated"]))
def test_a_key_is_valid_until_something_invalidates_it(
    now: datetime, expires: int | None, retires: int | None, end: str | None
) -> None:
    times = {"expires_at": expires, "retires_at": retires}
    made = key(now, end=end, **{name: None if at is None else now + timedelta(at) for name, at in times.items()})
    assert made.status(now) in model.KEY_STATUSES
    assert made.is_valid(now) is (end is None and all(at is None or at > 0 for at in times.values()))


@given(INSTANTS, INSTANTS, st.integers(0, 5))
def test_what_has_ended_does_not_come_back(now: datetime, expires: int | None, retires: int | None, later: int) -> None:
    times = {"expires_at": expires, "retires_at": retires}
    made = key(now, **{name: None if at is None else now + timedelta(at) for name, at in times.items()})
    assert made.is_valid(now) or made.status(now + timedelta(later)) == made.status(now)


@for_each(
    ("expires", "ended", "status"),
    [
        (None, None, "active"),
        (1, 1, "active"),
        (0, None, "expired"),
        (0, 0, "expired"),
        (None, 0, "revoked"),
        (1, -1, "revoked"),
    ],
)
def test_a_token_is_active_until_it_expires_or_is_ended(
    now: datetime, expires: int | None, ended: int | None, status: str
) -> None:
    times = {"expires_at": expires, "ended_at": ended}
    made = token(now, **{name: None if at is None else now + timedelta(at) for name, at in times.items()})
    assert made.status(now) == status
    assert status in model.TOKEN_STATUSES


def test_a_token_from_the_future_has_expired(now: datetime) -> None:
    made = token(now, expires_at=now + timedelta(hours=1))
    assert made.status(made.issued_at - model.MAX_CLOCK_SKEW) == "active"
    assert made.status(made.issued_at - model.MAX_CLOCK_SKEW - timedelta.resolution) == "expired"
    assert token(now).status(now - timedelta(days=1)) == "active"


def test_a_token_that_was_ended_stays_so_when_the_clock_is_set_back(now: datetime) -> None:
    made = token(now, ended_at=now + timedelta(hours=1), is_revoked=True)
    assert made.status(now) == "revoked"


@for_each("name", ["Ana", "ANA", "ana@example.com", "6f1b4a52", "6F1B4A52"])
def test_a_user_is_called_by_name_email_and_guid(now: datetime, name: str) -> None:
    assert user(now).is_called(name)


@for_each("name", ["", "an", "ana ", "example.com", "pw"])
def test_a_user_is_called_nothing_else(now: datetime, name: str) -> None:
    assert not user(now).is_called(name)
    assert not User(guid="g", name="bob", created_at=now, updated_at=now).is_called("")


@for_each(
    ("one", "other"),
    [("Ana", "aNA"), ("STRASSE", "straße"), ("É", "é"), ("e\u0301", "É"), ("ΣΑΣ", "σας"), ("日本", "日本")],
)
def test_names_are_equal_without_regard_to_case_and_composition(one: str, other: str) -> None:
    assert model.normalize_name(one) == model.normalize_name(other)


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_a_name_folds_like_its_other_compositions(name: str, form: str) -> None:
    assert model.normalize_name(normalize(form, name)) == model.normalize_name(name)  # type: ignore[arg-type]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_names_fold_to_lower_case(name: str) -> None:
    assert model.normalize_name(name) == normalize("NFC", normalize("NFC", name).casefold())


@given(st.integers(0, 62**12 - 1), st.integers(0, 62**12 - 1))
def test_ids_sort_as_the_numbers_that_they_write(one: int, other: int) -> None:
    assert (token_ids.encode_base62(one, 12) < token_ids.encode_base62(other, 12)) is (one < other)
    assert list(BASE62_ALPHABET) == sorted(BASE62_ALPHABET)


@for_each(
    ("number", "width", "text"),
    [(0, 0, ""), (0, 1, "0"), (61, 1, "z"), (62, 1, "10"), (62, 4, "0010"), (3843, 2, "zz")],
)
def test_a_number_is_written_in_base62_with_zeros_before_it(number: int, width: int, text: str) -> None:
    assert token_ids.encode_base62(number, width) == text


@given(st.integers(0, token_ids.MAX_ROW - 1))
def test_the_row_of_a_token_is_read_from_its_id(row: int) -> None:
    assert len(token_ids.format_token_id(row)) == 12
    assert token_ids.parse_token_id(token_ids.format_token_id(row)) == row


@for_each(
    "text",
    ["", "0" * 11, "0" * 13, "z" * 12, "00000000000-", "00000000000é", token_ids.encode_base62(token_ids.MAX_ROW, 12)],
)
def test_no_row_has_another_id(text: str) -> None:
    assert token_ids.parse_token_id(text) is None


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_written_with_whole_seconds_in_utc(instant: datetime, text: str) -> None:
    assert model.format_rfc3339(instant) == text


def test_digests_and_hashes_do_not_show(now: datetime) -> None:
    app = App("portal", "c", b"the digest", now, now, retiring_digest=b"the digest of old")
    shown = repr([app, key(now), token(now), user(now)])
    assert "the digest" not in shown
    assert "'pw'" not in shown


def test_a_secret_that_retires_does_so_until_its_end(now: datetime) -> None:
    app = App("portal", "c", b"new", now, now, retiring_digest=b"old", retiring_until=now)
    assert app.secret_retires_at(now - timedelta(microseconds=1)) == now
    assert app.secret_retires_at(now) is None
    assert App("portal", "c", b"new", now, now).secret_retires_at(now) is None


def test_records_do_not_change(now: datetime) -> None:
    with pytest.raises(AttributeError):
        key(now).user = "bob"  # type: ignore[misc]
