//! A container for those who do not use ce-run: as an image, or as what builds the same for Docker or Apptainer.

use std::{fmt::Write, path::Path};

use bstr::ByteSlice;
use clap::Subcommand;
use compeval_interpreter::{Span, program::standalone};
use compeval_runtime::{
    Environment, Setup,
    call::caller,
    container::{
        identity::MadeOf,
        mounts::{COMPUTATION, GLOBAL_FILE_STORAGE},
    },
    engine::Engine,
    inventory::{Inventory, KnownContainer},
    setup::{compare::Past, plan::Action},
};

use super::{EnvError, script::with_setup};
use crate::words;

/// Where the script stands while it is run there.
const PROGRAM: &str = "/compeval/setup.sh";
/// What the script ends with where it is put into another one.
const HERE: &str = "CE_END_OF_SETUP";

/// What a container is put into.
#[derive(Clone, Debug, Subcommand)]
pub enum ExportTarget {
    /// Print a Dockerfile that builds the same, with a layer for each applied stage: `docker build -f FILE .` in the
    /// computation's directory.
    Dockerfile {
        /// The container; the last one, unless it is named.
        container: Option<String>,
    },
    /// Print a definition file that builds the same for Apptainer: `apptainer build IMAGE FILE` in the computation's directory.
    Apptainer {
        /// The container; the last one, unless it is named.
        container: Option<String>,
    },
    /// Make an image of a container as it is now; what is mounted there is not in it.
    Image {
        /// The image's name, and its tag behind a `:`.
        name: String,
        /// The container; the last one, unless it is named.
        container: Option<String>,
    },
}

impl ExportTarget {
    pub(super) fn container(&self) -> Option<&str> {
        match self {
            ExportTarget::Dockerfile { container }
            | ExportTarget::Apptainer { container }
            | ExportTarget::Image { container, .. } => container.as_deref(),
        }
    }
}

/// What a build is made of.
struct Recipe<'r> {
    known: &'r KnownContainer,
    environment: &'r Environment,
    variables: Vec<(String, String)>,
    stages: Vec<Past>,
    program: String,
}

/// Does what is asked for; gives what is to be printed.
pub(super) fn export(
    engine: &dyn Engine,
    directory: &Path,
    known: &KnownContainer,
    target: &ExportTarget,
) -> Result<String, EnvError> {
    let storage = Some(known.storage.as_path());
    match target {
        ExportTarget::Image { name, .. } => {
            let id = Inventory { engine }.export(known, name)?;
            Ok(format!("{id}\n"))
        }
        ExportTarget::Dockerfile { .. } => {
            with_setup(engine, directory, storage, |setup| Ok(recipe(known, setup)?.dockerfile()))
        }
        ExportTarget::Apptainer { .. } => {
            with_setup(engine, directory, storage, |setup| Ok(recipe(known, setup)?.definition()))
        }
    }
}

/// What a container is built of, where it is what the script says.
fn recipe<'r>(known: &'r KnownContainer, setup: &'r Setup<'_>) -> Result<Recipe<'r>, EnvError> {
    let Setup { environment, .. } = *setup;
    let plan = setup.plan()?;
    let is_it = match &plan.action {
        Action::Use(container) | Action::Append(container) => container.id == known.container.id,
        Action::Fork { .. } | Action::Build => false,
    };
    if !is_it || plan.is_edited() {
        return Err(EnvError::OtherScript { container: known.container.name.clone() });
    }
    let source = &environment.script.source;
    let not_alone = |Span { start, .. }| EnvError::NotAlone { line: source.line_number(start) };
    let program = standalone(&environment.script).map_err(not_alone)?;
    let program = String::from_utf8(program.into()).map_err(|_| EnvError::NotText)?;
    let variables = setup.container_environment()?;
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\n')) {
        return Err(EnvError::Lines { name: name.clone() });
    }
    let applied = known.ledger.as_ref().map_or(0, |ledger| ledger.applied());
    let stages = known.stages().into_iter().filter(|stage| stage.number <= applied).collect();
    Ok(Recipe { known, environment, variables, stages, program })
}

