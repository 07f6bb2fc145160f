"""Scans of git repositories."""

import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gamcli.errors import FailedError, UsageError
from gamcli.rules.credentials import mint_api_key, mint_client_secret
from gamcli.scan import git_objects, git_scan
from gamcli.scan.git_scan import GitRepository

RANDOM_BYTES = Random(5).randbytes
KEY, OTHER = (mint_api_key(RANDOM_BYTES)[1].reveal() for _ in range(2))
CLIENT = mint_client_secret(RANDOM_BYTES).reveal()

Git = Callable[..., str]


@pytest.fixture
def git(place: Path) -> Git:
    who = {"NAME": "n", "EMAIL": "n@example.org"}
    names = {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in who.items()}
    minutes = iter(range(1000))

    def run(*words: str, at: str = "") -> str:
        at = at or f"{1_700_000_000 + 60 * next(minutes)} +0000"
        environment = {**os.environ, **names, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at, "LC_ALL": "C"}
        line = ["git", "-c", "init.defaultBranch=main", *words]
        done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment, cwd=place)
        return done.stdout.strip()

    run("init", "-q")
    return run


@pytest.fixture
def commit(git: Git, place: Path) -> Callable[..., str]:
    def make(message: str = "more", **files: str | None) -> str:
        for name, text in files.items():
            path = place / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8") if text is not None else path.unlink()
        git("add", "--all")
        git("commit", "-q", "--allow-empty", "-m", message)
        return git("rev-parse", "HEAD")

    return make


Commit = Callable[..., str]


def look(folder: str = ".", *, warnings: list[str] | None = None) -> list[tuple[str, str | None, int, str]]:
    repository = GitRepository(folder, pytest.fail if warnings is None else warnings.append)
    return [(at.file, at.commit, leak.line, leak.secret.reveal()) for at, leak in repository.scan_history()]


def test_a_removed_leak_is_found_in_the_commit_that_added_it(commit: Commit) -> None:
    commit(a_py="1\n")
    brought = commit(a_py=f"1\n2\nkey = '{KEY}'\n")
    commit(a_py=f"0\n1\n2\n3\nkey = '{KEY}'\n")
    commit(a_py="1\n")
    assert look() == [("a.py", brought, 3, KEY)]


def test_a_leak_in_many_places_is_reported_once(commit: Commit) -> None:
    first = commit(b__c_py=f"{KEY}\n")
    second = commit(a_py=f"{KEY}\n{OTHER}\n", b__c_py=None)
    assert look() == [("b/c.py", first, 1, KEY), ("a.py", second, 2, OTHER)]


def test_branches_tags_and_stashes_are_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    git("checkout", "-q", "-b", "side")
    side = commit(side_py=f"{KEY}\n")
    git("checkout", "-q", "main")
    (place / "a.py").write_text(OTHER, encoding="utf-8")
    git("stash")
    found = look()
    assert ("side.py", side, 1, KEY) in found
    assert {each[3] for each in found} == {KEY, OTHER}


def test_older_stashes_are_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    for text in (KEY, OTHER, CLIENT):
        (place / "a.py").write_text(text, encoding="utf-8")
        git("stash")
    assert {each[3] for each in look()} == {KEY, OTHER, CLIENT}


def test_tags_of_files_and_folders_are_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    made = commit(b__c_py=KEY)
    (place / "left.py").write_text(OTHER, encoding="utf-8")
    git("tag", "file", git("hash-object", "-w", "left.py"))
    git("tag", "-a", "-m", "signed", "file-again", "file")
    (place / "b" / "d.py").write_text(CLIENT, encoding="utf-8")
    git("add", "b/d.py")
    tree = git("write-tree")
    git("tag", "-a", "-m", "signed", "folder", tree)
    git("tag", "-a", "-m", "signed", "folder-again", "folder")
    assert look() == [
        ("b/c.py", made, 1, KEY), ("refs/tags/file", None, 1, OTHER), ("b/d.py", tree, 1, CLIENT),
    ]  # fmt: skip


def test_a_leak_added_by_a_merge_commit_is_found(git: Git, commit: Commit) -> None:
    commit(a_py="1\n")
    git("checkout", "-q", "-b", "side")
    commit(side_py="1\n")
    git("checkout", "-q", "main")
    commit(b_py="1\n")
    git("merge", "-q", "--no-commit", "--no-ff", "side")
    merge = commit("merge", evil_py=KEY)
    assert len(git("rev-parse", "HEAD^@").split()) == 2
    assert look() == [("evil.py", merge, 1, KEY)]


