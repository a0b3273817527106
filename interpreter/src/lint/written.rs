//! Commands that write below a directory: where they name it, and where they stand in it.

use bstr::ByteSlice;

use super::analysis::Analysis;
use crate::{
    Span,
    analyze::{calls, files::Root, folding::Folded, invocation::Invocation},
    language::builtins::{self, Operands},
};

/// Programs that write in the directory they are run in, unless an operand or option says otherwise.
const BUILDERS: [&str; 25] = [
    "autoreconf",
    "autogen.sh",
    "bazel",
    "bootstrap",
    "cargo",
    "cmake",
    "configure",
    "gcc",
    "gfortran",
    "g++",
    "go",
    "gradle",
    "latexmk",
    "make",
    "gmake",
    "meson",
    "mvn",
    "ninja",
    "npm",
    "pdflatex",
    "scons",
    "setup.py",
    "waf",
    "yarn",
    "xmake",
];

/// Subcommands of git that change a work tree or its repository.
const GIT_WRITING: [&str; 25] = [
    "add",
    "am",
    "apply",
    "bisect",
    "checkout",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
    "fetch",
    "gc",
    "init",
    "merge",
    "mv",
    "pull",
    "rebase",
    "reset",
    "restore",
    "revert",
    "rm",
    "stash",
    "submodule",
    "switch",
    "tag",
    "worktree",
];

/// The places where commands write below the directory, each with what is done there, in order.
pub(super) fn below(analysis: &Analysis<'_>, root: Root) -> Vec<(Span, String)> {
    let mut found: Vec<(Span, String)> = Vec::new();
    for invocation in &analysis.invocations {
        let span =
            disk_dump(invocation, root).or_else(|| operand(invocation, root)).or_else(|| standing(invocation, root));
        let is_reading = invocation.is(&["cd", "export", "echo", "printf", "test", "["]);
        if let Some(span) = span.filter(|_| !is_reading) {
            found.push((span, format!("`{}` writes", invocation.name)));
        }
    }
    let redirections = analysis.places.iter().flat_map(|place| &place.command.redirections);
    let redirections = redirections.chain(analysis.redirected.iter().flat_map(|(command, _)| &command.redirections));
    for redirection in redirections.filter(|redirection| calls::writes_file(redirection)) {
        if analysis.variables.fold(&redirection.target).below(root).is_some() {
            found.push((redirection.span, "this writes".to_owned()));
        }
    }
    for invocation in
        analysis.invocations.iter().filter(|one| one.directory.as_ref().is_some_and(|at| at.below(root).is_some()))
    {
        let written = invocation.place.command.redirections.iter().find(|redirection| {
            calls::writes_file(redirection) && is_relative(&analysis.variables.fold(&redirection.target))
        });
        found.extend(written.map(|redirection| (redirection.span, "this writes".to_owned())));
    }
    found.sort_by_key(|(span, _)| *span);
    found
}

/// The file that `dd` writes.
fn disk_dump(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    let is_output = |argument: &&Folded| {
        let path = argument.text.strip_prefix(b"of=");
        path.is_some_and(|path| path.starts_with(root.stand_in().as_bytes()))
    };
    invocation.arguments.iter().find(is_output).map(|argument| argument.span).filter(|_| invocation.name == "dd")
}

