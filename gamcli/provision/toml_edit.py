"""
Changes objects of a TOML text and keeps everything else: comments, order, blank lines.

Only the tables of the changed objects are edited with tomlkit, because in a whole file it moves `[[key]]` tables
together, away from their comments, and takes seconds for thousands of them. Forms that cannot be edited are left
unchanged: the caller has to parse the result and compare.
"""

from bisect import bisect_right
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable

from gamcli.provision import toml_format
from gamcli.provision.toml_scan import Keys, Scan

Fields = Mapping[str, object]
"""New values of fields, of which nested ones have a dot in their names; None removes a field."""


class _Region(NamedTuple):
    """Tables that are edited together: the numbers of the first and last one, and the objects in them."""

    first: int
    last: int
    objects: list[Keys]


def edit(text: str, changes: Mapping[Keys, Fields | None]) -> str:
    """Return the text with the fields of some objects changed, by the key path of each; None removes the object."""
    scan = Scan(text)
    starts = [0, *(text.rfind("\n", 0, offset) + 1 for _, offset in scan.headers), len(text)]
    pieces, done = list[str](), 0
    for first, last, objects in _find_regions(scan, changes):
        start, end = starts[first], _content_end(text, starts[first], starts[last + 1])
        headers = [keys for keys, _ in scan.headers[max(first - 1, 0) : last]]
        new = _edit_region(text[start:end], headers, {keys: changes[keys] for keys in objects})
        pieces += [text[done:start], new]
        done = end if new else end + len(text[end:]) - len(text[end:].lstrip())
    return "".join((*pieces, text[done:]))


def _find_regions(scan: Scan, objects: Mapping[Keys, object]) -> list[_Region]:
    """Return the regions of the objects in order; table 0 is what comes before the first header."""
    offsets, spans = [offset for _, offset in scan.headers], dict[Keys, tuple[int, int]]()
    for keys, offset in scan.positions.items():
        table = bisect_right(offsets, offset)
        for part in (keys[:1], keys[:2]):
            spans[part] = spans.get(part, (table,))[0], table
    regions = list[_Region]()
    for (first, last), keys in sorted((spans[keys], keys) for keys in objects):
        if regions and first <= regions[-1].last:
            merged = regions.pop()
            regions.append(_Region(merged.first, max(last, merged.last), [*merged.objects, keys]))
        else:
            regions.append(_Region(first, last, [keys]))
    return regions


def _content_end(text: str, start: int, end: int) -> int:
    """Return where the comments and blank lines begin that come before the next table."""
    lines = text[start:end].splitlines(keepends=True)
    while not lines[-1].partition("#")[0].strip():
        end -= len(lines.pop())
    return end


def _edit_region(text: str, headers: list[Keys], changes: Mapping[Keys, Fields | None]) -> str:
    """Return the text of some tables with the changes; the indexes of arrays count from the first of these tables."""
    with suppress(TOMLKitError):
        document: Any = tomlkit.parse(text)
        if document.as_string() != text:  # tomlkit has moved tables
            return text
        for keys, fields in sorted(changes.items(), reverse=True):  # indexes before a removed element stay valid
            *path, last = keys
            parent = document[path[0]] if path else document
            if isinstance(last, int):
                last -= next((key for name, key, *_ in headers if name == keys[0] and isinstance(key, int)), 0)
            if fields is None:
                del parent[last]
                if parent == []:
                    del document[path[0]]
            for name, value in (fields or {}).items():
                group, dot, inner = name.partition(".")
                earlier = parent[last].get(group, {}) if dot else {}
                _set(parent[last], group, {**earlier, inner: value} if dot else value)
        text = document.as_string()
    return text


def _set(table: Any, name: str, value: Any) -> None:  # noqa: ANN401 - TOML
    """Set a field; of a list, and of a table that is not inline, only the parts that differ."""
    earlier = table.get(name)
    if value is None:
        table.pop(name, None)
    elif isinstance(value, Mapping) and isinstance(earlier, MutableMapping) and not isinstance(earlier, InlineTable):
        for each in [*earlier.keys() - value.keys()]:
            del earlier[each]
        for each in value:
            if each not in earlier or earlier[each] != value[each]:
                _set(earlier, each, value[each])
    elif isinstance(value, list) and isinstance(earlier, Array) and _set_elements(earlier, value):
        return
    else:
        table[name] = tomlkit.value(toml_format.format_value(value))


def _set_elements(array: Array, elements: list[str]) -> bool:
    """Edit an array of several lines; return whether it has the elements then, in this order."""
    if "\n" not in array.as_string() or {*array} == {*elements}:
        return False
    for index in reversed(range(len(array))):
        if array[index] not in elements:
            del array[index]
    for index, element in enumerate(elements):
        if element not in array:
            array.insert(index, element)
    return [*array] == elements
