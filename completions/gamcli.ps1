# PowerShell completion of gamcli, written by `gamcli completion powershell`

Register-ArgumentCompleter -Native -CommandName gamcli -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -eq '') { $words += '""' }
    gamcli __complete @words 2>$null | ForEach-Object {
        $word, $help = $_ -split "`t", 2
        $text = if ($word -match '[^\w./:=@%+-]') { "'" + $word.Replace("'", "''") + "'" } else { $word }
        [System.Management.Automation.CompletionResult]::new($text, $word, 'ParameterValue', ($help, $word -ne '')[0])
    }
}
