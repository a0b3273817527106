//! Secrets in a text, by their form.

use bstr::ByteSlice;

use crate::Span;

/// How a token begins, how many letters follow at least, and which may.
const TOKENS: [(&str, usize, &[u8]); 18] = [
    ("ghp_", 36, b""),
    ("gho_", 36, b""),
    ("ghs_", 36, b""),
    ("ghu_", 36, b""),
    ("github_pat_", 22, b"_"),
    ("glpat-", 20, b"-_"),
    ("AKIA", 16, b""),
    ("ASIA", 16, b""),
    ("xoxb-", 20, b"-"),
    ("xoxp-", 20, b"-"),
    ("AIza", 35, b"-_"),
    ("npm_", 36, b""),
    ("pypi-", 50, b"-_"),
    ("hf_", 30, b""),
    ("dckr_pat_", 20, b"-_"),
    ("sk_live_", 20, b""),
    ("sk-ant-", 40, b"-_"),
    ("eyJhbGciOi", 30, b"-_."),
];

/// The places of secrets, in order.
pub(super) fn in_text(text: &[u8]) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for (beginning, length, others) in TOKENS {
        for start in text.find_iter(beginning) {
            let behind = text.get(start + beginning.len()..).unwrap_or_default();
            let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || others.contains(byte);
            let count = behind.iter().take_while(is_part).count();
            let before = start.checked_sub(1).and_then(|at| text.get(at));
            let is_word = before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            let is_dummy =
                behind.get(..count).is_some_and(|letters| letters.iter().all(|byte| Some(byte) == letters.first()));
            // Keys of AWS have capitals and digits only, and just so many.
            let is_aws = !beginning.ends_with("IA")
                || count == 16 && behind.iter().take(count).all(|byte| !byte.is_ascii_lowercase());
            if count >= length && is_word && is_aws && !is_dummy {
                found.push(Span::new(start..start + beginning.len() + count));
            }
        }
    }
    for start in text.find_iter("-----BEGIN ") {
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if line.contains_str("PRIVATE KEY-----") {
            found.push(Span::new(start..start + line.trim_ascii_end().len()));
        }
    }
    found.extend(
        text.find_iter("AWS_SECRET_ACCESS_KEY=").filter_map(|at| aws_key(text, at + "AWS_SECRET_ACCESS_KEY=".len())),
    );
    found.extend(text.find_iter("machine ").filter_map(|at| of_netrc(text, at)));
    found.extend(text.find_iter("://").filter_map(|at| password(text, at)));
    found.sort();
    found
}

/// The 40 letters of a key of AWS.
fn aws_key(text: &[u8], at: usize) -> Option<Span> {
    let behind = text.get(at..)?;
    let quotes = behind.iter().take_while(|byte| b"'\"".contains(byte)).count();
    let key = behind.get(quotes..)?;
    let length = key.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/+".contains(byte)).count();
    (length == 40).then(|| Span::new(at + quotes..at + quotes + length))
}

/// The password in a line of a `.netrc` file: `machine HOST login USER password WORD`.
fn of_netrc(text: &[u8], at: usize) -> Option<Span> {
    let line = text.get(at..)?.lines().next()?;
    let start = line.find(" password ")? + " password ".len();
    let word = line.get(start..)?.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    let word = word.split(|byte| b"\\\"'".contains(byte)).next().unwrap_or_default();
    let is_literal = line.contains_str(" login ") && !word.is_empty() && !word.contains(&b'$');
    is_literal.then(|| Span::new(at + start..at + start + word.len()))
}

/// The password in an address whose `://` stands at `at`.
fn password(text: &[u8], at: usize) -> Option<Span> {
    let start = at + 3;
    let behind = text.get(start..)?;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`?#;|)>".contains(byte);
    let host = behind.get(..behind.iter().position(ends).unwrap_or(behind.len()))?;
    let (credentials, server) = host.rsplit_once_str("@")?;
    let (user, password) = credentials.split_once_str(":")?;
    let is_stand_in = |word: &[u8]| {
        let lower = word.to_ascii_lowercase();
        word.contains(&b'$')
            || word.iter().all(|byte| b"*xX.".contains(byte))
            || word.starts_with(b"<")
            || word.starts_with(b"{")
            || [&b"password"[..], b"passwd", b"pass", b"token", b"secret", b"pw"].iter().any(|name| lower == *name)
                && user.eq_ignore_ascii_case(b"user")
                && server.starts_with(b"example")
    };
    let is_literal = !password.is_empty() && !is_stand_in(password) && !server.is_empty();
    let first = start + user.len() + 1;
    is_literal.then(|| Span::new(first..first + password.len()))
}
