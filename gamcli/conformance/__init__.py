"""
The contract of the token endpoint as a table, and what holds any server against it, over HTTP alone.

*.toml      the table: requests that rows begin with, and one row a promise, by sections
table       the rows as records, read from there
worlds      what a server has to hold for the rows: names and values, and the manifest that makes them
asking      a row as bytes, and the bytes that come back
judging     what an answer was promised to be, and where it differs
suite       all rows, asked one after another

Nothing in here knows the code of the server: what both got wrong together would look right.
"""
