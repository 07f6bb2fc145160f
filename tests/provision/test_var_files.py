"""Files with values for the references of manifests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.errors import ProblemsError
from gamcli.provision import var_files


def test_values_are_read_as_a_shell_reads_them(write: Callable[[str, str], Path]) -> None:
    write("a.env", "# note\n\nA=1\nexport B='x y'\nC=\"q\"\nD=a=b #c\nE=\n")
    write("b.env", "\ufeffA=2\r\n")
    assert var_files.read(["a.env"]) == {"A": "1", "B": "x y", "C": "q", "D": "a=b #c", "E": ""}
    assert var_files.read(["a.env", "b.env"])["A"] == "2"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"A=1\nhunter2\n", "v.env:2: use NAME=value, with the value in quotes if it has quotes"),
        (b"A='hunter2\n", "v.env:1: use NAME=value, with the value in quotes if it has quotes"),
        (b"A=\xff", "v.env:1: is not UTF-8 text"),
        (b"A=" + b"x" * 2_000_000, "v.env:1: is longer than 1048576 bytes"),
        (None, "v.env:1: cannot be read: no such file or directory"),
    ],
)
def test_a_problem_has_its_line_and_no_value(folder: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (folder / "v.env").write_bytes(content)
    with pytest.raises(ProblemsError) as raised:
        var_files.read(["v.env"])
    assert [str(each) for each in raised.value.problems] == [problem]
