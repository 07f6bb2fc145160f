"""The PostgreSQL engine: a store in a database schema, for endpoint nodes and commands on any number of machines."""
