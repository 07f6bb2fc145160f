"""SARIF for code scanning."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gamcli.model.findings import ScanFinding
from gamcli.render import sarif

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ScanFinding("src/a b.py", 3, 7, None, "API key", "K1234567", "active", True, "ana", "portal", NOW, "00ff" * 4)  # noqa: FBT003 - a record
CLIENT = replace(
    KEY, kind="client secret", id=None, user=None, last_used_at=None, commit="c0ffee", fingerprint="11ee" * 4
)


def run(*findings: ScanFinding) -> Any:  # noqa: ANN401 - a document
    document = json.loads("\n".join(sarif.format_lines(findings, NOW)))
    assert (document["version"], document["$schema"]) == ("2.1.0", sarif.SCHEMA)
    (found,) = document["runs"]
    return found


def test_a_document_names_its_tool_and_rules() -> None:
    found = run()
    assert found["results"] == []
    assert found["columnKind"] == "unicodeCodePoints"
    driver = found["tool"]["driver"]
    assert driver["name"] == "gamcli"
    assert [rule["id"] for rule in driver["rules"]] == ["gam-api-key", "gam-client-secret"]
    assert [rule["properties"]["security-severity"] for rule in driver["rules"]] == ["9.1", "9.1"]


def test_a_result_reports_what_is_where() -> None:
    (found,) = run(KEY)["results"]
    assert found == {
        "ruleId": "gam-api-key",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "GAM API key K1234567 of ana for portal: active"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "src/a%20b.py", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 3, "startColumn": 7},
                }
            }
        ],
        "partialFingerprints": {"secret/v1": "00ff" * 4},
        "properties": {
            "id": "K1234567",
            "status": "active",
            "live": True,
            "user": "ana",
            "app": "portal",
            "last_used_at": "2026-03-01T12:00:00Z",
        },
    }


def test_many_results_are_one_document() -> None:
    results = run(KEY, CLIENT, KEY)["results"]
    assert [(each["ruleId"], each["ruleIndex"]) for each in results] == [
        ("gam-api-key", 0),
        ("gam-client-secret", 1),
        ("gam-api-key", 0),
    ]
    assert results[1]["message"]["text"] == "GAM client secret of portal: active, since commit c0ffee"
    assert results[1]["properties"]["commit"] == "c0ffee"


@pytest.mark.parametrize(
    ("live", "status", "level"), [(True, "active", "error"), (None, "unknown", "warning"), (False, "revoked", "note")]
)
def test_a_valid_credential_is_an_error_and_an_inactive_one_a_note(live: bool | None, status: str, level: str) -> None:  # noqa: FBT001 - a field
    (found,) = run(replace(KEY, live=live, status=status, user=None, app=None))["results"]
    assert found["level"] == level
    assert found["message"]["text"] == f"GAM API key K1234567: {status}"


def test_places_are_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [str(tmp_path / "a.py"), "/etc/a b", "clé?#.py", "bad\\xff\\xfe", "/bad\\x80", "a\\x41"]
    places = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]
        for each in run(*(replace(KEY, file=file) for file in files))["results"]
    ]
    assert places == [
        {"uri": "a.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///etc/a%20b"},
        {"uri": "cl%C3%A9%3F%23.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "bad%FF%FE", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///bad%80"},
        {"uri": "a%5Cx41", "uriBaseId": "%SRCROOT%"},
    ]
