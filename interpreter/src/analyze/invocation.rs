//! What a simple command runs: the program behind `sudo`, `env` and their like, and its arguments.

use bstr::ByteSlice;

use super::{
    folding::{Folded, Variables},
    places::Placed,
};
use crate::{Span, language::packages::PackageManager, syntax::SimpleCommand};

/// A program or built-in that a simple command runs.
#[derive(Clone)]
pub(crate) struct Invocation<'t> {
    /// Where the command stands.
    pub(crate) place: &'t Placed<'t>,
    /// The name of what is run, without its directory.
    pub(crate) name: String,
    /// The place of that name.
    pub(crate) name_span: Span,
    /// The arguments, as far as they are known.
    pub(crate) arguments: Vec<Folded>,
    /// The place of `sudo` and what belongs to it, up to the name.
    pub(crate) sudo: Option<Span>,
    /// Whether its standard input names further operands (`xargs`).
    pub(crate) has_more: bool,
    /// Where it runs, as far as that is known: as the last `cd` before it named it.
    pub(crate) directory: Option<Folded>,
}

/// Programs that run another: the letters and names of their options that take a value, and how many operands come first.
const WRAPPERS: [(&str, &str, &[&str], usize); 19] = [
    ("busybox", "", &[], 0),
    ("chroot", "", &["--userspec", "--groups"], 1),
    ("command", "", &[], 0),
    ("doas", "u", &[], 0),
    ("eatmydata", "", &[], 0),
    ("env", "uSC", &["--unset", "--chdir"], 0),
    ("exec", "a", &[], 0),
    ("flock", "wE", &["--timeout"], 1),
    ("gosu", "", &[], 1),
    ("ionice", "cn", &[], 0),
    ("nice", "n", &["--adjustment"], 0),
    ("nohup", "", &[], 0),
    ("retry", "", &[], 0),
    ("setsid", "", &[], 0),
    ("stdbuf", "ioe", &[], 0),
    ("sudo", "ughpCrtTUD", &["--user", "--group", "--chdir", "--host", "--prompt"], 0),
    ("time", "of", &[], 0),
    ("timeout", "ks", &["--kill-after", "--signal"], 1),
    ("xargs", "nPIdaLsE", &["--max-args", "--max-procs", "--delimiter", "--arg-file"], 0),
];

impl<'t> Invocation<'t> {
    /// What the command at a place runs; `None` where it has no name that is known.
    pub(crate) fn of(place: &'t Placed<'t>, variables: &Variables<'t>) -> Option<Invocation<'t>> {
        let command: &'t SimpleCommand = place.command;
        let mut words: Vec<Folded> = Vec::with_capacity(command.words.len());
        for word in &command.words {
            words.extend(variables.fields(word));
        }
        let (mut at, mut sudo, mut has_more) = (0, None, false);
        loop {
            let name = base_name(words.get(at)?.known()?);
            let Some((_, valued, long, operands)) = WRAPPERS.iter().find(|wrapper| wrapper.0 == name) else { break };
            let first = words.get(at).map(|word| word.span)?;
            let asks = name == "command"
                && words.get(at + 1).and_then(Folded::known).is_some_and(|word| word.starts_with('-'));
            let Some(next) = behind_wrapper(&words, at + 1, valued, long, *operands).filter(|_| !asks) else { break };
            if matches!(name, "sudo" | "doas") {
                let next = words.get(next).map_or(first, |word| word.span);
                sudo = sudo.or(Some(Span { start: first.start, end: next.start.max(first.end) }));
            }
            has_more |= name == "xargs";
            at = next;
        }
        let first = words.get(at)?;
        // A module that is a program, too.
        if base_name(first.known()?).starts_with("python")
            && words.get(at + 1).is_some_and(|word| word.text == "-m")
            && words.get(at + 2).is_some_and(|word| word.text == "pip")
        {
            at += 2;
        }
        let name = words.get(at)?;
        let (name_span, name) = (first.span.to(name.span), base_name(name.known()?).to_owned());
        let arguments = words.split_off(at + 1);
        Some(Invocation { place, name, name_span, arguments, sudo, has_more, directory: None })
    }

    /// Whether it runs one of these.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// The argument at `index`, where all of it is known.
    pub(crate) fn argument(&self, index: usize) -> Option<&str> {
        self.arguments.get(index)?.known()
    }

    /// The texts of all arguments that are known.
    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter_map(Folded::known)
    }

