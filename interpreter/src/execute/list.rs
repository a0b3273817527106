//! Lists and and-or lists (POSIX 2.9.3): what is sent in one stretch, where chains begin, which stages are skipped.

use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::{
    outcome::{End, Event},
    pure,
    stretch::Stretch,
    walk::{Course, Errexit, Walk, Walked, next},
};
use crate::{
    Place, Source, Span,
    analyze::{
        functions::Functions,
        reach::{self, MarkerFinder},
        ties::{self, Ties},
    },
    dispatch::{DispatchError, request::Kind},
    expand,
    language::{
        is_name,
        marker::Marker,
        set::{self, Set},
    },
    parse,
    program::edits,
    stage::Chain,
    syntax::{AndOr, AndOrList, Assignment, Command, List, ListItem, Pipeline, SimpleCommand, Word},
};

impl Walk<'_> {
    /// Walks a list: its and-or lists with markers one by one, those between them in stretches.
    pub(super) fn list(&mut self, list: &List, errexit: Errexit) -> Result<Course, DispatchError> {
        self.lists += 1;
        let flow = self.items(list, errexit);
        self.lists -= 1;
        flow
    }

    fn items(&mut self, list: &List, errexit: Errexit) -> Result<Course, DispatchError> {
        let is_script = self.lists == 1;
        let mut items = list.items.as_slice();
        let mut ties = TiesAhead::default();
        while let [item, rest @ ..] = items {
            if self.settings.cancel.is_cancelled() {
                return Ok(Course::Stop(End::Cancelled));
            }
            let mut tied = ties.tied_together(items, &self.functions);
            if is_script && self.functions.ties_of(item).starts_process && self.waits_at_exit(list, &mut ties) {
                tied = items.len();
            }
            if tied > 0 {
                let (stretch, behind) = items.split_at(tied);
                self.is_last = is_script && behind.is_empty();
                next!(self.undecorated(stretch, errexit));
                items = behind;
            } else if self.natively(item) {
                items = rest;
            } else if self.is_walked(item) {
                // What it does to the shell is told from its text behind it: which way was taken in it, a dry run cannot tell.
                let origin = self.origin.clone();
                let flow = self.and_or(&item.and_or, errexit)?;
                self.origin = origin;
                match flow {
                    Course::Next => items = rest,
                    Course::Together(index) => {
                        let mut together = vec![item.and_or.part(index..item.and_or.rest.len() + 1)];
                        together.extend(rest.iter().cloned());
                        self.is_last = is_script;
                        let flow = self.send_undecorated(&together, errexit);
                        items.iter().for_each(|item| self.ran(item));
                        return flow;
                    }
                    flow => return Ok(flow),
                }
                self.ran(item);
            } else {
                let length = self.stretch_length(items, &mut ties);
                let (stretch, behind) = items.split_at(length);
                next!(self.undecorated(stretch, errexit));
                items = behind;
            }
        }
        Ok(Course::Next)
    }

    /// Whether the action of the EXIT trap waits for processes of the shell: of the trap that is set, or may be in the list.
    fn waits_at_exit(&self, list: &List, ties: &mut TiesAhead) -> bool {
        let waits = |action: &BString| {
            let parsed = parse(Source::new("trap EXIT", action.clone()));
            parsed.script.list.items.iter().any(|item| self.functions.ties_of(item).waits)
        };
        self.state.exit_trap.as_ref().is_some_and(waits)
            || *ties.waits_at_exit.get_or_insert_with(|| ties::exit_actions(list).iter().any(waits))
    }

    fn holds_marker(&self, item: &ListItem) -> bool {
        self.markers.in_and_or(&item.and_or)
    }

    /// What runs in the background has a shell of its own, whatever it holds.
    fn is_walked(&self, item: &ListItem) -> bool {
        !item.background && self.walked().in_and_or(&item.and_or)
    }

    /// Finds what is walked here: what may hit a marker, or runs a text that may do what only the walk can do.
    pub(super) fn walked(&self) -> MarkerFinder<'_> {
        self.markers.or_eval(self.loops > 0 || self.calls > 0)
    }

    /// How many and-or lists, from the first, go together: up to the next that is walked.
    fn stretch_length(&self, items: &[ListItem], ties: &mut TiesAhead) -> usize {
        let first_line = |item: &ListItem| self.source.line_number(item.and_or.span.start);
        let mut ends = |index: usize| {
            let (Some(item), Some(previous)) = (items.get(index), items.get(index - 1)) else { return true };
            let last_line = self.source.line_number(previous.and_or.span.end);
            // Functions keep the aliases that are there when they are defined.
            let other = self.settings.split || ties::sets_aliases(item) != ties::sets_aliases(previous);
            (other && first_line(item) > last_line)
                || self.is_walked(item)
                || self.holds_marker(item)
                || self.holds_marker(previous)
                || ties.tied_together(items.get(index..).unwrap_or_default(), &self.functions) > 0
        };
        (1..items.len()).find(|index| ends(*index)).unwrap_or(items.len())
    }

    fn undecorated(&mut self, items: &[ListItem], errexit: Errexit) -> Result<Course, DispatchError> {
        let flow = self.send_undecorated(items, errexit);
        items.iter().for_each(|item| self.ran(item));
        flow
    }

    fn send_undecorated(&mut self, items: &[ListItem], errexit: Errexit) -> Result<Course, DispatchError> {
        let markers = items.iter().any(|item| self.holds_marker(item));
        self.stretch(Stretch { kind: Kind::Undecorated, items, errexit, markers, marker: None })
    }

    /// Does what needs no shell: defines a function, assigns and exports values that are known, sets options. False when it
    /// needs one.
    fn natively(&mut self, item: &ListItem) -> bool {
        let Some(command) = item.single() else { return false };
        let done = match command {
            // Of an alias, only the shell knows the name.
            Command::Function(definition) if self.is_alias(&definition.name) => false,
            Command::Function(definition) if definition.body.redirections.is_empty() => {
                let function = self.function(definition);
                Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
                true
            }
            // What is traced is the shell's to do (`set -x`).
            _ if self.state.has_option('x') => false,
            Command::Simple(command) => match item.plain_assignments() {
                Some(assignments) => self.assign(assignments),
                None => self.built_in(command),
            },
            _ => false,
        };
        if done {
            self.set_status(0);
            self.ran(item);
        }
        done
    }

    fn is_alias(&self, name: &str) -> bool {
        self.state.aliases.contains_key(name.as_bytes())
    }

    /// `export NAME=value` and `set -e`, where nothing else can be meant.
    fn built_in(&mut self, command: &SimpleCommand) -> bool {
        let [name, words @ ..] = command.words.as_slice() else { return false };
        let is_plain =
            command.assignments.is_empty() && command.redirections.is_empty() && self.state.aliases.is_empty();
        match name.unquoted().filter(|name| is_plain && !self.state.functions.contains_key(*name)) {
            Some("export") => self.export(words),
            Some("set") => self.set_options(words),
            _ => false,
        }
    }

    /// Exports variables with values that are known. Whether the value is split where it is not quoted differs between
    /// shells.
    fn export(&mut self, words: &[Word]) -> bool {
        let exported = |word: &Word| {
            let [field] = <[BString; 1]>::try_from(expand::expand_fields([word], &self.state).ok()?).ok()?;
            let same = expand::expand_value(word, &self.state).ok()? == field;
            let (name, value) = field.split_once_str("=")?;
            let name = std::str::from_utf8(name).ok().filter(|name| same && is_name(name.as_bytes()))?;
            self.state.is_assignable(name).then(|| (name.to_owned(), BString::from(value)))
        };
        let Some(exported) = words.iter().map(exported).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
        else {
            return false;
        };
        exported.into_iter().all(|(name, value)| {
            let assigned = self.state.assign(&name, value);
            self.state.export(&name);
            assigned
        })
    }

    /// Sets options of which every shell has the same idea.
    fn set_options(&mut self, words: &[Word]) -> bool {
        let operands: Option<Vec<BString>> = words.iter().map(|word| word.unquoted().map(BString::from)).collect();
        let Some(Set { options, positional: None }) = operands.and_then(|operands| set::of_set(&operands)) else {
            return false;
        };
        let known = ["errexit", "noclobber", "noglob", "nounset", "xtrace"];
        let is_plain = |(name, _): &(String, bool)| known.contains(&name.as_str());
        let are_plain = !options.is_empty() && options.iter().all(is_plain);
        for (name, on) in options.iter().filter(|_| are_plain) {
            set::letter(name).into_iter().for_each(|letter| self.state.set_option(letter, *on));
        }
        are_plain
    }

    /// Makes all of the assignments, or none when the shell is needed for one.
    pub(super) fn assign(&mut self, assignments: &[Assignment]) -> bool {
        // A later value may use an earlier variable.
        let before = (assignments.len() > 1).then(|| self.state.clone());
        let all = assignments.iter().all(|assignment| {
            let value = expand::expand_value(&assignment.value, &self.state);
            value.is_ok_and(|value| self.state.assign(&assignment.name, value))
        });
        if let (false, Some(before)) = (all, before) {
            self.state = before;
        }
        all
    }

    /// Walks an and-or list that holds a marker.
    fn and_or(&mut self, and_or: &AndOrList, errexit: Errexit) -> Result<Course, DispatchError> {
        let reaching = self.doubt.reaching();
        let flow = self.pipelines(and_or, errexit);
        self.doubt.back(reaching);
        flow
    }

    fn pipelines(&mut self, and_or: &AndOrList, errexit: Errexit) -> Result<Course, DispatchError> {
        let pipelines: Vec<&Pipeline> = and_or.pipelines().collect();
        let mut next = Some(0);
        while let Some((index, pipeline)) = next.and_then(|index| Some((index, *pipelines.get(index)?))) {
            let errexit_of = |length| if index + length == pipelines.len() { errexit } else { Errexit::Ignored };
            let mut length = 1;
            if let Some(marker) = pipeline.marker() {
                let items: Vec<ListItem> = and_or.chain_behind(index).into_iter().collect();
                match self.marker(marker, Span { end: and_or.span.end, ..pipeline.span }, &items)? {
                    MarkerHit::Chain(stretch) => return self.stretch(stretch),
                    MarkerHit::Stop(flow) => return Ok(flow),
                    MarkerHit::Skipped => {}
                }
                if errexit_of(1) == Errexit::Counts && self.state.has_option('e') {
                    return Ok(Course::Stop(End::Exited));
                }
            } else if self.walked().in_pipeline(pipeline) {
                let walked = match pipeline.commands.as_slice() {
                    [command] => self.negated(pipeline, command, errexit_of(1))?,
                    _ => Walked::NeedsShell,
                };
                match walked {
                    Walked::Done(Course::Next) => {}
                    Walked::Done(flow) => return Ok(flow),
                    Walked::NeedsShellWithRest => return Ok(Course::Together(index)),
                    Walked::NeedsShell => {
                        // A chain that begins in it reaches to the end of the list.
                        let alone = and_or.part(index..index + 1);
                        if reach::begins_chain(&self.markers, &alone.and_or) {
                            length = pipelines.len() - index;
                        }
                        let items = [and_or.part(index..index + length)];
                        next!(self.undecorated(&items, errexit_of(length)));
                    }
                }
            } else {
                let behind = pipelines.get(index + 1..).unwrap_or_default();
                length += behind.iter().take_while(|pipeline| !self.walked().in_pipeline(pipeline)).count();
                let item = and_or.part(index..index + length);
                let may_exit = errexit_of(length) == Errexit::Counts && self.state.has_option('e');
                match pure::status_of_and_or(&item.and_or, &self.state).filter(|_| !may_exit) {
                    Some(status) => self.set_status(status),
                    None => next!(self.undecorated(&[item], errexit_of(length))),
                }
            }
            next = self.next_to_run(and_or, index + length);
        }
        Ok(Course::Next)
    }

    /// Walks the one command of a pipeline, and turns its status around behind `!`.
    fn negated(&mut self, pipeline: &Pipeline, command: &Command, errexit: Errexit) -> Result<Walked, DispatchError> {
        let errexit = if pipeline.negation.is_some() { Errexit::Ignored } else { errexit };
        let walked = self.command(command, errexit)?;
        if pipeline.negation.is_some() && walked == Walked::Done(Course::Next) {
            self.state.status = i32::from(self.state.status == 0);
        }
        Ok(walked)
    }

    /// The first pipeline from `index` on that runs, by the operators before it and the status so far.
    /// When that is unknown, what follows is taken to run, and only may.
    fn next_to_run(&mut self, and_or: &AndOrList, index: usize) -> Option<usize> {
        let mut operators = and_or.rest.iter().map(|part| part.operator).enumerate().skip(index - 1);
        if let Some(place) = self.doubt.of_status().cloned() {
            self.doubt.under(place);
            return operators.next().map(|_| index);
        }
        let runs = |operator| (operator == AndOr::And) == (self.state.status == 0);
        operators.find(|(_, operator)| runs(*operator)).map(|(before, _)| before + 1)
    }

    /// A marker was reached: what its chain is to be run as, or that it is to be skipped. `items` are the chain.
    pub(super) fn marker<'i>(
        &mut self,
        marker: Marker,
        span: Span,
        items: &'i [ListItem],
    ) -> Result<MarkerHit<'i>, DispatchError> {
        self.set_status(0);
        let kind = match marker {
            Marker::Everytime => Kind::Everytime,
            Marker::NextStage => {
                self.hits += 1;
                if self.hits <= self.applied {
                    return Ok(self.skip(span, items));
                }
                self.doubt.hit();
                Kind::Stage(self.hits)
            }
        };
        let markers = items.iter().any(|item| self.holds_marker(item));
        Ok(MarkerHit::Chain(Stretch { kind, items, errexit: Errexit::Counts, markers, marker: Some((marker, span)) }))
    }

    /// What must come true before a chain is skipped that seems to be the applied stage `number`. What is not recorded as
    /// that may be another one.
    pub(super) fn doubt_of_applied(&self, number: u32, chain: &Chain) -> Option<&Place> {
        match self.is_recorded(number, chain) {
            true => self.doubt.of_recorded(number == self.applied),
            false => self.doubt.of_stage(),
        }
    }

    pub(super) fn is_recorded(&self, number: u32, chain: &Chain) -> bool {
        self.ledger.fingerprint(number).as_ref() == Some(&chain.fingerprint.hash)
    }

    /// Skips an applied stage, unless its fingerprint is not the one in the ledger any more.
    fn skip<'i>(&mut self, span: Span, items: &[ListItem]) -> MarkerHit<'i> {
        let number = self.hits;
        let fingerprint = self.fingerprint(items, true);
        // What was recorded is what later stages were chained to.
        self.link.push(self.ledger.fingerprint(number).unwrap_or_else(|| fingerprint.hash.clone()));
        let text = edits::verbatim(&self.source, span, items.iter().map(|item| &item.and_or));
        let chain = self.chain(Marker::NextStage, span, text, fingerprint);
        let depends_on = self.doubt_of_applied(number, &chain).cloned();
        self.doubt.hit();
        if depends_on.is_none() && !self.ledger.agrees(number, &chain) {
            return MarkerHit::Stop(Course::Stop(End::Diverged { number, chain }));
        }
        self.observer.event(Event::Skipped { number, chain: &chain, depends_on: depends_on.as_ref() });
        self.set_status(1);
        MarkerHit::Skipped
    }
}

