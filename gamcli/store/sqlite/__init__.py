"""The SQLite engine: the file, its transactions, backups and checks."""
