"""What the log tells of an error beyond its rule: never its own text where that may hold a secret."""

from collections.abc import Callable


def log_detail(rule: str, error: Exception) -> str:
    """Return what the log tells of `error`, which was answered as `rule`; for most rules nothing."""
    return _DETAIL_BY_RULE[rule](error) if rule in _DETAIL_BY_RULE else ""


def _error_location(error: Exception) -> str:
    """Return the kind of an error and its place in the code; its text may hold a secret."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return type(error).__name__ + (f" in {step.tb_frame.f_code.co_name}, line {step.tb_lineno}" if step else "")


def _printable_message(error: Exception) -> str:
    """Return what the store says, in one line: it knows no secret."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))


_DETAIL_BY_RULE: dict[str, Callable[[Exception], str]] = {"bug": _error_location, "store_gone": _printable_message}
