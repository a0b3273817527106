//! Commands that wait for a person.

use bstr::ByteSlice;

use super::{analysis::Analysis, git};
use crate::{
    analyze::{folding::Folded, invocation::Invocation},
    syntax::{RedirectionOperator, SimpleCommand},
};

/// Tells which commands ask.
pub(super) struct Interactive<'a, 't> {
    analysis: &'a Analysis<'t>,
    /// Whether the script sees to host keys somewhere.
    knows_hosts: bool,
}

/// What a command does, and what to write instead.
type Asks = (&'static str, &'static str);

const EDITOR: Asks = (
    "opens an editor, and there is no terminal",
    "change the file with `sed -i`, or bring it along in the computation",
);
const PAGER: Asks = ("shows text at a terminal, and there is none", "use `cat`, or leave it out");

impl<'a, 't> Interactive<'a, 't> {
    pub(super) fn of(analysis: &'a Analysis<'t>) -> Interactive<'a, 't> {
        let sees_to_hosts =
            |invocation: &Invocation<'_>| invocation.name == "ssh-keyscan" || invocation.known().any(says_host_keys);
        let is_written = analysis
            .source
            .text()
            .windows(b"StrictHostKeyChecking".len())
            .any(|window| window == b"StrictHostKeyChecking");
        let knows_hosts = is_written
            || analysis.invocations.iter().any(sees_to_hosts)
            || analysis.has_variable("GIT_SSH_COMMAND")
            || analysis.source.text().windows(b"known_hosts".len()).any(|window| window == b"known_hosts");
        Interactive { analysis, knows_hosts }
    }

    /// What a command asks for, if it does.
    pub(super) fn asks(&self, invocation: &Invocation<'_>) -> Option<Asks> {
        let of_a_terminal = || self.at_a_terminal(invocation);
        let of_an_account = || Self::for_an_account(invocation);
        let of_a_key = || self.for_a_key(invocation);
        of_a_terminal().or_else(of_an_account).or_else(of_a_key).or_else(|| self.before_it_changes(invocation))
    }

    /// Editors, pagers, shells, dialogs.
    fn at_a_terminal(&self, invocation: &Invocation<'_>) -> Option<Asks> {
        let has = |letter: char| invocation.has(Some(letter), &[]);
        let is_fed = is_fed_by_pipe(invocation);
        match invocation.name.as_str() {
            "read" if !is_fed && !self.is_fed_around(invocation) => Some((
                "reads from the standard input, which is empty",
                "set the variable in the script, or read a file: `read -r x < FILE`",
            )),
            "vi" | "vim" | "nano" | "emacs" | "pico" | "joe" | "mcedit" | "view" => {
                let is_batch =
                    invocation.has(None, &["--batch", "-batch", "-es", "-Es", "--version", "--script"]) || is_fed;
                (!is_batch).then_some(EDITOR)
            }
            "visudo" if !has('c') => Some(EDITOR),
            "crontab" if has('e') => Some(EDITOR),
            "less" | "more" | "man" | "top" | "htop" => (!has('b')
                || matches!(invocation.name.as_str(), "less" | "more"))
            .then_some(PAGER)
            .filter(|_| !invocation.known().any(|word| word == "--version")),
            "mysql_secure_installation"
            | "tzselect"
            | "dialog"
            | "whiptail"
            | "chfn"
            | "vipw"
            | "select"
            | "cfdisk"
            | "nmtui" => Some(("asks questions at a terminal", "write the settings that it makes into files")),
            "sh" | "bash" | "dash" if !is_fed && waits_for_licence(invocation) => {
                Some(("shows a licence and asks whether it is accepted", "add `-b -p DIRECTORY`"))
            }
            "su" if invocation.arguments.is_empty() => {
                Some(("starts a shell that reads from the standard input", "write `su USER -c 'COMMAND'`"))
            }
            _ => None,
        }
    }

