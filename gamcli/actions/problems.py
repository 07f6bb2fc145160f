"""What is wrong in a file that was handed in: noted row by row, raised as one error."""

from dataclasses import dataclass, field

from gamcli.errors import Fault, FaultsError, GamcliError

MOST_FAULTS = 1000
"""So many faults are told; whoever has more mends the cause of the first."""


@dataclass(slots=True)
class Faults:
    """The faults of a file."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, line: int, what: str) -> None:
        """Note one; raises FaultsError when nobody can want more of them."""
        self.found.append(Fault(self.file, line, what))
        if len(self.found) >= MOST_FAULTS:
            raise self.error(f"these are the first {MOST_FAULTS}: mend them, and run it again for the others")

    def error(self, hint: str | None = None) -> FaultsError:
        """Return all of them as an error."""
        return FaultsError(sorted(self.found, key=lambda fault: fault.line), hint)

    def require_none(self) -> None:
        """Raise FaultsError when there is any."""
        if self.found:
            raise self.error()


def told(error: GamcliError) -> str:
    """Return an error as the fault of a row: with its hint when that is a command or a word."""
    hint = error.hint or ""
    return f"{error.message}; {hint}" if hint.startswith(("gamcli ", "did you mean")) else error.message
