complete -c ce-lint -l format -d 'How to print findings' -r -f -a "full\t'With the lines they are about'
json\t'As a list of objects'"
complete -c ce-lint -l select -d 'Apply only these rules, by code or name' -r
complete -c ce-lint -l ignore -d 'Leave these rules out, by code or name' -r
complete -c ce-lint -l stdin-filename -d 'The name to show for the standard input' -r
complete -c ce-lint -l color -d 'When to use colors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one'
always\t'Always'
never\t'Never'"
complete -c ce-lint -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ce-lint -s V -l version -d 'Print version'
