"""Many cases in one test: a thousand cheap ones cost pytest more than they take."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature

Test = Callable[..., None]


def for_each(names: str | tuple[str, ...], cases: Iterable[object]) -> Callable[[Test], Test]:
    """
    Run a test for each case, as `pytest.mark.parametrize` does, but as one test; a failure names its case.

    The cases share the fixtures: they must not change them.
    """
    single, known = isinstance(names, str), list(cases)
    columns = (names,) if isinstance(names, str) else names
    assert known, "a test without cases proves nothing"

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(**fixtures: object) -> None:
            for case in known:
                values = dict(zip(columns, (case,) if single else case, strict=True))  # type: ignore[call-overload]
                try:
                    test(**fixtures, **values)
                except BaseException as error:
                    error.add_note(f"in the case {values}")
                    raise

        asked = signature(test)
        kept = [parameter for name, parameter in asked.parameters.items() if name not in columns]
        run.__signature__ = asked.replace(parameters=kept)  # type: ignore[attr-defined]
        return run

    return decorate
