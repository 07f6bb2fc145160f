"""
`gamcli completion SHELL`: the script that makes a shell complete gamcli's words.

The scripts are thin: they hand the words to `gamcli __complete` (see `completing`) and show what comes back, a word a
line with its help behind a tab.
"""

from typing import Annotated, Literal

import typer

from gamcli.commands.options import noun
from gamcli.render.output import Output

verbs = noun()

BASH = """\
# bash completion of gamcli, written by `gamcli completion bash`

_gamcli() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(gamcli __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        COMPREPLY+=("$(printf '%q' "${line%%$'\\t'*}")")
    done
}

complete -o default -F _gamcli gamcli"""

ZSH = """\
#compdef gamcli
# zsh completion of gamcli, written by `gamcli completion zsh`

_gamcli() {
    local -a found
    local line
    for line in "${(@f)$(gamcli __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
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
    set -l words (commandline -opc) (commandline -ct)
    gamcli __complete $words[2..-1] 2>/dev/null
end

complete -c gamcli -a '(__gamcli_complete)'"""

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
    Output.data(SCRIPTS[shell])
