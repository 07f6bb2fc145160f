"""
Update the console transcripts of README and manual: `python tests/renew_transcripts.py [FILE...]`.

When an output differs in more than keys, IDs and times, all outputs of that document become what the program prints
today, so that the IDs of one session fit together. Commands that print an error now and did not before are named, and
the exit code is 1. Read all changes before you commit them: a wrong output is renewed as readily as a right one.
"""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.test_scripts import PAGES, PREPARATION, README, parse_steps, replace_placeholders, run_steps

_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"((?:^\$ .*\n)(?:^> .*\n)*)((?:^(?!\$ |# ).*\n)*)", re.MULTILINE)
"""A command with its further lines, and its output."""


FAILING: list[str] = []
"""Commands that print an error now and did not before."""


def renew(path: Path) -> str:
    """Return the text of a document with current transcripts."""
    text = path.read_text(encoding="utf-8")
    preparation = parse_steps("" if path == README else PREPARATION)
    steps = parse_steps("".join(_BLOCK.findall(text)))
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        outputs = [step.output for step in run_steps([*preparation, *steps], home)][len(preparation) :]
        if all(_is_same(step.output, output, home) for step, output in zip(steps, outputs, strict=True)):
            return text
        for step, output in zip(steps, outputs, strict=True):
            if _has_error(output) and not _has_error(step.output):
                FAILING.append(f"{path.name}: {step.command}")
        remaining = iter(outputs)
        return _BLOCK.sub(lambda block: _STEP.sub(lambda step: step[1] + _show(next(remaining), home), block[0]), text)


def _is_same(shown: list[str], printed: list[str], home: Path) -> bool:
    before, now = (replace_placeholders(lines, home) for lines in (shown, printed))
    return [line for line in before if line] == [line for line in now if line]


def _has_error(lines: list[str]) -> bool:
    return any(line.startswith("gamcli: error: ") for line in lines)


def _show(printed: list[str], home: Path) -> str:
    return "".join(f"{line.replace(str(home), '/home/you').rstrip()}\n" for line in printed)


if __name__ == "__main__":
    for document in [Path(name).resolve() for name in sys.argv[1:]] or [README, *PAGES]:
        renewed = renew(document)
        if renewed != document.read_text(encoding="utf-8"):
            document.write_text(renewed, encoding="utf-8")
            sys.stdout.write(f"updated {document.name}\n")
    sys.exit("".join(f"now prints an error: {each}\n" for each in FAILING).rstrip() or 0)
