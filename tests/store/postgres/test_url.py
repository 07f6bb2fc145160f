"""URLs of stores."""

import pytest

from gamcli.errors import UsageError
from gamcli.store.postgres.url import parse_url
from tests.cases import for_each


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ana:geheim@db/gam",
        "postgresql://ana@db/gam?password=geheim",
        "postgresql://db/gam?user=ana&sslpassword=geheim",
    ],
)
def test_a_password_in_a_url_is_refused_unless_it_comes_from_a_file_and_is_never_shown(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(text)
    assert "geheim" not in f"{refused.value} {refused.value.hint}"
    url = parse_url(text, may_have_password=True)
    assert "geheim" in url.conninfo
    assert "geheim" not in f"{url} {url!r} {url.with_schema('other')!r}"


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
