//! Letters that nobody sees, or takes for others, where a shell takes them for parts of words.

use bstr::ByteSlice;

use crate::{
    Source, Span,
    syntax::{List, Part, PartKind, Redirection, Script, Word, visit::Visit},
};

/// What such a letter is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The CR of a line that ends in CR LF, which other systems take for the end of the line.
    LineEnd,
    /// A byte order mark: nothing at all.
    ByteOrderMark,
    /// A blank, such as the no-break space.
    Blank,
    /// Nothing at all, such as the zero-width space.
    Nothing,
    /// A quote of POSIX.
    Quote,
    /// The `-` of an option.
    Dash,
}

/// The places of such letters outside of quotes, comments and the bodies of here-documents, in order.
pub fn unseen(script: &Script) -> Vec<(Span, Unseen)> {
    in_list(&script.source, &script.list)
}

pub(crate) fn in_list(source: &Source, list: &List) -> Vec<(Span, Unseen)> {
    // Most texts have no such letter anywhere.
    if source.text().is_ascii() && !source.text().contains(&b'\r') {
        return Vec::new();
    }
    let mut finder = UnseenFinder { text: source.text(), found: Vec::new() };
    finder.visit_list(list);
    finder.found.sort_by_key(|(span, _)| span.start);
    finder.found
}

struct UnseenFinder<'s> {
    text: &'s [u8],
    found: Vec<(Span, Unseen)>,
}

impl UnseenFinder<'_> {
    fn literal(&mut self, span: Span) {
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        for (start, end, letter) in text.char_indices().filter(|(_, _, letter)| is_unusual(*letter)) {
            let (start, end) = (span.start + start as u32, span.start + end as u32);
            let is_last = || self.text.get(end as usize).is_none_or(|byte| *byte == b'\n');
            self.found.extend(
                kind(letter)
                    .filter(|kind| *kind != Unseen::LineEnd || is_last())
                    .filter(|kind| *kind != Unseen::Dash || begins_option(self.text, start))
                    .map(|kind| (Span { start, end }, kind)),
            );
        }
    }
}

impl<'t> Visit<'t> for UnseenFinder<'_> {
    fn visit_word(&mut self, word: &'t Word) {
        word.parts.iter().for_each(|part| self.visit_part(part));
    }

    // The body of a here-document is text.
    fn visit_redirection(&mut self, redirection: &'t Redirection) {
        self.visit_word(&redirection.target);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Literal(_) | PartKind::Escaped(_) => self.literal(part.span),
            PartKind::CommandSubstitution(substitution) => self.visit_list(&substitution.list),
            PartKind::DoubleQuoted(parts) => {
                let runs = |part: &&Part| matches!(part.kind, PartKind::CommandSubstitution(_));
                parts.iter().filter(runs).for_each(|part| self.visit_part(part));
            }
            _ => {}
        }
    }
}

/// Whether a word begins there, with a letter behind it.
fn begins_option(text: &[u8], start: u32) -> bool {
    let before = text.get(..start as usize).and_then(<[u8]>::last);
    let behind = text.get(start as usize..).and_then(|rest| rest.chars().nth(1));
    before.is_none_or(u8::is_ascii_whitespace) && behind.is_some_and(|letter| letter.is_alphanumeric() || letter == '-')
}

fn is_unusual(letter: char) -> bool {
    letter == '\r' || !letter.is_ascii()
}

fn kind(letter: char) -> Option<Unseen> {
    Some(match letter {
        '\r' => Unseen::LineEnd,
        '\u{feff}' => Unseen::ByteOrderMark,
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}' => Unseen::Nothing,
        '\u{2018}'..='\u{201f}' | '\u{ff02}' | '\u{ff07}' => Unseen::Quote,
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Unseen::Dash,
        blank if blank.is_whitespace() && !blank.is_ascii() => Unseen::Blank,
        _ => return None,
    })
}
