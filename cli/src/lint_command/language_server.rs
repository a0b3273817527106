//! `ce-lint --lsp`: what an editor asks for, over standard input and output (Language Server Protocol 3.17).
//!
//! Diagnostics as one types, quick fixes, what a rule is about or a stage is under the pointer, and the stages as symbols.

use std::{collections::HashMap, error::Error, path::PathBuf, str::FromStr};

use bstr::ByteSlice;
use compeval_interpreter::{
    Applicability, Diagnostic, Parsed, Place, Severity, Source, Span,
    lint::{
        Rule, Setting,
        history::{self, History, Stage},
    },
    parse,
};
use compeval_runtime::{
    computation::{environment::LONGEST_SCRIPT, layout::SETUP_SCRIPT},
    file,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOptions, CodeActionParams, CodeActionProviderCapability, CodeDescription,
    DiagnosticRelatedInformation, DiagnosticSeverity, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, DocumentSymbol, DocumentSymbolParams, Hover, HoverContents,
    HoverParams, HoverProviderCapability, InitializeParams, Location, MarkupContent, MarkupKind, NumberOrString, OneOf,
    Position, PositionEncodingKind, PublishDiagnosticsParams, Range, SaveOptions, ServerCapabilities, SymbolKind,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions, TextEdit,
    Uri, WorkspaceEdit,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{LintArguments, LintStatus, check, description, past, selection::Selection, subject::Subject};
use crate::words;

/// Serves an editor until it says that it goes.
pub(super) fn serve(arguments: &LintArguments) -> LintStatus {
    let (connection, threads) = Connection::stdio();
    let served = session(&connection, arguments);
    drop(connection);
    match served.and_then(|()| threads.join().map_err(Into::into)) {
        Ok(()) => LintStatus::Clean,
        Err(error) => super::fail(error.as_ref(), None),
    }
}

fn session(connection: &Connection, arguments: &LintArguments) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (id, parameters) = connection.initialize_start()?;
    let parameters: InitializeParams = serde_json::from_value(parameters)?;
    let encodings = parameters.capabilities.general.and_then(|general| general.position_encodings).unwrap_or_default();
    let counts_bytes = encodings.contains(&PositionEncodingKind::UTF8);
    let result = serde_json::json!({
        "capabilities": capabilities(counts_bytes),
        "serverInfo": { "name": "ce-lint", "version": crate::VERSION },
    });
    connection.initialize_finish(id, result)?;
    let mut server = Server { connection, arguments, counts_bytes, documents: HashMap::new() };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    break;
                }
                server.request(request)?;
            }
            Message::Notification(notification) => server.notification(notification)?,
            Message::Response(_) => {}
        }
    }
    Ok(())
}

fn capabilities(counts_bytes: bool) -> ServerCapabilities {
    let save = TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) });
    ServerCapabilities {
        position_encoding: counts_bytes.then_some(PositionEncodingKind::UTF8),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::FULL),
            save: Some(save),
            ..TextDocumentSyncOptions::default()
        })),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// What a message asks for could not be done.
type Failed = Box<dyn Error + Send + Sync>;

struct Server<'c> {
    connection: &'c Connection,
    arguments: &'c LintArguments,
    /// Whether columns count bytes; else they count units of UTF-16.
    counts_bytes: bool,
    documents: HashMap<Uri, Document>,
}

/// A text that is open in the editor.
struct Document {
    parsed: Parsed,
    findings: Vec<Diagnostic>,
    /// Whether it is a docker.conf.
    is_description: bool,
    /// What was known of its neighbours when it was opened or saved.
    neighbours: Neighbours,
}

/// What is beside a script.
#[derive(Clone)]
struct Neighbours {
    setting: Setting,
    history: Option<History>,
    selection: Option<Selection>,
}