    /// Whether an option is given: `letter` alone or among others behind one `-`, or one of the long forms, also with
    /// `=VALUE`.
    pub(crate) fn has(&self, letter: Option<char>, long: &[&str]) -> bool {
        let mut options = self.arguments.iter().take_while(|argument| argument.text != "--");
        options.any(|argument| {
            let Ok(text) = argument.text.to_str() else { return false };
            if let Some(name) = text.strip_prefix("--") {
                let name = name.split_once('=').map_or(name, |(name, _)| name);
                return long.iter().any(|long| long.strip_prefix("--") == Some(name));
            }
            let Some(letters) = text.strip_prefix('-') else { return false };
            long.contains(&text)
                || letter.is_some_and(|letter| {
                    letters.chars().take_while(char::is_ascii_alphabetic).any(|other| other == letter)
                })
        })
    }

    /// The operands: arguments that are no options, nor values of those in `valued` (letters) and `long`.
    pub(crate) fn operands(&self, valued: &str, long: &[&str]) -> Vec<&Folded> {
        let mut operands = Vec::new();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            let text = argument.text.to_str_lossy();
            if text == "--" {
                operands.extend(arguments);
                break;
            }
            if let Some(takes_next) = option_takes_next(&text, valued, long) {
                if takes_next {
                    arguments.next();
                }
                continue;
            }
            operands.push(argument);
        }
        operands
    }

    /// The subcommand, and its index among the arguments: the first that is no option, nor the value of one.
    pub(crate) fn subcommand(&self, valued: &str, long: &[&str]) -> Option<(usize, &str)> {
        let mut index = 0;
        while let Some(argument) = self.arguments.get(index) {
            let text = argument.text.to_str_lossy();
            match option_takes_next(&text, valued, long) {
                Some(takes_next) => index += 1 + usize::from(takes_next),
                None => return Some((index, argument.known()?)),
            }
        }
        None
    }

    /// The same invocation with only the arguments from `index` on.
    pub(crate) fn from(&self, index: usize) -> Invocation<'t> {
        let arguments = self.arguments.get(index..).unwrap_or_default().to_vec();
        Invocation { arguments, ..self.clone() }
    }

    /// What it asks a package manager to do; `pacman`'s letters are its subcommand.
    pub(crate) fn package_manager(&self) -> Option<(&'static PackageManager, usize, &str)> {
        let manager = PackageManager::named(&self.name)?;
        match self.name.as_str() {
            "pacman" => Some((manager, 0, self.argument(0)?)),
            "add-apt-repository" | "apt-add-repository" => Some((manager, 0, "")),
            _ => {
                let (index, subcommand) = self.subcommand(manager.valued, manager.long)?;
                Some((manager, index, subcommand))
            }
        }
    }

    /// Whether it installs packages; the index of the subcommand that says so.
    pub(crate) fn installs(&self) -> Option<(&'static PackageManager, usize)> {
        let (manager, index, subcommand) = self.package_manager()?;
        let is_pacman = self.name == "pacman" && subcommand.starts_with("-S") && !subcommand.contains(['y', 'c']);
        (manager.installing.contains(&subcommand) || is_pacman).then_some((manager, index))
    }

    /// The place of the name and the subcommand behind it.
    pub(crate) fn span_to(&self, index: usize) -> Span {
        self.arguments.get(index).map_or(self.name_span, |argument| self.name_span.to(argument.span))
    }
}

/// Whether an argument is an option, and whether its value is the next argument.
fn option_takes_next(text: &str, valued: &str, long: &[&str]) -> Option<bool> {
    let letters = text.strip_prefix('-').filter(|letters| !letters.is_empty())?;
    if text.starts_with("--") || long.contains(&text) {
        return Some(long.contains(&text));
    }
    // Behind a letter that takes a value, the rest is that value.
    let at = letters.char_indices().find(|(_, letter)| valued.contains(*letter));
    Some(at.is_some_and(|(at, letter)| at + letter.len_utf8() == letters.len()))
}

/// The index of what a wrapper runs.
fn behind_wrapper(words: &[Folded], mut at: usize, valued: &str, long: &[&str], operands: usize) -> Option<usize> {
    let mut left = operands;
    loop {
        let text = words.get(at)?.text.to_str_lossy();
        if let Some(takes_next) = option_takes_next(&text, valued, long) {
            at += 1 + usize::from(takes_next);
        } else if is_assignment(&text) {
            at += 1;
        } else if left > 0 {
            left -= 1;
            at += 1;
        } else {
            return Some(at);
        }
    }
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| crate::language::is_name(name.as_bytes()))
}

/// The last part of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
