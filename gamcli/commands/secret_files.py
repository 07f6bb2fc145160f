"""Where the new secrets of an apply go: a file of their own, the outputs of a GitHub step, or the JSON on stdout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli import store
from gamcli.actions import Gam
from gamcli.commands import delivery
from gamcli.errors import FailedError, StoreError, command, format_count
from gamcli.provision.apply import SaveSecrets
from gamcli.provision.issued import IssuedSecrets
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.system import new_files

SECRETS_OPTION = "--secrets-out"

MAX_HINT_COMMANDS = 3
"""So many command lines a hint has at most."""


@contextmanager
def open_destination(gam: Gam, path: str | None, output: str) -> Iterator[SaveSecrets | None]:
    """Yield what keeps new secrets, or None where there is no place for them."""
    if path is not None:
        with _write_to_file(gam, path) as keep:
            yield keep
    elif output == "github":
        with delivery.open_step_outputs() as append:
            yield lambda issued: append(issued.secrets(), [*issued.variables()])
    else:
        yield _require_stdout_reader if output in ("json", "jsonl") else None


def _require_stdout_reader(_: IssuedSecrets) -> None:
    """Leave it to the JSON that tells what was done, if anybody takes that."""
    Output.require_writable_stdout(f"{SECRETS_OPTION} FILE takes new secrets too")


@contextmanager
def report_lost_secrets(issued: IssuedSecrets, path: str | None) -> Iterator[None]:
    """Tell how to replace what was issued, unless it lies at `path`, when JSON cannot be written after all."""
    try:
        yield
        Output.flush()
    except OSError as error:
        if not issued or path is not None:
            raise
        lost = format_count(len(issued.secrets()), "new secret")
        raise FailedError(
            f"all was applied, but {lost} could not be written: {error.strerror}", _reissue_commands(issued)
        ) from error


def _reissue_commands(issued: IssuedSecrets) -> str:
    """Return what gives new secrets for those that were lost, the first few of them."""
    lines = [command("app", "rotate-secret", app.name) for app, _ in issued.apps]
    lines += [command("key", "rotate", key.id, "--overlap", "0") for key, _ in issued.keys]
    return "; ".join([*lines[:MAX_HINT_COMMANDS], *(["and so on"] if len(lines) > MAX_HINT_COMMANDS else [])])


@contextmanager
def _write_to_file(gam: Gam, path: str) -> Iterator[SaveSecrets]:
    """Yield what writes a new file, which is taken away again when its secrets never came to be."""
    kept: list[IssuedSecrets] = []

    def keep(issued: IssuedSecrets) -> None:
        text = issued.to_json() if path.endswith(".json") else credentials.format_env(issued.variables())
        new_files.write_new_file(path, text, SECRETS_OPTION)
        kept.append(issued)

    try:
        yield keep
    except BaseException:
        if kept and _was_rolled_back(gam, kept[0]):
            Path(path).unlink()
        raise


def _was_rolled_back(gam: Gam, issued: IssuedSecrets) -> bool:
    """Say whether the store knows none of these secrets; when in doubt, it may know them."""
    try:
        with gam.store.reading() as tx:
            keys = (store.keys.find(tx, key.id) for key, _ in issued.keys)
            apps = (store.apps.find_by_client_id(tx, app.client_id) for app, _ in issued.apps)
            return not any(each is not None for found in (keys, apps) for each in found)
    except StoreError:
        return False
