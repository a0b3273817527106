//! What can be seen to go wrong before a setup script runs: a table of rules, and the check that applies them.
//!
//! A rule is one file below `lint/rules/`: its documentation, its check and its message. The documentation is the text that
//! opens the file, under the headings `What it does`, `Why`, `Example` and `Use instead`, so that there is only one.
//! A new rule is a new file, its line in [`RULES`] (`lint/table.rs`), and its cases in `testdata/lint/`.

mod addresses;
mod again;
mod analysis;
mod checked;
pub mod fix;
mod git;
pub mod history;
mod inner;
mod interactive;
mod quoting;
mod repair;
mod rule;
mod rules;
mod secrets;
mod suppress;
mod table;
mod uses;
mod written;

pub use analysis::Setting;
pub use rule::Rule;
pub use table::{RULES, check, check_for};
