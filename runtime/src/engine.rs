//! What we ask of a container daemon: the trait [`Engine`] in its parts, and the plain data that goes in and comes out.
//!
//! Three implementations: [`docker::Docker`] talks to a daemon, [`embedded::Embedded`] is this program itself,
//! [`memory::Memory`] keeps its containers in this process, for tests. Nothing in here knows what a computation is.

pub mod choice;
pub mod containers;
pub mod docker;
pub mod embedded;
pub mod error;
mod event_loop;
pub mod exec;
pub mod images;
pub mod memory;
mod registry;
mod stdin;

pub use choice::{Connected, ENGINES, EngineKind, connect};
pub use containers::{
    BindMount, Cache, Container, ContainerSpec, ContainerState, Containers, FileChange, FileChangeKind, Gpus,
    LONGEST_FILE, Limits, RunningProgram,
};
pub use error::EngineError;
pub use exec::{
    Conversation, Exec, Execs, LONGEST_ARGUMENT, LONGEST_COMMAND, Orders, Resize, Sink, Stream, TerminalSize,
};
pub use images::{Image, Images, Pulling};

/// The few container verbs this crate needs, each one finished when it returns.
pub trait Engine: Images + Containers + Execs + Send + Sync {}

impl<E: Images + Containers + Execs + Send + Sync> Engine for E {}
