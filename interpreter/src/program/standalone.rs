//! A setup script that brings its own markers, for those who run it with `sh` and know nothing of ledgers.

use bstr::BString;

use crate::{
    Span,
    syntax::{
        AndOrList, CompoundCommand, CompoundKind, List, Part, PartKind, Pipeline, Script,
        visit::{self, Visit},
    },
};

/// What stands before the script. Stages before the one that is asked for are skipped, as applied ones are; at the one
/// behind it, the script ends.
const MARKERS: &str = r#"# Runs the stage whose number is its first operand, and what is between stages.
__ce_stage=$1 __ce_count=0 __ce_chain=; shift
next_stage() {
    __ce_count=$((__ce_count + 1))
    [ "$__ce_count" -le "$__ce_stage" ] || exit 0
    [ "$__ce_count" -eq "$__ce_stage" ] || return 1
    __ce_chain=1
}
everytime() { __ce_chain=1; }
__ce_done() { __ce_chain=; }
__ce_failed() { set -- "$?"; case $__ce_chain in 1) exit "$1";; *) return "$1";; esac; }
"#;

/// What stands behind each chain: one that fails ends the script with its status, one that is skipped does not.
/// What is not last in a list ends nothing under `set -e`.
const JUDGED: &[u8] = b" && __ce_done || __ce_failed && :";

/// A program for `sh` that runs one stage of a script, whose number is its operand, from 1: all of them, in order, leave what
/// the script does, where what runs between stages may run more than once.
///
/// # Errors
/// The place of a marker in a process of its own (a subshell, a pipeline, the background): nobody would know how many
/// stages were counted there.
pub fn standalone(script: &Script) -> Result<BString, Span> {
    let mut finder = ChainEnds::default();
    finder.visit_list(&script.list);
    if let Some(marker) = finder.lost {
        return Err(marker);
    }
    finder.ends.sort_unstable();
    let text = script.source.text();
    let mut program = BString::from(MARKERS);
    let mut copied = 0;
    for end in finder.ends {
        program.extend_from_slice(text.get(copied..end).unwrap_or_default());
        program.extend_from_slice(JUDGED);
        copied = end;
    }
    program.extend_from_slice(text.get(copied..).unwrap_or_default());
    if !program.ends_with(b"\n") {
        program.push(b'\n');
    }
    // The end of the script is success.
    program.extend_from_slice(b":\n");
    Ok(program)
}

/// Where chains end.
#[derive(Default)]
struct ChainEnds {
    ends: Vec<usize>,
    /// How many processes of their own are around.
    apart: usize,
    lost: Option<Span>,
}

impl ChainEnds {
    fn apart(&mut self, visit: impl FnOnce(&mut Self)) {
        self.apart += 1;
        visit(self);
        self.apart -= 1;
    }
}

impl<'t> Visit<'t> for ChainEnds {
    fn visit_list(&mut self, list: &'t List) {
        for item in &list.items {
            match item.background {
                true => self.apart(|finder| finder.visit_and_or(&item.and_or)),
                false => self.visit_and_or(&item.and_or),
            }
        }
    }

    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        if let Some(marker) = and_or.pipelines().find(|pipeline| pipeline.marker().is_some()) {
            self.ends.push(and_or.span.end as usize);
            if self.apart > 0 {
                self.lost.get_or_insert(marker.span);
            }
        }
        visit::walk_and_or(self, and_or);
    }

    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        match pipeline.commands.len() {
            0 | 1 => visit::walk_pipeline(self, pipeline),
            _ => self.apart(|finder| visit::walk_pipeline(finder, pipeline)),
        }
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        match command.kind {
            CompoundKind::Subshell(_) => self.apart(|finder| visit::walk_compound_command(finder, command)),
            _ => visit::walk_compound_command(self, command),
        }
    }

    fn visit_part(&mut self, part: &'t Part) {
        match part.kind {
            PartKind::CommandSubstitution(_) => self.apart(|finder| visit::walk_part(finder, part)),
            _ => visit::walk_part(self, part),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use bstr::ByteSlice;

    use super::*;
    use crate::{Source, parse};

    /// What the stages print, each run by itself, and their statuses.
    fn run(text: &str, stages: u32) -> Vec<(String, Option<i32>)> {
        let program = standalone(&parse(Source::new("s", text)).script).unwrap();
        let run = |stage: u32| {
            let stage = stage.to_string();
            let output = Command::new("sh").args(["-c", &program.to_string(), "sh", &stage]).output().unwrap();
            assert!(output.stderr.is_empty(), "{}", output.stderr.as_bstr());
            (String::from_utf8(output.stdout).unwrap(), output.status.code())
        };
        (1..=stages).map(run).collect()
    }

    fn ran(text: &str, expected: &[(&str, i32)]) {
        let expected: Vec<(String, Option<i32>)> =
            expected.iter().map(|(text, status)| ((*text).to_owned(), Some(*status))).collect();
        assert_eq!(run(text, u32::try_from(expected.len()).unwrap()), expected, "{text}");
    }

    #[test]
    fn a_stage_runs_alone_with_what_is_between() {
        ran("x=1\nnext_stage && echo a$x\nx=2\nnext_stage && echo b$x\necho end\n", &[("a1\n", 0), ("b2\nend\n", 0)]);
        ran(
            "everytime && echo e\nnext_stage && echo a\nnext_stage && echo b || echo no",
            &[("e\na\n", 0), ("e\nb\n", 0)],
        );
        ran("f() { next_stage && echo $1; }\nfor i in 1 2; do f $i; done\n", &[("1\n", 0), ("2\n", 0)]);
        ran(
            "next_stage && cat <<E\n$((1+1)) && x\nE\nif next_stage; then echo b; fi\n",
            &[("2 && x\n", 0), ("b\n", 0)],
        );
    }

    #[test]
    fn a_chain_that_fails_ends_it_and_one_that_is_skipped_does_not() {
        ran("next_stage && echo a && (exit 3)\necho on\nnext_stage && echo b\n", &[("a\n", 3), ("on\nb\n", 0)]);
        ran("set -e\nnext_stage && echo a\nnext_stage && echo b\n", &[("a\n", 0), ("b\n", 0)]);
        ran("everytime && false\nnext_stage && echo a\n", &[("", 1)]);
        ran("[ -e /no/such ] && next_stage && echo a\nnext_stage && echo b\n", &[("b\n", 0)]);
    }

    #[test]
    fn markers_in_processes_of_their_own_are_refused() {
        for text in [
            "(next_stage && a)",
            "next_stage && a | b",
            "x | { next_stage && a; }",
            "x=$(next_stage && a)",
            "{ next_stage && a; } &",
        ] {
            let parsed = parse(Source::new("s", text));
            assert_eq!(standalone(&parsed.script).is_err(), !text.starts_with("next"), "{text}");
        }
    }
}
