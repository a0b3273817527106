//! What the rules look at: a script as a flat row of its simple commands, each with where it stands.

use bstr::ByteSlice;

use crate::{
    Source, Span,
    analyze::{
        calls::Calls,
        decision::Verdicts,
        places::{self, Context, Placed},
    },
    language::marker::Marker,
    syntax::{
        AndOr, AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Pipeline, Script,
        print,
    },
};

/// A script, looked through once for all rules.
pub(crate) struct Analysis<'t> {
    /// The text.
    pub(crate) source: &'t Source,
    /// The program that will run it.
    shell: &'t str,
    /// All of it.
    pub(crate) list: &'t List,
    /// Every simple command, in the order the shell comes by them.
    pub(crate) places: Vec<Placed<'t>>,
    /// The commands that hit a marker: those that are one, and calls of functions that hold one.
    pub(crate) hits: Vec<Hit<'t>>,
    /// Every function definition.
    pub(crate) definitions: Vec<&'t FunctionDefinition>,
    /// What calls of them come to.
    pub(crate) calls: Calls<'t>,
    /// The compound commands with redirections.
    pub(crate) redirected: Vec<(&'t CompoundCommand, Context<'t>)>,
    /// The and-or lists with a `||` in them.
    pub(crate) alternatives: Vec<&'t AndOrList>,
    /// What may come out differently from run to run.
    pub(crate) verdicts: Verdicts,
}

/// A command that hits markers.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'t> {
    /// The command.
    pub(crate) place: Placed<'t>,
    /// Whether it can hit `next_stage`, and move the number of the stages behind it.
    pub(crate) counts: bool,
}

