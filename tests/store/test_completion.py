"""Names for shell completion."""

import hashlib
from pathlib import Path

import pytest

from gamcli.model import User
from gamcli.store import Store, completion, users

pytestmark = pytest.mark.needs_file


@pytest.mark.parametrize(
    ("noun", "typed", "expected"),
    [
        ("user", "", [("Ana", "ana@x.org"), ("Anaïs", ""), ("bob", "")]),
        ("user", "ana", [("Ana", "ana@x.org"), ("Anaïs", "")]),
        ("user", "anaï", [("Anaïs", "")]),
        ("user", "c", []),
        ("app", "p", [("Portal", "")]),
        ("auth_type", "", []),
        ("key", "K1", [("K1234567", "Ana for Portal")]),
        ("key", "k1", []),
    ],
)
def test_names_that_begin_with_what_was_typed_are_found(
    peopled: Store, ana: User, noun: str, typed: str, expected: list[tuple[str, str]]
) -> None:
    with peopled.writing() as tx:
        for name in ("bob", "Anaïs"):
            users.add(tx, ana._replace(name=name, guid=name, email=""))
    assert list(completion.find_by_prefix(peopled.path, noun, typed, 10)) == expected


def test_no_more_names_are_found_than_were_asked_for(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        users.add(tx, ana._replace(name="bob", guid="bob", email=""))
    assert len(list(completion.find_by_prefix(peopled.path, "user", "", 1))) == 1


def test_names_are_found_while_another_writes(peopled: Store) -> None:
    with peopled.writing() as tx:
        users.delete(tx, "nobody")
        assert [name for name, _ in completion.find_by_prefix(peopled.path, "user", "", 10)] == ["Ana"]


def test_looking_for_names_changes_nothing(peopled: Store) -> None:
    peopled.close()
    before = hashlib.sha256(peopled.path.read_bytes()).digest()
    assert list(completion.find_by_prefix(peopled.path, "user", "", 10))
    assert hashlib.sha256(peopled.path.read_bytes()).digest() == before


@pytest.mark.parametrize("name", ["missing.db", "text", "empty", "folder", "x" * 300])
def test_where_there_is_no_store_there_are_no_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("text\n" * 500, encoding="utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    assert list(completion.find_by_prefix(tmp_path / name, "user", "", 10)) == []


def test_bytes_that_are_no_text_begin_no_name(peopled: Store) -> None:
    assert list(completion.find_by_prefix(peopled.path, "user", "\udcff", 10)) == []
