//! Containers without a daemon: images, layers and processes, as root or as an ordinary user, with nothing else installed.
//!
//! A [`Store`] is a directory with images, and containers made of them. A container's first process is this program again: it
//! runs what is asked of it over a socket, and ends when there is nothing to do. What runs inside has namespaces of its own, an
//! overlay over the layers of its image, Docker's capabilities and a filter of system calls; the network is the host's, or none.
//!
//! ```no_run
//! use std::{fs::File, path::Path};
//! use compeval_sandbox::{ContainerSetup, Launch, Launched, Store};
//!
//! compeval_sandbox::help_if_asked();
//! let store = Store::open(Path::new("/var/tmp/store"), Path::new("/proc/self/exe"))?;
//! store.import(File::open("debian.tar")?, Some("debian:13"))?;
//! store.create("one", "debian:13", &ContainerSetup::default())?;
//! store.start("one")?;
//! let launch = Launch { argv: vec!["true".into()], ..Launch::default() };
//! if let Launched::Running(command) = store.launch("one", &launch, false)? {
//!     assert_eq!(command.wait()?, 0);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod caller;
mod client;
mod confine;
mod error;
mod helper;
mod ids;
mod init;
mod launch;
mod layout;
mod lifetime;
mod passwd;
mod probe;
mod protocol;
mod record;
mod rootfs;
mod store;
mod sys;
mod tree;
mod unpack;

pub use client::{LaunchStreams, Launched, RunningLaunch};
pub use error::{Result, SandboxError};
pub use helper::help_if_asked;
pub use protocol::{Launch, RunningCommand};
pub use record::{Bind, ContainerSetup, HostNetwork, StoredContainer, StoredImage, Volume};
pub use store::{Incoming, Store, StoredState, architecture, full_name};
pub use tree::{TreeChange, TreeChangeKind};
