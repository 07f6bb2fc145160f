"""
Lay out a table in aligned columns.

A pipe gets every column in full. On a terminal columns share its width: texts are cut and end in `…`, and columns that
do not fit are left out, the last ones first. Tables that have to be complete wrap long texts at words instead.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

GAP = "  "
MIN_TEXT_WIDTH = 12
"""The width below which a text is not cut; its column is left out instead."""

UNCUT_COLUMNS = ("id", "client_id", "status", "expires_at", "key", "seq", "at", "rule", "kind", "used")
"""Columns that people copy or that are short; they are shown in full or left out."""


class Layout(NamedTuple):
    """The columns to show, by their places, and their widths; `wraps` when long texts are wrapped, not cut."""

    places: tuple[int, ...]
    widths: tuple[int, ...]
    wraps: bool = False

    def render(self, row: Sequence[str], *, cut: bool) -> Iterator[tuple[str, ...]]:
        """Yield the lines of a row, each as its padded cells; only a table that wraps has several."""
        if not self.wraps:
            yield tuple(
                pad(cut_text(row[place], width) if cut else row[place], width)
                for place, width in zip(self.places, self.widths, strict=True)
            )
            return
        cells = [
            textwrap.wrap(row[place], width, break_long_words=False, break_on_hyphens=False) or [""]
            for place, width in zip(self.places, self.widths, strict=True)
        ]
        for number in range(max(map(len, cells))):
            lines = (cell[number] if number < len(cell) else "" for cell in cells)
            yield tuple(pad(text, width) for text, width in zip(lines, self.widths, strict=True))


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
    smallest = [
        _min_width(heading, [row[place] for row in rows], natural[place], wraps=wraps)
        for place, heading in enumerate(headings)
    ]
    while len(places) > 1 and not wraps and _total([smallest[place] for place in places]) > width:
        places.pop()
    spare = width - _total([smallest[place] for place in places])
    widths = []
    for place in places:
        more = max(0, min(natural[place] - smallest[place], spare))
        widths.append(min(smallest[place] + more, natural[place] if wraps else width))
        spare -= more
    return Layout(tuple(places), tuple(widths), wraps)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _min_width(heading: str, texts: Sequence[str], natural: int, *, wraps: bool) -> int:
    if heading.lower() in UNCUT_COLUMNS:
        return natural
    if wraps:
        return max([measure(heading), *(measure(word) for text in texts for word in text.split())])
    return min(natural, max(MIN_TEXT_WIDTH, measure(heading)))
