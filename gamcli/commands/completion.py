"""
`gamcli completion SHELL`: the script that makes a shell complete gamcli's words.

The scripts are thin: they hand the words to `gamcli __complete` (see `completing`) and show what comes back, a word a
line with its help behind a tab.
"""

from typing import Annotated, Literal

import typer

from gamcli.commands.options import new_group
from gamcli.render.output import Output

verbs = new_group()

BASH = r"""# bash completion of gamcli, written by `gamcli completion bash`

_gamcli() {
    # bash breaks words at = : and @ too: those without a blank between them are one
    local rest="${COMP_LINE:0:COMP_POINT}" blank word i last=-1
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blank="${rest%%[![:blank:]]*}"
        rest="${rest#"$blank"}"
        word="${COMP_WORDS[i]}"
        ((i == COMP_CWORD)) && word="$rest"
        rest="${rest#"$word"}"
        if [[ -n $blank || $i == 0 ]]; then
            words[++last]="$word"
        else
            words[last]+="$word"
        fi
    done

    local typed="${words[last]}"
    for ((i = 1; i <= last; i++)); do
        case "${words[i]}" in
            \"*) word="${words[i]#\"}" && words[i]="${word%\"}" ;;
            \'*) word="${words[i]#\'}" && words[i]="${word%\'}" ;;
            *) words[i]="${words[i]//\\/}" ;;
        esac
    done

    local line text
    COMPREPLY=()
    while IFS= read -r line; do
        text="${line%%$'\t'*}"
        if [[ $typed != [\"\']* ]]; then
            text="$(printf '%q' "$text")"
        elif [[ $text == *[\"\'\`\$\\!]* ]]; then
            continue # it would need quotes within quotes
        fi
        COMPREPLY+=("${text#"${typed%"${typed##*[=:@]}"}"}")
    done < <(gamcli __complete "${words[@]:1}" 2>/dev/null)
}

complete -o default -F _gamcli gamcli"""

ZSH = """\
#compdef gamcli
# zsh completion of gamcli, written by `gamcli completion zsh`

_gamcli() {
    local -a found
    local line text
    for line in "${(@f)$(gamcli __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        text="${${line%%$'\\t'*}//:/\\\\:}"
        [[ $line == *$'\\t' ]] || text+=":${line#*$'\\t'}"
        [[ -n $line ]] && found+=("$text")
    done
    if (( ${#found} )); then
        _describe gamcli found
    else
        _files
    fi
}

if [[ $funcstack[1] == _gamcli ]]; then
    _gamcli "$@"
else
    compdef _gamcli gamcli
fi"""

FISH = """\
# fish completion of gamcli, written by `gamcli completion fish`

function __gamcli_complete
    set -l words (commandline -opc) (commandline -ct | string unescape)
    test (count $words) -gt (count (commandline -opc)); or set -a words ''
    gamcli __complete $words[2..-1] 2>/dev/null
end

complete -c gamcli -f -a '(__gamcli_complete)'
complete -c gamcli -F -n 'not count (__gamcli_complete) >/dev/null'"""

POWERSHELL = """\
# PowerShell completion of gamcli, written by `gamcli completion powershell`

Register-ArgumentCompleter -Native -CommandName gamcli -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -eq '') { $words += '""' }
    gamcli __complete @words 2>$null | ForEach-Object {
        $word, $help = $_ -split "`t", 2
        $text = if ($word -match '[^\\w./:=@%+-]') { "'" + $word.Replace("'", "''") + "'" } else { $word }
        [System.Management.Automation.CompletionResult]::new($text, $word, 'ParameterValue', ($help, $word -ne '')[0])
    }
}"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}
"""The script of each shell."""

FILES = {"bash": "gamcli.bash", "zsh": "_gamcli", "fish": "gamcli.fish", "powershell": "gamcli.ps1"}
"""What the scripts are called in `completions/`."""


@verbs.command()
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(metavar="SHELL")],
) -> None:
    """
    Print the completion script of bash, zsh, fish or powershell.

    Example: source <(gamcli completion bash)
    """
    Output.print_line(SCRIPTS[shell])
