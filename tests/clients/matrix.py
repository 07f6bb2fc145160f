"""
Run OAuth libraries of four languages against the token endpoint: `python tests/clients/matrix.py [--write]`.

Each library exchanges an API key and a password, renews a token, reads userinfo, and reports a wrong client secret and
a wrong key. Prints a table; `--write` updates the one in the manual page `clients`. A library whose language or
packages are not installed is left out, with a note on stderr.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.clients.world import EMAIL, serving  # noqa: E402 - this is a script, too

MANUAL = ROOT / "gamcli" / "manual" / "clients.md"
_BLOCK = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- /matrix -->)", re.DOTALL)

GO_PATH = "/usr/share/gocode"
"""Where Debian keeps the sources of Go packages."""

SECONDS = 120.0
"""How long a client, its compiler or its installation may take."""


class UnavailableError(Exception):
    """The language or the packages of a client are not installed."""


class Client(NamedTuple):
    """A library, the form of responses that it expects, and how many renewals its application allows."""

    name: str
    language: str
    form: str = "rfc6749"
    renewals: int = 2
    note: str = ""

    @property
    def title(self) -> str:
        return self.name if self.renewals else f"{self.name}, no renewals"


CLIENTS = (
    Client("requests-oauthlib", "Python"),
    Client("Authlib", "Python"),
    Client("httpx-oauth", "Python", note="has no password grant: a method of six lines adds it"),
    Client("pygeai-gam", "Python", form="gam", note="sends no API keys; its errors are GAM's codes"),
    Client("oauth4webapi", "JavaScript"),
    Client("oauth4webapi", "JavaScript", renewals=0),
    Client("openid-client", "JavaScript", note="`fetchUserInfo` compares `sub` with `user_guid`"),
    Client("simple-oauth2", "JavaScript", note="userinfo with `fetch`"),
    Client("golang.org/x/oauth2", "Go", note="a key by `clientcredentials` with another `grant_type`"),
    Client("oauth2", "Ruby"),
)

STEPS = ("key", "password", "refresh", "userinfo", "errors")


def install_npm(folder: Path) -> None:
    """Install the packages of package-lock.json into `folder`; raises UnavailableError."""
    _require("node", "npm")
    for name in ("package.json", "package-lock.json", ".npmrc", "npm_clients.mjs", "flow.js"):
        shutil.copy(HERE / name, folder / name)
    _run(["npm", "ci", "--prefer-offline"], folder, error=UnavailableError)


def build_go(folder: Path) -> list[str]:
    """Compile the client in Go and return its command; raises UnavailableError."""
    _require("go")
    if not Path(GO_PATH, "src/golang.org/x/oauth2").is_dir():
        raise UnavailableError("golang-golang-x-oauth2-dev is not installed")
    program = str(folder / "flow")
    cache = {"GO111MODULE": "off", "GOPATH": GO_PATH, "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    _run(["go", "build", "-o", program, str(HERE / "flow.go")], folder, cache)
    return [program]


def _require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")


def _run(
    command: Sequence[str],
    folder: Path,
    variables: dict[str, str] | None = None,
    text: str = "",
    error: type[Exception] = RuntimeError,
) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "OAUTHLIB_INSECURE_TRANSPORT": "1", **(variables or {})}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=text, capture_output=True, check=False, timeout=SECONDS,
            text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise error(f"{command[0]} took longer than {SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        raise error(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def find_command(client: Client, folder: Path) -> list[str]:
    """Return the command of a client, whose packages are in `folder`; raises UnavailableError."""
    if client.language == "JavaScript":
        _require("node")
        return ["node", str(folder / "npm_clients.mjs"), client.name]
    if client.language == "Go":
        return build_go(folder)
    if client.language == "Ruby":
        _require("ruby")
        _run(["ruby", "-e", 'require "oauth2"'], folder, error=UnavailableError)
        return ["ruby", str(HERE / "flow.rb")]
    return [sys.executable, str(HERE / "python_clients.py"), client.name]


def run_client(client: Client, folder: Path) -> tuple[str, ...]:
    """Run the flows of a client and return its row of the table; raises UnavailableError."""
    command = find_command(client, folder)
    with serving(client.form, client.renewals) as endpoint:
        observed = json.loads(_run(command, folder, text=json.dumps(endpoint.credentials())))
    return (client.title, client.language, *(_cell(step, observed[step]) for step in STEPS), client.note)


_EXPECTED = {"key": "bearer", "password": "bearer", "refresh": "002", "userinfo": EMAIL}


def _cell(step: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "yes" if str(value).lower() == _EXPECTED.get(step) else str(value)


def format_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def format_table(rows: Sequence[Sequence[str]]) -> str:
    header = ("library", "language", "API key", "password", "renewal", "userinfo", "wrong secret, wrong key", "")
    return "\n".join(map(format_row, (header, ["---"] * len(header), *rows))) + "\n"


def documented_table() -> str:
    """Return the table in the manual."""
    match = _BLOCK.search(MANUAL.read_text(encoding="utf-8"))
    return match[0] if match else ""


def main() -> None:
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            install_npm(folder)
        except UnavailableError as error:
            sys.stderr.write(f"JavaScript: {error}\n")
        for client in CLIENTS:
            try:
                rows.append(run_client(client, folder))
            except UnavailableError as error:
                sys.stderr.write(f"{client.title}: {error}\n")
    table = format_table(rows)
    if "--write" in sys.argv:
        text = MANUAL.read_text(encoding="utf-8")
        MANUAL.write_text(_BLOCK.sub(lambda _: table, text), encoding="utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
