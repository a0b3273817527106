//! The edits of a stretch, put into its text.

use super::Editor;
use crate::Span;

impl Editor<'_, '_> {
    /// The text of `span` with the edits in it, and behind it the here-documents that lie outside.
    pub(super) fn apply(&mut self, span: Span) -> Vec<u8> {
        self.documents.sort_by_key(|document| document.span.start);
        self.documents.dedup_by_key(|document| document.span.start);
        if self.cuts {
            self.cut_foreign_documents(span);
        }
        self.edits.sort_by_key(|(span, _)| span.start);
        let mut text = self.edited(span);
        let mut end = span.end;
        for document in &self.documents {
            // One in a substitution in the body of another goes with that.
            if document.span.start < end {
                continue;
            }
            // A newline at the end of the stretch itself belongs to a line continuation.
            if end == span.end {
                text.push(b'\n');
            }
            end = document.span.end;
            text.extend_from_slice(&self.edited(document.span));
            // At the end of the script the line with the delimiter may be missing, or its newline.
            let ended = document.body.span.end < document.span.end;
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            if !ended {
                text.extend_from_slice(&document.delimiter);
                text.push(b'\n');
            }
        }
        text
    }

    /// Takes out the bodies of here-documents that stand in `span`, but belong to commands before it in the same line.
    fn cut_foreign_documents(&mut self, span: Span) {
        let all = self.source.documents();
        let from = all.partition_point(|document| document.start < span.start);
        for document in all.iter().skip(from).take_while(|document| document.start < span.end) {
            let is_own = self.documents.binary_search_by_key(&document.start, |own| own.span.start).is_ok();
            if !is_own && span.contains(*document) {
                self.edits.push((*document, String::new()));
            }
        }
    }

    fn edited(&self, span: Span) -> Vec<u8> {
        let mut text = Vec::with_capacity(span.range().len());
        let mut position = span.start;
        let inside = |(edit, _): &&(Span, String)| span.contains(*edit);
        for (edit, new) in self.edits.iter().filter(inside) {
            // What was replaced is edited no more.
            if edit.start < position {
                continue;
            }
            text.extend_from_slice(self.source.slice(Span { start: position, end: edit.start }));
            text.extend_from_slice(new.as_bytes());
            position = edit.end;
        }
        text.extend_from_slice(self.source.slice(Span { start: position, end: span.end }));
        text
    }
}
