//! Reads and walks `docker-setup.sh`: a POSIX shell script whose chains `next_stage && ...` run once in a container's
//! life, and whose chains `everytime && ...` run every time.
//!
//! The script is not handed to a shell as a whole. It is read into a tree ([`parse()`]), the tree is walked ([`run()`]),
//! and each stretch of real commands goes to a [`Dispatcher`], which runs it in a shell somewhere. So what would run is
//! known beforehand ([`dispatch::dry_run`]), a failure has a place in the script, and an applied stage is skipped
//! without asking a shell. The crate knows nothing of Docker, terminals or async.
//!
//! ```
//! use compeval_interpreter::{
//!     Settings, Source,
//!     dispatch::local::Local,
//!     execute::{End, Unobserved},
//!     parse,
//!     program::Hooks,
//!     run,
//!     stage::Counted,
//! };
//!
//! let parsed = parse(Source::new("docker-setup.sh", "next_stage && echo once\neverytime && echo again\n"));
//! assert!(parsed.errors.is_empty());
//! let mut printed = Vec::new();
//! let mut shell = Local::new(&["sh"], Hooks { scratch: "/tmp", record: None }).output(&mut printed);
//! // One stage is applied already.
//! let outcome = run(&parsed.script, &Settings::default(), &mut Counted(1), &mut shell, &mut Unobserved)?;
//! drop(shell);
//! assert_eq!((outcome.end, outcome.status, outcome.hits), (End::Finished, 0, 1));
//! assert_eq!(printed, b"again\n");
//! # Ok::<(), compeval_interpreter::dispatch::DispatchError>(())
//! ```

mod diagnostic;
mod source;

pub mod analyze;
pub mod dispatch;
pub mod execute;
pub mod expand;
pub mod language;
pub mod lint;
pub mod parse;
pub mod program;
pub mod stage;
pub mod state;
pub mod syntax;
pub mod text;

pub use analyze::{Facts, analyze};
pub use diagnostic::{Applicability, Diagnostic, Edit, Fix, Label, Severity};
pub use dispatch::{Dispatcher, Request, Response};
pub use execute::{Outcome, Settings, run};
pub use parse::{Parsed, parse};
pub use source::{Place, Position, Source, Span};
pub use state::State;
