# fish completion of gamcli, written by `gamcli completion fish`

function __gamcli_complete
    set -l words (commandline -opc) (commandline -ct)
    gamcli __complete $words[2..-1] 2>/dev/null
end

complete -c gamcli -a '(__gamcli_complete)'
