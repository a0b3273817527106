//! `ce-lint --lsp`, asked as an editor asks it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// An editor, and the server it has started.
struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u32,
    directory: TempDir,
}

impl Editor {
    fn start(encodings: &[&str]) -> Editor {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ce-lint"));
        let mut child =
            command.arg("--lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/").spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut editor = Editor { child, input, output, requests: 0, directory };
        let capabilities = json!({ "general": { "positionEncodings": encodings } });
        let answer = editor.request("initialize", json!({ "processId": null, "capabilities": capabilities }));
        assert_eq!(answer["serverInfo"]["name"], "ce-lint");
        editor.notify("initialized", json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn notify(&mut self, method: &str, parameters: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    fn request(&mut self, method: &str, parameters: Value) -> Value {
        self.requests += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.requests, "method": method, "params": parameters }));
        let answer = self.receive();
        assert_eq!(answer["id"], self.requests, "{answer}");
        answer.get("result").cloned().unwrap_or_else(|| answer["error"].clone())
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has gone");
            match line.trim() {
                "" => break,
                line => length = line.strip_prefix("Content-Length: ").map_or(length, |text| text.parse().unwrap()),
            }
        }
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.directory.path().join(name).display())
    }

    /// Opens a text, and gives what is found in it.
    fn open(&mut self, name: &str, text: &str) -> Value {
        let document = json!({ "uri": self.uri(name), "languageId": "shellscript", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.receive()["params"]["diagnostics"].clone()
    }

    fn change(&mut self, name: &str, text: &str) -> Value {
        let document = json!({ "uri": self.uri(name), "version": 2 });
        self.notify(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
        self.receive()["params"]["diagnostics"].clone()
    }

    fn stop(mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        assert!(self.child.wait().unwrap().success());
    }
}

fn position(line: u32, character: u32) -> Value {
    json!({ "line": line, "character": character })
}

fn codes(diagnostics: &Value) -> Vec<&str> {
    diagnostics.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn an_editor_is_told_what_is_wrong_as_one_types() {
    let mut editor = Editor::start(&[]);
    let found = editor.open("docker-setup.sh", "# Tools\nnext_stage && echo ä𝄞 && { a; b; }\n");
    assert_eq!(codes(&found), ["CE060"]);
    // Columns count units of UTF-16, of which the last letter has two.
    assert_eq!(found[0]["range"], json!({ "start": position(1, 28), "end": position(1, 29) }));
    assert_eq!((&found[0]["severity"], &found[0]["source"]), (&json!(2), &json!("ce-lint")));
    let link = found[0]["codeDescription"]["href"].as_str().unwrap();
    assert!(link.ends_with("/docs/rules/CE060.md"), "{link}");
    let uri = editor.uri("docker-setup.sh");
    assert_eq!(found[0]["relatedInformation"][0]["location"]["uri"], json!(uri));

    let range = json!({ "start": position(1, 28), "end": position(1, 28) });
    let asked = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
    let actions = editor.request("textDocument/codeAction", asked);
    let edits = &actions[0]["edit"]["changes"][&uri];
    assert_eq!(*edits, json!([{ "range": { "start": position(1, 29), "end": position(1, 30) }, "newText": " &&" }]));
    assert!(actions[1]["title"].as_str().unwrap().contains("does not matter"), "{actions}");

    let symbols = editor.request("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(symbols[0]["name"], "1 Tools");
    let hover = |line, character| json!({ "textDocument": { "uri": uri }, "position": position(line, character) });
    let stage = editor.request("textDocument/hover", hover(1, 3));
    assert!(stage["contents"]["value"].as_str().unwrap().starts_with("**Stage 1**: Tools"), "{stage}");
    let rule = editor.request("textDocument/hover", hover(1, 28));
    assert!(rule["contents"]["value"].as_str().unwrap().starts_with("**CE060 unchecked-failure**"), "{rule}");
    assert_eq!(editor.request("textDocument/hover", hover(9, 0)), Value::Null);

    assert_eq!(codes(&editor.change("docker-setup.sh", "next_stage && a\n")), Vec::<&str>::new());
    assert_eq!(codes(&editor.change("docker-setup.sh", "next_stage && echo \"x\n")), ["CE001"]);
    let unknown = editor.request("textDocument/rename", json!({}));
    assert_eq!(unknown["code"], -32601);
    editor.stop();
}

#[test]
fn columns_count_bytes_where_the_editor_does() {
    let mut editor = Editor::start(&["utf-8", "utf-16"]);
    let found = editor.open("docker-setup.sh", "next_stage && echo ä && { a; b; }\n");
    assert_eq!(found[0]["range"]["start"], position(0, 27));
    editor.stop();
}

#[test]
fn what_is_beside_a_script_counts() {
    let mut editor = Editor::start(&[]);
    let write = |directory: &Path, name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    write(editor.directory.path(), "docker.conf", "image = \"debian:13\"\nshell = \"/bin/bash\"\n");
    write(editor.directory.path(), "ce-lint.toml", "ignore = [\"CE060\"]\n");
    let found = editor.open("docker-setup.sh", "next_stage && [[ a == a ]] && { a; b; }\n");
    assert_eq!(codes(&found), Vec::<&str>::new());
    let found = editor.open("docker.conf", "image = \"debian\"\n");
    assert_eq!((codes(&found), &found[0]["range"]["start"]), (vec!["CE096"], &position(0, 9)));
    let found = editor.change("docker.conf", "imag = \"debian:13\"\n");
    assert_eq!((codes(&found), &found[0]["severity"]), (vec!["CE096"], &json!(1)));
    editor.stop();
}