def test_messages_of_commits_and_tags_are_searched(git: Git, commit: Commit) -> None:
    made = commit(f"subject\n\nused {KEY} here")
    git("tag", "-a", "v1", "-m", f"one\ntwo {CLIENT}")
    tag = git("rev-parse", "v1")
    assert look() == [("commit message", made, 3, KEY), ("tag message", tag, 2, CLIENT)]


def test_unreachable_leaks_are_only_counted(git: Git, commit: Commit) -> None:
    commit(a_py="1\n")
    commit(a_py=f"{KEY}\n{CLIENT}\n")
    commit(a_py=f"{KEY}\n")
    git("reset", "-q", "--hard", "HEAD~2")
    warnings: list[str] = []
    assert look(warnings=warnings) == []
    assert warnings == ["2 more in objects that no branch, tag or stash refers to"]


def test_an_unreachable_copy_of_a_leak_is_not_counted(git: Git, commit: Commit) -> None:
    made = commit(a_py=f"{KEY}\n")
    commit(b_py=f"{KEY}\nand more\n")
    git("reset", "-q", "--hard", "HEAD~1")
    assert look() == [("a.py", made, 1, KEY)]


def test_wrong_commit_dates_do_not_change_the_order(git: Git, commit: Commit, place: Path) -> None:
    commit(z_py="1\n")
    brought = commit(a_py=KEY)
    git("checkout", "-q", "-b", "side")
    (place / "b.py").write_text(KEY, encoding="ascii")
    git("add", ".")
    git("commit", "-q", "-m", "long ago", at="1000000000 +0000")
    git("checkout", "-q", "main")
    commit(z_py="2\n")
    assert look() == [("a.py", brought, 1, KEY)]


def test_unusual_file_names_are_reported(commit: Commit, git: Git, place: Path) -> None:
    names = [b"a b.py", b'q"q.py', b"li\nne.py", "ключ.py".encode(), b"caf\xe9.py"]
    for name in names:
        Path(os.fsdecode(bytes(place) + b"/" + name)).write_text(KEY, encoding="ascii")
        commit()
        assert look()[0][0] == name.decode("utf-8", "backslashreplace")
        git("update-ref", "-d", "HEAD")
        git("rm", "-rfq", ".")
        git("reflog", "expire", "--expire=now", "--all")
        git("gc", "-q", "--prune=now")


def test_large_and_packed_objects_are_searched(git: Git, commit: Commit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_scan, "CHUNK_BYTES", 64)
    monkeypatch.setattr(git_objects, "CHUNK_BYTES", 64)
    first = commit(a_py="1\n" * 500 + KEY + "\n2" * 500)
    second = commit(b_py=f"{CLIENT}\n")
    third = commit(c_py="3\n" * 500 + OTHER)
    git("gc", "-q")
    assert look() == [("a.py", first, 501, KEY), ("b.py", second, 1, CLIENT), ("c.py", third, 501, OTHER)]


def test_the_walk_ends_when_all_leaks_are_found(commit: Commit, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_scan, "CHUNK_BYTES", 64)
    monkeypatch.setattr(git_objects, "CHUNK_BYTES", 64)
    first = commit(a_py=KEY)
    for number in range(1500):
        (place / f"{number}").write_text(f"{number}", encoding="ascii")
    commit()
    assert look() == [("a.py", first, 1, KEY)]


def test_names_of_files_folders_branches_and_tags_are_searched(git: Git, commit: Commit, place: Path) -> None:
    (place / "src" / OTHER).mkdir(parents=True)
    (place / "src" / OTHER / f"{KEY}.txt").write_text("1\n", encoding="ascii")
    made = commit()
    git("rm", "-rq", ".")
    commit(a_py="1\n")
    git("tag", CLIENT)
    assert look() == [
        ("refs/tags/gamsec_...", None, 1, CLIENT),
        ("src/gamkey_.../gamkey_....txt", made, 1, OTHER),
        ("src/gamkey_.../gamkey_....txt", made, 1, KEY),
    ]
    (place / f"{KEY}.bak").write_text("1\n", encoding="ascii")
    git("add", ".")
    assert staged() == [("gamkey_....bak", 1)]


