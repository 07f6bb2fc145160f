# bash completion of gamcli, written by `gamcli completion bash`

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

complete -o default -F _gamcli gamcli
