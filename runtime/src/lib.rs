//! The life of a container.

pub mod computation;
pub mod description;
pub mod engine;
pub mod lock;
pub mod mapping;
pub mod mounts;
