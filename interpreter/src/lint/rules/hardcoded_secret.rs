//! A password or key in the script.
//!
//! ## What it does
//! Looks for passwords in addresses, for tokens whose form is known (GitHub, GitLab, AWS, Slack, Google, npm, PyPI,
//! Hugging Face), for private keys, and for passwords given to `curl`, `wget` and `sshpass`. Names of variables say
//! nothing, and are not looked at.
//!
//! ## Why
//! The script is in Git, for ever, and in the logs of every container.
//!
//! ## Example
//! ```sh
//! next_stage && git clone https://user:s3cret@example.org/tool /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && git clone "https://user:$(cat /run/secrets/token)@example.org/tool" /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use crate::{
    Diagnostic, Severity, Span,
    analyze::{folding::Folded, invocation::Invocation},
    lint::secrets,
    lint::{analysis::Analysis, rule::Rule},
    syntax::SimpleCommand,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE071", "hardcoded-secret", Severity::Error, include_str!("hardcoded_secret.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut found = secrets::in_text(analysis.source.text());
    found.extend(analysis.invocations.iter().filter_map(given_password));
    found.extend(analysis.places.iter().filter_map(|place| assigned_password(place.command)));
    found.extend(analysis.named(&["chpasswd"]).filter_map(|chpasswd| piped_password(analysis, chpasswd)));
    found.sort();
    found.dedup_by(|next, before| next.start < before.end);
    for span in found {
        findings.push(
            rule.finding(span, "a secret stands in the script, in Git and in the logs")
                .help("withdraw it, and read the new one from a file that is mounted: `$(cat /run/secrets/NAME)`"),
        );
    }
}

/// `PGPASSWORD=word psql`: what a program takes its password from.
fn assigned_password(command: &SimpleCommand) -> Option<Span> {
    let taken = |name: &str| {
        matches!(name, "PGPASSWORD" | "MYSQL_PWD" | "SSHPASS" | "RSYNC_PASSWORD" | "AWS_SECRET_ACCESS_KEY")
    };
    let assignment = command.assignments.iter().find(|assignment| taken(&assignment.name))?;
    assignment.value.literal().filter(|value| !value.is_empty()).map(|_| assignment.value.span)
}

/// `echo USER:PASSWORD | chpasswd`
fn piped_password(analysis: &Analysis<'_>, chpasswd: &Invocation<'_>) -> Option<Span> {
    let prints = analysis.inside(chpasswd.place.pipeline.span).find(|inside| inside.is(&["echo", "printf"]))?;
    let is_password = |word: &&Folded| {
        word.known()
            .and_then(|text| text.split_once(':'))
            .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
    };
    prints.arguments.iter().find(is_password).map(|word| word.span)
}

/// A password that is given as an argument.
fn given_password(invocation: &Invocation<'_>) -> Option<Span> {
    let mut arguments = invocation.arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.known().unwrap_or_default();
        let next = arguments.as_slice().first();
        let value = next.and_then(|next| next.known()).unwrap_or_default();
        let is_given = match invocation.name.as_str() {
            "curl" if matches!(text, "-u" | "--user") => {
                value.split_once(':').is_some_and(|(_, password)| !password.is_empty())
            }
            "wget" => ["--password=", "--http-password=", "--ftp-password="]
                .iter()
                .any(|option| text.strip_prefix(option).is_some_and(|password| !password.is_empty())),
            "sshpass" => {
                text.strip_prefix("-p").is_some_and(|password| !password.is_empty())
                    || text == "-p" && !value.is_empty()
            }
            "docker" | "podman" => {
                matches!(text, "-p" | "--password") && invocation.argument(0) == Some("login") && !value.is_empty()
            }
            "mysql" | "mysqldump" | "mysqladmin" | "mariadb" => {
                let short = text.strip_prefix("-p").filter(|_| !text.starts_with("--"));
                short.or(text.strip_prefix("--password=")).is_some_and(|password| !password.is_empty())
            }
            "openssl" => text.strip_prefix("pass:").is_some_and(|password| !password.is_empty()),
            _ => false,
        };
        if is_given {
            let by_next = matches!(text, "-u" | "--user" | "-p" | "--password");
            return Some(next.filter(|_| by_next).map_or(argument.span, |next| next.span));
        }
    }
    None
}
