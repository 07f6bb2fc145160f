"""Completion: what is offered, and that the real shells show it."""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli import manual
from gamcli.actions import Gam
from gamcli.actions.apps import AppSpec, create
from gamcli.commands import complete, completion, root
from gamcli.commands.settings import SETTINGS
from gamcli.rules import scopes
from gamcli.store import audit

Run = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def offered(gamcli: Run) -> Callable[..., list[str]]:
    def ask(*words: str) -> list[str]:
        ran = gamcli("__complete", *words)
        assert (ran.code, ran.err) == (0, "")
        return [line.partition("\t")[0] for line in ran.out.splitlines()]

    return ask


@pytest.fixture
def named(world: Run, ago: Callable[[timedelta], Gam]) -> Run:
    for name in ("my portal", "a:b", "it's", "x$(y)"):
        create(ago(timedelta()), AppSpec(name, {}))
    assert world("user", "create", "añá", "--email", "a@example.com").code == 0
    return world


def test_the_scripts_next_to_the_code_are_those_that_gamcli_prints(gamcli: Run) -> None:
    assert set(completion.FILES) == set(completion.SCRIPTS) == {"bash", "zsh", "fish", "powershell"}
    for shell, name in completion.FILES.items():
        ran = gamcli("completion", shell)
        assert (ran.code, ran.err) == (0, "")
        assert (ROOT / "completions" / name).read_text(encoding="utf-8") == ran.out
    assert {path.name for path in (ROOT / "completions").iterdir()} == {*completion.FILES.values(), "man"}


def test_an_unknown_shell_is_2_and_names_those_that_there_are(gamcli: Run) -> None:
    assert gamcli("completion").hint == "choose from: bash, zsh, fish, powershell"
    assert "'zsh'" in gamcli("completion", "tcsh").err


def test_nouns_verbs_and_options_are_offered(offered: Run) -> None:
    nouns = [*root.NOUNS]
    assert offered("") == nouns
    assert offered("a") == [noun for noun in nouns if noun.startswith("a")]
    assert offered("app") == ["app", "apply"]
    assert "rotate-secret" in offered("app", "")
    assert offered("app", "s") == ["show"]
    assert offered("--s") == ["--store", "--store-url-file"]
    assert offered("app", "list", "--s") == ["--sort"]
    assert "--no-remote-rest" in offered("app", "list", "-")
    assert not any(word.startswith("-") for word in offered("app", "create", ""))


def test_every_offer_comes_with_its_help(gamcli: Run) -> None:
    assert gamcli("__complete", "app", "sh").out == "show\tShow an application\n"
    assert gamcli("__complete", "--quiet", "in").out == "init\tCreate the store\n"


def test_choices_are_offered(offered: Run) -> None:
    assert offered("app", "list", "-o", "") == ["table", "json", "jsonl", "csv", "value"]
    assert offered("app", "list", "--output", "j") == ["json", "jsonl"]
    assert offered("app", "list", "--output=c") == ["--output=csv"]
    assert offered("auth-type", "create", "x", "--type", "") == ["APIkey", "GAMLocal"]
    assert offered("completion", "") == ["bash", "zsh", "fish", "powershell"]
    assert offered("help", "e") == ["endpoint", "errors", "exit-codes", "environment"]
    assert "revoked" in offered("key", "list", "--status", "r")


@pytest.mark.usefixtures("named")
def test_names_of_the_store_are_offered(offered: Run, key_id: str) -> None:
    assert offered("app", "show", "") == ["a:b", "it's", "my portal", "portal", "x$(y)"]
    assert offered("app", "show", "MY") == ["my portal"]
    assert offered("app", "update", "x") == ["x$(y)"]
    assert offered("app", "show", "portal", "") == []
    assert offered("app", "create", "") == []
    assert offered("user", "show", "a") == ["ana", "añá"]
    assert offered("user", "block", "AÑ") == ["añá"]
    assert offered("key", "generate", "--user", "an") == ["ana"]
    assert offered("key", "generate", "--user=an") == ["--user=ana"]
    assert offered("key", "generate", "--user", "ana", "--app", "p") == ["portal"]
    assert offered("export", "--auth-type", "") == ["apikey", "local"]
    assert offered("auth-type", "show", "l") == ["local"]
    assert offered("app", "update", "portal", "--api-key-auth-type", "a") == ["apikey"]
    assert offered("key", "show", key_id[:3]) == [key_id]
    assert offered("key", "show", "nope!") == []
    assert offered("key", "revoke", "other", "") == [key_id]
    assert offered("token", "list", "--key", "") == [key_id]


