"""What the tests of provisioning share: manifests in a folder, and what becomes of them."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from gamcli.errors import Fault, FaultsError
from gamcli.provision import manifest
from gamcli.provision.desired import Desired


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder to work in."""
    here = tmp_path / "manifests"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def write(folder: Path) -> Callable[[str, str], Path]:
    """Return what writes a file of the folder."""

    def file(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return file


@pytest.fixture
def wanted(write: Callable[[str, str], Path]) -> Callable[..., Desired]:
    """Return what reads a text as the manifest `m.toml`, with those environment variables."""

    def read(text: str, *, seed: bool = False, **environment: str) -> Desired:
        write("m.toml", text)
        return manifest.read(["m.toml"], environment, seed=seed)

    return read


@pytest.fixture
def faults(wanted: Callable[..., Desired]) -> Callable[..., list[Fault]]:
    """Return what reads a text as `wanted` does, and tells what is wrong with it."""

    def read(text: str, *, seed: bool = False, **environment: str) -> list[Fault]:
        with pytest.raises(FaultsError) as raised:
            wanted(text, seed=seed, **environment)
        return [*raised.value.faults]

    return read


@pytest.fixture
def told(faults: Callable[..., list[Fault]]) -> Callable[..., list[str]]:
    """Return what reads a text as `wanted` does, and tells what is wrong with it as people read it."""
    return lambda text, **more: [str(each) for each in faults(text, **more)]
