//! What to do about an error of this engine.

use crate::engine::error::EngineError;

/// What the reader can do about `error`, if we know.
#[must_use]
pub fn help(error: &EngineError) -> Option<String> {
    Some(match error {
        EngineError::Unusable { help, .. } => help.clone(),
        EngineError::NoSuchImage { reference } => format!(
            "take `pull` out of docker.conf, bring it from a machine that has Docker (`docker save {reference} | ce-env \
             import -`), or change `image`"
        ),
        EngineError::NotPulled { reference, .. } => format!(
            "check the name in docker.conf; a registry that is not for all needs a `docker login` (`podman login`), or \
             ~/.docker/config.json from where one was; or bring the image: `docker save {reference} | ce-env import -`"
        ),
        EngineError::NameTaken { .. } => "remove that one: `ce-env rm`".into(),
        EngineError::ArgumentTooLong { .. } => "put the data into a file and pass its name".into(),
        EngineError::Lost { .. } => "run again: what was done is read from the container".into(),
        EngineError::BadMount { source_path } => format!("create `{}`, or correct the path", source_path.display()),
        EngineError::Refused { message, .. } | EngineError::Declined { message } => {
            REFUSED.iter().find(|(said, _)| message.contains(said)).map(|(_, help)| (*help).to_owned())?
        }
        _ => return None,
    })
}

/// What the engine says where docker.conf asks for what it has not, and what helps.
const REFUSED: [(&str, &str); 7] = [
    ("network ", "correct `network` in docker.conf, or use Docker: `--engine docker`"),
    ("sets no limits", "take `limits` out of docker.conf, or use Docker: `--engine docker`"),
    ("graphics cards", "use Docker: `--engine docker`"),
    ("unable to find user", "correct `user` in docker.conf: the image knows a name only from its /etc/passwd"),
    (
        "root is all there is",
        "take `user` out of docker.conf, or have an administrator give this account ranges: `usermod --add-subuids \
         100000-165535 --add-subgids 100000-165535 NAME`, and the package `uidmap`; then set CE_STORE to a new directory",
    ),
    ("Read-only file system", "set CE_STORE to a directory that can be written to"),
    ("No space left on device", "free some space: `ce-env prune`"),
];
