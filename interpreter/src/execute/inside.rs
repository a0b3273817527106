//! The chains inside a construct that goes to the shell as a whole: which ones it is sure to begin, and in which order.
//! A dry run tells the stages there by that.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    outcome::{End, Event},
    stretch::Stretch,
    walk::{Course, Walk},
};
use crate::{
    Place, Source, Span,
    analyze::fatal,
    dispatch::request::{Kind, Request},
    language::marker::Marker,
    stage::Chain,
    state::Function,
    syntax::{
        AndOr, Assignment, Command, CompoundCommand, CompoundKind, ListItem, Part, PartKind, Pipeline, Redirection,
        SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// Calls of functions that are followed, one inside another.
const DEEPEST: usize = 50;
/// Calls that are followed in all: functions that call others twice each would be followed for ever.
const MOST_CALLS: usize = 10_000;

/// Where a marker begins: its text, which is known by its address, and the offset there.
type Begin = (*const Source, u32);

fn begin_of(chain: &Chain) -> Begin {
    (Arc::as_ptr(&chain.place.source), chain.place.span.start)
}

/// The markers that commands are sure to hit, in order.
#[derive(Default)]
pub(super) struct Hits {
    pub(super) sure: Vec<Begin>,
    /// Whether no other is hit.
    pub(super) is_all: bool,
}

/// Whether commands are taken to meet with errors: a file that is not there, a number that is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errors {
    DoNotCome,
    MayCome,
}

/// A marker may be hit or not, or in another order.
struct Unsure;

/// Whether what follows is sure to be reached.
type Reached = Result<bool, Unsure>;

/// Follows commands as far as it is sure what they do.
struct SurePath<'w, 'a> {
    walk: &'w Walk<'a>,
    source: Arc<Source>,
    errors: Errors,
    /// Calls around the current place, and those that were followed so far.
    calls: usize,
    followed: usize,
    /// How many of the next stages are applied, and skipped.
    skipped: u32,
    /// Whether a command that fails, or a variable that is unset, may end the shell.
    is_strict: bool,
    /// Variables that were made readonly on the way.
    readonly: BTreeSet<String>,
    hits: Vec<Begin>,
}

impl Walk<'_> {
    /// Tells of the chains in a stretch that goes to the shell as a whole. Gives where the walk ends with one of them.
    pub(super) fn list_inside(&mut self, request: &Request<'_>, stretch: &Stretch<'_>) -> Option<Course> {
        let own = usize::from(stretch.marker.is_some());
        let mut open: Vec<&Chain> = request.chains.iter().skip(own).collect();
        let places: HashMap<Begin, &Chain> = open.iter().map(|chain| (begin_of(chain), *chain)).collect();
        let (hits, sure) = match stretch.marker {
            // What else may be hit in a chain is never sure.
            Some(_) => (Hits::default(), 0),
            None => self.hits_to_tell(stretch.items, &places),
        };
        for (index, begin) in hits.sure.iter().enumerate() {
            let Some(chain) = places.get(begin) else { continue };
            let decided_by = (index >= sure).then_some(&request.place);
            if let Some(end) = self.inside(request, chain, decided_by) {
                return Some(end);
            }
        }
        if hits.is_all {
            if sure < hits.sure.len() {
                self.doubt.counts_vary(&request.place);
            }
            return None;
        }
        let loops = loops_in(stretch.items);
        let is_once = |chain: &Chain| {
            Arc::ptr_eq(&chain.place.source, &self.source) && !loops.iter().any(|span| span.contains(chain.place.span))
        };
        let recorded = self.recorded_inside(&open);
        let told: HashSet<Begin> = hits.sure.into_iter().chain(recorded.iter().copied().map(begin_of)).collect();
        open.retain(|chain| !is_once(chain) || !told.contains(&begin_of(chain)));
        for chain in recorded {
            self.inside(request, chain, None);
        }
        self.doubt.counts_vary(&request.place);
        for chain in open {
            self.inside(request, chain, Some(&request.place));
        }
        None
    }

    /// The chains that are recorded as the next stages, up to the last one that is applied; none, where more are applied:
    /// those would be other ones if these were counted otherwise.
    fn recorded_inside<'c>(&self, chains: &[&'c Chain]) -> Vec<&'c Chain> {
        let recorded = |number| chains.iter().find(|chain| self.is_recorded(number, chain)).copied();
        let all: Option<Vec<&Chain>> = (self.hits + 1..=self.applied).map(recorded).collect();
        all.filter(|_| self.doubt.of_recorded(true).is_none()).unwrap_or_default()
    }

    /// The markers that and-or lists hit, and how many of these, from the first, are sure to be hit: the others are where no
    /// error comes.
    fn hits_to_tell(&self, items: &[ListItem], chains: &HashMap<Begin, &Chain>) -> (Hits, usize) {
        let hits = self.hits_in(items, Errors::MayCome);
        let usual = if hits.is_all { None } else { Some(self.hits_in(items, Errors::DoNotCome)) };
        let sure = hits.sure.len();
        match usual.filter(|usual| usual.is_all) {
            // No error came when its stages were applied.
            Some(usual) => {
                let applied = self.applied_among(&usual, chains);
                (usual, sure.max(applied))
            }
            None => (hits, sure),
        }
    }

    /// How many of these hits, from the first, are known of those that are recorded; none, where other stages are.
    fn applied_among(&self, hits: &Hits, chains: &HashMap<Begin, &Chain>) -> usize {
        let mut number = self.hits;
        for (index, begin) in hits.sure.iter().enumerate() {
            let Some(chain) = chains.get(begin).filter(|chain| chain.marker == Marker::NextStage) else { continue };
            number += 1;
            if number > self.applied {
                return index;
            }
            if !self.is_recorded(number, chain) {
                return 0;
            }
        }
        hits.sure.len()
    }

    /// Tells of one chain there, which is hit or, where something else decides that, perhaps.
    fn inside(&mut self, request: &Request<'_>, chain: &Chain, decided_by: Option<&Place>) -> Option<Course> {
        let mut is_applied = false;
        let (kind, doubt) = match chain.marker {
            Marker::Everytime => (Kind::Everytime, self.doubt.of_command().cloned()),
            Marker::NextStage => {
                self.hits += 1;
                let number = self.hits;
                is_applied = number <= self.applied;
                let doubt = if is_applied { self.doubt_of_applied(number, chain) } else { self.doubt.of_stage() };
                let doubt = doubt.cloned();
                self.doubt.hit();
                let agrees = |chain: &Chain| self.ledger.agrees(number, chain);
                if is_applied
                    && doubt.is_none()
                    && decided_by.is_none()
                    && !agrees(chain)
                    && !request.chains.iter().any(agrees)
                {
                    return Some(Course::Stop(End::Diverged { number, chain: chain.clone() }));
                }
                (Kind::Stage(number), doubt)
            }
        };
        let depends_on = doubt.as_ref().or(decided_by);
        self.observer.event(Event::Inside { kind, chain, is_applied, depends_on });
        None
    }

    /// The markers that and-or lists are sure to hit when they run where the walk is.
    fn hits_in(&self, items: &[ListItem], errors: Errors) -> Hits {
        let skipped = self.applied.saturating_sub(self.hits);
        let is_strict = self.state.has_option('e') || self.state.has_option('u') || self.doubt.of_options();
        let source = Arc::clone(&self.source);
        let mut path = SurePath {
            walk: self,
            source,
            errors,
            calls: 0,
            followed: 0,
            skipped,
            is_strict,
            readonly: BTreeSet::new(),
            hits: Vec::new(),
        };
        let is_all = path.list(items).is_ok();
        Hits { sure: path.hits, is_all }
    }
}

