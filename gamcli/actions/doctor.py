"""Diagnosing common problems: gathers the facts about a store for the checks in `rules.doctor`."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gamcli.errors import StoreError, StoreMissingError, StoreUnusableError, StoreVersionError, UsageError, command
from gamcli.model.doctor import DoctorFacts, DoctorFinding, ReadProblem
from gamcli.model.files import FileFacts
from gamcli.rules import doctor as rules
from gamcli.rules import file_diagnosis
from gamcli.store import Location, Store, schema
from gamcli.store.contents import load_contents
from gamcli.store.sqlite import doctor as store
from gamcli.store.sqlite import files

STORE_ROLES = {"folder", *files.ROLES.values()}
"""The roles of what belongs to a store that could be read."""


def diagnose(environment: DoctorFacts, location: Location | None = None) -> tuple[DoctorFacts, list[DoctorFinding]]:
    """
    Add the facts about the store to those about its environment, and run the checks on them.

    The store is the file `environment.path` unless `location` is a database.
    """
    if location is None or isinstance(location, Path):
        facts = _add_store_facts(environment)
    else:
        facts = _add_database_facts(environment, location)
    return facts, rules.run_checks(facts)


def _add_store_facts(environment: DoctorFacts) -> DoctorFacts:
    path = Path(environment.path)
    try:
        files.require_trusted_path(path)
    except StoreError as error:  # an untrusted link is reported, not followed
        return replace(_add_file_facts(environment, path), store_problem=ReadProblem(error.message, error.hint))
    facts = _add_file_facts(environment, Path(os.path.realpath(path)))
    try:
        version, outputs, contents = store.load_contents(path, environment.now)
    except StoreError as error:
        return replace(facts, store_problem=_read_problem(error, facts.files))
    recognized = (each._replace(is_recognized=True) if each.role in STORE_ROLES else each for each in facts.files)
    found = (files.load_file_facts(Path(output), "output of keys") for output in outputs)
    return replace(facts, files=(*recognized, *filter(None, found)), version=version, contents=contents)


def _add_database_facts(environment: DoctorFacts, location: Location) -> DoctorFacts:
    facts = replace(environment, supported_version=len(schema.MIGRATIONS), has_file=False)
    try:
        with Store.open(location) as opened, opened.reading() as tx:
            return replace(
                facts,
                version=opened.describe(tx).version,
                contents=load_contents(tx, environment.now),
                clock_difference=opened.clock_difference,
            )
    except (StoreError, UsageError) as error:
        return replace(facts, store_problem=ReadProblem(error.message, error.hint))


def _add_file_facts(environment: DoctorFacts, path: Path) -> DoctorFacts:
    found = (*files.find_files(path), *files.find_leftover_files(path, environment.now), *environment.files)
    return replace(
        environment,
        path=str(path),
        free_bytes=files.find_free_bytes(path),
        file_system=files.find_file_system(path.parent),
        files=found,
        supported_version=len(schema.MIGRATIONS),
    )


def _read_problem(error: StoreError, found_files: tuple[FileFacts, ...]) -> ReadProblem:
    if isinstance(error, StoreMissingError):
        return ReadProblem(error.message, command("init"))
    if isinstance(error, StoreVersionError):
        return ReadProblem(error.message, command("--version"))
    exists = any(each.role == "store" for each in found_files)
    is_damaged = isinstance(error, StoreUnusableError) and exists
    return ReadProblem(error.message, command("store", "check") if is_damaged else error.hint)


def restrict_modes(facts: DoctorFacts) -> Iterator[tuple[str, int, str | None]]:
    """Restrict unsafe file permissions; yields each path, its new mode, and the error message if that failed."""
    for path, mode in file_diagnosis.find_unsafe_modes(facts):
        try:
            files.set_mode(Path(path), stat.S_IMODE(mode))
        except OSError as error:
            yield path, mode, error.strerror
        else:
            yield path, mode, None
