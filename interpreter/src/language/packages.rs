//! Package managers: what installs, what asks before it does, and how it is told not to.

/// A package manager, by the names of its programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackageManager {
    /// Its programs.
    pub(crate) names: &'static [&'static str],
    /// The subcommands that install.
    pub(crate) installing: &'static [&'static str],
    /// The subcommands that ask before they do something.
    pub(crate) asking: &'static [&'static str],
    /// What makes it ask nothing: words that may stand anywhere among the arguments; the first is what one writes.
    pub(crate) yes: &'static [&'static str],
    /// The letter among options that says the same.
    pub(crate) yes_letter: Option<char>,
    /// The subcommands that bring everything that is installed up to date.
    pub(crate) upgrading: &'static [&'static str],
    /// Letters of options that take a value.
    pub(crate) valued: &'static str,
    /// The same for names.
    pub(crate) long: &'static [&'static str],
}

impl PackageManager {
    const NONE: PackageManager = PackageManager {
        names: &[],
        installing: &["install"],
        asking: &[],
        yes: &[],
        yes_letter: None,
        upgrading: &[],
        valued: "",
        long: &[],
    };

    /// The package manager that a program of this name is.
    pub(crate) fn named(name: &str) -> Option<&'static PackageManager> {
        MANAGERS.iter().find(|manager| manager.names.contains(&name))
    }
}

const MANAGERS: [PackageManager; 14] = [
    PackageManager {
        names: &["apt-get", "apt", "aptitude"],
        installing: &["install", "reinstall", "build-dep"],
        asking: &[
            "install",
            "reinstall",
            "build-dep",
            "remove",
            "purge",
            "autoremove",
            "upgrade",
            "dist-upgrade",
            "full-upgrade",
            "satisfy",
        ],
        yes: &["-y", "--yes", "--assume-yes", "-qq", "--force-yes"],
        yes_letter: Some('y'),
        upgrading: &["upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"],
        valued: "otca",
        long: &["--option", "--target-release", "--config-file"],
    },
    PackageManager {
        names: &["yum", "dnf", "microdnf", "tdnf"],
        installing: &["install", "localinstall", "groupinstall", "reinstall", "builddep"],
        asking: &[
            "install",
            "localinstall",
            "groupinstall",
            "reinstall",
            "builddep",
            "update",
            "upgrade",
            "remove",
            "erase",
            "autoremove",
            "distro-sync",
            "downgrade",
            "swap",
        ],
        yes: &["-y", "--assumeyes"],
        yes_letter: Some('y'),
        upgrading: &["update", "upgrade", "distro-sync"],
        valued: "cdex",
        long: &["--enablerepo", "--disablerepo", "--setopt", "--releasever", "--installroot", "--exclude"],
    },
    PackageManager {
        names: &["zypper"],
        installing: &["install", "in"],
        asking: &["install", "in", "update", "up", "dist-upgrade", "dup", "remove", "rm", "patch"],
        yes: &["--non-interactive", "-n", "-y", "--no-confirm"],
        yes_letter: Some('y'),
        upgrading: &["update", "up", "dist-upgrade", "dup", "patch"],
        valued: "rt",
        long: &["--repo", "--type"],
    },
    PackageManager {
        names: &["conda", "mamba", "micromamba"],
        installing: &["install", "create"],
        asking: &["install", "create", "remove", "uninstall", "update", "upgrade"],
        yes: &["-y", "--yes"],
        yes_letter: Some('y'),
        valued: "cnpfr",
        long: &["--channel", "--name", "--prefix", "--file", "--root-prefix"],
        ..PackageManager::NONE
    },
    PackageManager {
        names: &["apk"],
        installing: &["add"],
        upgrading: &["upgrade"],
        valued: "tXp",
        long: &["--virtual", "--repository", "--root"],
        ..PackageManager::NONE
    },
    PackageManager {
        names: &["pip", "pip2", "pip3", "pipx"],
        asking: &["uninstall"],
        yes: &["-y", "--yes"],
        yes_letter: Some('y'),
        valued: "rceitf",
        long: &[
            "--requirement",
            "--constraint",
            "--index-url",
            "--extra-index-url",
            "--trusted-host",
            "--target",
            "--find-links",
            "--prefix",
            "--root",
            "--proxy",
            "--timeout",
            "--retries",
            "--python",
        ],
        ..PackageManager::NONE
    },
    PackageManager {
        names: &["opam"],
        installing: &["install"],
        asking: &["install", "init", "update", "upgrade", "remove", "switch", "reinstall"],
        yes: &["-y", "--yes", "--confirm-level"],
        yes_letter: Some('y'),
        ..PackageManager::NONE
    },
    PackageManager { names: &["npm", "pnpm"], installing: &["install", "i", "ci", "add"], ..PackageManager::NONE },
    PackageManager { names: &["yarn"], installing: &["install", "add", "global"], ..PackageManager::NONE },
    PackageManager { names: &["gem", "cargo", "go", "luarocks", "cabal", "stack"], ..PackageManager::NONE },
    PackageManager { names: &["uv"], installing: &["pip", "tool", "add", "sync"], ..PackageManager::NONE },
    PackageManager { names: &["poetry", "pipenv", "bundle", "composer"], ..PackageManager::NONE },
    PackageManager {
        names: &["add-apt-repository", "apt-add-repository"],
        installing: &[],
        yes: &["-y", "--yes"],
        yes_letter: Some('y'),
        ..PackageManager::NONE
    },
    PackageManager { names: &["pacman"], installing: &[], yes: &["--noconfirm"], ..PackageManager::NONE },
];
