//! Compound commands that hold markers (POSIX 2.9.4), walked without a shell of their own.

use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::{
    list::MarkerHit,
    outcome::{End, Event},
    pure,
    stretch::{Answer, Stretch},
    walk::{Course, Errexit, Walk, Walked, next},
};
use crate::{
    Place, Span,
    analyze::{effects::Effects, ties},
    dispatch::{
        DispatchError,
        request::{Chunk, Kind, Request},
    },
    expand::{self, NeedsShell},
    language::quoting::quote,
    program::edits,
    state::State,
    syntax::{CaseCommand, Command, CompoundCommand, CompoundKind, ForLoop, IfCommand, List, Loop, Word},
};

/// Words that were expanded, or where the walk goes instead.
pub(super) enum Expanded<T> {
    To(T),
    /// A dry run cannot tell.
    Unknown,
    Stop(Course),
}

/// Makes the text of the file `__ce_v` the one positional parameter. A byte is put behind it, for a substitution takes
/// newlines from the end.
const READ_FILE: &[u8] = b"; case $__ce_v in */*) ;; *) __ce_q=$PATH:; while \\command [ -n \"$__ce_q\" ]; do
__ce_i=${__ce_q%%:*}; __ce_i=${__ce_i:-.}/$__ce_v; __ce_q=${__ce_q#*:}; if \\command [ -f \"$__ce_i\" ] && \\command [ -r \"$__ce_i\" ]; then __ce_v=$__ce_i; __ce_q=; fi; done;; esac
case $__ce_v in */*) __ce_v=$(\\command cat \"$__ce_v\" 2>/dev/null && \\command echo x) && \\set -- \"${__ce_v%x}\";; *) __ce_r 1;; esac";

impl Walk<'_> {
    /// Walks a command that holds a marker, unless it cannot be split from what is around it: redirections, a subshell.
    pub(super) fn command(&mut self, command: &Command, errexit: Errexit) -> Result<Walked, DispatchError> {
        match command {
            Command::Simple(command) => self.call(command, errexit),
            Command::Compound(command) => self.compound(command, errexit),
            Command::Function(_) => Ok(Walked::NeedsShell),
        }
    }

    pub(super) fn compound(&mut self, command: &CompoundCommand, errexit: Errexit) -> Result<Walked, DispatchError> {
        if !ties::can_be_walked(command) || self.holds_marker_in_words(command) {
            return Ok(Walked::NeedsShell);
        }
        let flow = match &command.kind {
            CompoundKind::BraceGroup(list) => self.list(list, errexit)?,
            CompoundKind::If(branches) => self.if_command(branches, command.span, errexit)?,
            CompoundKind::Case(case) => self.case(case, errexit)?,
            CompoundKind::For(body) if self.state.is_assignable(&body.variable) => {
                self.for_loop(body, command.span, errexit)?
            }
            CompoundKind::While(body) => self.while_loop(body, true, errexit)?,
            CompoundKind::Until(body) => self.while_loop(body, false, errexit)?,
            _ => return Ok(Walked::NeedsShell),
        };
        Ok(Walked::Done(flow))
    }

    /// Whether a marker may be hit while the words of a `for` or `case` are expanded, which only a shell can do then.
    fn holds_marker_in_words(&self, command: &CompoundCommand) -> bool {
        let holds = |word: &Word| self.markers.in_word(word);
        match &command.kind {
            CompoundKind::For(command) => command.words.iter().flatten().any(holds),
            CompoundKind::Case(command) => {
                holds(&command.subject) || command.items.iter().flat_map(|item| &item.patterns).any(holds)
            }
            _ => false,
        }
    }

    /// Walks what is only perhaps reached: it hangs on the answer of `decided_by`.
    fn perhaps(
        &mut self,
        decided_by: Place,
        walk: impl FnOnce(&mut Self) -> Result<Course, DispatchError>,
    ) -> Result<Course, DispatchError> {
        let before = self.state.clone();
        let outer = self.doubt.under(decided_by.clone());
        let flow = walk(self)?;
        self.doubt.back(outer);
        self.state.forget_changes_since(&before);
        self.state.forget_status();
        if self.state.options != before.options {
            self.doubt.options_vary(&decided_by);
        }
        self.define_perhaps(&before, &decided_by);
        // Whether a loop is left, a function returns or the script ends hangs on the answer too: go on behind it.
        if flow != Course::Next {
            self.doubt.may_have_left(&decided_by, !matches!(flow, Course::Stop(_)));
        }
        self.doubt.still_unanswered(decided_by);
        Ok(match flow {
            Course::Stop(End::Cancelled | End::Diverged { .. }) => flow,
            _ => Course::Next,
        })
    }

    /// The functions that were defined since `before` are so only perhaps: where there was another one of the name that hits
    /// a marker, or is one now, it is not sure what a call of it hits.
    fn define_perhaps(&mut self, before: &State, decided_by: &Place) {
        if Arc::ptr_eq(&self.state.functions, &before.functions) {
            return;
        }
        let functions = std::mem::replace(&mut self.state.functions, Arc::clone(&before.functions));
        let is_other = |name: &String| functions.get(name) != before.functions.get(name);
        let names: Vec<&String> =
            functions.keys().chain(before.functions.keys()).filter(|name| is_other(name)).collect();
        if names.iter().any(|name| self.markers.in_function(name)) {
            self.doubt.counts_vary(decided_by);
        }
        let new = functions.iter().filter(|(name, _)| !before.functions.contains_key(*name));
        Arc::make_mut(&mut self.state.functions).extend(new.map(|(name, function)| (name.clone(), function.clone())));
    }

    /// The command whose answer is missing, or the place of what was to be expanded.
    fn missing(&self, span: Span) -> Place {
        self.doubt.of_status().cloned().unwrap_or_else(|| self.place(span))
    }

    fn condition(&mut self, condition: &List) -> Result<Course, DispatchError> {
        if self.walked().in_list(condition) {
            return self.list(condition, Errexit::Ignored);
        }
        if let Some(status) = pure::status_of_list(condition, &self.state) {
            self.set_status(status);
            return Ok(Course::Next);
        }
        let items = &condition.items;
        self.stretch(Stretch { kind: Kind::Condition, items, errexit: Errexit::Ignored, markers: false, marker: None })
    }

    fn if_command(&mut self, command: &IfCommand, span: Span, errexit: Errexit) -> Result<Course, DispatchError> {
        for (index, (condition, body)) in command.branches.iter().enumerate() {
            // A marker that is all of the condition has the whole command for its chain.
            match condition.marker_alone().filter(|_| index == 0) {
                Some(marker) => match self.marker(marker, span, &body.items)? {
                    MarkerHit::Chain(stretch) => return self.stretch(stretch),
                    MarkerHit::Stop(flow) => return Ok(flow),
                    MarkerHit::Skipped => {}
                },
                None => next!(self.condition(condition)),
            }
            if let Some(decided_by) = self.doubt.of_status().cloned() {
                next!(self.perhaps(decided_by, |walk| walk.list(body, errexit)));
            } else if self.state.status == 0 {
                return self.list(body, errexit);
            }
        }
        match (&command.otherwise, self.doubt.of_status().cloned()) {
            (Some(body), Some(decided_by)) => self.perhaps(decided_by, |walk| walk.list(body, errexit)),
            (Some(body), None) => self.list(body, errexit),
            (None, Some(_)) => Ok(Course::Next),
            (None, None) => {
                self.set_status(0);
                Ok(Course::Next)
            }
        }
    }

    /// One turn of a loop's body. None to go on with the next turn.
    fn turn(&mut self, body: &List, errexit: Errexit) -> Result<Option<Course>, DispatchError> {
        self.loops += 1;
        let flow = self.list(body, errexit);
        self.loops -= 1;
        Ok(match flow? {
            Course::Next | Course::Continue(1) => None,
            Course::Break(1) => Some(Course::Next),
            Course::Break(count) => Some(Course::Break(count - 1)),
            Course::Continue(count) => Some(Course::Continue(count - 1)),
            flow => Some(flow),
        })
    }

    fn for_loop(&mut self, command: &ForLoop, span: Span, errexit: Errexit) -> Result<Course, DispatchError> {
        let fields = match &command.words {
            None => match self.state.known_positional() {
                Some(positional) => Expanded::To(positional.to_vec()),
                None => Expanded::Unknown,
            },
            Some(words) => self.fields(words)?,
        };
        // What the words are without asking a shell, which a dry run knows too.
        let known = match &command.words {
            None => self.origin.values().state.known_positional().map(<[BString]>::to_vec),
            Some(words) => expand::expand_fields(words, &self.origin.values().state).ok(),
        };
        let words = command.words.as_deref().unwrap_or_default();
        let fields = match fields {
            Expanded::To(fields) => fields,
            Expanded::Stop(flow) => return Ok(flow),
            Expanded::Unknown => {
                let place = self.missing(span);
                self.state.forget(&command.variable);
                self.origin.turn(&command.variable, words, 0, None);
                return self.one_turn(place, &command.body, errexit);
            }
        };
        if fields.is_empty() {
            self.set_status(0);
        }
        for (turn, field) in fields.into_iter().enumerate() {
            let known = known.as_ref().and_then(|known| known.get(turn)).map(|field| field.as_bstr());
            self.origin.turn(&command.variable, words, turn, known);
            if !self.state.assign(&command.variable, field) {
                return Ok(Course::Next);
            }
            if let Some(flow) = self.turn(&command.body, errexit)? {
                return Ok(flow);
            }
        }
        Ok(Course::Next)
    }

    /// A loop of which nobody knows how often it turns: one turn stands for all, and later stages have no sure numbers.
    fn one_turn(&mut self, decided_by: Place, body: &List, errexit: Errexit) -> Result<Course, DispatchError> {
        let (hits, before) = (self.hits, self.doubt.counts_vary(&decided_by));
        let flow = self.perhaps(decided_by, |walk| Ok(walk.turn(body, errexit)?.unwrap_or(Course::Next)))?;
        if self.hits == hits {
            self.doubt.counts_do_not_vary(before);
        }
        Ok(flow)
    }

    fn while_loop(&mut self, command: &Loop, wanted: bool, errexit: Errexit) -> Result<Course, DispatchError> {
        let mut last = 0;
        loop {
            self.loops += 1;
            let flow = self.condition(&command.condition);
            self.loops -= 1;
            match flow? {
                Course::Next => {}
                Course::Break(1) => return Ok(Course::Next),
                Course::Continue(1) => continue,
                Course::Break(count) => return Ok(Course::Break(count - 1)),
                Course::Continue(count) => return Ok(Course::Continue(count - 1)),
                flow => return Ok(flow),
            }
            if let Some(decided_by) = self.doubt.of_status().cloned() {
                return self.one_turn(decided_by, &command.body, errexit);
            }
            if (self.state.status == 0) != wanted {
                self.set_status(last);
                return Ok(Course::Next);
            }
            let before = (self.doubt.count(), self.doubt.has_left(), self.state.clone());
            if let Some(flow) = self.turn(&command.body, errexit)? {
                return Ok(flow);
            }
            if let Some(place) = self.goes_nowhere(&before) {
                self.doubt.counts_vary(&place);
                self.doubt.may_have_left(&place, true);
                self.state.forget_status();
                self.doubt.still_unanswered(place);
                return Ok(Course::Next);
            }
            last = self.state.status;
        }
    }

    /// In a dry run, whether a loop's next turns are as the last one, for all that is known, though a command that gave no
    /// answer may end it.
    fn goes_nowhere(&self, (count, had_left, state): &(usize, bool, State)) -> Option<Place> {
        let unanswered = self.doubt.count() > *count;
        let same = self.state.has_same_values(state) || self.doubt.has_left() && !had_left;
        self.doubt.last().filter(|_| unanswered && same).cloned()
    }

    fn case(&mut self, command: &CaseCommand, errexit: Errexit) -> Result<Course, DispatchError> {
        let subject = match self.value(&command.subject)? {
            Expanded::To(subject) => subject,
            Expanded::Stop(flow) => return Ok(flow),
            Expanded::Unknown => {
                let decided_by = self.missing(command.subject.span);
                for item in &command.items {
                    next!(self.perhaps(decided_by.clone(), |walk| walk.list(&item.body, errexit)));
                }
                return Ok(Course::Next);
            }
        };
        let mut undecided = None;
        for item in &command.items {
            for pattern in &item.patterns {
                let matches = match expand::matches_pattern(pattern, &subject, &self.state) {
                    Ok(matches) => Expanded::To(matches),
                    Err(NeedsShell) => self.matches_there(pattern, &subject)?,
                };
                match matches {
                    Expanded::To(false) => {}
                    Expanded::To(true) if undecided.is_none() => {
                        if item.body.items.is_empty() {
                            self.set_status(0);
                        }
                        return self.list(&item.body, errexit);
                    }
                    Expanded::To(true) => {
                        let decided_by = undecided.take().unwrap_or_else(|| self.missing(pattern.span));
                        return self.perhaps(decided_by, |walk| walk.list(&item.body, errexit));
                    }
                    Expanded::Stop(flow) => return Ok(flow),
                    Expanded::Unknown => {
                        let decided_by = self.missing(pattern.span);
                        undecided = Some(decided_by.clone());
                        next!(self.perhaps(decided_by, |walk| walk.list(&item.body, errexit)));
                    }
                }
            }
        }
        if undecided.is_none() {
            self.set_status(0);
        }
        Ok(Course::Next)
    }

    /// Expands words to fields, here or in the shell; `None` when a dry run cannot tell.
    pub(super) fn words(&mut self, words: &[Word]) -> Result<Result<Option<Vec<BString>>, Course>, DispatchError> {
        Ok(match self.fields(words)? {
            Expanded::To(fields) => Ok(Some(fields)),
            Expanded::Stop(flow) => Err(flow),
            Expanded::Unknown => Ok(None),
        })
    }

    fn fields(&mut self, words: &[Word]) -> Result<Expanded<Vec<BString>>, DispatchError> {
        if let Ok(fields) = expand::expand_fields(words, &self.state) {
            return Ok(Expanded::To(fields));
        }
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return Ok(Expanded::To(Vec::new())) };
        let positional = self.state.positional.clone();
        let expanded = self.there(first.span.to(last.span), |text| [b"\\set -- ".as_slice(), text].concat())?;
        Ok(match expanded {
            Expanded::To(_) => Expanded::To(std::mem::replace(&mut self.state.positional, positional)),
            Expanded::Unknown => Expanded::Unknown,
            Expanded::Stop(flow) => Expanded::Stop(flow),
        })
    }

    fn value(&mut self, word: &Word) -> Result<Expanded<BString>, DispatchError> {
        if let Ok(value) = expand::expand_value(word, &self.state) {
            return Ok(Expanded::To(value));
        }
        // As a positional parameter it comes back with the rest of the state.
        let positional = self.state.positional.clone();
        let text = |text: &[u8]| [b"__ce_v=".as_slice(), text, b"; \\set -- \"$__ce_v\""].concat();
        Ok(match self.there(word.span, text)? {
            Expanded::To(_) => {
                let value = std::mem::replace(&mut self.state.positional, positional).into_iter().next();
                Expanded::To(value.unwrap_or_default())
            }
            Expanded::Unknown => Expanded::Unknown,
            Expanded::Stop(flow) => Expanded::Stop(flow),
        })
    }

    fn matches_there(&mut self, pattern: &Word, subject: &BString) -> Result<Expanded<bool>, DispatchError> {
        let text = |text: &[u8]| {
            let subject = quote(subject);
            [b"case ".as_slice(), &subject, b" in (", text, b") __ce_r 0;; (*) __ce_r 1;; esac"].concat()
        };
        Ok(match self.there(pattern.span, text)? {
            Expanded::To(status) => Expanded::To(status == 0),
            Expanded::Unknown => Expanded::Unknown,
            Expanded::Stop(flow) => Expanded::Stop(flow),
        })
    }

    /// The text of a file that `.` names at `span`, found as `.` finds it (POSIX 2.14, dot): without a slash in `PATH`.
    /// `None` when it cannot be read.
    pub(super) fn read_file(&mut self, span: Span, path: &BString) -> Result<Expanded<Option<BString>>, DispatchError> {
        let (positional, status) = (self.state.positional.clone(), self.state.status);
        Ok(match self.there(span, |_| [b"__ce_v=".as_slice(), &quote(path), READ_FILE].concat())? {
            Expanded::To(0) => {
                let text = std::mem::replace(&mut self.state.positional, positional).into_iter().next();
                self.set_status(status);
                Expanded::To(Some(text.unwrap_or_default()))
            }
            Expanded::To(_) => Expanded::To(None),
            Expanded::Unknown => Expanded::Unknown,
            Expanded::Stop(flow) => Expanded::Stop(flow),
        })
    }

    /// Has the shell expand what stands at `span`; gives the exit status.
    fn there(&mut self, span: Span, chunk: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Expanded<i32>, DispatchError> {
        let place = self.place(span);
        let text = edits::verbatim(&self.source, span, []);
        let chunk = Chunk { text: chunk(&text), line: place.line(), ..Chunk::default() };
        let state = self.state.clone();
        let request = Request::new(Kind::Expansion, place, text, &state, &self.settings.cancel)
            .sent_as(chunk)
            .ignoring_errexit(true);
        self.observer.event(Event::Started { request: &request, depends_on: self.doubt.of_command() });
        Ok(match self.send(&request, &Effects::none())? {
            Answer::Unknown => Expanded::Unknown,
            Answer::Ended { flow: Course::Next, judged, .. } => Expanded::To(judged),
            Answer::Ended { flow, .. } => Expanded::Stop(flow),
        })
    }
}
