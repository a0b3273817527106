//! A computation's container: whose it is, what it is made of, what it sees, and who may change it.

mod groups;
pub mod identity;
pub(crate) mod in_use;
pub mod lock;
pub mod mapping;
pub mod mounts;
pub mod spec;
