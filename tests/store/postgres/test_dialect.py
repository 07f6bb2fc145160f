"""The SQL of the nouns on PostgreSQL."""

from gamcli.store.postgres.dialect import translate
from tests.cases import for_each


@for_each(
    ("sql", "translated"),
    [
        ("SELECT ? , '?', ?", "SELECT $1 , '?', $2"),
        ("WHERE a = ?2 AND b = ?1 AND c = ?2", "WHERE a = $2 AND b = $1 AND c = $2"),
        ("SELECT user.guid FROM user", 'SELECT "user".guid FROM "user"'),
        ("SELECT user_guid FROM session", "SELECT user_guid FROM session"),
        ("WHERE target = ? COLLATE NOCASE", 'WHERE lower(target) = lower($1 COLLATE "C")'),
        ("actor LIKE ? ESCAPE '\\'", "actor ILIKE $1 ESCAPE '\\'"),
        (
            "FROM temp.a CROSS JOIN key ON key.id = id WHERE row > ?",
            "FROM pg_temp.a JOIN LATERAL (SELECT * FROM key WHERE key.id = id OFFSET 0) AS key ON TRUE WHERE row > $1",
        ),
        ("instr(details, ?) > 0", "strpos(details, $1) > 0"),
        ("CAST(sum(grants) AS INTEGER)", "CAST(sum(grants) AS bigint)"),
    ],
)
def test_the_sql_of_the_nouns_becomes_that_of_postgresql(sql: str, translated: str) -> None:
    assert translate(sql) == translated
