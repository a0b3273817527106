//! Who looks at the status of a command: the walk over lists that knows where `set -e` is on, and where it is ignored.

use std::collections::HashMap;

use crate::{
    Edit, Source, Span,
    analyze::{calls::Calls, questions::is_question, runs::Timetable},
    language::{builtins, marker::Marker, set},
    syntax::{
        AndOr, AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Parameter, Part,
        PartKind, Pipeline, Script, SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// A group, subshell, loop or function of a chain, and the commands in it whose status nothing looks at.
pub(super) struct Body {
    /// The commands, in order.
    pub(super) unchecked: Vec<Span>,
    /// The last command, whose status is that of the body.
    pub(super) last: Span,
    /// The ends of the lists that would have to be joined.
    joints: Vec<(Span, Span)>,
}

impl Body {
    /// `&&` in the place of what separates the commands, where that is only `;` or a newline.
    pub(super) fn edits(&self, source: &Source) -> Option<Vec<Edit>> {
        let edit = |(before, after): &(Span, Span)| {
            let between = Span { start: before.end, end: after.start };
            let text = source.slice(between);
            let is_plain = text.iter().all(|byte| b"; \t\n".contains(byte)) && before.end < after.start;
            let lines = text.iter().filter(|byte| **byte == b'\n').count();
            let has_document = source.documents().iter().any(|document| between.contains(*document));
            match (is_plain && !has_document, text.iter().position(|byte| *byte == b';')) {
                (true, Some(at)) => {
                    let start = between.start + at as u32;
                    Some(Edit::replace(Span { start, end: start + 1 }, " &&"))
                }
                (true, None) if lines == 1 => Some(Edit::insert(before.end, " &&")),
                _ => None,
            }
        };
        self.joints.iter().map(edit).collect()
    }
}

/// What the walk has found.
#[derive(Default)]
pub(super) struct StatusFindings {
    /// The bodies with commands that nothing looks at, in order.
    pub(super) bodies: Vec<Body>,
    /// Every `set -e` that is ignored, and what asks for the status there.
    pub(super) ignored: Vec<(Span, Span)>,
    /// Every `cd` that nothing looks at, with what would make the rest depend on it.
    pub(super) cds: Vec<(Span, Option<Edit>)>,
}

/// Where the walk stands.
#[derive(Clone, Copy, Default)]
struct StatusContext {
    /// It is in a chain, or in a function that chains call.
    in_chain: bool,
    /// `set -e` is on.
    errexit: bool,
    /// Something asks for the status, so that `set -e` is ignored.
    asked: Option<Span>,
    /// `set -e` stands here, and is ignored: that is told by itself.
    is_told: bool,
    /// Nobody wants to know whether commands here fail: a condition.
    is_condition: bool,
}

impl StatusContext {
    fn stops(self) -> bool {
        self.errexit && self.asked.is_none()
    }
}

impl StatusFindings {
    /// Walks over a script, and over the bodies of its functions.
    pub(super) fn of<'t>(
        script: &'t Script,
        definitions: &[&'t FunctionDefinition],
        calls: &Calls<'t>,
        timetable: &Timetable<'t>,
    ) -> StatusFindings {
        let found = StatusFindings::default();
        let functions = definitions.iter().map(|definition| (definition.name.as_str(), *definition)).collect();
        let mut walk = StatusWalk {
            source: &script.source,
            calls,
            functions,
            called: HashMap::new(),
            found,
            unchecked: Vec::new(),
            joints: Vec::new(),
        };
        let mut standing = StatusContext::default();
        walk.list(&script.list, &mut standing);
        // Functions are looked at where they stand, and as their calls do; the last ones first, as they call those before.
        let errexit = standing.errexit;
        for definition in definitions.iter().rev() {
            let in_chain = timetable.of_function(&definition.name).in_chain();
            let mut standing = match walk.called.get(definition.name.as_str()) {
                Some(called) => StatusContext {
                    in_chain,
                    errexit: errexit || called.errexit,
                    asked: called.asked,
                    ..StatusContext::default()
                },
                None => StatusContext { in_chain, errexit, ..StatusContext::default() },
            };
            walk.body(&definition.body, &mut standing);
        }
        walk.found.bodies.sort_by_key(|body| body.unchecked.first().copied());
        walk.found
    }
}

/// What holds of all calls of a function.
#[derive(Clone, Copy)]
struct CallsSeen {
    errexit: bool,
    asked: Option<Span>,
}

struct StatusWalk<'a, 't> {
    source: &'a Source,
    calls: &'a Calls<'t>,
    functions: HashMap<&'t str, &'t FunctionDefinition>,
    /// How functions are called: `set -e` is on where it is so at all calls, and who asks where all are asked.
    called: HashMap<&'t str, CallsSeen>,
    found: StatusFindings,
    /// The commands of the innermost body.
    unchecked: Vec<Span>,
    joints: Vec<(Span, Span)>,
}

impl<'t> StatusWalk<'_, 't> {
    fn list(&mut self, list: &'t List, standing: &mut StatusContext) {
        for (index, item) in list.items.iter().enumerate() {
            let next = list.items.get(index + 1);
            self.item(item, next, standing);
        }
    }

    fn item(&mut self, item: &'t ListItem, next: Option<&'t ListItem>, standing: &mut StatusContext) {
        let and_or = &item.and_or;
        let mut here = *standing;
        let mut in_chain = standing.in_chain;
        let count = and_or.rest.len();
        for (index, pipeline) in and_or.pipelines().enumerate() {
            let operator = and_or.rest.get(index);
            let asked = operator.map(|part| part.operator_span).or(pipeline.negation);
            here.asked = asked.or(standing.asked);
            here.in_chain = in_chain;
            // What stands before a marker is a condition.
            let is_marker = pipeline.marker().is_some();
            self.pipeline(pipeline, &mut here);
            in_chain |= is_marker;
            if let Some(on) = pipeline.single().and_then(errexit_of) {
                standing.errexit = on;
                here.errexit = on;
                if let Some(asked) = standing.asked.filter(|_| on && count == 0) {
                    self.found.ignored.push((pipeline.span, asked));
                    standing.is_told = true;
                }
            }
        }
        let Some(next) = next.filter(|_| !item.background) else { return };
        self.unlooked(item, next, *standing);
    }

    /// Notes what fails in an item without anybody knowing, because another one comes behind it.
    fn unlooked(&mut self, item: &'t ListItem, next: &'t ListItem, standing: StatusContext) {
        let and_or = &item.and_or;
        let has_or = and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        if standing.stops() {
            self.unstopped(and_or, standing);
            return;
        }
        if standing.is_condition || standing.is_told {
            return;
        }
        if let [part] = and_or.rest.as_slice()
            && is_cd(&and_or.first)
            && has_or
            && goes_on(&part.pipeline)
        {
            self.found.cds.push((and_or.span, None));
        }
        let said = match and_or.first.single() {
            Some(Command::Compound(command)) if and_or.rest.is_empty() => said_only(command),
            _ => None,
        };
        if let Some(condition) = said.filter(|condition| standing.in_chain && self.may_fail(condition)) {
            self.unchecked.push(condition.span);
            self.joints.push((and_or.span, and_or.span));
            return;
        }
        if has_or
            || and_or.pipelines().any(|pipeline| pipeline.marker().is_some() || pipeline.negation.is_some())
            || reads_status(next)
        {
            return;
        }
        let failing = and_or.pipelines().find(|pipeline| self.may_fail(pipeline));
        let is_cd = and_or.pipelines().any(is_cd);
        if is_cd && and_or.rest.is_empty() {
            if !leads_nowhere(and_or) {
                let edit = self.joint_edit(item, next);
                self.found.cds.push((and_or.span, edit));
            }
        } else if let Some(failing) = failing.filter(|_| standing.in_chain) {
            self.unchecked.push(failing.span);
        }
        if standing.in_chain {
            // Beside `&`, or behind a test, `&&` would mean something else.
            let is_plain = and_or.rest.is_empty() && next.and_or.rest.is_empty() && !next.background;
            let joint = if is_plain { next.and_or.span } else { and_or.span };
            self.joints.push((and_or.span, joint));
        }
    }

    /// Notes what `set -e` does not see: a command before the last of those that `&&` joins.
    fn unstopped(&mut self, and_or: &'t AndOrList, standing: StatusContext) {
        let is_plain = and_or.rest.iter().all(|part| part.operator == AndOr::And)
            && and_or.pipelines().all(|pipeline| pipeline.marker().is_none() && pipeline.negation.is_none());
        let before = and_or.pipelines().take(and_or.rest.len());
        let asks = and_or.pipelines().any(is_question);
        if !is_plain || asks || standing.is_condition || !standing.in_chain {
            return;
        }
        let mut before = before.filter(|pipeline| self.may_fail(pipeline));
        if let Some(failing) = before.next() {
            self.unchecked.push(failing.span);
            self.joints.push((and_or.span, and_or.span));
        }
    }

    fn joint_edit(&self, item: &ListItem, next: &ListItem) -> Option<Edit> {
        let body =
            Body { unchecked: Vec::new(), last: Span::default(), joints: vec![(item.and_or.span, next.and_or.span)] };
        let next_is_simple = next.and_or.rest.iter().all(|part| part.operator == AndOr::And);
        body.edits(self.source).filter(|_| next_is_simple)?.pop()
    }

    fn pipeline(&mut self, pipeline: &'t Pipeline, standing: &mut StatusContext) {
        let is_piped = pipeline.commands.len() > 1;
        for command in &pipeline.commands {
            if let Command::Simple(command) = command {
                self.call(command, *standing);
            }
            if let Command::Compound(command) = command {
                let mut inner = *standing;
                self.body(command, &mut inner);
                if matches!(command.kind, CompoundKind::BraceGroup(_)) && !is_piped {
                    standing.errexit = inner.errexit;
                }
            }
        }
    }

    /// Notes how a function is called.
    fn call(&mut self, command: &'t SimpleCommand, standing: StatusContext) {
        let Some(name) = command.unquoted_name().filter(|name| self.functions.contains_key(name)) else { return };
        let now = CallsSeen { errexit: standing.errexit, asked: standing.asked };
        let all = self.called.entry(name).or_insert(now);
        all.errexit &= now.errexit;
        all.asked = all.asked.filter(|_| now.asked.is_some());
    }

    /// Whether whoever calls a function learns nothing of a failure: it leaves the shell then.
    fn leaves_on_failure(&self, name: &str) -> bool {
        let Some(definition) = self.functions.get(name) else { return false };
        let (CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list)) = &definition.body.kind else {
            return false;
        };
        let Some(item) = list.items.last() else { return false };
        match item.and_or.rest.last() {
            Some(part) => part.operator == AndOr::Or && exits(&part.pipeline),
            None => match item.and_or.first.single() {
                Some(Command::Compound(command)) => leaves_if_failed(command),
                _ => false,
            },
        }
    }

    /// A compound command: a body of its own.
    fn body(&mut self, command: &'t CompoundCommand, standing: &mut StatusContext) {
        let outer = (std::mem::take(&mut self.unchecked), std::mem::take(&mut self.joints));
        match &command.kind {
            CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => self.list(list, standing),
            CompoundKind::If(command) => {
                for (condition, body) in &command.branches {
                    self.condition(condition, *standing);
                    self.list(body, &mut standing.clone());
                }
                command.otherwise.iter().for_each(|body| self.list(body, &mut standing.clone()));
            }
            CompoundKind::Case(command) => {
                command.items.iter().for_each(|item| self.list(&item.body, &mut standing.clone()));
            }
            CompoundKind::For(command) => {
                let words = command.words.as_deref().unwrap_or_default();
                let is_once = matches!(words, [word] if !may_be_many(word));
                self.repeated(&command.body, *standing, is_once);
            }
            CompoundKind::While(command) | CompoundKind::Until(command) => {
                self.condition(&command.condition, *standing);
                self.repeated(&command.body, *standing, false);
            }
        }
        if fails_in_any_case(command) {
            self.unchecked.clear();
        }
        let unchecked = std::mem::replace(&mut self.unchecked, outer.0);
        let joints = std::mem::replace(&mut self.joints, outer.1);
        if !unchecked.is_empty() {
            self.found.bodies.push(Body { unchecked, last: last_of(command), joints });
        }
    }

    fn condition(&mut self, condition: &'t List, standing: StatusContext) {
        let asked = condition.span();
        let mut inner = StatusContext { asked, is_condition: true, ..standing };
        self.list(condition, &mut inner);
    }

    /// The body of a loop: what its last command came to is only known of the last time.
    fn repeated(&mut self, body: &'t List, standing: StatusContext, is_once: bool) {
        let mut inner = standing;
        self.list(body, &mut inner);
        let Some(item) =
            body.items.last().filter(|_| !is_once && standing.in_chain && !inner.stops() && !inner.is_condition)
        else {
            return;
        };
        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        let mut pipelines = item.and_or.pipelines();
        let failing = match has_or {
            false => pipelines.find(|pipeline| self.may_fail(pipeline)),
            // What is done instead may fail as well.
            true => pipelines
                .last()
                .filter(|last| self.may_fail(last) && item.and_or.rest.iter().all(|part| part.operator == AndOr::Or)),
        };
        if let Some(failing) = failing.filter(|_| !item.background && !leaves(&item.and_or)) {
            self.unchecked.push(failing.span);
            // There is nothing behind it that it could be joined with.
            self.joints.push((item.and_or.span, item.and_or.span));
        }
    }

    /// Whether a pipeline may fail for a reason that somebody would want to know.
    fn may_fail(&self, pipeline: &Pipeline) -> bool {
        match pipeline.commands.last() {
            Some(Command::Simple(command)) => self.command_may_fail(command),
            // What is in a group that is not the last is looked at there, but for its last command.
            Some(Command::Compound(command)) => match &command.kind {
                CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => {
                    list.items.last().is_some_and(|item| {
                        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
                        !has_or && item.and_or.pipelines().any(|pipeline| self.may_fail(pipeline))
                    })
                }
                CompoundKind::If(command) => {
                    let bodies = command.branches.iter().map(|(_, body)| body).chain(&command.otherwise);
                    bodies.into_iter().any(|body| self.list_may_fail(body))
                }
                CompoundKind::Case(command) => command.items.iter().any(|item| self.list_may_fail(&item.body)),
                // A loop's commands have been looked at one by one.
                CompoundKind::For(_) | CompoundKind::While(_) | CompoundKind::Until(_) => false,
            },
            _ => false,
        }
    }

    fn list_may_fail(&self, list: &List) -> bool {
        let Some(item) = list.items.last() else { return false };
        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        !has_or && item.and_or.pipelines().any(|pipeline| self.may_fail(pipeline))
    }

    fn command_may_fail(&self, command: &SimpleCommand) -> bool {
        let Some(name) = command.words.first() else { return false };
        let Some(name) = name.literal() else { return true };
        let name = String::from_utf8_lossy(&name).into_owned();
        if let Some(effects) = self.calls.effects(&name) {
            return effects.acts && !self.leaves_on_failure(&name);
        }
        let has_f =
            || {
                command.words.iter().skip(1).filter_map(Word::unquoted).any(|word| {
                    word.starts_with('-') && !word.starts_with("--") && word.contains('f') || word == "--force"
                })
            };
        match name.rsplit('/').next().unwrap_or(&name) {
            "sleep" | "sync" | "date" | "uname" | "id" | "ls" | "kill" | "killall" | "pkill" | "cd" | "chdir"
            | "mktemp" => false,
            "rm" => !has_f(),
            "find" => command.words.iter().filter_map(Word::unquoted).any(|word| word.starts_with("-exec")),
            "." | "source" | "eval" | "command" => true,
            name => !builtins::is_built_in(name.as_bytes()) && Marker::named(name.as_bytes()).is_none(),
        }
    }
}

