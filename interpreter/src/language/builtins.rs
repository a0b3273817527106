//! What the shell's built-in utilities and the usual programs do: one table, by name.
//!
//! It says of each whether it is a special built-in, what it changes in the shell, and what its operands are: which
//! files it reads and writes. Whoever needs to know anything of a command by its name asks here.

use bstr::ByteSlice;

/// A utility, known by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utility {
    /// Its name.
    pub name: &'static str,
    /// Who carries it out.
    pub kind: UtilityKind,
    /// What it does to the shell that runs it; nothing, for a program.
    pub effect: Effect,
    /// What its exit status depends on.
    pub status: Status,
    /// What its operands are.
    pub operands: Operands,
    /// The letters of options that take a value of their own.
    pub valued: &'static str,
    /// Those of them whose value is a file that it reads.
    pub reading: &'static str,
    /// The letters of options that change what the operands are, or name files in other ways.
    pub changing: &'static str,
    /// The long options that are known to do neither, separated by blanks.
    pub long: &'static str,
    /// Whether it reads what is in the working directory when it has no operands: always, or with one of these options.
    pub here: Option<&'static str>,
    /// What else it may do to files.
    pub others: Others,
}

/// What a utility may do to files that its operands do not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing.
    Nothing,
    /// Its script may read some by relative names.
    Reads,
    /// It works in the directory that it is run in, or changes the system.
    Anything,
}

/// Who carries a utility out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UtilityKind {
    /// The shell, as a special built-in (POSIX 2.14): an error in it ends the shell, assignments before it stay.
    Special,
    /// The shell, as any other utility.
    Regular,
    /// A program of its own.
    Program,
}

/// What a built-in does to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that stays.
    None,
    /// Its operands are names, or `NAME=value`, of variables that it sets or unsets: `export`, `read`.
    Names,
    /// The same, for a function's own variables.
    LocalNames,
    /// The working directory.
    Directory,
    /// Options of `set`, or positional parameters.
    Options,
    /// What signals do.
    Traps,
    /// The mode of new files.
    Mask,
    /// Limits of processes.
    Limits,
    /// Aliases.
    Aliases,
    /// It leaves the shell, a function or a loop.
    Leaves,
    /// It runs a text, which may do anything.
    Text,
    /// It runs its operands as a command that is not looked up as any other: `command`, `builtin`.
    Operands,
    /// It puts a program in the shell's place, or redirects its descriptors.
    Exec,
    /// It takes options apart, and remembers in the shell how far it came.
    ReadsOptions,
    /// It knows the processes that this very shell has started.
    Jobs,
}

/// What an exit status depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing: it is the same on every run.
    Fixed,
    /// The operands alone.
    Operands,
    /// Whatever there is outside.
    Varies,
}

/// What a utility does to its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// It may do anything to any file.
    Unknown,
    /// They are no files.
    None,
    /// It reads them.
    Read,
    /// The same, but for the first, which is a script or pattern unless an option gives that.
    ReadBehindScript,
    /// It writes, makes or removes them.
    Written,
    /// All but the first are written: that is a mode or an owner.
    WrittenBehindFirst,
    /// The last is written, the others are read.
    Copied,
    /// All are written: the others are gone afterwards.
    Moved,
    /// The last is written as a name of the others, through which they can be reached.
    Linked,
    /// Only values of options are files.
    Values,
    /// Those behind `-e`, `-nt` and the like are looked at.
    Tested,
    /// They are members of an archive, which an option names, and which is taken apart.
    Unpacked,
}

const fn row(name: &'static str, kind: UtilityKind, effect: Effect, operands: Operands) -> Utility {
    let (valued, reading, changing, long) = ("", "", "", "");
    let (status, here, others) = (Status::Varies, None, Others::Nothing);
    Utility { name, kind, effect, status, operands, valued, reading, changing, long, here, others }
}

/// A special built-in.
const fn special(name: &'static str, effect: Effect) -> Utility {
    row(name, UtilityKind::Special, effect, Operands::None)
}

/// Another built-in, whose operands are no files.
const fn regular(name: &'static str, effect: Effect) -> Utility {
    row(name, UtilityKind::Regular, effect, Operands::None)
}

/// A program.
const fn program(name: &'static str, operands: Operands) -> Utility {
    row(name, UtilityKind::Program, Effect::None, operands)
}

impl Utility {
    const fn status(self, status: Status) -> Utility {
        Utility { status, ..self }
    }

    const fn opaque(self) -> Utility {
        Utility { operands: Operands::Unknown, ..self }
    }