impl Recipe<'_> {
    fn heading(&self, how: &str) -> String {
        let KnownContainer { container, computation, version, .. } = self.known;
        // It may be made from a snapshot.
        let image = MadeOf::of(container).image_id;
        format!(
            "# Computation {computation} at commit {}, set up as container {} is; the image was\n# {image}.\n# {how}\n\
             # What the stages read from the global file storage must be at {GLOBAL_FILE_STORAGE} meanwhile. Each stage has a\n\
             # shell of its own: what stands between them runs before each, and what one sets is not there in the next.\n\
             # What the script exports is not in the image's environment.\n",
            words::version(version),
            container.name,
        )
    }

    fn user(&self) -> String {
        self.environment.description.user.clone().unwrap_or_else(caller::caller)
    }

    fn dockerfile(&self) -> String {
        let description = &self.environment.description;
        let mut text = self.heading("Build it in the computation's directory: docker build -f FILE -t NAME .");
        let mut line = |line: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(&format!("\nFROM {}\nUSER 0", description.image));
        for (name, value) in &self.variables {
            line(&format!("ENV {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$")));
        }
        if let Some(directory) = &description.workdir {
            line(&format!("WORKDIR {}", directory.replace('$', "\\$")));
        }
        line(&format!("COPY . {COMPUTATION}"));
        let write = format!("mkdir -p {GLOBAL_FILE_STORAGE} && printf %s \\\"$1\\\" >{PROGRAM}");
        line(&format!(
            "RUN [\"{0}\", \"-c\", \"{write}\", \"sh\", \"\\\n{1}\"]",
            description.shell,
            in_lines(&self.program)
        ));
        for stage in &self.stages {
            line(&format!("# Stage {}: {}", stage.number, self.title(stage)));
            line(&format!("RUN [\"{}\", \"{PROGRAM}\", \"{}\"]", description.shell, stage.number));
        }
        line(&format!("RUN [\"{}\", \"-c\", \"rm {PROGRAM}\"]\nUSER {}", description.shell, self.user()));
        text
    }

    fn definition(&self) -> String {
        let description = &self.environment.description;
        let mut text = String::from("Bootstrap: docker\n");
        let exports = || {
            let quoted =
                |(name, value): &(String, String)| format!("    export {name}='{}'\n", value.replace('\'', "'\\''"));
            self.variables.iter().map(quoted).collect::<String>()
        };
        let numbers: Vec<String> = self.stages.iter().map(|stage| stage.number.to_string()).collect();
        let titles: String =
            self.stages.iter().map(|stage| format!("    # Stage {}: {}\n", stage.number, self.title(stage))).collect();
        let workdir = description.workdir.as_deref().unwrap_or("/").replace('\'', "'\\''");
        let _ = write!(
            text,
            "From: {}\n\n{}\n%files\n    . {COMPUTATION}\n\n%post\n{}    mkdir -p {GLOBAL_FILE_STORAGE} '{workdir}' && cd '{workdir}'\n\
             sed 's/^|//' >{PROGRAM} <<'{HERE}'\n{}{HERE}\n{titles}    for stage in {}; do {} {PROGRAM} \"$stage\" || exit; done\n    \
             rm {PROGRAM}\n\n%environment\n{}",
            description.image,
            self.heading("Build it in the computation's directory: apptainer build IMAGE FILE"),
            exports(),
            // No line is taken for the beginning of a section, or for the end of this.
            self.program.lines().map(|line| format!("|{line}\n")).collect::<String>(),
            numbers.join(" "),
            description.shell,
            exports(),
        );
        text
    }

    fn title(&self, stage: &Past) -> String {
        let text = words::without_marker(stage.text.as_bytes()).to_str_lossy().into_owned();
        compeval_interpreter::syntax::print::summary(text.as_bytes(), 60)
    }
}

/// A text as the inside of a JSON string that goes on over lines: a comment or an empty line there would be left out.
fn in_lines(text: &str) -> String {
    let quoted = |line: &str| {
        let json = serde_json::Value::from(line).to_string();
        let inside = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
        let indent = inside.len() - inside.trim_start().len();
        match inside.get(indent..).is_some_and(|rest| rest.starts_with('#')) {
            true => inside.replacen('#', "\\u0023", 1),
            false => inside,
        }
    };
    text.lines().map(|line| format!("{}\\n\\\n", quoted(line))).collect()
}
