//! The life of a computation's container.

pub mod call;
pub mod computation;
pub mod container_shell;
pub mod description;
pub mod engine;
pub mod environment;
pub mod ledger;
pub mod lifecycle;
pub mod lock;
pub mod mapping;
pub mod mounts;
pub mod plan;
pub mod watch;

pub use environment::Environment;
pub use lifecycle::{Lifecycle, LifecycleError};
