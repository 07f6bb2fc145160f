"""The SQLite engine. `sqlite3` is imported in this package only."""
