# fish completion of gamcli, written by `gamcli completion fish`

function __gamcli_complete
    set -l words (commandline -opc) (commandline -ct | string unescape)
    test (count $words) -gt (count (commandline -opc)); or set -a words ''
    gamcli __complete $words[2..-1] 2>/dev/null
end

complete -c gamcli -f -a '(__gamcli_complete)'
complete -c gamcli -F -n 'not count (__gamcli_complete) >/dev/null'