impl<'t> Analysis<'t> {
    /// Looks through the script.
    pub(crate) fn of(script: &'t Script, shell: &'t str) -> Analysis<'t> {
        let walked = places::walk(&script.list);
        let calls = Calls::of(&walked.definitions, &walked.places);
        let hit = |place: &Placed<'t>| {
            let effects = if place.marker.is_some() { None } else { calls.call(place.command) };
            let hits = place.marker.is_some() || effects.is_some_and(|effects| effects.marks());
            let counts = place.marker == Some(Marker::NextStage) || effects.is_some_and(|effects| effects.next_stage);
            hits.then_some(Hit { place: *place, counts })
        };
        let hits = walked.places.iter().filter_map(hit).collect();
        Analysis {
            source: &script.source,
            shell,
            list: &script.list,
            places: walked.places,
            hits,
            definitions: walked.definitions,
            calls,
            redirected: walked.redirected,
            alternatives: walked.alternatives,
            verdicts: walked.decisions.finish(),
        }
    }

    /// Whether the script's shell is bash.
    pub(crate) fn is_bash(&self) -> bool {
        self.shell.rsplit('/').next() == Some("bash")
    }

    /// The place of `&>` behind an and-or list: in sh, that is a `&` that puts it in the background, and a redirection of
    /// nothing.
    pub(crate) fn redirects_both(&self, item: &ListItem) -> Option<Span> {
        let behind = self.source.text().get(item.and_or.span.end as usize..).filter(|_| item.background)?;
        let at = behind.iter().position(|byte| *byte == b'&')?;
        let start = item.and_or.span.end + u32::try_from(at).ok()?;
        (behind.get(at + 1) == Some(&b'>')).then_some(Span { start, end: start + 2 })
    }

    /// The commands that are markers.
    pub(crate) fn markers(&self) -> impl Iterator<Item = (Marker, &Placed<'t>)> {
        self.hits.iter().filter_map(|hit| Some((hit.place.marker?, &hit.place)))
    }

    /// The commands that hit `next_stage`, themselves or in a function.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &Placed<'t>> {
        self.hits.iter().filter(|hit| hit.counts).map(|hit| &hit.place)
    }

    /// The `next_stage` that the status of the pipeline comes from, when that is the last list in a compound command.
    pub(crate) fn last_stage(&self, pipeline: &Pipeline) -> Option<Span> {
        let Command::Compound(command) = pipeline.single()? else { return None };
        match &command.kind {
            CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => self.last_stage_in(list),
            CompoundKind::For(command) => self.last_stage_in(&command.body),
            CompoundKind::Case(command) => command.items.iter().find_map(|item| self.last_stage_in(&item.body)),
            CompoundKind::If(command) => {
                let bodies = command.branches.iter().map(|(_, body)| body).chain(&command.otherwise);
                bodies.into_iter().find_map(|body| self.last_stage_in(body))
            }
            CompoundKind::While(command) | CompoundKind::Until(command) => self.last_stage_in(&command.body),
        }
    }

    fn last_stage_in(&self, list: &List) -> Option<Span> {
        let item = list.items.last().filter(|item| !item.background)?;
        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        let stage = item.and_or.pipelines().find_map(|pipeline| match pipeline.single()? {
            Command::Simple(command) if command.marker() == Some(Marker::NextStage) => Some(command.span),
            _ => None,
        });
        let last = item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline);
        stage.filter(|_| !has_or).or_else(|| self.last_stage(last))
    }

    /// The source at `span` for a message: one line, not too long.
    pub(crate) fn quote(&self, span: Span) -> String {
        // A place can be most of the script, and be quoted for each of many findings.
        let text = self.source.slice(span);
        print::summary(text.get(..200).unwrap_or(text), 40)
    }

    /// The source at `span` for advice, where that is one line and short enough to repeat.
    pub(crate) fn repeat(&self, span: Span) -> Option<&'t str> {
        let text = self.source.slice(span);
        let is_short = text.len() <= 80 && !text.contains(&b'\n');
        text.to_str().ok().filter(|_| is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::Analysis;
    use crate::{Source, analyze::places::Placed, parse};

    fn culprits(text: &str) -> Vec<Option<String>> {
        let parsed = parse(Source::new("s", text));
        assert_eq!(parsed.errors, [], "{text}");
        let analysis = Analysis::of(&parsed.script, "sh");
        let culprit = |place: &Placed<'_>| Some(analysis.quote(analysis.verdicts.culprit(place.context.decision)?));
        analysis.counted().map(culprit).collect()
    }

    #[test]
    fn conditions_over_constants_are_decided() {
        for text in [
            "V=1\n[ \"$V\" = 1 ] && next_stage && a",
            "V=1; W=$V-x; if test $W != y; then next_stage && a; fi",
            "readonly V=1; case $V in 1) next_stage && a;; *) next_stage && b;; esac",
            "for p in a b; do next_stage && i $p; done",
            "i=0; while [ $i -lt 3 ]; do next_stage && a; i=$((i + 1)); done",
            "gpu() { [ \"$V\" = 1 ]; }; V=0; gpu && next_stage && a",
            "true && { :; next_stage && a; }",
            "everytime && v=$(date); next_stage && a",
        ] {
            assert_eq!(culprits(text).iter().flatten().count(), 0, "{text}");
        }
    }

    #[test]
    fn everything_else_varies() {
        for (text, expected) in [
            ("[ -d /x ] && next_stage && a", "[ -d /x ]"),
            ("[ -n \"$HOME\" ] && next_stage && a", "[ -n \"$HOME\" ]"),
            ("V=$(uname)\nif [ $V = Linux ]; then next_stage && a; fi", "[ $V = Linux ]"),
            ("next_stage && V=1; [ \"$V\" ] && next_stage && a", "[ \"$V\" ]"),
            ("for f in *.deb; do next_stage && a; done", "*.deb"),
            ("while read -r x; do next_stage && a; done < f", "read -r x"),
            ("case $(arch) in x) next_stage && a;; esac", "$(arch)"),
            ("V=1; read V < f; [ $V ] && next_stage && a", "[ $V ]"),
            ("[ -d /x ] && V=1; [ \"$V\" ] && next_stage && a", "[ \"$V\" ]"),
            ("gpu() { test -e /dev/gpu; }; gpu && next_stage && a", "gpu"),
            ("if a; then :; elif true; then :; else next_stage && a; fi", "a"),
        ] {
            assert_eq!(culprits(text).last(), Some(&Some(expected.to_owned())), "{text}");
        }
    }
}
