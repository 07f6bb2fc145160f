# bash completion of gamcli, written by `gamcli completion bash`

_gamcli() {
    local IFS=$'\n' line
    COMPREPLY=()
    for line in $(gamcli __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        COMPREPLY+=("$(printf '%q' "${line%%$'\t'*}")")
    done
}

complete -o default -F _gamcli gamcli
