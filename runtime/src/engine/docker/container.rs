//! The verbs about containers, as requests.

use std::{collections::HashMap, path::Path};

use bollard::{errors::Error, query_parameters as query};
use futures_util::StreamExt;

use super::{
    Docker,
    connect::status,
    convert::{create_body, file_change, inspected_container, label_filter, listed_container},
};
use crate::{
    engine::{
        containers::{Container, ContainerSpec, Containers, FileChange, LONGEST_FILE, RunningProgram},
        error::EngineError,
        event_loop::block_on,
    },
    file::Directory,
};

impl Containers for Docker {
    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, EngineError> {
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&label_filter(labels)).build();
        let listed = block_on(self.client.list_containers(Some(options)))?;
        let listed = listed.map_err(|error| self.refusal(error, "list containers".into()))?;
        let mut containers: Vec<Container> = listed.into_iter().map(listed_container).collect();
        containers.sort_by_key(|container| std::cmp::Reverse(container.created));
        Ok(containers)
    }

    fn container(&self, id: &str) -> Result<Option<Container>, EngineError> {
        match block_on(self.client.inspect_container(id, None::<query::InspectContainerOptions>))? {
            Ok(inspected) => Ok(Some(inspected_container(inspected))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.refusal(error, format!("inspect container `{id}`"))),
        }
    }

    fn create(&self, name: &str, spec: &ContainerSpec) -> Result<String, EngineError> {
        let mut options = query::CreateContainerOptionsBuilder::default().name(name);
        if let Some(platform) = &spec.platform {
            options = options.platform(platform);
        }
        let created = block_on(self.client.create_container(Some(options.build()), create_body(spec)))?;
        created.map(|created| created.id).map_err(|error| match &error {
            Error::DockerResponseServerError { status_code: 404, message }
                if message.to_lowercase().contains("image") =>
            {
                EngineError::NoSuchImage { reference: spec.image.clone() }
            }
            Error::DockerResponseServerError { status_code: 409, .. } => {
                EngineError::NameTaken { name: name.to_owned() }
            }
            _ => self.refusal(error, format!("create container `{name}`")),
        })
    }

    fn start(&self, id: &str) -> Result<(), EngineError> {
        match block_on(self.client.start_container(id, None))? {
            Err(error) if status(&error) != Some(304) => Err(self.container_error(error, id, "start")),
            _ => Ok(()),
        }
    }

    fn unpause(&self, id: &str) -> Result<(), EngineError> {
        match block_on(self.client.unpause_container(id))? {
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("is not paused") => Ok(()),
            Err(error) => Err(self.container_error(error, id, "unpause")),
            Ok(()) => Ok(()),
        }
    }

    fn stop(&self, id: &str) -> Result<(), EngineError> {
        match block_on(self.client.kill_container(id, None::<query::KillContainerOptions>))? {
            // It has just ended by itself.
            Err(error) if status(&error) == Some(409) => Ok(()),
            Err(error) => Err(self.container_error(error, id, "stop")),
            Ok(()) => Ok(()),
        }
    }

    fn commands(&self, id: &str) -> Result<Vec<RunningProgram>, EngineError> {
        let failed = |error| self.container_error(error, id, "look into");
        block_on(async {
            let inspected = self.client.inspect_container(id, None::<query::InspectContainerOptions>);
            let mut commands = Vec::new();
            for exec in inspected.await.map_err(failed)?.exec_ids.unwrap_or_default() {
                match self.client.inspect_exec(&exec).await {
                    Ok(told) if told.running == Some(true) => {
                        let process = told.process_config.unwrap_or_default();
                        let program = process.entrypoint.into_iter();
                        let argv = program.chain(process.arguments.unwrap_or_default()).collect();
                        commands.push(RunningProgram { argv, process: told.pid.and_then(number_inside) });
                    }
                    // It has ended, and the daemon has forgotten it.
                    Err(error) if status(&error) != Some(404) => return Err(failed(error)),
                    _ => {}
                }
            }
            Ok(commands)
        })?
    }

    fn ran_out_of_memory(&self, id: &str, since: jiff::Timestamp) -> Result<bool, EngineError> {
        let asked = [("container", id), ("type", "container"), ("event", "oom")];
        let filters = asked.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into();
        let seconds = |time: jiff::Timestamp| Some(format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()));
        let (since, until) = (seconds(since), seconds(jiff::Timestamp::now()));
        let options = query::EventsOptions { since, until, filters: Some(filters) };
        let first = block_on(async { Box::pin(self.client.events(Some(options))).next().await })?;
        first.transpose().map(|event| event.is_some()).map_err(|error| self.refusal(error, "tell what happened".into()))
    }

    fn changes(&self, id: &str) -> Result<Vec<FileChange>, EngineError> {
        let told = block_on(self.client.container_changes(id))?;
        let told = told.map_err(|error| self.container_error(error, id, "look into"))?.unwrap_or_default();
        let mut changes: Vec<FileChange> = told.into_iter().map(file_change).collect();
        changes.sort();
        Ok(changes)
    }

    fn size(&self, id: &str) -> Result<u64, EngineError> {
        let options = query::InspectContainerOptionsBuilder::default().size(true).build();
        let inspected = block_on(self.client.inspect_container(id, Some(options)))?;
        let inspected = inspected.map_err(|error| self.container_error(error, id, "measure"))?;
        Ok(inspected.size_rw.and_then(|size| u64::try_from(size).ok()).unwrap_or_default())
    }

    fn processes(&self, id: &str) -> Result<usize, EngineError> {
        match block_on(self.client.top_processes(id, None::<query::TopOptions>))? {
            Ok(told) => Ok(told.processes.unwrap_or_default().len()),
            Err(error) => Err(self.container_error(error, id, "look into")),
        }
    }

    fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match block_on(self.client.remove_container(id, Some(options)))? {
            Err(Error::DockerResponseServerError { status_code: 409, message }) if message.contains("in progress") => {
                Ok(())
            }
            Err(error) if status(&error) != Some(404) => Err(self.container_error(error, id, "remove")),
            _ => Ok(()),
        }
    }

    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let inspected = block_on(self.client.inspect_container(id, None::<query::InspectContainerOptions>))?;
        let inspected = inspected.map_err(|error| self.container_error(error, id, "inspect"))?;
        if let Some(content) = inspected.graph_driver.and_then(|driver| read_layer(&driver.data, path)) {
            return Ok(Some(content));
        }
        let options = query::DownloadFromContainerOptionsBuilder::default().path(path).build();
        let archive = block_on(async {
            let mut stream = self.client.download_from_container(id, Some(options));
            let mut archive = Vec::new();
            while let Some(chunk) = stream.next().await
                && archive.len() <= LONGEST_FILE + ARCHIVE_HEADER
            {
                archive.extend_from_slice(&chunk?);
            }
            Ok(archive)
        })?;
        match archive {
            Ok(archive) => match length_of_first_file(&archive) {
                None => Ok(None),
                Some(length) if length > LONGEST_FILE => Err(EngineError::FileTooLong { path: path.into() }),
                Some(length) => Ok(archive.get(ARCHIVE_HEADER..ARCHIVE_HEADER + length).map(<[u8]>::to_vec)),
            },
            // The same status says that the container is gone.
            Err(error) if status(&error) == Some(404) && self.container(id)?.is_some() => Ok(None),
            Err(error) => Err(self.container_error(error, id, "read a file of")),
        }
    }
}