def test_what_a_name_stands_for_is_its_help(world: Run, key_id: str) -> None:
    assert world("__complete", "key", "show", "").out == f"{key_id}\tana for portal\n"
    assert world("__complete", "user", "show", "").out == "ana\tana@example.com\n"


def test_names_that_need_no_store_are_offered(offered: Run) -> None:
    assert offered("app", "create", "x", "--scope", "") == [*scopes.TABLE]
    assert offered("app", "update", "x", "--add-scope", "user_l") == ["user_last_name", "user_language"]
    assert offered("key", "generate", "--scope", "gam_user_data+user_l") == [
        "gam_user_data+user_last_name",
        "gam_user_data+user_language",
    ]
    assert offered("config", "get", "") == [*SETTINGS]
    assert offered("config", "set", "serve.p") == ["serve.port"]


def test_names_come_from_the_store_that_the_line_names(gamcli: Run, world: Run, offered: Run) -> None:
    assert world("app", "list").code == 0
    assert gamcli("--store", "other.db", "init").code == 0
    assert gamcli("--store", "other.db", "user", "create", "zoe").code == 0
    assert offered("user", "show", "") == ["ana"]
    assert offered("--store", "other.db", "user", "show", "") == ["zoe"]
    assert offered("--store=other.db", "user", "show", "") == ["zoe"]
    assert offered("--quiet", "--store", "other.db", "user", "show", "") == ["zoe"]
    assert offered("--store", "") == []


@pytest.mark.parametrize(
    "words", [["app", "show", ""], ["key", "generate", "--user", ""], ["key", "show", ""]], ids=str
)
def test_where_there_is_no_store_nothing_is_offered(offered: Run, words: list[str], file: Path) -> None:
    assert offered(*words) == []
    assert not file.exists()
    file.write_bytes(b"nothing of gamcli's" * 100)
    assert offered(*words) == []
    assert offered("--config", "nowhere.toml", *words) == []


def test_so_many_names_are_offered_and_no_more(world: Run, offered: Run, many_keys: int) -> None:
    assert world("key", "list", "--limit", "1").code == 0
    assert many_keys > complete.MAX_NAMES
    assert len(offered("key", "show", "")) == complete.MAX_NAMES
    assert len(offered("key", "show", "0000199")) == 10


