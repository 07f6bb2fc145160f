"""
Update the console transcripts of README and manual: `python tests/renew_transcripts.py [FILE...]`.

Below each command whose output differs, the lines become what the program prints today; keys, IDs and times that differ
are left alone. Read the changes before you commit them: a wrong output is renewed as readily as a right one.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.test_scripts import PAGES, PREPARATION, README, parse_steps, replace_placeholders, run_steps

_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"((?:^\$ .*\n)(?:^> .*\n)*)((?:^(?!\$ |# ).*\n)*)", re.MULTILINE)
"""A command with its further lines, and its output."""


def renew(path: Path) -> str:
    """Return the text of a document with current transcripts."""
    text = path.read_text(encoding="utf-8")
    preparation = parse_steps("" if path == README else PREPARATION)
    steps = [*preparation, *parse_steps("".join(_BLOCK.findall(text)))]
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        outputs = iter([step.output for step in run_steps(steps, home)][len(preparation) :])
        return _BLOCK.sub(lambda block: _STEP.sub(lambda step: _renew_step(step, outputs, home), block[0]), text)


def _renew_step(step: re.Match[str], outputs: Iterator[list[str]], home: Path) -> str:
    command, output = step.groups()
    printed = next(outputs)
    shown, now = (replace_placeholders(lines, home) for lines in (output.splitlines(), printed))
    if [line for line in shown if line] == [line for line in now if line]:
        return step[0]
    return command + "".join(f"{line.replace(str(home), '/home/you').rstrip()}\n" for line in printed)


if __name__ == "__main__":
    for document in [Path(name).resolve() for name in sys.argv[1:]] or [README, *PAGES]:
        renewed = renew(document)
        if renewed != document.read_text(encoding="utf-8"):
            document.write_text(renewed, encoding="utf-8")
            sys.stdout.write(f"updated {document.name}\n")
