//! The contract between a program and whoever keeps a ledger: what is recorded of stages, and where.
//!
//! A record is a `[[record]]` table of TOML, appended by the shell that runs the chain: with built-ins only and in one
//! write, so that it is right even when whoever started the shell is gone meanwhile.

use bstr::ByteSlice;

use crate::{dispatch::request::Repeated, language::quoting::quote, stage::chain::Chain};

/// What a dispatcher adds to a program.
#[derive(Clone, Copy, Debug)]
pub struct Hooks<'h> {
    /// A directory there that the program may write to, by an absolute name. What a program writes there is readable by its
    /// user alone, and is gone at its end.
    pub scratch: &'h str,
    /// Where to record what becomes of stages; `None` to record nothing.
    pub record: Option<RecordHook<'h>>,
}

/// Records of stages.
#[derive(Clone, Copy, Debug)]
pub struct RecordHook<'h> {
    /// The file there that a record is appended to for each stage that is started, applied or failed, and for each new
    /// command that runs on every call.
    pub file: &'h str,
    /// Keys and texts that are told of each such command (besides its fingerprint as `repeated`, line and text) and of each
    /// stage that is started, besides its number, line, text, fingerprint and its parts, the
    /// process id of its shell, the group that it is in and how long the machine is up.
    pub started: &'h [(&'h str, &'h str)],
}

/// The body of `__ce_record NUMBER STATE STATUS CHAIN`, where the state is `started`, `applied` or `failed`, and the
/// chain an index of `chains`. It sets only names that begin with `__ce_rec_`.
pub(crate) fn body(record: Option<&RecordHook<'_>>, chains: &[Chain]) -> String {
    let Some(RecordHook { file, started }) = record else { return ":".to_owned() };
    let (file, started) = (quoted(file), quoted(&lines(started)));
    let arm = |(index, chain): (usize, &Chain)| format!("{index}) __ce_rec_q={};;\n", quoted(&lines_of(chain)));
    let arms: String = chains.iter().enumerate().map(arm).collect();
    format!(
        "__ce_rec_q= __ce_rec_u=0.0\ncase $4 in\n{arms}esac\n\
         if \\command [ -r /proc/uptime ]; then \\command read -r __ce_rec_u </proc/uptime; __ce_rec_u=${{__ce_rec_u%%\" \"*}}; fi\n\
         case $2 in\n\
         started) \\command printf '\\n[[record]]\\nstage = %s\\nstate = \"started\"\\npid = %s\\ngroup = %s\\nuptime = %s\\n%s\\n%s\\n' \
         \"$1\" \"$$\" \"$PPID\" \"$__ce_rec_u\" {started} \"$__ce_rec_q\" >>{file};;\n\
         *) \\command printf '\\n[[record]]\\nstage = %s\\nstate = \"%s\"\\nstatus = %s\\nuptime = %s\\n' \
         \"$1\" \"$2\" \"$3\" \"$__ce_rec_u\" >>{file};;\n\
         esac"
    )
}

/// The command that records what of a stretch runs on every call and is not recorded yet; `None` when there is nothing.
pub(crate) fn repeated(record: Option<&RecordHook<'_>>, repeated: &[Repeated]) -> Option<String> {
    let RecordHook { file, started } = record?;
    let new: Vec<String> = repeated.iter().filter(|one| !one.is_recorded).map(|one| table_of(one, started)).collect();
    let text = quoted(&new.concat());
    (!new.is_empty()).then(|| format!("\\command printf '%s' {text} >>{}", quoted(file)))
}

fn table_of(Repeated { fingerprint, line, text, .. }: &Repeated, started: &[(&str, &str)]) -> String {
    let own = lines(&[("repeated", fingerprint), ("text", &text.to_str_lossy())]);
    format!("\n[[record]]\n{own}\nline = {line}\n{}\n", lines(started))
}

/// The records of stage `number` that counts as applied though its chain was not run; `told` as for
/// [`RecordHook::started`].
pub fn record_accepted(number: u32, chain: &Chain, told: &[(&str, &str)]) -> String {
    let (told, chain) = (lines(told), lines_of(chain));
    format!(
        "\n[[record]]\nstage = {number}\nstate = \"started\"\n{told}\n{chain}\n\n\
         [[record]]\nstage = {number}\nstate = \"applied\"\nstatus = 0\n"
    )
}

/// The record of stage `number` that has failed without a word of its shell.
pub fn record_failed(number: u32, status: i32) -> String {
    format!("\n[[record]]\nstage = {number}\nstate = \"failed\"\nstatus = {status}\n")
}

/// The record that a command which was recorded before, with this fingerprint, does not count any more.
pub fn record_dropped(fingerprint: &str, text: &str, line: usize) -> String {
    format!("\n[[record]]\n{}\nline = {line}\ndropped = true\n", lines(&[("repeated", fingerprint), ("text", text)]))
}

fn lines(pairs: &[(&str, &str)]) -> String {
    let lines: Vec<String> = pairs.iter().map(|(key, text)| format!("{key} = {}", toml_string(text))).collect();
    lines.join("\n")
}

fn lines_of(chain: &Chain) -> String {
    let (text, fingerprint) = (chain.text.to_str_lossy(), &chain.fingerprint.hash);
    let parts: Vec<String> = chain.fingerprint.parts.iter().map(|part| toml_string(&part.to_string())).collect();
    let told = lines(&[("text", &text), ("fingerprint", fingerprint)]);
    format!("line = {}\n{told}\nparts = [{}]", chain.place.line(), parts.join(", "))
}

fn quoted(text: &str) -> String {
    quote(text.as_bytes()).to_str_lossy().into_owned()
}

/// A basic string on one line: no line of a script may look like one of ours.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            character if character.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(character))),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