BASH = """
source <(gamcli completion bash)
COMP_LINE="$1" COMP_POINT=${#1}; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_gamcli
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("typed", "words", "replies"),
    [
        ("gamcli ap", "gamcli|ap", ["app", "apply"]),
        ("gamcli app sh", "gamcli|app|sh", ["show"]),
        ("gamcli  app   sh", "gamcli|app|sh", ["show"]),
        ("gamcli app show ", "gamcli|app|show|", ["a:b", r"it\'s", r"my\ portal", "portal", r"x\$\(y\)"]),
        (r"gamcli app show my\ p", r"gamcli|app|show|my\ p", [r"my\ portal"]),
        ('gamcli app show "my', 'gamcli|app|show|"my', ["my portal"]),
        ("gamcli app show 'x", "gamcli|app|show|'x", [""]),
        ("gamcli app show a:", "gamcli|app|show|a|:", ["b"]),
        ("gamcli app list --output=c", "gamcli|app|list|--output|=|c", ["csv"]),
        ("gamcli app list --output=", "gamcli|app|list|--output|=", ["table", "json", "jsonl", "csv", "value"]),
        ("gamcli key generate --user a@example.com --app m", "gamcli|key|generate|--user|a|@|example.com|--app|m",
         [r"my\ portal"]),
        ('gamcli --store "no store" app sh', 'gamcli|--store|"no store"|app|sh', ["show"]),
        ("gamcli app create x --scope gam_user_r", "gamcli|app|create|x|--scope|gam_user_r", ["gam_user_roles"]),
    ],
    ids=str,
)  # fmt: skip
def test_bash_gets_replies_that_it_can_put_in_place(shell: Run, typed: str, words: str, replies: list[str]) -> None:
    ran = shell(BASH, "bash", typed, *words.split("|"))
    assert ran == (0, "\n".join(replies) + "\n", "")


PROMPT = "ready> "
SESSIONS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(gamcli completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source <(gamcli completion zsh)"),
}
LINES = {
    "gamcli app show my\t--field name": "my portal",
    "gamcli app show 'my p\t --field name": "my portal",
    "gamcli app show it\t--field name": "it's",
    "gamcli app show x\t--field name": "x$(y)",
    "gamcli app show a:\t--field name": "a:b",
    "gamcli us\tsh\tana --field name": "ana",
    "gamcli user list --output=c\t--limit 0": "guid,name,email",
}


@pytest.mark.usefixtures("named", "path")
@pytest.mark.parametrize("shell", SESSIONS)
def test_a_real_shell_completes_what_is_typed(terminal: Run, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its completion is not tested here")
    program, setup = SESSIONS[shell]
    answers = [(PROMPT, line) for line in (f"{setup}; echo loaded", *LINES, "exit")]
    ran = terminal(*program, answers=answers, program=True, PS1=PROMPT, TERM="dumb", columns=200)
    shown = [line.strip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", ran.out).replace("\r", "\n").splitlines()]
    assert "loaded" in shown
    for line, told in LINES.items():
        assert any(each.startswith(told) for each in shown), (line, ran.out)


@pytest.mark.usefixtures("named")
def test_fish_completes_what_is_typed(shell: Run, place: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed: its completion is not tested here")
    (place / "some file").touch()
    for line, told in (
        ("gamcli us", ["user\tManage users and their fields"]),
        ("gamcli app show ", ["a:b", "it's", "my portal", "portal", "x$(y)"]),
        ("gamcli app show my\\ p", ["my portal"]),
        ('gamcli app show "my p', ["my portal"]),
        ("gamcli app list --output=c", ["--output=csv"]),
        ("gamcli key generate --user a@example.com --app m", ["my portal"]),
        ("gamcli key generate --out so", ["some file"]),
    ):
        ran = shell(f"gamcli completion fish | source; complete -C {quoted(line)}", shell=["fish", "-c"])
        assert (ran.code, sorted(ran.out.splitlines())) == (0, sorted(told)), line


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.parametrize(
    "words", [("nouns", ""), ("nouns", "--"), ("user", "shw", ""), ("user", "shw", "a"), ("key", "x", "--")]
)
def test_nothing_is_offered_after_an_unknown_command(offered: Callable[..., list[str]], words: tuple[str, ...]) -> None:
    assert offered(*words) == []


def test_fields_and_actions_are_offered(offered: Run) -> None:
    assert offered("key", "list", "--sort", "-e") == ["-expires_at", "-ended_at"]
    assert {"user", "app", "-user"} <= {*offered("key", "list", "--sort", "")}
    assert offered("app", "show", "--field", "api_keys.t") == ["api_keys.timeout_hours"]
    assert offered("key", "generate", "--field", "api") == ["api_key"]
    assert offered("audit", "list", "--action", "key.re") == ["key.reissue", "key.release", "key.retire", "key.revoke"]


def test_the_actions_are_those_of_the_manual() -> None:
    listed = {*re.findall(r"`([a-z_]+\.[a-z_]+)`", manual.read_page("audit").partition("## Actions")[2])}
    assert {action for action in listed if action in audit.ACTIONS} == listed


def test_a_cut_list_shows_what_all_names_have_in_common(world: Run, offered: Run, place: Path) -> None:
    names = [*(f"bulk{number:05}" for number in range(150)), "neu"]
    (place / "u.csv").write_text("name\n" + "\n".join(names), encoding="utf-8")
    assert world("user", "create", "--from", "u.csv").code == 0
    found = offered("user", "show", "")
    assert (len(found), found[0], found[-1]) == (100, "ana", "neu")
    assert offered("user", "show", "bulk")[-1] == "bulk00149"
