"""
Lay out a table in aligned columns.

A pipe gets every column in full. On a terminal columns share its width: texts are cut and end in `…`, and columns that
do not fit are left out, the last ones first. Tables that have to be complete wrap long texts instead, at words, or in
paths and names at punctuation; they are cut only if that does not fit either.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

GAP = "  "
MIN_TEXT_WIDTH = 12
"""The width below which a text is not cut; its column is left out instead."""

UNCUT_COLUMNS = (
    "id",
    "client_id",
    "status",
    "expires_at",
    "key",
    "seq",
    "at",
    "rule",
    "kind",
    "used",
    "last_used_at",
    "grants",
)
"""Columns that people copy or that are short; they are shown in full or left out."""


WORDS = re.compile(r"(\s+)")
PARTS_OF_WORDS = re.compile(r"(\s+|[^\s/.:@_=-]*[/.:@_=-]+)")
"""Where a text may be wrapped: between words, or also after punctuation."""


class Layout(NamedTuple):
    """The columns to show, by their places, and their widths; `separators` when long texts are wrapped, not cut."""

    places: tuple[int, ...]
    widths: tuple[int, ...]
    separators: re.Pattern[str] | None = None

    def render(self, row: Sequence[str], *, cut: bool) -> Iterator[tuple[str, ...]]:
        """Yield the lines of a row, each as its padded cells; only a table that wraps has several."""
        if self.separators is None:
            yield tuple(
                pad(cut_text(row[place], width) if cut else row[place], width)
                for place, width in zip(self.places, self.widths, strict=True)
            )
            return
        cells = [
            _wrap(row[place], width, self.separators) for place, width in zip(self.places, self.widths, strict=True)
        ]
        for number in range(max(map(len, cells))):
            lines = (cell[number] if number < len(cell) else "" for cell in cells)
            yield tuple(pad(text, width) for text, width in zip(lines, self.widths, strict=True))


def _wrap(text: str, width: int, separators: re.Pattern[str]) -> list[str]:
    wrapper = textwrap.TextWrapper(max(width, 1), break_long_words=False)
    wrapper.wordsep_re = separators
    return wrapper.wrap(text) or [""]


def measure(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - most tables are ASCII

    return cell_len(text)


def pad(text: str, width: int) -> str:
    return text + " " * (width - measure(text))


def cut_text(text: str, width: int) -> str:
    """Return `text`, cut to `width` columns with `…` at its end if it is longer."""
    if measure(text) <= width:
        return text
    from rich.cells import set_cell_size  # noqa: PLC0415 - as above

    return f"{set_cell_size(text, width - 1).rstrip()}…"


def lay_out(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, wraps: bool) -> Layout:
    """Return the layout of a table in `width` columns, or without a limit."""
    natural = [max(map(measure, column)) for column in zip(headings, *rows, strict=True)]
    places = list(range(len(headings)))
    if width is None:
        return Layout(tuple(places), tuple(natural))
    for separators in (WORDS, PARTS_OF_WORDS) if wraps else ():
        smallest = [
            natural[place]
            if _is_uncut(heading)
            else max(measure(heading), _longest_part([row[place] for row in rows], separators))
            for place, heading in enumerate(headings)
        ]
        if _total(smallest) <= width:
            return Layout(tuple(places), _widen(smallest, natural, width), separators)
    smallest = [
        natural[place] if _is_uncut(heading) else min(natural[place], max(MIN_TEXT_WIDTH, measure(heading)))
        for place, heading in enumerate(headings)
    ]
    while len(places) > 1 and _total([smallest[place] for place in places]) > width:
        places.pop()
    widths = _widen([smallest[place] for place in places], natural, width)
    return Layout(tuple(places), tuple(min(each, width) for each in widths))


def _is_uncut(heading: str) -> bool:
    return heading.lower() in UNCUT_COLUMNS


def _longest_part(texts: Sequence[str], separators: re.Pattern[str]) -> int:
    return max((measure(part) for text in texts for part in separators.split(text) if not part.isspace()), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widen(smallest: Sequence[int], natural: Sequence[int], width: int) -> tuple[int, ...]:
    """Return the widths of columns that share what is left of `width`, the first ones first."""
    spare, widths = width - _total(smallest), []
    for least, most in zip(smallest, natural, strict=False):
        more = max(0, min(most - least, spare))
        widths.append(least + more)
        spare -= more
    return tuple(widths)