/// An operand or value of an option below the directory that is written.
fn operand(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    let is_below = |folded: &&Folded| folded.below(root).is_some();
    let below = || invocation.arguments.iter().find(is_below).map(|folded| folded.span);
    below()?;
    if let Some(value) = output_option(invocation, root) {
        return Some(value);
    }
    let after_option = |options: &[&str]| {
        let mut arguments = invocation.arguments.iter();
        arguments.find(|argument| argument.known().is_some_and(|text| options.contains(&text)))?;
        arguments.next().filter(is_below).map(|folded| folded.span)
    };
    match invocation.name.as_str() {
        "make" | "gmake" | "ninja" if builds_elsewhere(invocation) => None,
        "make" | "gmake" | "ninja" => after_option(&["-C", "--directory"]),
        "git" => {
            let (_, subcommand) = invocation.subcommand("Cc", &["-C", "-c", "--git-dir", "--work-tree"])?;
            let writes = GIT_WRITING.contains(&subcommand);
            let target = match subcommand {
                "clone" => last_operand(invocation, root),
                _ => after_option(&["-C", "--work-tree", "--git-dir"]),
            };
            target.filter(|_| writes)
        }
        "cmake" => after_option(&["-B", "--build", "--install"]).or_else(|| in_source(invocation, root)),
        "pip" | "pip3" => after_option(&["-e", "--editable", "--target", "-t", "--prefix"]),
        "tar" => {
            let first = invocation.argument(0)?;
            let unpacks = first.trim_start_matches('-').contains('x') && !first.starts_with("--")
                || invocation.has(Some('x'), &["--extract"]);
            match unpacks {
                true => after_option(&["-C", "--directory"]),
                // The archive itself is written.
                false => {
                    let writes = invocation.has(Some('c'), &["--create"]) || first.contains('c');
                    let archive = invocation.arguments.get(1).filter(|_| first.ends_with('f')).filter(is_below);
                    archive.map(|folded| folded.span).filter(|_| writes)
                }
            }
        }
        "unzip" => after_option(&["-d"]),
        "gunzip" | "gzip" | "bunzip2" | "bzip2" | "xz" | "unxz" | "zstd" | "unzstd" => {
            let reads = invocation.has(Some('c'), &["--stdout", "--to-stdout"])
                || invocation.has(Some('l'), &["--list"])
                || invocation.has(Some('t'), &["--test"]);
            below().filter(|_| !reads)
        }
        "sed" => {
            let in_place = invocation.has(Some('i'), &["--in-place"]);
            below().filter(|_| in_place)
        }
        "perl" => below().filter(|_| invocation.has(Some('i'), &[])),
        "patch" => {
            let operands = invocation.operands("BdDFiopVzr", &["--input", "--directory", "--output"]);
            let file = operands.first().filter(|operand| operand.below(root).is_some()).map(|operand| operand.span);
            after_option(&["-d", "--directory", "-o"]).or(file)
        }
        "rsync" | "scp" => last_operand(invocation, root),
        "python" | "python3" => {
            let is_environment = invocation.known().any(|word| matches!(word, "venv" | "virtualenv"));
            let is_setup = invocation.known().any(|word| matches!(word, "develop" | "build_ext" | "build" | "install"));
            let is_compiling = invocation.known().any(|word| word == "compileall");
            below().filter(|_| is_environment || is_setup || is_compiling)
        }
        "virtualenv" | "npm" | "yarn" | "autoreconf" | "mktemp" | "split" | "truncate" | "shred" => below(),
        "conda" | "mamba" | "micromamba" => after_option(&["-p", "--prefix"]),
        "find" => below().filter(|_| invocation.known().any(|word| word == "-delete")),
        name => by_table(invocation, name, root),
    }
}

/// What the table of utilities says is written.
fn by_table(invocation: &Invocation<'_>, name: &str, root: Root) -> Option<Span> {
    let utility = builtins::find(name.as_bytes())?;
    let target = |options: &[&str]| {
        let mut arguments = invocation.arguments.iter();
        arguments.find(|argument| argument.known().is_some_and(|text| options.contains(&text)))?;
        arguments.next().filter(|folded| folded.below(root).is_some()).map(|folded| folded.span)
    };
    if matches!(name, "cp" | "mv" | "install" | "ln") && invocation.has(Some('t'), &["--target-directory"]) {
        return target(&["-t", "--target-directory"]);
    }
    if name == "install" && invocation.has(Some('d'), &["--directory"]) {
        return last_operand(invocation, root);
    }
    let operands = invocation.operands(utility.valued, &[]);
    let written = match utility.operands {
        Operands::Copied | Operands::Linked => return last_operand(invocation, root),
        Operands::Written | Operands::Moved => operands.as_slice(),
        Operands::WrittenBehindFirst => operands.get(1..).unwrap_or_default(),
        _ => &[],
    };
    written.iter().find(|operand| operand.below(root).is_some()).map(|operand| operand.span)
}

/// The value of `-o`, `--output` or `-P` below the directory.
fn output_option(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    let is_download = invocation.is(&["wget", "curl", "aria2c"]);
    let mut arguments = invocation.arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.text.to_str_lossy();
        let value = text.split_once('=').filter(|(name, _)| {
            matches!(
                *name,
                "--output" | "--output-document" | "--directory-prefix" | "--outdir" | "--output-dir" | "--prefix"
            )
        });
        if value.is_some_and(|(_, value)| value.as_bytes().starts_with(root.stand_in().as_bytes())) {
            return Some(argument.span);
        }
        let is_output = matches!(&*text, "--output" | "--output-document" | "--directory-prefix" | "--output-dir")
            || text == "-o"
                && !invocation
                    .is(&["find", "mount", "ssh", "scp", "sort", "test", "set", "useradd", "install", "apt-get"])
            || is_download && text.starts_with('-') && text.ends_with(['o', 'O', 'P']);
        if is_output && arguments.as_slice().first().is_some_and(|next| next.below(root).is_some()) {
            return arguments.next().map(|next| next.span);
        }
    }
    None
}

fn last_operand(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    let operands = invocation.operands("", &[]);
    operands.last().filter(|folded| folded.below(root).is_some()).map(|folded| folded.span)
}

/// `cmake "$COMPDIR"` run in the directory itself.
fn in_source(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    let stands_there = invocation.directory.as_ref().is_some_and(|directory| directory.below(root).is_some());
    last_operand(invocation, root).filter(|_| stands_there)
}

