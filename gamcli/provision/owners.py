"""
Owners in comments: `# gamcli owner: NAME` names the owner of the objects that follow it in a manifest.

`export` writes these comments, so that a plan of the exported file is empty.
"""

import json
import re

from gamcli.provision.desired import Location

_COMMENT = re.compile(r"^# gamcli owner:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_HEAD = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|$))*")
_MULTILINE_QUOTES = ('"""', "'''")


def format_comment(owner: str) -> str:
    """Return the comment; an owner that a comment cannot show as it is becomes a JSON string."""
    is_plain = owner.isprintable() and owner == owner.strip() and not owner.startswith('"')
    return f"# gamcli owner: {owner if is_plain else json.dumps(owner)}"


def _parse_owner(text: str) -> str:
    try:
        owner = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return owner if isinstance(owner, str) else text


class Owners:
    """The owners of the objects of one file: `default` until the first comment."""

    def __init__(self, text: str, default: str) -> None:
        self.default = default
        self.comments: list[tuple[int, str]] = []
        """Lines, from 1, and names."""
        if "# gamcli owner:" not in text:
            return
        head = _HEAD.match(text)
        head_end = head.end() if head else 0
        if any(quotes in text for quotes in _MULTILINE_QUOTES):  # what looks like a comment can be a text
            text = text[:head_end]
        found = [*_COMMENT.finditer(text)]
        self.comments = [(text.count("\n", 0, each.start()) + 1, _parse_owner(each[1])) for each in found]
        if len(found) == 1 and found[0].start() < head_end:  # the usual case, in which no line has to be known
            self.default = self.comments[0][1]

    def find(self, location: Location) -> str:
        """Return the owner of the object at `location`."""
        if not self.comments or self.default == self.comments[-1][1]:
            return self.default
        line = location.line
        return next((name for at, name in reversed(self.comments) if at < line), self.default)
