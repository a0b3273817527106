# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ce_env_global_optspecs
    string join \n C/directory= engine= h/help V/version
end

function __fish_ce_env_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ce_env_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ce_env_using_subcommand
    set -l cmd (__fish_ce_env_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ce-env -n "__fish_ce_env_needs_command" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_needs_command" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ce-env -n "__fish_ce_env_needs_command" -s V -l version -d 'Print version'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "ls" -d 'List the containers'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "status" -d 'Show a container with its stages: the last one, unless it is named'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "log" -d 'Show what the last setup has put out, all of it or that of one stage'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "diff" -d 'Show in what the stages applied in a container differ from those of another one, or of the script; or their files'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "import" -d 'Take images out of an archive of `docker save` or an OCI layout, for the embedded engine'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "shell" -d 'Look around in a container: the last one, unless another one is named'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "exec" -d 'Run a program in the last container, with nothing set up'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "kill" -d 'End the calls that run in the last container, or in those that are named, and what sets them up: with TERM, and with KILL after five seconds'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "stop" -d 'Stop containers; the next call starts one again'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "rm" -d 'Remove containers; the next call makes one again'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "export" -d 'Put a container into an image, or print what builds the same without ce-run'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "accept" -d 'Take a stage that was edited since it was applied for applied as it is now: what it did is what it would do'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "prune" -d 'Remove containers that are not needed any more, and snapshots that nothing is made from'
complete -c ce-env -n "__fish_ce_env_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ce-env -n "__fish_ce_env_using_subcommand ls" -l format -d 'How to list them; `json` is the schema `ce.env/1` (docs/schemas)' -r -f -a "text\t''
json\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand ls" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand ls" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand ls" -s a -l all -d 'Of all computations on this engine, also those whose directory is gone'
complete -c ce-env -n "__fish_ce_env_using_subcommand ls" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand status" -l format -d 'How to show it; `json` is the schema `ce.env/1` (docs/schemas)' -r -f -a "text\t''
json\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand status" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand status" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand status" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand log" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand log" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand log" -s f -l follow -d 'Show what comes, too, until `^C`'
complete -c ce-env -n "__fish_ce_env_using_subcommand log" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand diff" -l format -d 'How to show it; `json` is the schema `ce.env.diff/1` (docs/schemas)' -r -f -a "text\t''
json\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand diff" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand diff" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand diff" -l files -d 'Of their files: packages, paths that are not as the image has them in one of the two alone, and the text of small files that both have changed. The other container is the last one, unless it is named'
complete -c ce-env -n "__fish_ce_env_using_subcommand diff" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand import" -l name -d 'What the image is called' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand import" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand import" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand import" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand shell" -s u -l user -d 'As this user, by name or number, rather than as calls are run' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand shell" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand shell" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand shell" -l failed -d 'The last one in which a stage failed'
complete -c ce-env -n "__fish_ce_env_using_subcommand shell" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -l container -d 'In this container' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -s u -l user -d 'As this user, by name or number, rather than as calls are run' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -s i -l interactive -d 'Let it read what ce-env reads'
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -s t -l tty -d 'Give it a terminal, where ce-env has one'
complete -c ce-env -n "__fish_ce_env_using_subcommand exec" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand kill" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand kill" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand kill" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand stop" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand stop" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand stop" -s f -l force -d 'Also where calls run, which are killed'
complete -c ce-env -n "__fish_ce_env_using_subcommand stop" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand rm" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand rm" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand rm" -s f -l force -d 'Also where calls run, which are killed'
complete -c ce-env -n "__fish_ce_env_using_subcommand rm" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -f -a "dockerfile" -d 'Print a Dockerfile that builds the same, with a layer for each applied stage: `docker build -f FILE .` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -f -a "apptainer" -d 'Print a definition file that builds the same for Apptainer: `apptainer build IMAGE FILE` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -f -a "image" -d 'Make an image of a container as it is now; what is mounted there is not in it'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and not __fish_seen_subcommand_from dockerfile apptainer image help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from dockerfile" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from dockerfile" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from dockerfile" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from apptainer" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from apptainer" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from apptainer" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from image" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from image" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from image" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from help" -f -a "dockerfile" -d 'Print a Dockerfile that builds the same, with a layer for each applied stage: `docker build -f FILE .` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from help" -f -a "apptainer" -d 'Print a definition file that builds the same for Apptainer: `apptainer build IMAGE FILE` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from help" -f -a "image" -d 'Make an image of a container as it is now; what is mounted there is not in it'
complete -c ce-env -n "__fish_ce_env_using_subcommand export; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ce-env -n "__fish_ce_env_using_subcommand accept" -l reason -d 'Why, for those who ask the container\'s ledger' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand accept" -l gfs -d 'The global file storage\'s directory; otherwise `$GFSDIR`' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand accept" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand accept" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand accept" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -l keep -d 'Keep so many stopped containers of each computation, the newest; those in which a stage failed go' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -l older-than -d 'Only what was made so many days ago, or more' -r
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -l format -d 'How to show what goes; `json` is the schema `ce.env.prune/1` (docs/schemas)' -r -f -a "text\t''
json\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -s C -l directory -d 'The computation\'s directory, or one inside it' -r -F
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -l engine -d 'What the containers are of: a Docker daemon, Podman\'s service, or this program itself, which needs no daemon and no root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers]' -r -f -a "docker\t''
podman\t''
embedded\t''"
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -s a -l all -d 'Of all computations on this engine'
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -l unreachable -d 'Only what belongs to directories that are gone; of that, all'
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -s n -l dry-run -d 'Show what would go, and touch nothing'
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -s y -l yes -d 'Do not ask'
complete -c ce-env -n "__fish_ce_env_using_subcommand prune" -s h -l help -d 'Print help'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "ls" -d 'List the containers'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "status" -d 'Show a container with its stages: the last one, unless it is named'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "log" -d 'Show what the last setup has put out, all of it or that of one stage'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "diff" -d 'Show in what the stages applied in a container differ from those of another one, or of the script; or their files'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "import" -d 'Take images out of an archive of `docker save` or an OCI layout, for the embedded engine'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "shell" -d 'Look around in a container: the last one, unless another one is named'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "exec" -d 'Run a program in the last container, with nothing set up'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "kill" -d 'End the calls that run in the last container, or in those that are named, and what sets them up: with TERM, and with KILL after five seconds'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "stop" -d 'Stop containers; the next call starts one again'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "rm" -d 'Remove containers; the next call makes one again'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "export" -d 'Put a container into an image, or print what builds the same without ce-run'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "accept" -d 'Take a stage that was edited since it was applied for applied as it is now: what it did is what it would do'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "prune" -d 'Remove containers that are not needed any more, and snapshots that nothing is made from'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and not __fish_seen_subcommand_from ls status log diff import shell exec kill stop rm export accept prune help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and __fish_seen_subcommand_from export" -f -a "dockerfile" -d 'Print a Dockerfile that builds the same, with a layer for each applied stage: `docker build -f FILE .` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and __fish_seen_subcommand_from export" -f -a "apptainer" -d 'Print a definition file that builds the same for Apptainer: `apptainer build IMAGE FILE` in the computation\'s directory'
complete -c ce-env -n "__fish_ce_env_using_subcommand help; and __fish_seen_subcommand_from export" -f -a "image" -d 'Make an image of a container as it is now; what is mounted there is not in it'