def test_authors_and_taggers_are_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    git("commit", "-q", "--amend", "--allow-empty", "--no-edit", "--author", f"{KEY} <n@example.org>")
    git("tag", "-a", "-m", CLIENT, "v1")
    assert place
    assert look() == [
        ("commit message", git("rev-parse", "HEAD"), 2, KEY),
        ("tag message", git("rev-parse", "v1"), 1, CLIENT),
    ]


@pytest.fixture
def leaky(git: Git, commit: Commit, place: Path) -> Path:
    """Another repository, with a leak; that of the working directory has none."""
    commit(a_py="1\n")
    leaky = place.parent / "leaky"
    git("clone", "-q", ".", str(leaky))
    (leaky / "b.py").write_text(KEY, encoding="ascii")
    git("-C", str(leaky), "add", ".")
    git("-C", str(leaky), "commit", "-q", "-m", "leak")
    return leaky


def test_a_named_repository_is_searched_whatever_git_dir_says(
    leaky: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(place / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(place))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(place / ".git" / "objects"))
    assert [each[0] for each in look(str(leaky))] == ["b.py"]
    assert look(".") == []


def test_without_a_path_git_dir_names_the_repository(leaky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(leaky / ".git"))
    repository = GitRepository(None, pytest.fail)
    assert [source.file for source, _ in repository.scan_history()] == ["b.py"]


