//! What to do about an error of this engine: its commands and settings are named here.

use crate::engine::error::EngineError;

/// The programs that tend such engines.
pub const DOCKER: &str = "docker";
/// Podman's.
pub const PODMAN: &str = "podman";

/// What the reader can do about `error` of an engine that is tended with `program`, if we know.
#[must_use]
pub fn help(error: &EngineError, program: &str) -> Option<String> {
    Some(match error {
        EngineError::UnsupportedAddress { .. } if program == PODMAN => {
            "set CONTAINER_HOST to `unix:///path/to/podman.sock`, or unset it".into()
        }
        EngineError::UnsupportedAddress { .. } => {
            "set DOCKER_HOST to `unix:///path/to/docker.sock`, or unset it for /var/run/docker.sock".into()
        }
        EngineError::Unreachable { .. } if program == PODMAN => {
            "start its service (`systemctl --user start podman.socket`), or set CONTAINER_HOST to its socket".into()
        }
        EngineError::Unreachable { .. } => {
            "start the daemon (`systemctl start docker`), set DOCKER_HOST to its socket, or do without: `--engine embedded`"
                .into()
        }
        EngineError::PermissionDenied { .. } => {
            "run as root, or join the group that owns the socket (often `docker`)".into()
        }
        EngineError::NoSuchImage { reference } => {
            format!("run `{program} pull {reference}`, or change `image` in docker.conf")
        }
        EngineError::NotPulled { .. } => format!(
            "check the name in docker.conf, and that its registry can be reached; one that is not for all needs a \
             `{program} login`"
        ),
        EngineError::Paused { id } => format!("run `{program} unpause {id}`"),
        EngineError::NameTaken { name } => format!("rename that one (`{program} rename {name} NAME`), or remove it"),
        EngineError::ArgumentTooLong { .. } => "put the data into a file and pass its name".into(),
        EngineError::Lost { .. } => "run again: what was done is read from the container".into(),
        EngineError::BadMount { source_path } => format!("create `{}`, or correct the path", source_path.display()),
        EngineError::Refused { message, .. } if message.starts_with("network ") && message.contains("not found") => {
            format!("correct `network` in docker.conf: `{program} network ls` lists what there is")
        }
        EngineError::Refused { message, .. } => {
            let known = REFUSED.iter().find(|(said, _)| message.contains(said))?;
            known.1.replace("`docker ", &format!("`{program} "))
        }
        _ => return None,
    })
}

/// What the engine says where docker.conf asks for what it has not, and what helps.
const REFUSED: [(&str, &str); 5] = [
    (
        "unable to find user",
        "correct `user` in docker.conf: the image knows a name only from its /etc/passwd, numbers always",
    ),
    ("inimum memory limit", "raise `memory` under `limits` in docker.conf"),
    ("ange of CPUs", "lower `cpus` under `limits` in docker.conf, or run on a machine that has as many"),
    (
        "could not select device driver",
        "`gpus` in docker.conf needs a machine with a graphics card and the NVIDIA Container Toolkit \
         (`nvidia-ctk runtime configure`)",
    ),
    ("no space left on device", "free some space: `docker system df` tells what takes it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_no_engine_and_its_help_does() {
        let error = EngineError::NoSuchImage { reference: "debian:13".into() };
        assert_eq!(error.to_string(), "the container engine has no image `debian:13`");
        assert_eq!(help(&error, DOCKER).unwrap(), "run `docker pull debian:13`, or change `image` in docker.conf");
    }
}
