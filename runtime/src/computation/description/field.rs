//! The fields of a docker description: a key with its value, both with their places, read as what they must be.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    CacheMount,
    error::{DescriptionError, Excerpt},
    template::{self, Fragment, Wrong},
};
use crate::{
    computation::layout::OUR_PLACES,
    engine::containers::{Cache, Gpus, Limits},
};

/// The keys of a docker description, each as it may be written.
const EXAMPLES: [(&str, &str); 22] = [
    ("image", "image = \"debian:13\""),
    ("engine", "engine = \"embedded\""),
    ("platform", "platform = \"linux/amd64\""),
    ("pull", "pull = \"missing\""),
    ("user", "user = \"1000:1000\""),
    ("workdir", "workdir = \"/data\""),
    ("shell", "shell = \"/bin/bash\""),
    ("env", "env = { LANG = \"C.UTF-8\" }"),
    ("path", "path = [\"/opt/bin\"]"),
    ("network", "network = \"none\""),
    ("limits", "limits = { memory = \"2g\", cpus = 1.5, pids = 500 }"),
    ("shm-size", "shm-size = \"512m\""),
    ("gpus", "gpus = \"all\""),
    ("init", "init = false"),
    ("mounts", "mounts = [{ source = \"data\", target = \"/data\" }]"),
    ("caches", "caches = { apt = \"/var/cache/apt\" }"),
    ("retries", "retries = 2"),
    ("stage-timeout", "stage-timeout = \"30m\""),
    ("update", "update = \"nearest\""),
    ("keep", "keep = 3"),
    ("everytime", "everytime = \"shared\""),
    ("pure", "pure = \"warn\""),
];
const LIMITS_KEYS: &[&str] = &["memory", "cpus", "pids"];
const MOUNT_KEYS: &[&str] = &["source", "target", "read-only"];
const CACHE_KEYS: &[&str] = &["target", "shared"];
/// Directories without which an image's programs do not run: nothing is mounted over them.
const OF_IMAGE: &str = "/ /bin /boot /dev /etc /lib /lib32 /lib64 /proc /run /sbin /sys /usr /usr/bin /usr/lib /usr/lib32 /usr/lib64 \
    /usr/libexec /usr/local /usr/local/bin /usr/local/lib /usr/local/sbin /usr/sbin /usr/share /var /var/lib";
/// Fewer processes than the shells of a setup are at times.
const FEWEST_PROCESSES: u32 = 16;
/// Variables that every call sets itself.
const OUR_VARIABLES: &[&str] = &["COMPDIR", "GFSDIR"];

/// A part of the computation's directory that is seen at a further place in the container. The repository decides
/// about it, so it cannot lead out of that directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Relative path, without `..`.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: String,
    /// Whether it can only be read inside; the default.
    pub read_only: bool,
}

/// The text being read, for errors.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A key with its value.
pub(super) struct Field<'a> {
    file: File<'a>,
    pub(super) key: &'a str,
    key_span: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    value_span: Range<usize>,
}

impl<'a> File<'a> {
    /// The fields of a table in the order they are written, so that the first error found is the first in the file.
    pub(super) fn fields(self, table: &'a DeTable<'a>) -> Vec<Field<'a>> {
        let mut fields: Vec<Field<'a>> = table
            .iter()
            .map(|(key, value)| Field {
                file: self,
                key: key.get_ref().as_ref(),
                key_span: key.span(),
                value: value.get_ref(),
                value_span: value.span(),
            })
            .collect();
        fields.sort_by_key(|field| field.key_span.start);
        fields
    }

    fn error(self, span: Range<usize>, message: String, help: Option<String>) -> DescriptionError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let place = Excerpt {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|&character| character != '\n').count() + 1,
            line_text: self.text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default().to_owned(),
            span,
        };
        DescriptionError { path: self.path.to_owned(), place: Some(Box::new(place)), message, help }
    }

    /// The parser's complaint, or a better one where a line is written as in other kinds of configuration file.
    pub(super) fn syntax_error(self, error: &toml::de::Error) -> DescriptionError {
        let span = error.span().unwrap_or_default();
        let plain = self.error(span.clone(), error.message().replace('\n', ", "), None);
        let Some(place) = &plain.place else {
            return plain;
        };
        let line_start =
            self.text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        if place.line_text.starts_with("<<<<<<< ") {
            let help = "keep what is right of them, and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`";
            let message = "a merge was not finished: two versions of the text are here";
            return self.error(line_start..span.end, message.into(), Some(help.into()));
        }
        let Some((key, separator, value)) = other_form(&place.line_text) else {
            return plain;
        };
        let indent = place.line_text.len() - place.line_text.trim_start().len();
        let start = line_start + indent;
        let message = match separator {
            "=" => format!("the value of `{key}` is not quoted"),
            "" => format!("no `=` after `{key}`"),
            _ => format!("`:` after `{key}` where `=` must be"),
        };
        let quoted = value.trim_matches(['"', '\'']);
        let end = start + place.line_text.trim().len();
        self.error(start..end, message, Some(format!("write `{key} = \"{quoted}\"`")))
    }
}