impl SurePath<'_, '_> {
    fn list(&mut self, items: &[ListItem]) -> Reached {
        let mut goes_on = true;
        for item in items {
            if !goes_on && self.walk.markers.in_and_or(&item.and_or) {
                return Err(Unsure);
            }
            goes_on = self.item(item)? && goes_on;
        }
        Ok(goes_on)
    }

    fn item(&mut self, item: &ListItem) -> Reached {
        let and_or = &item.and_or;
        if !self.walk.markers.in_and_or(and_or) {
            return Ok(!self.may_leave(item));
        }
        if item.background {
            return Err(Unsure);
        }
        if let Some(marker) = and_or.first.marker() {
            return self.chain(marker, item);
        }
        if and_or.rest.iter().any(|part| self.walk.markers.in_pipeline(&part.pipeline)) {
            return Err(Unsure);
        }
        Ok(self.pipeline(&and_or.first)? && !self.may_leave(item))
    }

    /// A chain that fails ends the setup, and is not thought of here.
    fn chain(&mut self, marker: Marker, item: &ListItem) -> Reached {
        self.hits.push((Arc::as_ptr(&self.source), item.and_or.first.span.start));
        let is_skipped = marker == Marker::NextStage && self.skipped > 0;
        self.skipped -= u32::from(is_skipped);
        if is_skipped && item.and_or.rest.iter().all(|part| part.operator == AndOr::And) {
            return Ok(true);
        }
        let Some(chain) = item.and_or.chain_behind(0) else { return Ok(true) };
        match self.walk.markers.in_and_or(&chain.and_or) {
            true => Err(Unsure),
            false => Ok(!self.walk.functions.effects_of(&[chain]).leaves),
        }
    }

