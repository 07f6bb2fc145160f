"""Every library of the matrix goes through its flows, as the table in the manual says."""

from pathlib import Path

import pytest

from tests.clients import matrix

ERRORS = {"rfc6749": "invalid_client, invalid_grant", "gam": "116, 11"}


@pytest.mark.parametrize("client", matrix.CLIENTS, ids=lambda client: client.title)
def test_a_library_goes_through_its_flows(
    client: matrix.Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue("packages") if client.language == "JavaScript" else tmp_path
    try:
        row = matrix.run_client(client, folder)
    except matrix.UnavailableError as error:
        pytest.skip(str(error))
    assert matrix.format_row(row) in matrix.documented_table()
    _, _, key, password, refresh, userinfo, errors, _ = row
    assert (password, userinfo, errors) == ("yes", "yes", ERRORS[client.form])
    assert key == ("not supported" if client.form == "gam" else "yes")
    assert refresh == ("yes" if client.renewals else "none")


def test_the_manual_lists_no_other_library() -> None:
    titles = [line.split(" | ")[0].removeprefix("| ") for line in matrix.documented_table().splitlines()[2:]]
    assert titles == [client.title for client in matrix.CLIENTS]