/// Whether a pipeline leaves the shell with a failure.
fn exits(pipeline: &Pipeline) -> bool {
    match pipeline.single() {
        Some(Command::Simple(command)) => {
            command.unquoted_name() == Some("exit") && command.words.get(1).and_then(Word::unquoted) != Some("0")
        }
        Some(Command::Compound(command)) => match &command.kind {
            CompoundKind::BraceGroup(list) => {
                list.items.last().is_some_and(|item| item.and_or.rest.is_empty() && exits(&item.and_or.first))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether a command is `if ! COMMAND; then exit 1; fi`.
fn leaves_if_failed(command: &CompoundCommand) -> bool {
    let CompoundKind::If(command) = &command.kind else { return false };
    let is_negated = |condition: &List| condition.items.last().is_some_and(|item| item.and_or.first.negation.is_some());
    let leaves = |body: &List| body.items.last().is_some_and(|item| exits(&item.and_or.first));
    command.otherwise.is_none()
        && command.branches.iter().all(|(condition, body)| is_negated(condition) && leaves(body))
}

/// Whether a pipeline only says something, and always succeeds.
pub(super) fn goes_on(pipeline: &Pipeline) -> bool {
    match pipeline.single() {
        Some(Command::Simple(command)) => matches!(command.unquoted_name(), Some("true" | ":" | "echo" | "printf")),
        _ => false,
    }
}

/// The command whose failure an `if` takes up, and only says something about.
pub(super) fn said_only(command: &CompoundCommand) -> Option<&Pipeline> {
    let CompoundKind::If(command) = &command.kind else { return None };
    let [(condition, body)] = command.branches.as_slice() else { return None };
    let [item] = condition.items.as_slice() else { return None };
    let asked = Some(&item.and_or.first).filter(|asked| item.and_or.rest.is_empty() && !asks(asked))?;
    let failed = if asked.negation.is_some() { Some(body) } else { command.otherwise.as_ref() }?;
    let says = failed.items.iter().all(|item| item.and_or.rest.is_empty() && goes_on(&item.and_or.first));
    says.then_some(asked)
}

/// Whether a pipeline asks, whether or not `!` stands before it.
fn asks(pipeline: &Pipeline) -> bool {
    is_question(&Pipeline { negation: None, ..pipeline.clone() })
}

/// The last command of a body.
fn last_of(command: &CompoundCommand) -> Span {
    let last = |list: &List| {
        list.items.last().map(|item| item.and_or.rest.last().map_or(item.and_or.first.span, |part| part.pipeline.span))
    };
    let list = match &command.kind {
        CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => Some(list),
        CompoundKind::For(command) => Some(&command.body),
        CompoundKind::While(command) | CompoundKind::Until(command) => Some(&command.body),
        CompoundKind::If(command) => command.branches.first().map(|(_, body)| body),
        CompoundKind::Case(command) => command.items.first().map(|item| &item.body),
    };
    list.and_then(last).unwrap_or(command.span)
}

/// Whether a group ends in `exit 1` or the like: whatever came before, it fails.
fn fails_in_any_case(command: &CompoundCommand) -> bool {
    let (CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list)) = &command.kind else { return false };
    let Some(item) = list.items.last() else { return false };
    let last = item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline);
    match last.single() {
        Some(Command::Simple(command)) => {
            let leaves = matches!(command.unquoted_name(), Some("exit" | "return" | "false"));
            leaves && command.words.get(1).and_then(Word::unquoted) != Some("0")
        }
        _ => false,
    }
}

/// Whether a list ends in `break`, `exit` and the like.
fn leaves(and_or: &AndOrList) -> bool {
    let last = and_or.rest.last().map_or(&and_or.first, |part| &part.pipeline);
    match last.single() {
        Some(Command::Simple(command)) => {
            matches!(command.unquoted_name(), Some("break" | "exit" | "return" | "continue"))
        }
        _ => false,
    }
}

fn is_cd(pipeline: &Pipeline) -> bool {
    match pipeline.single() {
        Some(Command::Simple(command)) => matches!(command.unquoted_name(), Some("cd" | "chdir" | "pushd")),
        _ => false,
    }
}

/// Whether a `cd` goes to a directory that is always there.
fn leads_nowhere(and_or: &AndOrList) -> bool {
    let Some(Command::Simple(command)) = and_or.first.single() else { return false };
    let [_, operand] = command.words.as_slice() else { return command.words.len() == 1 };
    let is_root = |name: &str| matches!(name, "COMPDIR" | "GFSDIR" | "OLDPWD" | "PWD");
    let text = operand.literal();
    let text = text.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
    let is_there = text.is_some_and(|text| {
        matches!(
            text.as_str(),
            "/" | "-"
                | "."
                | "/tmp"
                | "/opt"
                | "/root"
                | "/usr"
                | "/usr/local"
                | "/usr/src"
                | "/etc"
                | "/var"
                | "/home"
                | "/srv"
        )
    });
    let names_root = match operand.parts.as_slice() {
        [Part { kind: PartKind::DoubleQuoted(parts), .. }] => {
            matches!(parts.as_slice(), [Part { kind: PartKind::Parameter(expansion), .. }] if matches!(&expansion.parameter, Parameter::Variable(name) if is_root(name)))
        }
        [Part { kind: PartKind::Parameter(expansion), .. }] => {
            matches!(&expansion.parameter, Parameter::Variable(name) if is_root(name))
        }
        _ => false,
    };
    is_there || names_root
}

/// Whether a command turns `set -e` on or off.
fn errexit_of(command: &Command) -> Option<bool> {
    match command {
        Command::Simple(command) if command.unquoted_name() == Some("set") => sets_errexit(command),
        _ => None,
    }
}

fn sets_errexit(command: &SimpleCommand) -> Option<bool> {
    let operands: Option<Vec<_>> = command.words.iter().skip(1).map(Word::literal).collect();
    let set = set::of_set(&operands?)?;
    set.options.iter().rev().find(|(name, _)| set::letter(name) == Some('e')).map(|(_, on)| *on)
}

/// Whether an item looks at `$?`.
fn reads_status(item: &ListItem) -> bool {
    let mut finder = StatusFinder(false);
    finder.visit_and_or(&item.and_or);
    finder.0
}

struct StatusFinder(bool);

impl<'t> Visit<'t> for StatusFinder {
    fn visit_part(&mut self, part: &'t Part) {
        if let PartKind::Parameter(expansion) = &part.kind {
            self.0 |= expansion.parameter == Parameter::Special(b'?');
        }
        visit::walk_part(self, part);
    }
}

/// Whether a word may be any number of words.
fn may_be_many(word: &Word) -> bool {
    word.parts.iter().any(|part| match &part.kind {
        PartKind::Parameter(_) | PartKind::CommandSubstitution(_) => true,
        PartKind::Literal(text) => text.iter().any(|byte| b"*?[".contains(byte)),
        _ => false,
    })
}