/// How far and-or lists of a list need one shell between them (design: what is tied goes together).
#[derive(Default)]
struct TiesAhead {
    /// For which definitions that was told, and how many and-or lists from the end on.
    told: Option<(u64, LastTied)>,
    /// Whether an action of the EXIT trap that the list may set waits for processes.
    waits_at_exit: Option<bool>,
}

#[derive(Clone, Copy, Default)]
struct LastTied {
    /// Behind the last that waits for processes, counted from the end of the list.
    waits: usize,
    /// The same for the last that reads options.
    reads_options: usize,
}

impl TiesAhead {
    /// How many and-or lists, from the first, need one shell between them because they share what cannot be carried to
    /// another process: descriptors that `exec` opened, background processes that are waited for, the place of `getopts`
    /// among joined letters. 0 when they do not. Always asked about ends of the same list.
    fn tied_together(&mut self, items: &[ListItem], functions: &Functions<Ties>) -> usize {
        let Some(first) = items.first() else { return 0 };
        let ties = functions.ties_of(first);
        if ties.whole_rest {
            return items.len();
        }
        if !ties.starts_process && !ties.reads_options {
            return 0;
        }
        let last = self.last(items, functions);
        let up_to = |behind_last: usize| items.len().saturating_sub(behind_last);
        let waiting = if ties.starts_process { up_to(last.waits) } else { 0 };
        let reading = if ties.reads_options { up_to(last.reads_options) } else { 0 };
        // One that reads options in a loop of its own needs nobody.
        waiting.max(if reading > 1 { reading } else { 0 })
    }

    fn last(&mut self, items: &[ListItem], functions: &Functions<Ties>) -> LastTied {
        if let Some((version, last)) = self.told
            && version == functions.version()
        {
            return last;
        }
        let mut last = LastTied { waits: items.len(), reads_options: items.len() };
        for (behind, item) in items.iter().rev().enumerate().rev() {
            let ties = functions.ties_of(item);
            if ties.waits {
                last.waits = behind;
            }
            if ties.reads_options {
                last.reads_options = behind;
            }
        }
        self.told = Some((functions.version(), last));
        last
    }
}

/// What a marker that was reached leads to.
pub(super) enum MarkerHit<'i> {
    /// Its chain runs.
    Chain(Stretch<'i>),
    /// The stage is applied; the marker gave 1.
    Skipped,
    Stop(Course),
}