/// A line that holds one of our keys and a bare value, but is not TOML: key, separator (`=`, `:` or nothing) and value.
fn other_form(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.trim();
    let key_end =
        line.find(|character: char| !character.is_ascii_alphanumeric() && character != '-').unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(key_end)?;
    let rest = rest.trim_start();
    let (separator, value) = match rest.split_at_checked(1)? {
        (separator @ ("=" | ":"), value) => (separator, value),
        _ => ("", rest),
    };
    let value = value.split(" #").next().unwrap_or_default().trim();
    let quoted = value.starts_with(['"', '\'']);
    let structured = value.is_empty() || value.starts_with(['[', '{']);
    (EXAMPLES.iter().any(|(known, _)| *known == key) && !structured && !(separator == "=" && quoted))
        .then_some((key, separator, value))
}

impl<'a> Field<'a> {
    fn error(&self, message: String, help: Option<&str>) -> DescriptionError {
        self.file.error(self.value_span.clone(), message, help.map(str::to_owned))
    }

    /// The same error, with what the key may look like where nothing else helps.
    pub(super) fn with_example(&self, error: DescriptionError) -> DescriptionError {
        let example = EXAMPLES.iter().find(|(key, _)| *key == self.key);
        let help = || example.map(|(_, example)| format!("write it as in `{example}`"));
        DescriptionError { help: error.help.or_else(help), ..error }
    }

    /// That there is no such key.
    pub(super) fn is_no_key(&self) -> DescriptionError {
        self.unknown(&EXAMPLES.map(|(key, _)| key))
    }

    fn unknown(&self, known: &[&str]) -> DescriptionError {
        let written = self.key.to_lowercase().replace('_', "-");
        let distance = |key: &&&str| strsim::damerau_levenshtein(&written, key);
        let nearest = known.iter().min_by_key(distance).filter(|key| distance(key) <= 1 + key.len() / 4);
        let help = match nearest {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("the keys are `{}`", known.join("`, `")),
        };
        self.file.error(self.key_span.clone(), format!("unknown key `{}`", self.key), Some(help))
    }

    fn wrong_type(&self, expected: &str) -> DescriptionError {
        let written = self.file.text.get(self.value_span.clone()).unwrap_or_default();
        let is_scalar = !self.value.is_table() && !self.value.is_array();
        let help = (expected == "a string" && is_scalar).then(|| format!("write `{} = \"{written}\"`", self.key));
        let article = if matches!(self.value.type_str(), "integer" | "array") { "an" } else { "a" };
        self.error(
            format!("`{}` must be {expected}, not {article} {}", self.key, self.value.type_str()),
            help.as_deref(),
        )
    }

