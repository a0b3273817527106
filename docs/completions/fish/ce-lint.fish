# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ce_lint_global_optspecs
    string join \n format= select= ignore= level= fail-on= config= isolated fix unsafe-fixes diff fix-applied against= statistics output-file= stdin-filename= color= lsp h/help V/version
end

function __fish_ce_lint_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ce_lint_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ce_lint_using_subcommand
    set -l cmd (__fish_ce_lint_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ce-lint -n "__fish_ce_lint_needs_command" -l format -d 'How to print findings' -r -f -a "full\t'With the lines they are about'
concise\t'A line each'
json\t'As a list of objects'
jsonl\t'As an object a line'
sarif\t'As SARIF 2.1.0, which code hosts read'
github\t'As commands of GitHub Actions'
gitlab\t'As a code quality report of GitLab'
gcc\t'As gcc prints them, which editors read'
checkstyle\t'As the XML of Checkstyle'
junit\t'As the XML of JUnit'"
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l select -d 'Apply only these rules, by code or name' -r
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l ignore -d 'Leave these rules out, by code or name' -r
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l level -d 'How bad the findings of a rule are: RULE=error, warning, style or off' -r
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l fail-on -d 'How bad a finding must be to count for the exit status [default: warning]' -r -f -a "error\t'Errors'
warning\t'Errors and warnings'
style\t'All'
never\t'None'"
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l config -d 'The configuration, instead of a ce-lint.toml beside the scripts or above' -r -F
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l against -d 'An older version, as a commit or a file: its stages count as applied' -r
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l output-file -d 'Write what is printed to this file' -r -F
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l stdin-filename -d 'The name to show for the standard input' -r
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l color -d 'When to use colors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one'
always\t'Always'
never\t'Never'"
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l isolated -d 'Look at no ce-lint.toml, and ask no engine'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l fix -d 'Put safe fixes into the files, and print what is left'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l unsafe-fixes -d 'Also those that may change what the script does'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l diff -d 'Print what `--fix` would change, and change nothing'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l fix-applied -d 'Fix stages that are applied, too: containers that have them keep what they did'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l statistics -d 'Count the findings of each rule instead of printing them'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -l lsp -d 'Speak the Language Server Protocol on standard input and output'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -s V -l version -d 'Print version'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -a "explain" -d 'Tell what a rule is about, why, and what to write instead'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -a "rules" -d 'List all rules'
complete -c ce-lint -n "__fish_ce_lint_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand explain" -s h -l help -d 'Print help'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand rules" -l json -d 'As a list of objects'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand rules" -s h -l help -d 'Print help'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand help; and not __fish_seen_subcommand_from explain rules help" -f -a "explain" -d 'Tell what a rule is about, why, and what to write instead'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand help; and not __fish_seen_subcommand_from explain rules help" -f -a "rules" -d 'List all rules'
complete -c ce-lint -n "__fish_ce_lint_using_subcommand help; and not __fish_seen_subcommand_from explain rules help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