def test_grafts_and_replacements_do_not_hide_history(
    git: Git, commit: Commit, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(a_py="1\n")
    made = commit(a_py=KEY)
    last = commit(a_py="1\n")
    grafts = place / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{last}\n", encoding="ascii")
    assert git("rev-list", "--count", "HEAD") == "1"
    assert look() == [("a.py", made, 1, KEY)]
    monkeypatch.setenv("GIT_GRAFT_FILE", str(grafts))
    monkeypatch.setenv("GIT_SHALLOW_FILE", str(grafts))
    assert look() == [("a.py", made, 1, KEY)]


def test_a_hook_in_a_worktree_searches_the_index_of_the_commit(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    git("worktree", "add", "-q", "../tree", "-b", "side")
    hook = place / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    program = (
        "import sys; from gamcli.scan.git_scan import GitRepository as R; "
        "sys.exit(len([*R(None, print).scan_staged()]) + 10 * len([*R('.', print).scan_staged()]))"
    )
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{program}"\n', encoding="utf-8")
    hook.chmod(0o755)
    tree = place.parent / "tree"
    (tree / "a.py").write_text(KEY, encoding="ascii")
    for words in (["commit", "-q", "--all", "-m", "x"], ["commit", "-q", "-m", "x", "a.py"]):
        with pytest.raises(subprocess.CalledProcessError):  # --all and paths use another index file
            git("-C", str(tree), *words)
    (tree / "a.py").write_text("2\n", encoding="ascii")
    git("-C", str(tree), "commit", "-q", "--all", "-m", "x")


def test_archives_in_a_history_are_searched(git: Git, commit: Commit, place: Path) -> None:
    with zipfile.ZipFile(place / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/b.py", f"\n{KEY}")
    (place / "c.gz").write_bytes(gzip.compress(b"x" * 999)[:-9])
    made = commit()
    warnings: list[str] = []
    repository = GitRepository(".", warnings.append)
    found = [(at.file, at.commit, leak.line, leak.secret.reveal()) for at, leak in repository.scan_history()]
    assert found == [("a.zip!in/b.py", made, 2, KEY)]
    assert warnings == ["cannot read c.gz completely: it is damaged or truncated"]
    assert repository.incomplete == 1
    git("rm", "-q", "--cached", "a.zip")
    git("commit", "-q", "-m", "remove")
    git("add", "a.zip")
    assert staged() == [("a.zip!in/b.py", 2)]
    assert [*GitRepository(".", pytest.fail, reads_archives=False).scan_history()] == []


def test_a_zip_file_behind_other_data_in_a_history_is_searched_or_reported(commit: Commit, place: Path) -> None:
    for size in (9_000, 900_000):
        (place / f"{size}.exe").write_bytes(b"MZ" * size)
        with zipfile.ZipFile(place / f"{size}.exe", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in/b.py", f"\n{KEY}")
    made = commit()
    warnings: list[str] = []
    found = [(at.file, at.commit, leak.line) for at, leak in GitRepository(".", warnings.append).scan_history()]
    assert found == [("9000.exe!in/b.py", made, 2)]
    (warning,) = warnings
    assert warning.startswith("cannot read 900000.exe completely: a zip file that follows other data")
    assert [*GitRepository(".", pytest.fail, reads_archives=False).scan_history()] == []


def test_utf_16_in_a_history_is_searched(commit: Commit, place: Path) -> None:
    (place / "a.ps1").write_text(f"x\n{KEY}", encoding="utf-16")
    made = commit()
    assert look() == [("a.ps1", made, 2, KEY)]


def test_a_repository_without_commits_has_no_leaks(git: Git) -> None:
    assert git("status")
    assert look() == []


def test_a_bare_repository_and_a_subfolder_can_be_searched(git: Git, commit: Commit, place: Path) -> None:
    made = commit(b__c_py=KEY)
    git("clone", "-q", "--bare", ".", "../bare")
    assert look("../bare") == look("b") == [("b/c.py", made, 1, KEY)]
    assert place


def test_a_shallow_clone_is_a_warning(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py=KEY)
    commit(a_py="1\n")
    git("clone", "-q", "--depth", "1", f"file://{place}", "../shallow")
    warnings: list[str] = []
    assert look("../shallow", warnings=warnings) == []
    assert warnings == ["this clone is shallow and lacks most of the history; to fetch it: git fetch --unshallow"]
    repository = GitRepository("../shallow", warnings.append)
    assert (list(repository.scan_history()), repository.incomplete) == ([], 1)


@pytest.mark.parametrize("filtered", ["blob:none", "blob:limit=1", "tree:0"])
def test_a_partial_clone_is_an_error(git: Git, commit: Commit, place: Path, filtered: str) -> None:
    made = commit(a_py=KEY)
    commit(a_py="1\n")
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "-q", "--filter", filtered, f"file://{place}", "../partial")
    with pytest.raises(FailedError, match=r"this clone is partial and lacks \d+ objects? of the history") as caught:
        look("../partial")
    assert caught.value.hint == "git fetch --refetch --no-filter"
    git("-C", "../partial", "-c", "maintenance.auto=false", *caught.value.hint.split()[1:])
    assert look("../partial") == [("a.py", made, 1, KEY)]


def test_scanning_staged_files_fetches_nothing_in_a_partial_clone(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py=KEY)
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "-q", "--no-checkout", "--filter", "blob:none", f"file://{place}", "../partial")
    lacking = git("rev-parse", "HEAD:a.py")
    git("-C", "../partial", "update-index", "--add", "--cacheinfo", f"100644,{lacking},b.py")
    with pytest.raises(FailedError):
        staged("../partial")
    output = git("-C", "../partial", "rev-list", "--all", "--objects", "--quiet", "--missing=print")
    assert output == f"?{lacking}"


def test_a_folder_outside_a_repository_is_an_error(place: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot open the git repository at \.: not a git repository") as outside:
        GitRepository(".", pytest.fail)
    with pytest.raises(UsageError, match="cannot open the git repository at gone: cannot change to 'gone'") as missing:
        GitRepository("gone", pytest.fail)
    (place / "a b").mkdir()
    with pytest.raises(UsageError) as quoted:
        GitRepository("a b", pytest.fail)
    hints = [each.value.hint for each in (outside, missing, quoted)]
    assert hints == ["git -C . status", "name the folder of a git repository", "git -C 'a b' status"]
    assert place


def test_a_missing_git_program_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FailedError, match="cannot run git: No such file or directory"):
        GitRepository(".", pytest.fail)


def test_a_damaged_repository_is_an_error(commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    for path in (place / ".git" / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")
    with pytest.raises(FailedError, match=r"git cat-file failed|git stopped|git cannot find"):
        look()


def test_nothing_that_a_repository_configures_is_run(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py=KEY)
    (place / ".gitattributes").write_text("*.py diff=evil filter=evil\n", encoding="utf-8")
    for name in ("diff.evil.textconv", "diff.external", "core.pager", "core.fsmonitor", "filter.evil.smudge"):
        git("config", name, f"touch {place}/run; cat")
    repository = GitRepository(".", pytest.fail)
    assert len([*repository.scan_history()]) == 1
    (place / "b.py").write_text(KEY, encoding="ascii")
    subprocess.run(["git", "-c", "core.fsmonitor=false", "add", "b.py"], check=True)
    assert len([*repository.scan_staged()]) == 1
    assert not (place / "run").exists()


def staged(folder: str = ".") -> list[tuple[str, int]]:
    return [(at.file, leak.line) for at, leak in GitRepository(folder, pytest.fail).scan_staged()]


def test_the_staged_version_of_a_file_is_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(old_py=KEY, gone_py=KEY)
    (place / "a.py").write_text(f"1\n{KEY}\n", encoding="ascii")
    (place / "same.py").write_text(f"1\n{KEY}\n", encoding="ascii")
    git("add", ".")
    git("rm", "-q", "gone.py")
    (place / "a.py").write_text("1\n", encoding="ascii")
    (place / "later.py").write_text(KEY, encoding="ascii")
    assert staged() == [("a.py", 2), ("same.py", 2)]


def test_staged_files_of_the_first_commit_are_searched(git: Git, place: Path) -> None:
    (place / "a b.py").write_text(KEY, encoding="ascii")
    (place / "later.py").write_text(KEY, encoding="ascii")
    git("add", "a b.py")
    git("add", "-N", "later.py")
    assert staged() == [("a b.py", 1)]
    (place / "sub").mkdir()
    git("config", "diff.relative", "true")
    assert staged("sub") == [("a b.py", 1)]


def test_submodules_are_not_searched(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    git("clone", "-q", ".", "sub")
    git("-C", "sub", "commit", "-q", "--allow-empty", "-m", "of its own")
    (place / "b.py").write_text(KEY, encoding="ascii")
    git("-c", "advice.addEmbeddedRepo=false", "add", ".")
    assert staged() == [("b.py", 1)]


def test_unmerged_files_are_not_searched(git: Git, commit: Commit) -> None:
    commit(a_py="1\n")
    git("checkout", "-q", "-b", "side")
    commit(a_py=f"{KEY}\n")
    git("checkout", "-q", "main")
    commit(a_py=f"{OTHER}\n")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "side")
    assert staged() == []
    git("add", ".")
    assert staged() == [("a.py", line) for line in (2, 4)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("printf 'c0ffee blob 10\\nabc'", "git stopped in the middle of an object"),
        ("echo 'fatal: it is on fire' >&2; exit 3", "git cat-file failed: it is on fire"),
        ("exit 3", "git cat-file failed: no error message"),
        ("printf 'warning: hot\\nfatal: too hot\\n' >&2; exit 3", "git cat-file failed: too hot"),
        ("echo 'c0ffee missing'", "git cannot find the object c0ffee"),
    ],
)
def test_an_error_of_git_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch, answer: str, message: str) -> None:
    program = place / "git"
    program.write_text(f"#!/bin/sh\ncase $* in *cat-file*) {answer};; esac\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(place), prepend=os.pathsep)
    with pytest.raises(FailedError, match=message):
        look()


def test_a_missing_object_is_reported(git: Git, commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    (place / "b.py").write_text(KEY, encoding="ascii")
    git("add", ".")
    name = git("rev-parse", ":b.py")
    (place / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(FailedError, match=f"git cannot find the object {name}"):
        staged()


@pytest.mark.parametrize("lacking", ["HEAD:a.py", "HEAD^{tree}"])
def test_a_history_that_lacks_objects_is_incomplete(git: Git, commit: Commit, place: Path, lacking: str) -> None:
    made = commit(b_py=KEY)
    commit(a_py="1\n", b_py=None)
    name = git("rev-parse", lacking)
    (place / ".git" / "objects" / name[:2] / name[2:]).unlink()
    warnings: list[str] = []
    repository = GitRepository(".", warnings.append)
    assert [at.commit for at, _ in repository.scan_history()] == [made]
    assert (warnings, repository.incomplete) == (["this clone lacks 1 object of its history: git fsck"], 1)


def test_a_history_that_ends_early_is_an_error(git: Git, commit: Commit, place: Path) -> None:
    lacking = commit(a_py="1\n")
    commit(a_py="2\n")
    (place / ".git" / "objects" / lacking[:2] / lacking[2:]).unlink()
    with pytest.raises(FailedError, match="git rev-list failed"):
        look()
    assert git("status")


def test_a_branch_without_a_commit_is_an_error(commit: Commit, place: Path) -> None:
    commit(a_py="1\n")
    (place / ".git" / "refs" / "heads" / "broken").write_text("1" * 40 + "\n", encoding="ascii")
    with pytest.raises(FailedError, match="git rev-list failed"):
        look()
