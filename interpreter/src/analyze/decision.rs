//! What may come out differently from one run to the next: a graph of variables, functions and conditions, each
//! pointing at what it is made of. Only what rests on nothing but the script's own constants stays the same.

use std::collections::HashMap;

use crate::Span;

/// A node: something that has a value or a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node(u32);

/// The same on every run.
pub(crate) const FIXED: Node = Node(0);
/// Whatever the container, the clock or the network says.
pub(crate) const VARIES: Node = Node(1);

/// What something is made of, while that is gathered: little, for most of a script.
#[derive(Default)]
pub(crate) struct Gathered {
    nodes: Vec<Node>,
    varies: bool,
}

impl Gathered {
    pub(crate) fn add(&mut self, node: Node) {
        match node {
            FIXED => {}
            VARIES => self.varies = true,
            node => self.nodes.push(node),
        }
    }
}

/// What decides whether a command is reached: all the statuses that were asked for on the way to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision(Option<u32>);

struct DecisionStep {
    before: Decision,
    outcome: Node,
    /// This step and all before it.
    whole: Node,
    span: Span,
}

#[derive(Clone, Copy)]
struct Named {
    node: Node,
    known: bool,
}

type Names<'t> = HashMap<&'t str, Named>;

/// The graph while it grows.
pub(crate) struct Decisions<'t> {
    /// For each node, the nodes made of it.
    dependents: Vec<Vec<Node>>,
    variables: Names<'t>,
    functions: Names<'t>,
    steps: Vec<DecisionStep>,
}

/// The finished graph.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// For each step, the nearest place at or before it that may come out differently.
    culprits: Vec<Option<Span>>,
}

impl Verdicts {
    /// The condition nearest to the command that may come out differently from run to run.
    pub(crate) fn culprit(&self, decision: Decision) -> Option<Span> {
        *self.culprits.get(decision.0? as usize)?
    }
}

impl<'t> Decisions<'t> {
    pub(crate) fn new() -> Decisions<'t> {
        Decisions {
            dependents: vec![Vec::new(), Vec::new()],
            variables: HashMap::new(),
            functions: HashMap::new(),
            steps: Vec::new(),
        }
    }

    fn node(&mut self) -> Node {
        self.dependents.push(Vec::new());
        Node(self.dependents.len() as u32 - 1)
    }

    fn depend(&mut self, node: Node, on: Node) {
        if let Some(dependents) = self.dependents.get_mut(on.0 as usize).filter(|_| on != FIXED) {
            dependents.push(node);
        }
    }

    /// A node made of all of `nodes`.
    pub(crate) fn all(&mut self, nodes: &[Node]) -> Node {
        if nodes.contains(&VARIES) {
            return VARIES;
        }
        let mut others = nodes.iter().filter(|node| **node != FIXED);
        match (others.next(), others.next()) {
            (None, _) => FIXED,
            (Some(node), None) => *node,
            _ => {
                let whole = self.node();
                for node in nodes {
                    self.depend(whole, *node);
                }
                whole
            }
        }
    }

    /// A node made of all that was gathered.
    pub(crate) fn gathered(&mut self, gathered: &Gathered) -> Node {
        if gathered.varies { VARIES } else { self.all(&gathered.nodes) }
    }

    /// The value of a variable, wherever it is assigned.
    pub(crate) fn variable(&mut self, name: &'t str) -> Node {
        self.named(name, |graph| &mut graph.variables).node
    }

    /// Notes an assignment of `value`, carried out when `decision` says so.
    pub(crate) fn assign(&mut self, name: &'t str, value: Node, decision: Decision) {
        let variable = self.define(name, |graph| &mut graph.variables);
        let whole = self.whole(decision);
        self.depend(variable, value);
        self.depend(variable, whole);
    }

    /// The status of a command that may be a function of the script.
    pub(crate) fn function(&mut self, name: &'t str) -> Node {
        self.named(name, |graph| &mut graph.functions).node
    }

    /// Notes a function's definition and what its body comes to.
    pub(crate) fn define_function(&mut self, name: &'t str, outcome: Node) {
        let function = self.define(name, |graph| &mut graph.functions);
        self.depend(function, outcome);
    }

    fn named(&mut self, name: &'t str, map: fn(&mut Self) -> &mut Names<'t>) -> Named {
        if let Some(named) = map(self).get(name) {
            return *named;
        }
        let named = Named { node: self.node(), known: false };
        map(self).insert(name, named);
        named
    }

    fn define(&mut self, name: &'t str, map: fn(&mut Self) -> &mut Names<'t>) -> Node {
        let node = self.named(name, map).node;
        map(self).insert(name, Named { node, known: true });
        node
    }

    /// What is decided once `outcome`, found at `span`, has been asked for as well.
    pub(crate) fn then(&mut self, before: Decision, outcome: Node, span: Span) -> Decision {
        if outcome == FIXED {
            return before;
        }
        let earlier = self.whole(before);
        let whole = self.all(&[earlier, outcome]);
        self.steps.push(DecisionStep { before, outcome, whole, span });
        Decision(Some(self.steps.len() as u32 - 1))
    }

    fn whole(&self, decision: Decision) -> Node {
        decision.0.and_then(|step| self.steps.get(step as usize)).map_or(FIXED, |step| step.whole)
    }

    /// Follows everything that varies to what is made of it. What the script never defines comes from outside.
    pub(crate) fn finish(&self) -> Verdicts {
        let mut varies = vec![false; self.dependents.len()];
        let unknown = self.variables.values().chain(self.functions.values()).filter(|named| !named.known);
        let mut open: Vec<Node> = unknown.map(|named| named.node).collect();
        open.push(VARIES);
        while let Some(node) = open.pop() {
            let Some(seen) = varies.get_mut(node.0 as usize) else { continue };
            if !std::mem::replace(seen, true) {
                open.extend(self.dependents.get(node.0 as usize).into_iter().flatten());
            }
        }
        let mut verdicts = Verdicts::default();
        for step in &self.steps {
            let here = varies.get(step.outcome.0 as usize).is_some_and(|varies| *varies).then_some(step.span);
            let culprit = here.or_else(|| verdicts.culprit(step.before));
            verdicts.culprits.push(culprit);
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_constants_all_the_way_down_are_fixed() {
        let mut graph = Decisions::new();
        let (outer, inner) = (Span { start: 1, end: 2 }, Span { start: 3, end: 4 });
        graph.assign("a", FIXED, Decision::default());
        let a = graph.variable("a");
        graph.assign("b", a, Decision::default());
        let b = graph.variable("b");
        let on_b = graph.then(Decision::default(), b, outer);
        let unknown = graph.variable("HOME");
        let on_home = graph.then(Decision::default(), unknown, outer);
        let nested = graph.then(on_home, b, inner);
        graph.assign("c", FIXED, nested);
        let c = graph.variable("c");
        let on_c = graph.then(Decision::default(), c, inner);
        let verdicts = graph.finish();
        assert_eq!(verdicts.culprit(on_b), None);
        assert_eq!(verdicts.culprit(nested), Some(outer), "the step that varies, not the last one");
        assert_eq!(verdicts.culprit(on_c), Some(inner), "assigned only on some runs");
    }

    #[test]
    fn a_variable_made_of_itself_is_fixed() {
        let mut graph = Decisions::new();
        graph.assign("i", FIXED, Decision::default());
        let i = graph.variable("i");
        graph.assign("i", i, Decision::default());
        let on_i = graph.then(Decision::default(), i, Span::default());
        assert_eq!(graph.finish().culprit(on_i), None);
    }
}
