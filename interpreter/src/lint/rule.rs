//! A rule of the linter.

use super::analysis::Analysis;
use crate::{Diagnostic, Severity, Span, diagnostic::Label};

/// A rule: what it is called, how bad its findings are, and how they are found.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The code, such as `CE002`. It never changes and is never given to another rule.
    pub code: &'static str,
    /// What the rule finds, such as `or-after-next-stage`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// The text of the rule's own file.
    pub(super) file: &'static str,
    pub(super) check: Check,
}

/// What a rule's file does: it looks at a script, and adds what it finds.
pub(super) type Check = fn(&Rule, &Analysis<'_>, &mut Vec<Diagnostic>);

impl Rule {
    pub(super) const fn new(
        code: &'static str,
        name: &'static str,
        severity: Severity,
        file: &'static str,
        check: Check,
    ) -> Rule {
        Rule { code, name, severity, file, check }
    }

    /// What the rules with codes like its own are about, such as `Reproducibility`.
    pub fn family(&self) -> &'static str {
        match self.code.get(2..4).unwrap_or_default() {
            "00" | "01" => "Chains and stages",
            "02" => "State and isolation",
            "03" => "Reproducibility",
            "04" => "Nobody is there to answer",
            "05" => "What runs every time",
            "06" => "Failures",
            "07" => "Security",
            "08" => "The shell",
            _ => "History, comments, docker.conf",
        }
    }

    /// The rule's documentation in Markdown: a sentence, then the sections `What it does`, `Why`, `Example` and
    /// `Use instead`. Ends with a newline.
    pub fn documentation(&self) -> String {
        let lines = self.file.lines().map_while(|line| line.strip_prefix("//!"));
        lines.fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n")
    }

    /// A finding of this rule at `span`: one sentence, lower case, no final period, source text in backticks.
    pub fn finding(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: self.code,
            name: self.name,
            severity: self.severity,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }
}

/// The rule of that code or name, whatever the case of the letters.
pub(super) fn find(rules: &'static [Rule], code_or_name: &str) -> Option<&'static Rule> {
    rules.iter().find(|rule| code_or_name.eq_ignore_ascii_case(rule.code) || code_or_name == rule.name)
}

/// The code or name that is nearest to what was written; `None` where nothing is near.
pub(super) fn nearest(rules: &'static [Rule], written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase();
    let names = rules.iter().flat_map(|rule| [rule.code, rule.name]);
    let distance = |name: &str| strsim::damerau_levenshtein(&written, &name.to_ascii_lowercase());
    let nearest = names.min_by_key(|name| distance(name))?;
    (distance(nearest) <= (nearest.len() / 3).max(2)).then_some(nearest)
}