/// The name of a command that writes in the directory it stands in, when that is below the root.
fn standing(invocation: &Invocation<'_>, root: Root) -> Option<Span> {
    invocation.directory.as_ref()?.below(root)?;
    let writes = match invocation.name.as_str() {
        "git" => {
            let subcommand = invocation.subcommand("Cc", &["-C", "-c"]).map(|(_, subcommand)| subcommand.to_owned());
            let goes_elsewhere = invocation.has(Some('C'), &["--git-dir"]);
            let target = invocation.operands("Cc", &["-C", "-c"]).last().is_some_and(|operand| is_relative(operand));
            let writes = subcommand.as_deref().is_some_and(|subcommand| GIT_WRITING.contains(&subcommand));
            writes && !goes_elsewhere && (subcommand.as_deref() != Some("clone") || target)
        }
        "make" | "gmake" | "ninja" => !invocation.has(Some('C'), &["--directory"]) && !builds_elsewhere(invocation),
        "cmake" => !invocation.has(None, &["-B", "--build", "--install"]),
        "pip" | "pip3" => {
            let is_here = |folded: &Folded| {
                folded.known().is_some_and(|text| text == "." || text.starts_with("./") || text.starts_with(".["))
            };
            invocation.installs().is_some()
                && invocation.has(Some('e'), &["--editable"])
                && invocation.arguments.iter().any(is_here)
        }
        "python" | "python3" => {
            let is_setup = invocation.argument(0) == Some("setup.py");
            let is_environment = invocation.argument(0) == Some("-m")
                && matches!(invocation.argument(1), Some("venv" | "virtualenv" | "build"));
            is_setup || is_environment && invocation.arguments.last().is_some_and(is_relative)
        }
        "tar" => {
            let unpacks = invocation.argument(0).is_some_and(|first| first.trim_start_matches('-').contains('x'));
            unpacks && !invocation.has(Some('C'), &["--directory"])
        }
        "unzip" => !invocation.has(Some('d'), &[]),
        "wget" => {
            !invocation.has(Some('O'), &["--output-document"]) && !invocation.has(Some('P'), &["--directory-prefix"])
        }
        "curl" => invocation.has(Some('O'), &["--remote-name"]) || output_is_relative(invocation),
        "patch" | "sed" | "gunzip" | "gzip" | "xz" => {
            let is_plain = invocation.name != "sed" || invocation.has(Some('i'), &["--in-place"]);
            let prints = invocation.has(Some('c'), &["--stdout"]);
            is_plain && !prints && invocation.operands("efpid", &[]).iter().all(|operand| is_relative(operand))
        }
        name if BUILDERS.contains(&name) => !builds_elsewhere(invocation),
        name => relative_operand(invocation, name),
    };
    writes.then_some(invocation.name_span)
}

/// Whether a build is told to put what it makes elsewhere.
fn builds_elsewhere(invocation: &Invocation<'_>) -> bool {
    let is_elsewhere = |text: &str| text.starts_with('/') && text.len() > 1;
    let mut arguments = invocation.arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.known().unwrap_or_default();
        let value =
            ["--target-dir=", "O=", "BUILDDIR=", "--outdir="].iter().find_map(|option| text.strip_prefix(option));
        let next =
            matches!(text, "-o" | "--target-dir" | "-B" | "--outdir").then(|| arguments.as_slice().first()?.known());
        if value.is_some_and(is_elsewhere) || next.flatten().is_some_and(is_elsewhere) {
            return true;
        }
    }
    let only_looks = matches!(
        invocation.argument(0),
        Some("vet" | "list" | "version" | "env" | "metadata" | "--version" | "-n" | "help" | "run")
    );
    only_looks || invocation.place.command.assignments.iter().any(|one| one.name == "CARGO_TARGET_DIR")
}

fn output_is_relative(invocation: &Invocation<'_>) -> bool {
    let mut arguments = invocation.arguments.iter();
    let is_output = |argument: &Folded| {
        argument.known().is_some_and(|text| text.starts_with('-') && text.ends_with('o') || text == "--output")
    };
    arguments.find(|argument| is_output(argument)).is_some() && arguments.next().is_some_and(is_relative)
}

/// Whether the table says that it writes an operand that is relative.
fn relative_operand(invocation: &Invocation<'_>, name: &str) -> bool {
    let Some(utility) = builtins::find(name.as_bytes()) else { return false };
    let operands = invocation.operands(utility.valued, &[]);
    match utility.operands {
        Operands::Written | Operands::Moved => operands.iter().any(|operand| is_relative(operand)),
        Operands::WrittenBehindFirst => operands.iter().skip(1).any(|operand| is_relative(operand)),
        Operands::Copied | Operands::Linked => {
            operands.len() > 1 && operands.last().is_some_and(|operand| is_relative(operand))
        }
        _ => false,
    }
}

/// Whether a path is known to be a relative one.
fn is_relative(operand: &Folded) -> bool {
    operand.known().is_some_and(|text| !text.is_empty() && !text.starts_with(['/', '~', '-']))
}
