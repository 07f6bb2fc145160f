"""What is wrong in a file that was handed in: noted row by row, raised as one error."""

from dataclasses import dataclass, field

from gamcli.errors import GamcliError, Problem, ProblemsError

MAX_PROBLEMS = 1000
"""So many faults are told; whoever has more mends the cause of the first."""


@dataclass(slots=True)
class ProblemList:
    """The faults of a file."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Note one; raises FaultsError when nobody can want more of them."""
        self.problems.append(Problem(self.file, line, message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise self.error(f"these are the first {MAX_PROBLEMS}: mend them, and run it again for the others")

    def error(self, hint: str | None = None) -> ProblemsError:
        """Return all of them as an error."""
        return ProblemsError(sorted(self.problems, key=lambda fault: fault.line), hint)

    def require_none(self) -> None:
        """Raise FaultsError when there is any."""
        if self.problems:
            raise self.error()


def error_message(error: GamcliError) -> str:
    """Return an error as the fault of a row: with its hint when that is a command or a word."""
    hint = error.hint or ""
    return f"{error.message}; {hint}" if hint.startswith(("gamcli ", "did you mean")) else error.message
