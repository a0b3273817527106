//! What is unknown in a dry run, and which command would have to be asked: one owner for all of it.

use crate::Place;

/// What cannot be told because commands were not run.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    /// The command whose answer decides whether the current place is reached.
    reached: Option<Place>,
    /// One that may have ended the script, a function or a loop before this place.
    left: Option<Place>,
    /// Whether it may have left no more than a function or a loop, so that what follows has other numbers.
    left_less: bool,
    /// One whose answer decides how many stages were counted.
    numbers: Option<Place>,
    /// How many such commands there were.
    uncounted: usize,
    /// One that may have set options.
    options: Option<Place>,
    /// The command whose answer is the exit status now.
    status: Option<Place>,
    /// The last command that gave no answer, and how many did not.
    last: Option<Place>,
    unanswered: usize,
}

impl Doubt {
    /// A command gave no answer: the exit status is unknown.
    pub(super) fn unanswered(&mut self, place: Place) {
        self.status = Some(place.clone());
        self.last = Some(place);
        self.unanswered += 1;
    }

    /// The exit status is still that of a command that gave no answer.
    pub(super) fn still_unanswered(&mut self, place: Place) {
        self.status = Some(place);
    }

    /// The exit status is known.
    pub(super) fn answered(&mut self) {
        self.status = None;
    }

    /// A command that gave no answer may have ended what is around it: perhaps `less` than the script.
    pub(super) fn may_have_left(&mut self, place: &Place, less: bool) {
        self.left.get_or_insert_with(|| place.clone());
        self.left_less |= less;
    }

    /// How many stages were counted depends on a command that gave no answer. Gives what was so before, and how many such
    /// commands there are.
    pub(super) fn counts_vary(&mut self, place: &Place) -> (Option<Place>, usize) {
        let before = self.numbers.clone();
        self.numbers.get_or_insert_with(|| place.clone());
        self.uncounted += 1;
        (before, self.uncounted)
    }

    /// What [`counts_vary`](Doubt::counts_vary) gave holds again, unless there was another such command since then.
    pub(super) fn counts_do_not_vary(&mut self, (before, uncounted): (Option<Place>, usize)) {
        if self.uncounted == uncounted {
            self.numbers = before;
        }
    }

    /// A command that gave no answer may have set options.
    pub(super) fn options_vary(&mut self, place: &Place) {
        self.options.get_or_insert_with(|| place.clone());
    }

    /// A marker is hit where that is not sure: what is counted from here on is not sure either.
    pub(super) fn hit(&mut self) {
        if self.numbers.is_none() {
            self.numbers.clone_from(&self.reached);
        }
    }

    /// What follows is reached only if `place` answers so; gives what was so before.
    pub(super) fn under(&mut self, place: Place) -> Option<Place> {
        let outer = self.reached.clone();
        self.reached.get_or_insert(place);
        outer
    }

    /// Where the walk is now is reached under what was so before.
    pub(super) fn back(&mut self, outer: Option<Place>) {
        self.reached = outer;
    }

    /// What decides whether the current place is reached.
    pub(super) fn reaching(&self) -> Option<Place> {
        self.reached.clone()
    }

    /// What must come true before a command here runs.
    pub(super) fn of_command(&self) -> Option<&Place> {
        self.reached.as_ref().or(self.left.as_ref())
    }

    /// What must come true before a stage here runs, under the number that it seems to have.
    pub(super) fn of_stage(&self) -> Option<&Place> {
        self.of_command().or(self.numbers.as_ref())
    }

    /// What must come true before a stage here is skipped that is recorded as applied. Where the script may have ended
    /// before, it does not run either; where it may not be reached, later stages would be counted otherwise, unless it is
    /// the last one that is applied.
    pub(super) fn of_recorded(&self, is_last: bool) -> Option<&Place> {
        let reached = self.reached.as_ref().filter(|_| !is_last);
        reached.or(self.left.as_ref().filter(|_| self.left_less)).or(self.numbers.as_ref())
    }

    /// The command whose answer decides how many stages were counted.
    pub(super) fn of_counts(&self) -> Option<&Place> {
        self.numbers.as_ref()
    }

    /// The command whose answer is the exit status now.
    pub(super) fn of_status(&self) -> Option<&Place> {
        self.status.as_ref()
    }

    /// Whether options of `set` may be other than they seem.
    pub(super) fn of_options(&self) -> bool {
        self.options.is_some()
    }

    /// Whether something may have ended what is around the current place.
    pub(super) fn has_left(&self) -> bool {
        self.left.is_some()
    }

    /// The last command that gave no answer.
    pub(super) fn last(&self) -> Option<&Place> {
        self.last.as_ref()
    }

    /// How many commands gave no answer so far.
    pub(super) fn count(&self) -> usize {
        self.unanswered
    }
}
