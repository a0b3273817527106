complete -c ce-run -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-run -l gfs -d 'The global file storage [default: $GFSDIR]' -r -F
complete -c ce-run -l entrypoint -d 'Run this program of the container instead of the computation\'s `exec`' -r
complete -c ce-run -l pure -d 'Look what the command leaves in the container, where later calls would find it: `warn` of it, `fail`, or be `off` [default: what `pure` in docker.conf says, else `warn`, but not more often than once an hour]' -r -f -a "warn\t''
fail\t''
off\t''"
complete -c ce-run -l format -d 'With `--dry-run`: how to show it; `json` is the schema `ce.plan/1` (docs/schemas)' -r -f -a "text\t''
json\t''"
complete -c ce-run -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-run -l progress -d 'How to tell on standard error what happens while the container is set up' -r -f -a "auto\t'`tty` on a terminal, unless that is a dumb one or `CI` is set; else `plain`'
tty\t'A line for each step that has ended, and what goes on below them'
plain\t'A line when a step begins and one when it has ended'
json\t'An object a line (`docs/schemas/ce.progress.1.json`)'
quiet\t'Only warnings and failures'"
complete -c ce-run -l report -d 'Write what happened to this file, as data: the schema `ce.report/1` (docs/schemas)' -r -F
complete -c ce-run -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one'
always\t'Always'
never\t'Never'"
complete -c ce-run -l lock-timeout -d 'Wait at most so many seconds for another ce-run that sets up the same computation' -r
complete -c ce-run -l snapshot-after -d 'Put aside what the setup has done once that took so many seconds, for later setups to go on from; 0: after every stage' -r
complete -c ce-run -l on-edit -d 'What becomes of stages that are not as they were when they were applied: `run` them in another container, or `fail`' -r -f -a "run\t''
fail\t''"
complete -c ce-run -l accept -d 'Take this stage, which was edited since it was applied, for applied as it is now' -r
complete -c ce-run -l reason -d 'Why that is right, for the container\'s ledger' -r
complete -c ce-run -l setup-only -d 'Set the container up and run nothing in it'
complete -c ce-run -s i -l interactive -d 'Let the command read what ce-run reads on its standard input; without, it reads nothing'
complete -c ce-run -s t -l tty -d 'Give the command a terminal, where ce-run has one. `-it` is for programs that one types into'
complete -c ce-run -l no-translate -d 'Pass the arguments on as they are'
complete -c ce-run -s n -l dry-run -d 'Show what would be run to set the container up, and touch nothing'
complete -c ce-run -l diff -d 'With `--dry-run`: show all of the text of edited stages, with what is different'
complete -c ce-run -l detailed-exitcode -d 'With `--dry-run`: exit with 2 where stages would be applied, or might, and with 3 where stages that were applied are edited, moved or gone'
complete -c ce-run -s q -l quiet -d 'Tell only warnings and failures, as with `--progress quiet`'
complete -c ce-run -s v -l verbose -d 'Pass the setup\'s output on to standard error as it comes, with a line for whatever runs'
complete -c ce-run -l retry -d 'Try the last stage that failed again in its own container, on what it left there'
complete -c ce-run -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ce-run -s V -l version -d 'Print version'