/// The number that a process of this machine has in its container, by proc(5); `None` where it is in none, or gone.
fn number_inside(process: i64) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().skip(1).last()?.parse().ok()
}

/// The content of a file that was written in a container, read from where a daemon on this machine keeps such files: to be
/// given it by the daemon takes a hundred times as long. `None` where that is not to be had, or may be less than the file.
fn read_layer(driver: &HashMap<String, String>, path: &str) -> Option<Vec<u8>> {
    // Of drivers that keep changed files as files (overlay2, fuse-overlayfs).
    let layer = Directory::open(Path::new(driver.get("UpperDir")?)).ok()?;
    let content = layer.read_as_root(path, LONGEST_FILE as u64).ok()?;
    // A layer may have a file's attributes alone: then it is empty, or holes.
    (!content.is_empty() && !content.contains(&0)).then_some(content)
}

/// A tar archive as the daemon makes it of one file: a header of this many bytes, and then the content.
const ARCHIVE_HEADER: usize = 512;

/// The length that the header has in octal, in bytes; `None` when it is no file.
fn length_of_first_file(archive: &[u8]) -> Option<usize> {
    let digits = archive.get(124..136)?;
    let is_file = matches!(archive.get(156)?, b'0' | 0);
    let octal = |digits| usize::from_str_radix(str::trim_matches(digits, ['\0', ' ']), 8).ok();
    // A file of 8 GiB or more has another form of length there.
    is_file.then(|| std::str::from_utf8(digits).ok().and_then(octal).unwrap_or(usize::MAX))
}
