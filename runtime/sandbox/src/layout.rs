//! Where what is in the folder of a store.

use std::path::{Path, PathBuf};

/// The directory of a container.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

/// The directory of all layers.
pub(crate) fn layers(root: &Path) -> PathBuf {
    root.join("layers")
}

/// The directory of the images' records.
pub(crate) fn images(root: &Path) -> PathBuf {
    root.join("images")
}

/// The directory of all containers.
pub(crate) fn containers(root: &Path) -> PathBuf {
    root.join("c")
}

/// The directory of the volumes.
pub(crate) fn volumes(root: &Path) -> PathBuf {
    root.join("volumes")
}

/// What is being made or removed: it comes from there or goes there by its new name.
pub(crate) fn gone(root: &Path) -> PathBuf {
    root.join("gone")
}

/// The file that says whose ids are in this store.
pub(crate) fn ids(root: &Path) -> PathBuf {
    root.join("ids")
}

/// Locked shared by who uses layers, exclusively by who looks for those that nobody uses.
pub(crate) fn lock(root: &Path) -> PathBuf {
    root.join("lock")
}

impl Home {
    /// That of the container with this name.
    pub(crate) fn of(root: &Path, name: &str) -> Home {
        Home(containers(root).join(name))
    }

    /// One that is not in its place yet, or any more.
    pub(crate) fn at(path: PathBuf) -> Home {
        Home(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What the container wrote.
    pub(crate) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    /// The overlay's own.
    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where the container's root is mounted, in its own namespace.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// A directory of the container's own, which no image gets.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }

    /// `hostname` and `hosts`, as the container sees them.
    pub(crate) fn etc(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// Its record.
    pub(crate) fn record(&self) -> PathBuf {
        self.0.join("record")
    }

    /// Held by who starts or removes it.
    pub(crate) fn starting(&self) -> PathBuf {
        self.0.join("starting")
    }

    /// Held by its first process for as long as that lives.
    pub(crate) fn live(&self) -> PathBuf {
        self.0.join("live")
    }

    /// Where its first process listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// Which process is its first.
    pub(crate) fn pid(&self) -> PathBuf {
        self.0.join("pid")
    }

    /// Why it did not start.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}
