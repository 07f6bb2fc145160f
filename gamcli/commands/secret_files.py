"""Where the new secrets of `apply` go: a new file, the outputs of a GitHub Actions step, or the JSON on stdout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli import store
from gamcli.actions import Gam
from gamcli.commands import delivery
from gamcli.errors import FailedError, StoreError, command, format_count
from gamcli.provision.apply import SaveSecrets
from gamcli.provision.issued import IssuedSecrets, is_uncommitted
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.system import new_files

SECRETS_OPTION = "--secrets-out"

MAX_HINT_COMMANDS = 3
"""How many commands a hint lists at most."""


@contextmanager
def open_destination(gam: Gam, path: str | None, output: str) -> Iterator[SaveSecrets | None]:
    """Yield a function that saves new secrets, or None when there is no place for them."""
    if path is not None:
        with _write_to_file(gam, path) as save_secrets:
            yield save_secrets
    elif output == "github":
        with delivery.open_step_outputs() as append:
            yield lambda issued: append(issued.secrets(), [*issued.variables()])
    elif output in ("json", "jsonl"):  # stdout gets the secrets in the JSON of the result
        yield lambda _: Output.require_writable_stdout(f"use {SECRETS_OPTION} FILE to write new secrets to a file")
    else:
        yield None


@contextmanager
def report_lost_secrets(issued: IssuedSecrets, path: str | None) -> Iterator[None]:
    """When the result cannot be written, raise FailedError with the commands that replace the lost secrets."""
    try:
        yield
        Output.flush()
    except OSError as error:
        if not issued or path is not None:
            raise
        lost = format_count(len(issued.secrets()), "new secret")
        lines = [command("app", "rotate-secret", app.name, "--overlap", "0") for app, _ in issued.apps]
        lines += [command("key", "rotate", key.id, "--overlap", "0") for key, _ in issued.keys]
        hint = "; ".join([*lines[:MAX_HINT_COMMANDS], *(["..."] if len(lines) > MAX_HINT_COMMANDS else [])])
        raise FailedError(
            f"the changes were applied, but {lost} could not be written: {error.strerror}", hint
        ) from error


@contextmanager
def _write_to_file(gam: Gam, path: str) -> Iterator[SaveSecrets]:
    """
    Yield a function that writes a new file; remove the file when the transaction is rolled back.

    A file whose apply was never committed has no valid secret and is replaced.
    """
    written: list[IssuedSecrets] = []
    is_leftover = is_uncommitted(gam.store, path)

    def save_secrets(issued: IssuedSecrets) -> None:
        text = issued.to_json() if path.endswith(".json") else credentials.format_env(issued.variables())
        new_files.write_new_file(path, text, SECRETS_OPTION, overwrite=is_leftover)
        written.append(issued)

    try:
        yield save_secrets
    except BaseException:
        if written and _was_rolled_back(gam, written[0]):
            Path(path).unlink()
        raise


def _was_rolled_back(gam: Gam, issued: IssuedSecrets) -> bool:
    """Say whether none of these secrets are in the store; False when the store cannot be read."""
    try:
        with gam.store.reading() as tx:
            keys = (store.keys.find(tx, key.id) for key, _ in issued.keys)
            apps = (store.apps.find_by_client_id(tx, app.client_id) for app, _ in issued.apps)
            return all(record is None for record in (*keys, *apps))
    except StoreError:
        return False
