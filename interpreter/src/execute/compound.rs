//! Compound commands that hold markers (POSIX 2.9.4), walked without a shell of their own.

use bstr::BString;

use super::{
    list::Hit,
    outcome::Event,
    pure,
    stretch::{Answer, Stretch},
    walk::{Errexit, Flow, Walk, next},
};
use crate::{
    Span,
    analyze::ties,
    dispatch::{
        DispatchError,
        request::{Kind, Request},
    },
    expand::{self, NeedsShell},
    language::quoting::quote,
    program::edits,
    syntax::{CaseCommand, Command, CompoundCommand, CompoundKind, ForLoop, IfCommand, List, Loop, Word},
};

/// Words that were expanded, or where the walk goes instead.
pub(super) enum Expanded<T> {
    To(T),
    /// A dry run cannot tell.
    Unknown,
    Stop(Flow),
}

/// Makes the text of the file `__ce_v` the one positional parameter. A byte is put behind it, for a substitution takes
/// newlines from the end.
const READ_FILE: &[u8] = b"; case $__ce_v in */*) ;; *) __ce_q=$PATH:; while \\command [ -n \"$__ce_q\" ]; do
__ce_i=${__ce_q%%:*}; __ce_i=${__ce_i:-.}/$__ce_v; __ce_q=${__ce_q#*:}; if \\command [ -f \"$__ce_i\" ] && \\command [ -r \"$__ce_i\" ]; then __ce_v=$__ce_i; __ce_q=; fi; done;; esac
case $__ce_v in */*) __ce_v=$(\\command cat \"$__ce_v\" 2>/dev/null && \\command echo x) && \\set -- \"${__ce_v%x}\";; *) __ce_r 1;; esac";

impl Walk<'_> {
    /// Walks a command that holds a marker. None when it cannot be split from what is around it: redirections,
    /// a subshell.
    pub(super) fn command(&mut self, command: &Command, errexit: Errexit) -> Result<Option<Flow>, DispatchError> {
        match command {
            Command::Simple(command) => self.call(command, errexit),
            Command::Compound(command) => self.compound(command, errexit),
            Command::Function(_) => Ok(None),
        }
    }

    pub(super) fn compound(
        &mut self,
        command: &CompoundCommand,
        errexit: Errexit,
    ) -> Result<Option<Flow>, DispatchError> {
        if !ties::can_be_walked(command) || self.holds_marker_in_words(command) {
            return Ok(None);
        }
        let flow = match &command.kind {
            CompoundKind::BraceGroup(list) => self.list(list, errexit)?,
            CompoundKind::If(branches) => self.if_command(branches, command.span, errexit)?,
            CompoundKind::Case(case) => self.case(case, errexit)?,
            CompoundKind::For(body) if self.state.is_assignable(&body.variable) => self.for_loop(body, errexit)?,
            CompoundKind::While(body) => self.while_loop(body, true, errexit)?,
            CompoundKind::Until(body) => self.while_loop(body, false, errexit)?,
            _ => return Ok(None),
        };
        Ok(Some(flow))
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
        decided_by: Span,
        walk: impl FnOnce(&mut Self) -> Result<Flow, DispatchError>,
    ) -> Result<Flow, DispatchError> {
        let outer = self.depends_on;
        let before = self.state.clone();
        self.depends_on = outer.or(Some(decided_by));
        let flow = walk(self)?;
        self.depends_on = outer;
        self.state.forget_changes_since(&before);
        self.unknown_status = Some(decided_by);
        // Whether a loop is left or a function returns hangs on the answer too: go on behind it.
        Ok(if matches!(flow, Flow::Stop(_)) { flow } else { Flow::Next })
    }

    fn condition(&mut self, condition: &List) -> Result<Flow, DispatchError> {
        if self.walked().in_list(condition) {
            return self.list(condition, Errexit::Ignored);
        }
        if let Some(status) = pure::status_of_list(condition, &self.state) {
            self.set_status(status);
            return Ok(Flow::Next);
        }
        let items = &condition.items;
        self.stretch(Stretch { kind: Kind::Condition, items, errexit: Errexit::Ignored, markers: false, marker: None })
    }

    fn if_command(&mut self, command: &IfCommand, span: Span, errexit: Errexit) -> Result<Flow, DispatchError> {
        for (index, (condition, body)) in command.branches.iter().enumerate() {
            // A marker that is all of the condition has the whole command for its chain.
            match condition.marker_alone().filter(|_| index == 0) {
                Some(marker) => match self.marker(marker, span, &body.items)? {
                    Hit::Chain(stretch) => return self.stretch(stretch),
                    Hit::Stop(flow) => return Ok(flow),
                    Hit::Skipped => {}
                },
                None => next!(self.condition(condition)),
            }
            if let Some(decided_by) = self.unknown_status {
                next!(self.perhaps(decided_by, |walk| walk.list(body, errexit)));
                self.unknown_status = Some(decided_by);
            } else if self.state.status == 0 {
                return self.list(body, errexit);
            }
        }
        match (&command.otherwise, self.unknown_status) {
            (Some(body), Some(decided_by)) => self.perhaps(decided_by, |walk| walk.list(body, errexit)),
            (Some(body), None) => self.list(body, errexit),
            (None, Some(_)) => Ok(Flow::Next),
            (None, None) => {
                self.set_status(0);
                Ok(Flow::Next)
            }
        }
    }

    /// One turn of a loop's body. None to go on with the next turn.
    fn turn(&mut self, body: &List, errexit: Errexit) -> Result<Option<Flow>, DispatchError> {
        self.loops += 1;
        let flow = self.list(body, errexit);
        self.loops -= 1;
        Ok(match flow? {
            Flow::Next | Flow::Continue(1) => None,
            Flow::Break(1) => Some(Flow::Next),
            Flow::Break(count) => Some(Flow::Break(count - 1)),
            Flow::Continue(count) => Some(Flow::Continue(count - 1)),
            flow => Some(flow),
        })
    }

    fn for_loop(&mut self, command: &ForLoop, errexit: Errexit) -> Result<Flow, DispatchError> {
        let fields = match &command.words {
            None => match self.state.known_positional() {
                Some(positional) => Expanded::To(positional.to_vec()),
                None => Expanded::Unknown,
            },
            Some(words) => self.fields(words)?,
        };
        let fields = match fields {
            Expanded::To(fields) => fields,
            Expanded::Stop(flow) => return Ok(flow),
            Expanded::Unknown => {
                let decided_by = self.unknown_status.or(command.body.span()).unwrap_or_default();
                self.state.forget(&command.variable);
                return self.perhaps(decided_by, |walk| Ok(walk.turn(&command.body, errexit)?.unwrap_or(Flow::Next)));
            }
        };
        if fields.is_empty() {
            self.set_status(0);
        }
        for field in fields {
            if !self.state.assign(&command.variable, field) {
                return Ok(Flow::Next);
            }
            if let Some(flow) = self.turn(&command.body, errexit)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn while_loop(&mut self, command: &Loop, wanted: bool, errexit: Errexit) -> Result<Flow, DispatchError> {
        let mut last = 0;
        loop {
            self.loops += 1;
            let flow = self.condition(&command.condition);
            self.loops -= 1;
            match flow? {
                Flow::Next => {}
                Flow::Break(1) => return Ok(Flow::Next),
                Flow::Continue(1) => continue,
                Flow::Break(count) => return Ok(Flow::Break(count - 1)),
                Flow::Continue(count) => return Ok(Flow::Continue(count - 1)),
                flow => return Ok(flow),
            }
            if let Some(decided_by) = self.unknown_status {
                // How often it turns cannot be told: one turn stands for all, and later stages have no sure numbers.
                let hits = self.hits;
                let flow =
                    self.perhaps(decided_by, |walk| Ok(walk.turn(&command.body, errexit)?.unwrap_or(Flow::Next)))?;
                if self.hits > hits {
                    self.numbers_depend_on = self.numbers_depend_on.or(Some(decided_by));
                }
                return Ok(flow);
            }
            if (self.state.status == 0) != wanted {
                self.set_status(last);
                return Ok(Flow::Next);
            }
            let unknown_before = self.last_unknown.take();
            let flow = self.turn(&command.body, errexit)?;
            let unknown = std::mem::replace(&mut self.last_unknown, unknown_before);
            if let Some(flow) = flow {
                return Ok(flow);
            }
            if let Some(decided_by) = unknown {
                // A dry run: the next turns are as the first one, if there are any.
                self.last_unknown = unknown;
                self.unknown_status = unknown;
                self.numbers_depend_on = self.numbers_depend_on.or(Some(decided_by));
                return Ok(Flow::Next);
            }
            last = self.state.status;
        }
    }

    fn case(&mut self, command: &CaseCommand, errexit: Errexit) -> Result<Flow, DispatchError> {
        let subject = match self.value(&command.subject)? {
            Expanded::To(subject) => subject,
            Expanded::Stop(flow) => return Ok(flow),
            Expanded::Unknown => {
                let decided_by = self.unknown_status.unwrap_or_default();
                for item in &command.items {
                    next!(self.perhaps(decided_by, |walk| walk.list(&item.body, errexit)));
                }
                return Ok(Flow::Next);
            }
        };
        for item in &command.items {
            for pattern in &item.patterns {
                let matches = match expand::matches_pattern(pattern, &subject, &self.state) {
                    Ok(matches) => Expanded::To(matches),
                    Err(NeedsShell) => self.matches_there(pattern, &subject)?,
                };
                match matches {
                    Expanded::To(false) => {}
                    Expanded::To(true) => {
                        if item.body.items.is_empty() {
                            self.set_status(0);
                        }
                        return self.list(&item.body, errexit);
                    }
                    Expanded::Stop(flow) => return Ok(flow),
                    Expanded::Unknown => {
                        let decided_by = self.unknown_status.unwrap_or_default();
                        next!(self.perhaps(decided_by, |walk| walk.list(&item.body, errexit)));
                    }
                }
            }
        }
        if self.unknown_status.is_none() {
            self.set_status(0);
        }
        Ok(Flow::Next)
    }

    /// Expands words to fields, here or in the shell; `None` when a dry run cannot tell.
    pub(super) fn words(&mut self, words: &[Word]) -> Result<Result<Option<Vec<BString>>, Flow>, DispatchError> {
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
        let text = edits::verbatim(&self.source, span, []);
        let source = std::sync::Arc::clone(&self.source);
        let request = Request {
            kind: Kind::Expansion,
            source: &source,
            span,
            chunk_line: source.line_number(span.start),
            chunk: chunk(&text),
            text,
            state: &self.state.clone(),
            chains: Vec::new(),
            markers: None,
            cancel: &self.settings.cancel,
            assigns: Some(Default::default()),
            changes_positional: false,
            errexit_ignored: true,
            saves_stdout: false,
        };
        let depends_on = self.depends_on.or(self.may_have_left);
        self.observer.event(Event::Started { request: &request, depends_on });
        Ok(match self.send(&request)? {
            Answer::Unknown => Expanded::Unknown,
            Answer::Ended { flow: Flow::Next, judged, .. } => Expanded::To(judged),
            Answer::Ended { flow, .. } => Expanded::Stop(flow),
        })
    }
}
