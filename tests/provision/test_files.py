"""Finding and parsing the files of a manifest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.errors import Problem
from gamcli.provision import files

Write = Callable[[str, str], Path]


def read(*paths: str) -> tuple[list[str], list[str]]:
    find_problems: list[Problem] = []
    return [each.source.file for each in files.read(paths, find_problems)], [str(each) for each in find_problems]


def test_a_folder_is_read_as_its_sorted_toml_files(write: Write) -> None:
    for name in ("b.toml", "a.toml", "in/c.toml", "in/.d.toml", ".git/e.toml", "gamcli.toml", "f.txt"):
        write(name, "")
    assert read(".") == (["a.toml", "b.toml", "in/c.toml"], [])
    assert read("in", "./b.toml") == (["in/c.toml", "b.toml"], [])
    assert read("gamcli.toml", "in/.d.toml") == (["gamcli.toml", "in/.d.toml"], [])


def test_a_file_given_twice_is_read_once(write: Write, folder: Path) -> None:
    write("in/c.toml", "")
    (folder / "link.toml").symlink_to("in/c.toml")
    assert read("in/c.toml", "in", "link.toml") == (["in/c.toml"], [])


def test_every_file_that_cannot_be_read_is_reported(
    write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_FILE_SIZE", 2**20)
    (folder / "raw.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    (folder / "large.toml").write_bytes(b"#" * (2**20 + 1))
    (folder / "empty").mkdir()
    write("good.toml", "\ufeffa = 1\n")
    assert read("nope.toml", f"{folder}/none.toml", "good.toml/x", "raw.toml", "large.toml", "empty", "good.toml") == (
        ["good.toml"],
        [
            f"nope.toml:1: file or folder not found in {folder}",
            f"{folder}/none.toml:1: file or folder not found",
            "good.toml/x:1: cannot be read: not a directory",
            "raw.toml:2: is not UTF-8 text",
            "large.toml:1: is larger than 1 MiB",
            "empty:1: the folder contains no .toml file",
        ],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\n[app.x]\n[app.x]\n", "3: column 7: cannot declare app.x twice"),
        ("a = 1\n\nb = ", "3: invalid value at the end of the file"),
        ("a = 1\nb = [\n", "2: "),
        ('a = 1\nb = "\\q"', "2: column "),
        ("a = 1\r\nb = yes\r\n", "2: column 5: invalid value; use true or false"),
        ("b = [True]", "1: column 6: invalid value; use true or false"),
        ("b = apikey # c", "1: column 5: invalid value; put text in quotes"),
        ("b = 1z", "1: column 6: "),
        (f"a = {'[' * 5000}", "1: is nested too deeply"),
        (f"a = 1\nb = {'9' * 5000}", "2: a number has too many digits"),
    ],
)
def test_toml_that_cannot_be_parsed_has_its_line_and_column(write: Write, text: str, expected: str) -> None:
    write("m.toml", text)
    found, (problem,) = read("m.toml")
    assert found == []
    assert problem.startswith(f"m.toml:{expected}")


def test_the_root_of_the_file_system_is_not_searched(folder: Path) -> None:
    assert folder
    assert read("/") == ([], ["/:1: is the root of the file system, not a folder of manifests"])
