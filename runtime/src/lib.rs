//! The life of a computation's containers: chosen or made, set up as the script says, called, kept and removed.
//!
//! [`Environment`] reads all that a call needs from the computation's directory, [`Setup`] does the rest on an
//! [`engine::Engine`]. The crate knows no shell grammar: that is the interpreter's.
//!
//! ```no_run
//! use compeval_runtime::{
//!     Environment, Setup,
//!     call::{Called, Call},
//!     container::mounts::Mounts,
//!     engine::docker::Docker,
//!     setup::notice::Unwatched,
//! };
//!
//! let environment = Environment::read("computations/align".as_ref())?;
//! let mounts = Mounts::new(&environment.computation.directory, Some("/data/gfs".as_ref()))?;
//! let engine = Docker::connect()?;
//! let setup = Setup::new(&engine, &environment, &mounts);
//! let command = Call { argv: vec!["uname".into(), "-a".into()], ..Call::new("") };
//! let mut output = Vec::new();
//! let called = setup.call(&command, &mut Unwatched, &mut |_, bytes| {
//!     output.extend_from_slice(bytes);
//!     Ok(())
//! })?;
//! assert_eq!(called, Called::Ended(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod file;

pub mod call;
pub mod computation;
pub mod container;
pub mod engine;
pub mod interrupt;
pub mod inventory;
pub mod ledger;
pub mod setup;

pub use computation::environment::Environment;
pub use setup::{Setup, SetupError};
