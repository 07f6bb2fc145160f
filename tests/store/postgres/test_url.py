"""URLs of stores."""

import pytest

from gamcli.errors import UsageError
from gamcli.store import Store
from gamcli.store.postgres.url import parse_url
from tests.cases import for_each


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ana:geheim@db/gam",
        "postgresql://ana@db/gam?password=geheim",
        "postgresql://db/gam?user=ana&sslpassword=geheim",
        "postgresql://ana@db/gam?Password=geheim",
    ],
)
def test_a_password_in_a_url_is_refused_unless_it_comes_from_a_file_and_is_never_shown(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(text)
    assert "geheim" not in f"{refused.value} {refused.value.hint}"
    url = parse_url(text, may_have_password=True)
    assert "geheim" in url.conninfo
    assert "geheim" not in f"{url} {url!r} {url.with_schema('other')!r}"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ana:geheim%x@db/gam", "postgresql://ana:geheim%00@db/gam", "postgresql://ana:geheim/x@db/gam",
        "postgresql://ana:12/geheim@db/gam", "postgresql://ana:x@geheim@db/gam", "postgresql://ana:12#geheim@db/gam",
        "postgresql://ana:geheim?x@db/gam", "postgresql://ana:12?geheim=x@db/gam", "postgresql://ana:geheim@[::1/gam",
        "postgresql://ana:geheim@[::1]x/gam", "postgresql://ana:geheim@[]/gam", "postgresql://ana:geheim@db:port/gam",
    ],
)  # fmt: skip
def test_a_url_that_may_have_its_password_in_another_part_is_refused_without_repeating_it(text: str) -> None:
    for may_have_password in (True, False):
        with pytest.raises(UsageError, match=r"invalid store URL|contains a password") as refused:
            parse_url(text, may_have_password=may_have_password)
        assert "geheim" not in f"{refused.value} {refused.value.hint}"
        assert refused.value.__cause__ is None


def test_a_parameter_that_libpq_does_not_know_is_named_but_nothing_else() -> None:
    url = parse_url("postgresql://ana:geheim@127.0.0.1:1/gam?nonsense=secret", may_have_password=True)
    with pytest.raises(UsageError, match="nonsense") as refused:
        Store.open(url)
    assert "geheim" not in f"{refused.value} {refused.value.hint}"


def test_the_schema_is_a_parameter_that_libpq_does_not_get() -> None:
    url = parse_url("postgresql://ana@db:5433/gam?sslmode=verify-full&schema=test")
    assert (url.schema, url.conninfo) == ("test", "postgresql://ana@db:5433/gam?sslmode=verify-full")
    assert str(url.with_schema("gamcli")) == url.conninfo
    assert parse_url(str(url)) == url


@for_each("name", ["", "Gam", "a b", "pg_catalog", 'x"; DROP SCHEMA y; --', "1a"])
def test_a_schema_that_would_have_to_be_quoted_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="invalid schema name"):
        parse_url("postgresql://db/gam").with_schema(name)


@pytest.mark.parametrize("text", ["postgresql:///gam", "postgresql:///?service=gam", "postgresql:///gam?host=/run/pg"])
def test_a_url_without_an_address_is_for_a_socket_or_a_service_file(text: str) -> None:
    url = parse_url(text)
    assert (url.conninfo.replace("%2F", "/"), str(url)) == (text, text)
    assert str(url.with_schema("other")).startswith("postgresql:///")
