"""The error classes, and the command lines in hints."""

import re
import shlex

from hypothesis import given
from hypothesis import strategies as st

from gamcli import errors
from gamcli.errors import GamcliError
from tests.cases import for_each

CODES = {
    "GamcliError": "failed",
    "UsageError": "usage",
    "UnconfirmedError": "unconfirmed",
    "ProblemsError": "faults",
    "DeliveredKeysError": "delivered_keys",
    "DeletesObjectsError": "deletes_objects",
    "DeclinedError": "declined",
    "ReactivatesError": "reactivates",
    "NotFoundError": "not_found",
    "ProgramNotFoundError": "not_found",
    "RefusedError": "refused",
    "ConflictError": "conflict",
    "InvalidatesKeysError": "ends_keys",
    "StoreError": "store",
    "StoreMissingError": "store_missing",
    "StoreBusyError": "store_busy",
    "StoreChangedError": "store_busy",
    "StoreUnusableError": "store_unusable",
    "DamagedRowError": "store_unusable",
    "StoreUnknownOutcomeError": "store_outcome_unknown",
    "StoreAuditLogError": "store_trail",
    "StoreVersionError": "store_version",
    "FailedError": "failed",
}


def family(root: type[GamcliError] = GamcliError) -> list[type[GamcliError]]:
    """Return `root` and its subclasses in gamcli.errors, depth first."""
    classes = [root]
    for child in root.__subclasses__():
        classes += family(child) if child.__module__ == errors.__name__ else []
    return classes


def test_each_error_has_the_code_that_scripts_rely_on() -> None:
    assert {kind.__name__: kind.code for kind in family()} == CODES


def test_the_module_docstring_lists_every_error_class() -> None:
    assert re.findall(r"\w+Error\b", errors.__doc__ or "") == [kind.__name__ for kind in family()]


@for_each("kind", [errors.UsageError, errors.NotFoundError, errors.ConflictError, errors.StoreBusyError])
def test_an_error_has_a_message_and_an_optional_hint(kind: type[GamcliError]) -> None:
    plain, helpful = kind("no user named 'ana'"), kind("no user named 'ana'", "gamcli user list")
    assert (str(plain), plain.message, plain.hint) == ("no user named 'ana'", "no user named 'ana'", None)
    assert (str(helpful), helpful.hint) == ("no user named 'ana'", "gamcli user list")


def test_a_refusal_names_its_rule() -> None:
    error = errors.RefusedError("key_expired", "the API key has expired", "hint")
    assert (error.rule, error.message, error.hint) == ("key_expired", "the API key has expired", "hint")


def test_an_error_that_would_invalidate_keys_lists_them() -> None:
    error = errors.InvalidatesKeysError("this would invalidate 1 active key", "hint", ["impact"])
    assert (error.impacts, error.hint, error.code) == (["impact"], "hint", "ends_keys")


def test_a_count_is_singular_for_one_only() -> None:
    counts = [errors.format_count(number, "key") for number in (0, 1, 2, 1200)]
    assert counts == ["0 keys", "1 key", "2 keys", "1,200 keys"]


@for_each(
    ("words", "line"),
    [
        ((), "gamcli"),
        (("user", "list"), "gamcli user list"),
        (("user", "show", "Ana María"), "gamcli user show 'Ana María'"),
        (("app", "show", "O'Hara; rm -rf /"), "gamcli app show 'O'\"'\"'Hara; rm -rf /'"),
    ],
)
def test_a_command_in_a_hint_is_quoted_for_the_shell(words: tuple[str, ...], line: str) -> None:
    assert errors.command(*words) == line


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_parses_a_hint_into_the_same_words(words: list[str]) -> None:
    """A `--` is inserted before words that look like options."""
    parsed = shlex.split(errors.command(*words))
    if len(parsed) > len(words) + 1:
        assert any(word.startswith("-") for word in words)
        parsed.remove("--")
    assert parsed == ["gamcli", *words]
