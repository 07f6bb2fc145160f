"""The family of errors."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli import errors
from gamcli.errors import GamcliError

CODES = {
    "GamcliError": "failed",
    "UsageError": "usage",
    "NotFoundError": "not_found",
    "RefusedError": "refused",
    "ConflictError": "conflict",
    "InvalidatesKeysError": "ends_keys",
    "StoreError": "store",
    "StoreMissingError": "store_missing",
    "StoreBusyError": "store_busy",
    "StoreUnusableError": "store_unusable",
    "StoreAuditLogError": "store_trail",
    "StoreVersionError": "store_version",
    "FailedError": "failed",
}


def family(root: type[GamcliError] = GamcliError) -> list[type[GamcliError]]:
    found = [root]
    for child in root.__subclasses__():
        found += family(child) if child.__module__ == errors.__name__ else []
    return found


def test_each_error_has_the_code_that_scripts_rely_on() -> None:
    assert CODES.items() <= {each.__name__: each.code for each in family()}.items()


def test_the_tree_at_the_top_of_the_file_is_the_family() -> None:
    assert re.findall(r"\w+Error\b", errors.__doc__ or "") == [each.__name__ for each in family()]


@pytest.mark.parametrize("kind", [errors.UsageError, errors.NotFoundError, errors.ConflictError, errors.StoreBusyError])
def test_an_error_carries_a_message_and_perhaps_a_hint(kind: type[GamcliError]) -> None:
    plain, helpful = kind("no user named 'ana'"), kind("no user named 'ana'", "gamcli user list")
    assert (str(plain), plain.message, plain.hint) == ("no user named 'ana'", "no user named 'ana'", None)
    assert (str(helpful), helpful.hint) == ("no user named 'ana'", "gamcli user list")


def test_a_refusal_carries_the_name_of_its_rule() -> None:
    told = errors.RefusedError("key_expired", "the API key has expired", "mend")
    assert (told.rule, told.message, told.hint) == ("key_expired", "the API key has expired", "mend")


def test_what_would_end_keys_carries_their_impacts() -> None:
    told = errors.InvalidatesKeysError("this ends 1 live key for good", "hint", ["impact"])
    assert (told.impacts, told.hint, told.code) == (["impact"], "hint", "ends_keys")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "gamcli"),
        (("user", "list"), "gamcli user list"),
        (("user", "show", "Ana María"), "gamcli user show 'Ana María'"),
        (("app", "show", "O'Hara; rm -rf /"), "gamcli app show 'O'\"'\"'Hara; rm -rf /'"),
    ],
)
def test_a_hint_is_quoted_for_the_shell(words: tuple[str, ...], line: str) -> None:
    assert errors.command(*words) == line


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_reads_the_words_of_a_hint(words: list[str]) -> None:
    read = shlex.split(errors.command(*words))
    if len(read) > len(words) + 1:
        assert any(word.startswith("-") for word in words)
        read.remove("--")
    assert read == ["gamcli", *words]