    /// Options that take a value; those of them that name a file to read; those that change what operands are.
    const fn options(self, valued: &'static str, reading: &'static str, changing: &'static str) -> Utility {
        Utility { valued, reading, changing, ..self }
    }

    const fn long(self, long: &'static str) -> Utility {
        Utility { long, ..self }
    }

    /// Without operands, and with one of these options or always, it looks at the working directory.
    const fn here(self, letters: &'static str) -> Utility {
        Utility { here: Some(letters), ..self }
    }

    const fn others(self, others: Others) -> Utility {
        Utility { others, ..self }
    }

    /// Whether the shell carries it out itself.
    pub fn is_built_in(&self) -> bool {
        self.kind != UtilityKind::Program
    }
}

/// Every utility that is known, in the order of the names.
const UTILITIES: &[Utility] = {
    use Effect::{
        Aliases, Directory, Exec, Jobs, Leaves, Limits, LocalNames, Mask, Names, Options, ReadsOptions, Text, Traps,
    };
    use Operands::{
        Copied, Linked, Moved, None, Read, ReadBehindScript, Tested, Unpacked, Values, Written, WrittenBehindFirst,
    };
    use Others::{Anything, Reads};
    use Status::{Fixed, Operands as OfOperands};
    &[
        special(".", Text).opaque(),
        special(":", Effect::None).status(Fixed),
        Utility { operands: Tested, ..regular("[", Effect::None).status(OfOperands) },
        regular("alias", Aliases),
        program("awk", ReadBehindScript).options("Fvf", "f", "").others(Reads),
        program("basename", None).options("s", "", ""),
        regular("bg", Jobs),
        special("break", Leaves).status(OfOperands),
        regular("builtin", Effect::Operands).opaque(),
        program("cat", Read),
        regular("cd", Directory),
        regular("chdir", Directory),
        program("chgrp", WrittenBehindFirst),
        program("chmod", WrittenBehindFirst).options("", "", "rwxXst"),
        program("chown", WrittenBehindFirst),
        program("cksum", Read),
        program("cmp", Read).options("in", "", ""),
        regular("command", Effect::Operands).opaque(),
        special("continue", Leaves).status(OfOperands),
        program("cp", Copied).options("S", "", "tls").long("archive recursive force verbose no-clobber preserve="),
        program("cut", Read).options("bcdf", "", ""),
        program("date", None).options("d", "", "fr"),
        regular("declare", LocalNames),
        program("diff", Read).options("UC", "", ""),
        program("dirname", None),
        program("dpkg", Read).others(Anything),
        program("du", Read).here(""),
        regular("echo", Effect::None).status(Fixed),
        program("egrep", ReadBehindScript).options("efmABC", "f", "").here("rR"),
        special("eval", Text).opaque(),
        special("exec", Exec).opaque(),
        special("exit", Leaves).status(OfOperands),
        special("export", Names).status(Fixed),
        program("expr", None),
        regular("false", Effect::None).status(Fixed),
        regular("fc", Effect::None),
        regular("fg", Jobs),
        program("fgrep", ReadBehindScript).options("efmABC", "f", "").here("rR"),
        regular("getopts", ReadsOptions),
        program("grep", ReadBehindScript).options("efmABC", "f", "").here("rR").long(
            "quiet silent ignore-case invert-match line-number only-matching recursive fixed-strings extended-regexp",
        ),
        program("gunzip", Read).options("S", "", "").long("stdout force keep").others(Anything),
        program("gzip", Read).options("S", "", "").long("stdout force keep decompress").others(Anything),
        regular("hash", Effect::None),
        program("head", Read).options("nc", "", ""),
        program("id", None),
        program("install", Copied).options("mogS", "", "dt").long("mode= owner= group="),
        regular("jobs", Jobs),
        regular("kill", Jobs).options("s", "", ""),
        regular("let", Options).opaque(),
        program("ln", Linked).options("S", "", "t"),
        regular("local", LocalNames).status(Fixed),
        program("ls", Read).here(""),
        program("md5sum", Read).options("", "", "c"),
        program("mkdir", Written).options("m", "", ""),
        program("mkfifo", Written).options("m", "", ""),
        program("mv", Moved).options("S", "", "t"),
        program("paste", Read).options("d", "", ""),
        program("patch", Values).options("BdDFiopVzr", "i", "").long("quiet silent forward batch").others(Anything),
        program("pip", Values).options("cirt", "cr", "ef").long(PIP).others(Anything),
        program("pip3", Values).options("cirt", "cr", "ef").long(PIP).others(Anything),
        regular("popd", Directory),
        regular("printf", Effect::None).status(Fixed),
        regular("pushd", Directory),
        regular("pwd", Effect::None),
        regular("read", Names),
        special("readonly", Names).status(Fixed),
        special("return", Leaves).status(OfOperands),
        program("rm", Written),
        program("rmdir", Written),
        program("rsync", Copied).options("e", "", "Tf").long("archive recursive verbose quiet delete").others(Anything),
        program("sed", ReadBehindScript).options("ef", "f", "iwW").others(Reads),
        special("set", Options).status(Fixed),
        program("sha1sum", Read).options("", "", "c"),
        program("sha256sum", Read).options("", "", "c"),
        program("sha512sum", Read).options("", "", "c"),
        special("shift", Options).status(Fixed),
        program("sleep", None),
        program("sort", Read).options("kotSTo", "", "To"),
        regular("source", Text).opaque(),
        program("tail", Read).options("nc", "", ""),
        program("tar", Unpacked).long(TAR),
        program("tee", Written),
        Utility { operands: Tested, ..regular("test", Effect::None).status(OfOperands) },
        special("times", Effect::None),
        program("touch", Written).options("drt", "", "r"),
        program("tr", None),
        special("trap", Traps).status(Fixed),
        regular("true", Effect::None).status(Fixed),
        program("truncate", Written).options("sr", "", "r"),
        regular("type", Effect::None),
        regular("typeset", LocalNames),
        regular("ulimit", Limits),
        regular("umask", Mask).status(Fixed),
        regular("unalias", Aliases),
        program("uname", None),
        program("uniq", Copied).options("fsw", "", ""),
        special("unset", Names).status(Fixed),
        program("unzip", Read).options("dxP", "", "").others(Anything),
        regular("wait", Jobs),
        program("wc", Read),
        program("xz", Read).long("stdout force keep decompress").others(Anything),
        program("zcat", Read),
    ]
};

