//! The form of the state file: where it is, how it begins, and the shell commands that append a record.

use bstr::ByteSlice;
use compeval_interpreter::stage::Chain;

use crate::text::quote;

/// The directory in the container that is ours.
pub const DIRECTORY: &str = "/var/lib/compeval";
/// The ledger.
pub const FILE: &str = "/var/lib/compeval/state.toml";
/// Holds the fingerprint of the last stage while a finished setup stands.
pub const READY: &str = "/var/lib/compeval/ready";

/// The version of the ledger's form that this program writes.
pub(super) const SCHEMA: u32 = 1;

/// What the shell appends to, before any record.
pub fn header() -> String {
    format!("schema = {SCHEMA}\n")
}

/// The commands that append a record, for `__ce_record NUMBER STATE STATUS CHAIN`: built-ins only, one write each.
pub fn record_commands(chains: &[Chain], commit: &str, start: &str) -> String {
    let mut text = String::from("__ce_q=\ncase $4 in\n");
    for (index, chain) in chains.iter().enumerate() {
        let mut lines = format!("line = {}\ntext = {}", chain.place.line(), toml_string(&chain.text.to_str_lossy()));
        {
            let fingerprint = &chain.fingerprint.hash;
            lines.push_str(&format!("\nfingerprint = {}", toml_string(fingerprint)));
        }
        text.push_str(&format!("{index}) __ce_q={};;\n", quote(&lines)));
    }
    let started = quote(&format!("commit = {}\nstart = {}", toml_string(commit), toml_string(start)));
    text.push_str(&format!(
        "esac\n\
         __ce_u=0.0; if \\command [ -r /proc/uptime ]; then IFS=' ' \\command read -r __ce_u __ce_y </proc/uptime; fi\n\
         case $2 in\n\
         started) \\command printf '\\n[[record]]\\nstage = %s\\nstate = \"started\"\\npid = %s\\nuptime = %s\\n%s\\n%s\\n' \
         \"$1\" \"$$\" \"$__ce_u\" {started} \"$__ce_q\" >>{FILE};;\n\
         *) \\command printf '\\n[[record]]\\nstage = %s\\nstate = \"%s\"\\nstatus = %s\\nuptime = %s\\n' \
         \"$1\" \"$2\" \"$3\" \"$__ce_u\" >>{FILE};;\n\
         esac"
    ));
    text
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