    /// What asks who somebody is.
    fn for_an_account(invocation: &Invocation<'_>) -> Option<Asks> {
        let is_fed = is_fed_by_pipe(invocation);
        match invocation.name.as_str() {
            "passwd"
                if !is_fed
                    && !invocation.has(
                        None,
                        &["-d", "-l", "-u", "-S", "--stdin", "--delete", "--lock", "--unlock", "--status"],
                    ) =>
            {
                Some(("asks for a password", "use `chpasswd`, or `passwd -d`; a container needs no passwords"))
            }
            "adduser" => {
                // That of busybox, and that of Red Hat, has short options.
                let is_short = |word: &str| word.len() == 2 && word.starts_with('-');
                let is_busybox = invocation.known().any(is_short);
                let is_told = invocation.has(None, &["--disabled-password", "--disabled-login", "--system", "--group"]);
                let is_member =
                    invocation.operands("", &["--home", "--shell", "--uid", "--gid", "--ingroup", "--gecos"]).len() > 1;
                (!is_busybox && !is_told && !is_member && !is_fed).then_some((
                    "asks for a password and a name",
                    "add `--disabled-password --gecos \"\"`, or use `useradd`",
                ))
            }
            "chsh" if !invocation.has(Some('s'), &["--shell"]) => Some(("asks for a shell", "add `-s SHELL`")),
            "docker" | "podman"
                if invocation.argument(0) == Some("login")
                    && !is_fed
                    && !invocation.has(Some('p'), &["--password", "--password-stdin"]) =>
            {
                Some(("asks for a password", "read it from a file: `--password-stdin < FILE`"))
            }
            "npm" | "yarn" => {
                let is_init = invocation.argument(0) == Some("init") && !invocation.has(Some('y'), &["--yes"]);
                let is_login = matches!(invocation.argument(0), Some("login" | "adduser"));
                ((is_init || is_login) && !is_fed)
                    .then_some(("asks questions", "add `-y`, or bring `package.json` along"))
            }
            _ => None,
        }
    }

    /// What asks for keys, or whether one is right.
    fn for_a_key(&self, invocation: &Invocation<'_>) -> Option<Asks> {
        let has = |letter: char| invocation.has(Some(letter), &[]);
        let is_fed = is_fed_by_pipe(invocation);
        match invocation.name.as_str() {
            "ssh-keygen" => {
                let asks_nothing = ['A', 'R', 'F', 'l', 'y', 'e', 'i', 'B', 'H', 'L'].into_iter().any(has);
                (!(asks_nothing || (has('N') || has('P')) && has('f')))
                    .then_some(("asks for a file and a passphrase", "add `-q -N \"\" -f FILE`"))
            }
            "git" => self.git(invocation),
            "rsync" if !invocation.known().any(is_scp_address) => None,
            "ssh" | "scp" | "sftp" | "rsync" => {
                let checks = invocation.known().any(says_host_keys)
                    || self.knows_hosts
                    || invocation.known().any(|word| word == "-V");
                (!checks).then_some((
                    "asks whether a host key is right",
                    "put the key into `known_hosts` first: bring it along in the computation",
                ))
            }
            "gpg" | "gpg2" => {
                let generates = invocation.known().any(|word| {
                    matches!(
                        word,
                        "--gen-key" | "--full-gen-key" | "--generate-key" | "--full-generate-key" | "--edit-key"
                    )
                });
                let is_batch = invocation.has(None, &["--batch", "--command-fd"]);
                (generates && !is_batch && !is_fed)
                    .then_some(("asks what key to make", "add `--batch`, with a file of parameters"))
            }
            "openssl" => {
                let is_request = invocation.argument(0) == Some("req") && !invocation.has(None, &["-in"]);
                let is_told = invocation.has(None, &["-subj", "-config", "-batch"]);
                (is_request && !is_told && !is_fed)
                    .then_some(("asks for the parts of a name", "add `-subj`, or `-batch`"))
            }
            _ => None,
        }
    }

    /// What asks before it does something to files or settings.
    fn before_it_changes(&self, invocation: &Invocation<'_>) -> Option<Asks> {
        let has = |letter: char| invocation.has(Some(letter), &[]);
        let is_fed = is_fed_by_pipe(invocation);
        match invocation.name.as_str() {
            "unzip" => {
                let looks = ['o', 'n', 'l', 'p', 't', 'Z', 'v', 'c', 'f', 'u'].into_iter().any(has);
                (!looks && !is_fed)
                    .then_some(("asks before it replaces a file", "add `-o` to replace files, or `-n` to keep them"))
            }
            "dpkg-reconfigure" => {
                let is_told = invocation.known().any(|word| word.contains("noninteractive"))
                    || self.analysis.has_variable("DEBIAN_FRONTEND")
                    || self.analysis.is_given_for(invocation, "DEBIAN_FRONTEND");
                (!is_told).then_some(("opens a dialog", "add `-f noninteractive`"))
            }
            "rm" | "cp" | "mv" if has('i') && !has('f') && !is_fed => Some(("asks for each file", "leave `-i` out")),
            "7z" | "7za" | "7zr"
                if matches!(invocation.argument(0), Some("x" | "e"))
                    && !is_fed
                    && !invocation.known().any(|word| matches!(word, "-y" | "-so" | "-aoa" | "-aos" | "-aou")) =>
            {
                Some(("asks before it replaces a file", "add `-y`"))
            }
            "update-alternatives" if invocation.has(None, &["--config"]) && !is_fed => {
                Some(("asks which one to use", "name it: `--set NAME PATH`"))
            }
            _ => None,
        }
    }

