"""Fixtures that read, plan and apply manifests in a temporary folder."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from gamcli.actions import Gam
from gamcli.errors import Problem, ProblemsError
from gamcli.provision import manifest
from gamcli.provision.apply import Applied, ApplyOptions, apply, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.plan import ExecutionPlan, PlanOptions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "manifests"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def write(folder: Path) -> Callable[[str, str], Path]:
    def file(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return file


@pytest.fixture
def read_desired(write: Callable[[str, str], Path]) -> Callable[..., Desired]:
    def read(text: str, *, seed: bool = False, **environment: str) -> Desired:
        write("m.toml", text)
        return manifest.read(["m.toml"], environment, seed=seed)

    return read


@pytest.fixture
def find_problems(read_desired: Callable[..., Desired]) -> Callable[..., list[Problem]]:
    def read(text: str, *, seed: bool = False, **environment: str) -> list[Problem]:
        with pytest.raises(ProblemsError) as raised:
            read_desired(text, seed=seed, **environment)
        return [*raised.value.problems]

    return read


@pytest.fixture
def problem_texts(find_problems: Callable[..., list[Problem]]) -> Callable[..., list[str]]:
    return lambda text, **more: [str(each) for each in find_problems(text, **more)]


@pytest.fixture
def read_owned(write: Callable[[str, str], Path]) -> Callable[..., Desired]:
    def read(text: str, owner: str = "m.toml", *, seed: bool = False) -> Desired:
        write("m.toml", text)
        return manifest.read(["m.toml"], {}, owner, seed=seed)

    return read


@pytest.fixture
def plan_manifest(gam: Gam, read_owned: Callable[..., Desired]) -> Callable[..., ExecutionPlan]:
    def plan(text: str, owner: str = "m.toml", *, prune: bool = False, adopt: bool = False) -> ExecutionPlan:
        desired = read_owned(text, owner)
        with gam.store.reading() as tx:
            return make_plan(tx, gam, desired, PlanOptions(prune, adopt))

    return plan


@pytest.fixture
def apply_manifest(gam: Gam, read_owned: Callable[..., Desired]) -> Callable[..., Applied]:
    def do(
        text: str, owner: str = "m.toml", *, prune: bool = False, adopt: bool = False, seed: bool = False
    ) -> Applied:
        desired = read_owned(text, owner, seed=seed)
        options = PlanOptions(prune, adopt)
        with gam.store.reading() as tx:
            ends = len(make_plan(tx, gam, desired, options).invalidated)
        return apply(gam, desired, ApplyOptions(options, ends, lambda _: None))

    return do