    /// Of commands that run beside one another only one may hit markers.
    fn pipeline(&mut self, pipeline: &Pipeline) -> Reached {
        if let [command] = pipeline.commands.as_slice() {
            return self.command(command);
        }
        let mut holding = pipeline.commands.iter().filter(|command| self.walk.markers.in_command(command));
        match (holding.next(), holding.next()) {
            (Some(command), None) => self.command(command).map(|_| true),
            _ => Err(Unsure),
        }
    }

    fn command(&mut self, command: &Command) -> Reached {
        match command {
            Command::Simple(command) => self.simple(command),
            Command::Compound(command) => self.compound(command),
            Command::Function(_) => Ok(true),
        }
    }

    fn simple(&mut self, command: &SimpleCommand) -> Reached {
        if command.redirections.iter().any(|redirection| self.walk.markers.in_redirection(redirection)) {
            return Err(Unsure);
        }
        let values = command.assignments.iter().map(|assignment| &assignment.value);
        command.words.iter().chain(values).try_for_each(|word: &Word| self.parts(&word.parts))?;
        if !self.walk.markers.in_name_of(command) {
            return Ok(true);
        }
        let name = command.unquoted_name().filter(|_| command.marker().is_none());
        match name.and_then(|name| self.walk.state.functions.get(name)) {
            Some(function) if self.calls < DEEPEST && self.followed < MOST_CALLS => self.call(function),
            _ => Err(Unsure),
        }
    }

    fn call(&mut self, function: &Function) -> Reached {
        let caller = std::mem::replace(&mut self.source, Arc::clone(&function.source));
        self.calls += 1;
        self.followed += 1;
        let reached = self.compound(&function.definition.body);
        self.calls -= 1;
        self.source = caller;
        reached
    }

    fn compound(&mut self, command: &CompoundCommand) -> Reached {
        let is_unsure = |redirection: &Redirection| {
            self.errors == Errors::MayCome && fatal::may_fail(redirection)
                || self.walk.markers.in_redirection(redirection)
        };
        if command.redirections.iter().any(is_unsure) {
            return Err(Unsure);
        }
        match &command.kind {
            CompoundKind::BraceGroup(list) => self.list(&list.items),
            CompoundKind::Subshell(list) => self.list(&list.items).map(|_| true),
            _ if self.walk.markers.in_compound(command) => Err(Unsure),
            _ => Ok(true),
        }
    }

    fn parts(&mut self, parts: &[Part]) -> Result<(), Unsure> {
        for part in parts {
            match &part.kind {
                PartKind::CommandSubstitution(substitution) => drop(self.list(&substitution.list.items)?),
                PartKind::DoubleQuoted(parts) | PartKind::Arithmetic(parts) => self.parts(parts)?,
                _ if self.walk.markers.in_part(part) => return Err(Unsure),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether what follows in the list may not be reached, for all that is known of options.
    fn may_leave(&mut self, item: &ListItem) -> bool {
        let is_literal = |values: &[Assignment]| values.iter().all(|assignment| assignment.value.literal().is_some());
        // With nothing but redirections.
        let is_exec = |command: &Command| match command {
            Command::Simple(command) => command.unquoted_name() == Some("exec") && command.words.len() == 1,
            _ => false,
        };
        let succeeds = item.plain_definition().is_some()
            || item.plain_assignments().is_some_and(is_literal)
            || item.single().is_some_and(is_exec);
        let effects = self.walk.functions.effects_of(std::slice::from_ref(item));
        self.is_strict |= effects.changes_options;
        let is_refused = effects.may_assign_any(&self.readonly) || self.walk.is_refused(&effects);
        self.readonly.extend(effects.readonly);
        let may_err = effects.may_err && self.errors == Errors::MayCome || is_refused;
        effects.leaves || effects.renames || may_err || !succeeds && self.is_strict
    }
}

/// The loops in commands, from the beginning to the end of each: what stands there may run more than once.
pub(super) fn loops_in(items: &[ListItem]) -> Vec<Span> {
    struct Loops(Vec<Span>);
    impl<'t> Visit<'t> for Loops {
        fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
            if matches!(command.kind, CompoundKind::For(_) | CompoundKind::While(_) | CompoundKind::Until(_)) {
                self.0.push(command.span);
            }
            visit::walk_compound_command(self, command);
        }
    }
    let mut loops = Loops(Vec::new());
    items.iter().for_each(|item| loops.visit_and_or(&item.and_or));
    loops.0
}
