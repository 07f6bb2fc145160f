"""Problems in an input file, collected row by row and raised as one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gamcli.errors import GamcliError, Problem, ProblemsError

MAX_PROBLEMS = 1000


@dataclass(slots=True)
class ProblemList:
    """The problems in a file, and warnings about the whole file."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Add a problem; raises ProblemsError when there are MAX_PROBLEMS."""
        self.problems.append(Problem(self.file, line, message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise self.error(f"these are the first {MAX_PROBLEMS} problems: fix them and run the command again")

    @contextmanager
    def collect(self, line: int) -> Iterator[None]:
        """Add the error that is raised in the `with` block, if any."""
        try:
            yield
        except GamcliError as error:
            self.add(line, error_message(error))

    def error(self, hint: str | None = None) -> ProblemsError:
        """Return the problems as one error, in the order of their lines."""
        return ProblemsError(sorted(self.problems, key=lambda problem: problem.line), hint)

    def require_none(self) -> None:
        if self.problems:
            raise self.error()


def error_message(error: GamcliError) -> str:
    """Return the message of an error for a problem, with its hint if that is a command or a suggestion."""
    hint = error.hint or ""
    return f"{error.message}; {hint}" if hint.startswith(("gamcli ", "did you mean", "use ")) else error.message