    fn git(&self, invocation: &Invocation<'_>) -> Option<Asks> {
        let (subcommand, git) = git::subcommand(invocation)?;
        let is_ssh = |operand: &&Folded| {
            operand.text.starts_with(b"git@")
                || operand.text.starts_with(b"ssh://")
                || is_scp_address(operand.known().unwrap_or_default())
        };
        match subcommand {
            "clone" | "fetch" | "pull" | "ls-remote" | "push"
                if !self.knows_hosts && git.operands().iter().any(is_ssh) =>
            {
                Some((
                    "asks whether the host key is right, and for a passphrase",
                    "clone from `https://`, or put the host's key into `known_hosts` first",
                ))
            }
            "commit" => {
                let says = invocation.known().any(|word| {
                    word.starts_with("-m")
                        || word.starts_with("--message")
                        || matches!(
                            word,
                            "-F" | "--file" | "-C" | "--no-edit" | "-am" | "-qm" | "--allow-empty-message"
                        )
                });
                (!says && !self.analysis.has_variable("GIT_EDITOR")).then_some(EDITOR)
            }
            "rebase" if git.has(&["-i", "--interactive"]) => Some(EDITOR),
            "add" | "checkout" | "reset" if git.has(&["-p", "--patch", "-i", "--interactive"]) => {
                Some(("asks for each change", "name the files"))
            }
            _ => None,
        }
    }

    /// Whether a loop, group or function around the command has something to read.
    fn is_fed_around(&self, invocation: &Invocation<'_>) -> bool {
        let span = invocation.place.command.span;
        let context = &invocation.place.context;
        let feeds = self.analysis.redirected.iter().any(|(command, _)| {
            command.span.contains(span) && command.redirections.iter().any(|redirection| !writes(redirection.operator))
        });
        let has_file = invocation.known().any(|word| word.starts_with("-u"));
        feeds
            || has_file
            || context.apart.is_some_and(|(apart, _)| apart == crate::analyze::places::Apart::Pipeline)
            || context.function.is_some()
    }
}

fn writes(operator: RedirectionOperator) -> bool {
    use RedirectionOperator::{Append, Clobber, DuplicateOutput, Output};
    matches!(operator, Output | Clobber | Append | DuplicateOutput)
}

/// Whether the command is given something to read, by a pipe too.
fn is_fed_by_pipe(invocation: &Invocation<'_>) -> bool {
    is_fed(invocation.place.command) || invocation.place.position > 0
}

/// Whether the command is given something to read.
fn is_fed(command: &SimpleCommand) -> bool {
    command.redirections.iter().any(|redirection| !writes(redirection.operator))
}

/// Whether this is an installer of conda that is not told to go on by itself.
fn waits_for_licence(invocation: &Invocation<'_>) -> bool {
    let operands = invocation.operands("p", &[]);
    let file = operands.first().map(|file| file.text.to_str_lossy()).unwrap_or_default();
    let name = file.rsplit('/').next().unwrap_or_default();
    let is_installer = ["Miniconda", "Miniforge", "Mambaforge", "Anaconda"].iter().any(|known| name.starts_with(known));
    is_installer && name.ends_with(".sh") && !invocation.has(Some('b'), &[])
}

fn says_host_keys(word: &str) -> bool {
    word.contains("StrictHostKeyChecking") || word.contains("UserKnownHostsFile")
}

/// Whether an address is of the form `user@host:path`.
fn is_scp_address(text: &str) -> bool {
    let user = text.split_once(':').map(|(host, _)| host).filter(|host| !host.contains('/'));
    user.is_some_and(|host| host.contains('@'))
}
