"""Where the new secrets of an apply go: a file of their own, the outputs of a GitHub step, or the JSON on stdout."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli import store
from gamcli.actions import Gam
from gamcli.commands import new_files
from gamcli.errors import FailedError, StoreError, UsageError
from gamcli.provision.apply import Keep
from gamcli.provision.issued import Issued
from gamcli.render.output import Output

OPTION = "--secrets-out"


@contextmanager
def place(gam: Gam, path: str | None, output: str) -> Iterator[Keep | None]:
    """Yield what keeps new secrets, or None where there is no place for them."""
    if path is not None:
        with _file(gam, path) as keep:
            yield keep
    elif output == "github":
        yield _github(os.environ.get("GITHUB_OUTPUT"))
    else:
        yield _shown_later if output in ("json", "jsonl") else None


def _shown_later(_: Issued) -> None:
    """Leave it to the JSON that tells what was done."""


@contextmanager
def _file(gam: Gam, path: str) -> Iterator[Keep]:
    """Yield what writes a new file, which is taken away again when its secrets never came to be."""
    kept: list[Issued] = []

    def keep(issued: Issued) -> None:
        text = issued.json() if path.endswith(".json") else issued.dotenv()
        new_files.write(path, text, OPTION)
        kept.append(issued)

    try:
        yield keep
    except BaseException:
        if kept and _is_void(gam, kept[0]):
            Path(path).unlink()
        raise


def _is_void(gam: Gam, issued: Issued) -> bool:
    """Say whether the store knows none of these secrets; when in doubt, it may know them."""
    try:
        with gam.store.reading() as tx:
            keys = (store.keys.find(tx, key.id) for key, _ in issued.keys)
            apps = (store.apps.of_client(tx, app.client_id) for app, _ in issued.apps)
            return not any(each is not None for found in (keys, apps) for each in found)
    except StoreError:
        return False


def _github(path: str | None) -> Keep:
    """Return what masks each secret in the log, then appends all to the outputs of the step."""
    if path is None:
        raise UsageError("-o github needs the file that $GITHUB_OUTPUT names", "run it in a GitHub workflow")

    def keep(issued: Issued) -> None:
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                for _, secret in (*issued.apps, *issued.keys):
                    Output.data(f"::add-mask::{secret.reveal()}")
                Output.flush()
                file.write(issued.dotenv())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FailedError(f"cannot write {path}: {error.strerror}", "$GITHUB_OUTPUT names it") from error

    return keep
