//! A process that goes on behind its chain.
//!
//! ## What it does
//! Looks for `&` inside chains and functions without a `wait` or `kill` behind it, and for commands that start services.
//!
//! ## Why
//! The process outlives the command that started it, may hold up the setup, and is gone when the container is started
//! again, when its stage is skipped.
//!
//! ## Example
//! ```sh
//! next_stage && service postgresql start
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { server & server_id=$!; load-data && kill "$server_id"; }
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity,
    analyze::invocation::Invocation,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE027", "background-process", Severity::Warning, include_str!("background_process.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for place in analysis.places {
        // A marker alone guards nothing: what is wrong there has other rules.
        let has_marker = place.item.and_or.rest.is_empty() && analysis.hits_in(place.item.and_or.span);
        if !place.item.background || has_marker || !seen.insert(place.item.and_or.span) {
            continue;
        }
        let is_awaited = analysis.after(place).any(|other| other.is(&["wait", "kill", "pkill", "killall"]));
        if !is_awaited && !place.context.substituted && analysis.redirects_both(place.item).is_none() {
            findings.push(
                rule.finding(place.item.and_or.span, "this goes on in the background when the chain is done")
                    .help("wait for it (`wait \"$!\"`), or start it in the computation"),
            );
        }
    }
    for invocation in &analysis.invocations {
        let is_stopped = || analysis.after(invocation.place).any(|other| other.name == invocation.name && stops(other));
        if starts_service(invocation) && !is_stopped() {
            findings.push(
                rule.finding(invocation.place.command.span, "the service is gone when the container is started again")
                    .help("start it in the computation, or stop it again in the same chain"),
            );
        }
    }
}

/// Options and operands that make a program a service of its own.
fn starts_service(invocation: &Invocation<'_>) -> bool {
    let words: Vec<&str> = invocation.known().collect();
    let is_start = |word: &&str| matches!(*word, "start" | "restart" | "reload");
    match invocation.name.as_str() {
        "service" | "rc-service" | "invoke-rc.d" | "pg_ctlcluster" => words.iter().any(is_start),
        "systemctl" => words.iter().any(is_start) || words.contains(&"--now"),
        "pg_ctl" | "apachectl" | "apache2ctl" | "rabbitmq-server" | "supervisorctl" => words.iter().any(is_start),
        "start-stop-daemon" => invocation.has(Some('S'), &["--start"]),
        "nginx" | "sshd" | "mysqld_safe" | "mongod" | "redis-server" | "dockerd" | "cron" | "crond" | "supervisord" => {
            !words.iter().any(|word| matches!(*word, "-t" | "-T" | "--version" | "-v" | "-V" | "--help"))
        }
        _ => {
            invocation.has(None, &["--daemonize", "--daemon"])
                || is_init_script(invocation) && words.iter().any(is_start)
        }
    }
}

fn is_init_script(invocation: &Invocation<'_>) -> bool {
    let name = invocation.place.command.words.first().and_then(|word| word.unquoted());
    name.is_some_and(|name| name.starts_with("/etc/init.d/"))
}

fn stops(invocation: &Invocation<'_>) -> bool {
    invocation.known().any(|word| matches!(word, "stop" | "shutdown"))
}
