"""Tests of the SQLite engine: a store is always a file."""

import pytest


@pytest.fixture
def engine() -> str:
    return "sqlite"