/// Options of pip that name no files.
const PIP: &str = "no-cache-dir no-deps no-index upgrade user quiet require-hashes disable-pip-version-check \
    break-system-packages root-user-action= index-url= extra-index-url= no-build-isolation no-input prefer-binary";

/// The same of tar.
const TAR: &str = "extract list gzip bzip2 xz zstd auto-compress verbose strip-components= strip= directory= exclude= \
    no-same-owner same-owner no-same-permissions preserve-permissions overwrite wildcards keep-old-files owner= group= \
    no-overwrite-dir skip-old-files touch absolute-names";

/// The utility that a command of this name runs: also one that is named by its path, in a directory of programs. What a
/// built-in does to the shell, a program of its name does not.
pub fn run_by(name: &[u8]) -> Option<&'static Utility> {
    let Some((directory, program)) = name.rsplit_once_str("/") else { return find(name) };
    let is_usual = name.starts_with(b"/") && (directory.ends_with(b"/bin") || directory.ends_with(b"/sbin"));
    find(program).filter(|utility| is_usual && utility.effect == Effect::None)
}

/// The utility of this name.
pub fn find(name: &[u8]) -> Option<&'static Utility> {
    let index = UTILITIES.binary_search_by_key(&name, |utility| utility.name.as_bytes()).ok()?;
    UTILITIES.get(index)
}

/// Whether a program of this name may read files that it does not name, where it is run among them.
pub(crate) fn reads_more(name: &[u8]) -> bool {
    run_by(name).is_some_and(|utility| utility.others != Others::Nothing)
}

/// What a built-in of this name does to the shell.
pub(crate) fn effect_of(name: &[u8]) -> Effect {
    find(name).map_or(Effect::None, |utility| utility.effect)
}

/// Whether this is the name of a special built-in (POSIX 2.14).
pub(crate) fn is_special(name: &[u8]) -> bool {
    find(name).is_some_and(|utility| utility.kind == UtilityKind::Special)
}

/// Whether the shell carries out a command of this name itself.
pub(crate) fn is_built_in(name: &[u8]) -> bool {
    find(name).is_some_and(Utility::is_built_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_the_special_built_ins_of_posix() {
        assert!(UTILITIES.is_sorted_by_key(|utility| utility.name.as_bytes()));
        let special = UTILITIES.iter().filter(|utility| utility.kind == UtilityKind::Special);
        let names: Vec<&str> = special.map(|utility| utility.name).collect();
        assert_eq!(
            names.join(" "),
            ". : break continue eval exec exit export readonly return set shift times trap unset"
        );
    }
}