impl Server<'_> {
    fn notification(&mut self, notification: Notification) -> Result<(), Failed> {
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                let opened: DidOpenTextDocumentParams = serde_json::from_value(notification.params)?;
                self.open(opened.text_document.uri, opened.text_document.text.into_bytes(), true)
            }
            "textDocument/didChange" => {
                let changed: DidChangeTextDocumentParams = serde_json::from_value(notification.params)?;
                // All of the text comes with each change.
                let text = changed.content_changes.into_iter().next_back().map(|change| change.text);
                text.map_or(Ok(()), |text| self.open(changed.text_document.uri, text.into_bytes(), false))
            }
            "textDocument/didSave" => {
                let saved: DidSaveTextDocumentParams = serde_json::from_value(notification.params)?;
                let text =
                    self.documents.get(&saved.text_document.uri).map(|document| document.source().text().to_vec());
                text.map_or(Ok(()), |text| self.open(saved.text_document.uri, text, true))
            }
            "textDocument/didClose" => {
                let closed: DidCloseTextDocumentParams = serde_json::from_value(notification.params)?;
                self.documents.remove(&closed.text_document.uri);
                self.publish(closed.text_document.uri, Vec::new())
            }
            _ => Ok(()),
        }
    }

    /// Takes a text in, and tells what is found in it. What is beside it is only looked at where `is_fresh`.
    fn open(&mut self, uri: Uri, text: Vec<u8>, is_fresh: bool) -> Result<(), Failed> {
        let path = path_of(&uri);
        let is_description = path.extension().is_some_and(|extension| extension == "conf");
        let known = self.documents.get(&uri).filter(|_| !is_fresh).map(|document| document.neighbours.clone());
        let neighbours = known.unwrap_or_else(|| self.neighbours(&path, &text));
        let name = path.to_string_lossy().into_owned();
        let parsed = parse(Source::new(name, if is_description { Vec::new() } else { text.clone() }));
        let mut document = Document { parsed, findings: Vec::new(), is_description, neighbours };
        if is_description {
            let text = String::from_utf8_lossy(&text).into_owned();
            let script = file::read(&path.with_file_name(SETUP_SCRIPT), LONGEST_SCRIPT).unwrap_or_default();
            let (source, findings) = description::read(&path, &text, script.lines().next().unwrap_or_default());
            document.parsed.script.source = source.into();
            document.findings = findings;
        } else if let Some(selection) = &document.neighbours.selection {
            let Neighbours { setting, history, .. } = &document.neighbours;
            document.findings = check(&document.parsed, setting, history.as_ref(), selection);
        }
        let diagnostics = document.findings.iter().map(|finding| self.diagnostic(&uri, &document, finding)).collect();
        self.documents.insert(uri.clone(), document);
        self.publish(uri, diagnostics)
    }

    fn neighbours(&self, path: &std::path::Path, text: &[u8]) -> Neighbours {
        let subject = Subject::Found(path.to_owned());
        let first_line = text.lines().next().unwrap_or_default();
        let setting = description::beside(&subject.description(), first_line).setting;
        let history = past::of(self.arguments, &subject).ok().flatten();
        Neighbours { setting, history, selection: Selection::of(self.arguments, &subject.directory()).ok() }
    }

    fn publish(&self, uri: Uri, diagnostics: Vec<lsp_types::Diagnostic>) -> Result<(), Failed> {
        let parameters = PublishDiagnosticsParams { uri, diagnostics, version: None };
        let notification = Notification::new("textDocument/publishDiagnostics".to_owned(), parameters);
        Ok(self.connection.sender.send(notification.into())?)
    }

    fn request(&self, request: Request) -> Result<(), Failed> {
        let id = request.id.clone();
        let answer = match request.method.as_str() {
            "textDocument/codeAction" => self.answer(request, |parameters: &CodeActionParams| self.actions(parameters)),
            "textDocument/hover" => self.answer(request, |parameters: &HoverParams| self.hover(parameters)),
            "textDocument/documentSymbol" => {
                self.answer(request, |parameters: &DocumentSymbolParams| self.symbols(parameters))
            }
            method => {
                let message = format!("there is no method `{method}` here");
                Response::new_err(id, ErrorCode::MethodNotFound as i32, message)
            }
        };
        Ok(self.connection.sender.send(answer.into())?)
    }

    fn answer<P: DeserializeOwned, A: Serialize>(&self, request: Request, act: impl FnOnce(&P) -> A) -> Response {
        match serde_json::from_value::<P>(request.params) {
            Ok(parameters) => Response::new_ok(request.id, act(&parameters)),
            Err(error) => Response::new_err(request.id, ErrorCode::InvalidParams as i32, error.to_string()),
        }
    }

    fn diagnostic(&self, uri: &Uri, document: &Document, finding: &Diagnostic) -> lsp_types::Diagnostic {
        let related = finding.related.iter().filter(|label| !label.text.is_empty()).map(|label| {
            let location = Location { uri: uri.clone(), range: self.range(document.source(), label.span) };
            DiagnosticRelatedInformation { location, message: label.text.clone() }
        });
        let related: Vec<_> = related.collect();
        let label = &finding.primary.text;
        let lines = [Some(&finding.message), Some(label).filter(|label| !label.is_empty()), finding.help.as_ref()];
        let lines: Vec<&str> = lines.into_iter().flatten().map(String::as_str).collect();
        lsp_types::Diagnostic {
            range: self.range(document.source(), finding.primary.span),
            severity: Some(match finding.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Style => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(finding.code.to_owned())),
            code_description: Uri::from_str(&super::printer::url(finding.code))
                .ok()
                .map(|href| CodeDescription { href }),
            source: Some("ce-lint".to_owned()),
            message: lines.join("\n"),
            related_information: (!related.is_empty()).then_some(related),
            ..lsp_types::Diagnostic::default()
        }
    }

    /// A quick fix for each finding in the range that has one, and a comment that suppresses it.
    fn actions(&self, parameters: &CodeActionParams) -> Vec<CodeAction> {
        let uri = &parameters.text_document.uri;
        let Some(document) = self.documents.get(uri) else { return Vec::new() };
        let mut actions = Vec::new();
        for finding in &document.findings {
            let range = self.range(document.source(), finding.primary.span);
            if range.end < parameters.range.start || parameters.range.end < range.start {
                continue;
            }
            let diagnostic = self.diagnostic(uri, document, finding);
            let action = |title: String, edits: Vec<TextEdit>, is_preferred: bool| CodeAction {
                title,
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![diagnostic.clone()]),
                edit: Some(WorkspaceEdit { changes: Some([(uri.clone(), edits)].into()), ..WorkspaceEdit::default() }),
                is_preferred: Some(is_preferred),
                ..CodeAction::default()
            };
            if let Some(fix) = &finding.fix {
                let edit = |edit: &compeval_interpreter::Edit| TextEdit {
                    range: self.range(document.source(), edit.span),
                    new_text: edit.text.clone(),
                };
                let is_safe = fix.applicability == Applicability::Safe;
                let help = finding.help.as_deref().unwrap_or(&finding.message);
                let title = format!("{}: {help}{}", finding.code, if is_safe { "" } else { " (unsafe)" });
                actions.push(action(title, fix.edits.iter().map(edit).collect(), is_safe));
            }
            if !document.is_description {
                let start = Position { line: range.start.line, character: 0 };
                let text = format!("# ce-lint: ignore[{}] REASON\n", finding.code);
                let edit = TextEdit { range: Range { start, end: start }, new_text: text };
                actions.push(action(
                    format!("{}: say that it does not matter, and why", finding.code),
                    vec![edit],
                    false,
                ));
            }
        }
        actions
    }

    /// What is under the pointer: of a marker its stage, of a finding its rule.
    fn hover(&self, parameters: &HoverParams) -> Option<Hover> {
        let place = &parameters.text_document_position_params;
        let document = self.documents.get(&place.text_document.uri)?;
        let source = document.source();
        let at = self.offset(source, place.position)?;
        let is_here = |span: Span| span.start <= at && at <= span.end;
        let stages = document.stages();
        let marker =
            |stage: &Stage| Span { start: stage.span.start, end: stage.span.start + "next_stage".len() as u32 };
        if let Some(stage) = stages.iter().find(|stage| is_here(marker(stage))) {
            let known = document.neighbours.history.as_ref().map_or(0, History::len);
            let state = match (stage.number as usize <= known, known) {
                (true, _) => "applied",
                (false, 0) => "nothing is known of a container",
                (false, _) => "not applied",
            };
            let text = format!("**Stage {}**: {}\n\n{state}", stage.number, document.title(stage));
            return Some(hover(text, self.range(source, marker(stage))));
        }
        let finding = document.findings.iter().find(|finding| is_here(finding.primary.span))?;
        let rule = Rule::find(finding.code)?;
        let text = format!("**{} {}**\n\n{}", rule.code, rule.name, rule.documentation());
        Some(hover(text, self.range(source, finding.primary.span)))
    }

    #[expect(deprecated, reason = "the type has a field that nobody may leave out")]
    fn symbols(&self, parameters: &DocumentSymbolParams) -> Vec<DocumentSymbol> {
        let Some(document) = self.documents.get(&parameters.text_document.uri) else { return Vec::new() };
        let symbol = |stage: Stage| {
            let range = self.range(document.source(), stage.span);
            DocumentSymbol {
                name: format!("{} {}", stage.number, document.title(&stage)),
                detail: None,
                kind: SymbolKind::EVENT,
                tags: None,
                deprecated: None,
                range,
                selection_range: range,
                children: None,
            }
        };
        document.stages().into_iter().map(symbol).collect()
    }

    fn range(&self, source: &Source, span: Span) -> Range {
        Range { start: self.position(source, span.start), end: self.position(source, span.end) }
    }

    fn position(&self, source: &Source, offset: u32) -> Position {
        let line = source.position(offset).line;
        let before = source.slice(Span { start: source.line(line).start, end: offset });
        let character = match self.counts_bytes {
            true => before.len(),
            false => before.to_str_lossy().encode_utf16().count(),
        };
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: number(line - 1), character: number(character) }
    }

    /// The offset of a position; `None` behind the end of the text.
    fn offset(&self, source: &Source, position: Position) -> Option<u32> {
        let line = source.line(position.line as usize + 1);
        let text = source.slice(line).to_str_lossy().into_owned();
        let mut units = 0;
        for (at, letter) in text.char_indices() {
            if units >= position.character {
                return Some(line.start + at as u32);
            }
            units += if self.counts_bytes { letter.len_utf8() as u32 } else { letter.len_utf16() as u32 };
        }
        Some(line.end)
    }
}

impl Document {
    fn source(&self) -> &Source {
        &self.parsed.script.source
    }

    fn stages(&self) -> Vec<Stage> {
        if self.is_description { Vec::new() } else { history::stages(&self.parsed) }
    }

    /// What a stage is about: the comment above it, or its first command.
    fn title(&self, stage: &Stage) -> String {
        let place = Place { source: self.parsed.script.source.clone(), span: stage.span };
        words::title(&place, place.text(), 60)
    }
}

fn hover(text: String, range: Range) -> Hover {
    let contents = MarkupContent { kind: MarkupKind::Markdown, value: text };
    Hover { contents: HoverContents::Markup(contents), range: Some(range) }
}

/// The path that a `file:` address names; of another one, what stands behind its scheme.
fn path_of(uri: &Uri) -> PathBuf {
    let text = uri.as_str();
    let path = text.strip_prefix("file://").unwrap_or(text);
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes().iter();
    while let Some(byte) = rest.next() {
        let digits = rest.as_slice().get(..2).filter(|_| *byte == b'%');
        let escaped =
            digits.and_then(|digits| digits.to_str().ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(escaped) => {
                bytes.push(escaped);
                rest.nth(1);
            }
            None => bytes.push(*byte),
        }
    }
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
