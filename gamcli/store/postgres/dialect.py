"""Translates the SQL of the nouns to PostgreSQL, which is the only place where the dialects differ."""

import re
from functools import lru_cache

_GLOB = r"""LIKE replace(replace(replace(replace(replace(?, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_')"""
"""A pattern with `*` and `?`; case matters, as it does for GLOB."""

_PHRASES = (
    # SQLite ignores the case of ASCII letters here; columns with COLLATE "C" do the same.
    (re.compile(r"(\w+) = \? COLLATE NOCASE"), r'lower(\1) = lower(? COLLATE "C")'),
    (re.compile(r"\bLIKE\b"), "ILIKE"),
    (re.compile(r"\bGLOB \?"), _GLOB.replace("\\", r"\\")),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\bchar\(10\)"), "chr(10)"),
    # SQLite looks up a row of the second table for each one of the first; OFFSET prevents that all are read instead.
    (
        re.compile(r"\bCROSS JOIN (\w+) ON (.*?)(?=\s+WHERE|\Z)", re.DOTALL),
        r"JOIN LATERAL (SELECT * FROM \1 WHERE \2 OFFSET 0) AS \1 ON TRUE",
    ),
    (re.compile(r"\btemp\."), "pg_temp."),
    (re.compile(r"\bINTEGER\b"), "bigint"),
    (re.compile(r"\bBLOB\b"), "bytea"),
    (re.compile(r"\bTEXT\b"), 'text COLLATE "C"'),
)

_TOKEN = re.compile(r"'(?:[^']|'')*'|\?(\d*)|\buser\b")


@lru_cache(maxsize=1024)
def translate(sql: str) -> str:
    """Return the statement for PostgreSQL, with `$1` for the first value."""
    for pattern, replacement in _PHRASES:
        sql = pattern.sub(replacement, sql)
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        text = match[0]
        if text.startswith("'"):
            return text
        if text == "user":  # a reserved word
            return '"user"'
        count = int(match[1]) if match[1] else count + 1
        return f"${count}"

    return _TOKEN.sub(replace, sql)