    fn string(&self) -> Result<&'a str, DescriptionError> {
        let string = self.value.as_str().ok_or_else(|| self.wrong_type("a string"))?;
        if string.contains('\0') {
            return Err(self.error(format!("`{}` cannot hold a NUL byte", self.key), None));
        }
        Ok(string)
    }

    pub(super) fn boolean(&self) -> Result<bool, DescriptionError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    /// A string without white space in it.
    pub(super) fn word(&self, meaning: &str) -> Result<String, DescriptionError> {
        let word = self.string()?;
        if word.is_empty() {
            return Err(self.error(format!("`{}` is empty", self.key), None));
        }
        if word.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err(self.error(format!("`{}` must be {meaning}, without white space", self.key), None));
        }
        Ok(word.to_owned())
    }

    /// What the engine takes for an image's name: `HOST/REPOSITORY:TAG@DIGEST`, of which all but the repository may be missing.
    pub(super) fn image(&self) -> Result<String, DescriptionError> {
        let image = self.word("an image's name")?;
        let (name, digest) =
            image.split_once('@').map_or((image.as_str(), None), |(name, digest)| (name, Some(digest)));
        let is_hash = |digest: &str| {
            let hash = digest.strip_prefix("sha256:").unwrap_or_default();
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if digest.is_some_and(|digest| !is_hash(digest)) {
            let help = "a digest is `sha256:` and 64 hexadecimal digits: `docker images --digests` shows it";
            return Err(self.error("the digest of the image is not one".into(), Some(help)));
        }
        let host =
            name.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':']) || *host == "localhost");
        let path = name.get(host.map_or(0, str::len)..).unwrap_or_default();
        let (repository, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        if repository.contains(|letter: char| letter.is_ascii_uppercase()) {
            let help = format!("write `{}`", name.replace(repository, &repository.to_lowercase()));
            return Err(self.error("the name of an image has no capital letters".into(), Some(&help)));
        }
        let is_part = |part: &str| {
            let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            part.bytes().all(is_inside) && is_end(part.as_bytes().first()) && is_end(part.as_bytes().last())
        };
        let is_tag = |tag: &str| {
            !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        };
        let parts = repository.strip_prefix('/').filter(|_| host.is_some()).unwrap_or(repository);
        if !parts.split('/').all(is_part) || !tag.is_none_or(is_tag) {
            return Err(self.error("this is not the name of an image".into(), None));
        }
        Ok(image)
    }

    pub(super) fn platform(&self) -> Result<String, DescriptionError> {
        let platform = self.word("a platform")?;
        let parts: Vec<&str> = platform.split('/').collect();
        if !(2..=3).contains(&parts.len()) || parts.contains(&"") {
            return Err(self.error("`platform` must be an operating system and an architecture".into(), None));
        }
        Ok(platform)
    }

    pub(super) fn network(&self) -> Result<String, DescriptionError> {
        let network = self.word("a network's name")?;
        if network.starts_with("container:") {
            return Err(self.error("a computation cannot use the network of another container".into(), None));
        }
        Ok(network)
    }

    pub(super) fn absolute_path(&self) -> Result<String, DescriptionError> {
        let path = self.string()?;
        let is_plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
        if !path.starts_with('/') || !Path::new(path).components().all(is_plain) {
            let message = format!("`{}` must be an absolute path in the container, without `..`", self.key);
            return Err(self.error(message, None));
        }
        Ok(path.to_owned())
    }

    /// An absolute path that something may be mounted on.
    fn mount_target(&self) -> Result<String, DescriptionError> {
        let target = self.absolute_path()?;
        let path = Path::new(&target);
        if OF_IMAGE.split(' ').any(|directory| Path::new(directory) == path) {
            return Err(self
                .error(format!("`{target}` would hide what the image has there"), Some("name a directory below it")));
        }
        let clash = |place: &&&str| path.starts_with(place) || Path::new(place).starts_with(path);
        match OUR_PLACES.iter().find(clash) {
            Some(place) => Err(self.error(format!("`{target}` would cover `{place}`, which ce-run uses"), None)),
            None => Ok(target),
        }
    }

    fn integer<T: TryFrom<i64>>(&self, expected: &str) -> Result<T, DescriptionError> {
        let number =
            self.value.as_integer().and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| self.wrong_value(expected))
    }

    fn wrong_value(&self, expected: &str) -> DescriptionError {
        match self.value.is_integer() || self.value.is_float() || self.value.is_str() {
            true => self.error(format!("`{}` must be {expected}", self.key), None),
            false => self.wrong_type(expected),
        }
    }

    pub(super) fn size(&self) -> Result<u64, DescriptionError> {
        let expected = "a size such as `\"512m\"` or `\"2g\"`";
        let size = match self.value.as_str() {
            None => self.integer(expected)?,
            Some(text) => parse_size(text).ok_or_else(|| self.wrong_value(expected))?,
        };
        // The engine would take that for no limit.
        if size == 0 { Err(self.wrong_value(expected)) } else { Ok(size) }
    }

    pub(super) fn duration(&self) -> Result<Duration, DescriptionError> {
        let expected = "a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`";
        let seconds = match self.value.as_str() {
            None => self.integer(expected)?,
            Some(text) => parse_seconds(text).ok_or_else(|| self.wrong_value(expected))?,
        };
        // A stage that has no time at all can never be applied.
        if seconds == 0 { Err(self.wrong_value(expected)) } else { Ok(Duration::from_secs(seconds)) }
    }

    /// A small number.
    pub(super) fn count(&self) -> Result<u32, DescriptionError> {
        self.integer("a whole number, 0 or more")
    }

    /// What one of these words stands for.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, DescriptionError> {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
        let expected = format!("one of {}", words.join(", "));
        let chosen = choices.iter().find(|(word, _)| self.value.as_str() == Some(word));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| self.wrong_value(&expected))
    }

    pub(super) fn gpus(&self) -> Result<Gpus, DescriptionError> {
        match self.value.as_str() {
            Some("all") => Ok(Gpus::All),
            _ => match self.integer("`\"all\"` or how many")? {
                0 => Err(self.wrong_value("`\"all\"` or how many, 1 or more")),
                count => Ok(Gpus::Count(count)),
            },
        }
    }

    /// Processors in billionths.
    fn nano_cpus(&self) -> Result<u64, DescriptionError> {
        const BILLION: f64 = 1e9;
        let expected = "a number of processors, as in `1.5`";
        let number = match self.value {
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| (0.01..=1e6).contains(number)).ok_or_else(|| self.wrong_value(expected))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1e7 and 1e15")]
        Ok((number * BILLION).round() as u64)
    }

    fn processes(&self) -> Result<u32, DescriptionError> {
        let expected = format!("how many processes at most, {FEWEST_PROCESSES} or more");
        let count = self.integer(&expected)?;
        if count < FEWEST_PROCESSES { Err(self.wrong_value(&expected)) } else { Ok(count) }
    }

    pub(super) fn limits(&self) -> Result<Limits, DescriptionError> {
        let mut limits = Limits::default();
        self.table(|limit| {
            match limit.key {
                "memory" => limits.memory = Some(limit.size()?),
                "cpus" => limits.nano_cpus = Some(limit.nano_cpus()?),
                "pids" => limits.pids = Some(limit.processes()?),
                _ => return Err(limit.unknown(LIMITS_KEYS)),
            }
            Ok(())
        })?;
        Ok(limits)
    }

    /// What `each` makes of the fields of a table, in the order of the keys.
    pub(super) fn table<T>(
        &self,
        mut each: impl FnMut(&Field<'a>) -> Result<T, DescriptionError>,
    ) -> Result<Vec<T>, DescriptionError> {
        let table = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        let mut made = Vec::new();
        for field in self.file.fields(table) {
            made.push((field.key, each(&field)?));
        }
        made.sort_by_key(|(key, _)| *key);
        Ok(made.into_iter().map(|(_, made)| made).collect())
    }

    pub(super) fn variable(&self) -> Result<(String, String), DescriptionError> {
        let is_name = !self.key.starts_with(|first: char| first.is_ascii_digit())
            && !self.key.is_empty()
            && self.key.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        let wrong_name = |message| Err(self.file.error(self.key_span.clone(), message, None));
        if !is_name {
            return wrong_name(format!("`{}` is not the name of a variable", self.key));
        }
        if OUR_VARIABLES.contains(&self.key) {
            return wrong_name(format!("`{}` is set by ce-run", self.key));
        }
        let value = self.string()?;
        let parts = template::parts(value).map_err(|wrong| self.wrong_template(value, wrong))?;
        let finds_programs = |part: &Fragment<'_>| match part {
            Fragment::Text(text) => text.split(':').any(|directory| directory.starts_with('/')),
            Fragment::Variable(_) => true,
        };
        if self.key == "PATH" && !parts.iter().any(finds_programs) {
            let message = "`PATH` names no absolute directory: the setup would find no program".to_owned();
            return Err(self.error(message, Some("write it as in `PATH = \"/opt/bin:${PATH}\"`")));
        }
        Ok((self.key.to_owned(), value.to_owned()))
    }

    /// Points at the place in a value, where that is written as it is.
    fn wrong_template(&self, value: &str, wrong: Wrong) -> DescriptionError {
        let written = self.file.text.get(self.value_span.clone()).unwrap_or_default();
        let span = match written.find(value) {
            Some(at) => {
                let start = self.value_span.start + at;
                start + wrong.at.start..start + wrong.at.end
            }
            None => self.value_span.clone(),
        };
        self.file.error(span, wrong.message, Some(wrong.help))
    }

    /// Directories of the container.
    pub(super) fn absolute_paths(&self) -> Result<Vec<String>, DescriptionError> {
        let array = self.value.as_array().ok_or_else(|| self.wrong_type("an array of directories"))?;
        let path = |element: &'a Spanned<DeValue<'a>>| {
            let element = self.element(element);
            let path = element.absolute_path()?;
            match path.contains(':') {
                true => Err(element.error("a directory of `path` cannot have a `:` in its name".into(), None)),
                false => Ok(path),
            }
        };
        array.iter().map(path).collect()
    }

    /// An element of an array as a field of its own.
    fn element(&self, element: &'a Spanned<DeValue<'a>>) -> Field<'a> {
        Field {
            file: self.file,
            key: self.key,
            key_span: self.key_span.clone(),
            value: element.get_ref(),
            value_span: element.span(),
        }
    }

    pub(super) fn cache(&self) -> Result<CacheMount, DescriptionError> {
        // What the daemon takes as a volume's name; anything with a `/` in it would be a path on the host.
        let allowed = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        if !self.key.starts_with(|first: char| first.is_ascii_alphanumeric()) || !self.key.chars().all(allowed) {
            let message = format!("`{}` is not a name for a cache: use letters, digits, `_`, `.` and `-`", self.key);
            return Err(self.file.error(self.key_span.clone(), message, None));
        }
        let (mut target, mut is_shared) = (None, false);
        match self.value.as_table() {
            None => target = Some(self.mount_target()?),
            Some(_) => drop(self.table(|field| {
                match field.key {
                    "target" => target = Some(field.mount_target()?),
                    "shared" => is_shared = field.boolean()?,
                    _ => return Err(field.unknown(CACHE_KEYS)),
                }
                Ok(())
            })?),
        }
        let target = target.ok_or_else(|| self.error("a cache needs `target`".into(), None))?;
        Ok(CacheMount { cache: Cache { name: format!("ce-cache-{}", self.key), target }, is_shared })
    }

    pub(super) fn mounts(&self) -> Result<Vec<Mount>, DescriptionError> {
        let array = self.value.as_array().ok_or_else(|| self.wrong_type("an array of tables"))?;
        array.iter().map(|element| self.mount(element)).collect()
    }

    fn mount(&self, element: &'a Spanned<DeValue<'a>>) -> Result<Mount, DescriptionError> {
        let whole = self.element(element);
        if !whole.value.is_table() {
            return Err(whole.error("each of `mounts` must be a table".into(), None));
        }
        let (mut source, mut target, mut read_only) = (None, None, true);
        whole.table(|field| {
            match field.key {
                "source" => source = Some(field.mount_source()?),
                "target" => target = Some(field.mount_target()?),
                "read-only" => read_only = field.boolean()?,
                _ => return Err(field.unknown(MOUNT_KEYS)),
            }
            Ok(())
        })?;
        match (source, target) {
            (Some(source), Some(target)) => Ok(Mount { source, target, read_only }),
            _ => Err(whole.error("a mount needs `source` and `target`".into(), None)),
        }
    }

    /// Fails where two of what is mounted have the same place.
    pub(super) fn check_apart<'t>(&self, targets: impl Iterator<Item = &'t str>) -> Result<(), DescriptionError> {
        let mut seen = BTreeSet::new();
        for target in targets {
            if !seen.insert(target.trim_end_matches('/')) {
                let message = format!("`{target}` is the place of two mounts or caches");
                return Err(self.error(message, Some("give each a directory of its own")));
            }
        }
        Ok(())
    }

    fn mount_source(&self) -> Result<PathBuf, DescriptionError> {
        let source = Path::new(self.string()?);
        let is_below = |component| matches!(component, Component::CurDir | Component::Normal(_));
        if source.as_os_str().is_empty() || !source.components().all(is_below) {
            let message = "`source` must be a relative path below the computation's directory".into();
            return Err(self.error(message, Some("pass other data through the global file storage")));
        }
        Ok(source.to_owned())
    }
}

/// Bytes, or with `k`, `m`, `g` or `t` for the powers of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let (number, shift) = match text.char_indices().last()? {
        (end, 'k') => (text.get(..end)?, 10),
        (end, 'm') => (text.get(..end)?, 20),
        (end, 'g') => (text.get(..end)?, 30),
        (end, 't') => (text.get(..end)?, 40),
        _ => (text.as_str(), 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A number with `s`, `m`, `h` or `d` for its unit, in seconds.
fn parse_seconds(text: &str) -> Option<u64> {
    let (number, seconds) = match text.char_indices().last()? {
        (end, 's') => (text.get(..end)?, 1),
        (end, 'm') => (text.get(..end)?, 60),
        (end, 'h') => (text.get(..end)?, 3600),
        (end, 'd') => (text.get(..end)?, 86_400),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds)
}
