"""What is commonly wrong: the facts about a store and what is around it, gathered for the checks of `rules.doctor`."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gamcli.errors import StoreError, StoreMissingError, StoreUnusableError, command
from gamcli.model.doctor import Facts, FileFacts, Finding, Trouble
from gamcli.rules import doctor as rules
from gamcli.store import schema
from gamcli.store.sqlite import doctor as store
from gamcli.store.sqlite import files


def examine(around: Facts) -> tuple[Facts, list[Finding]]:
    """Return the facts `around` a store with those of the store itself, and what the checks found in them."""
    facts = _of_store(around)
    return facts, rules.examine(facts)


def _of_store(around: Facts) -> Facts:
    path = Path(around.path)
    try:
        files.require_no_planted_link(path)
    except StoreError as error:  # the link is looked at, and not what others have chosen for us
        return replace(_lying(around, path), store=Trouble(error.message, error.hint))
    facts = _lying(around, path.resolve())
    try:
        version, outputs, contents = store.look(path, around.now)
    except StoreError as error:
        return replace(facts, store=_trouble(error, facts.files))
    return replace(facts, files=(*facts.files, *_outputs(outputs)), version=version, contents=contents)


def _lying(around: Facts, path: Path) -> Facts:
    beside = (*store.lying(path), *store.left(path, around.now), *around.files)
    return replace(around, path=str(path), free=store.room(path), files=beside, known_version=len(schema.STEPS))


def _outputs(paths: tuple[str, ...]) -> Iterator[FileFacts]:
    found = (store.one(Path(path), "output of keys") for path in paths)
    return (each for each in found if each is not None)


def _trouble(error: StoreError, beside: tuple[FileFacts, ...]) -> Trouble:
    if isinstance(error, StoreMissingError):
        return Trouble(error.message, command("init"))
    is_there = any(each.role == "store" for each in beside)
    is_damaged = isinstance(error, StoreUnusableError) and is_there
    return Trouble(error.message, command("store", "check") if is_damaged else error.hint)


def close(facts: Facts) -> Iterator[tuple[str, int, str | None]]:
    """Take from others what the modes of files let them; yield each file, its new mode, and why that failed."""
    for path, mode in rules.modes(facts):
        try:
            files.set_mode(Path(path), stat.S_IMODE(mode))
        except OSError as error:
            yield path, mode, error.strerror
        else:
            yield path, mode, None
