//! What happens as JSON, an object a line: `ce.progress/1`, see `docs/schemas/ce.progress.1.json`.

use compeval_interpreter::dispatch::Kind;
use serde::Serialize;

use crate::{report::is_unsafe, words};

const SCHEMA: &str = "ce.progress/1";

/// Something that happens while a container is set up.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Happening {
    /// A container is made.
    Creating {
        container: String,
        image: String,
        /// How many stages are applied in the snapshot that it is made from in place of the image.
        stages: u32,
        /// Why another one is not used.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// An image is brought here.
    Pulling {
        image: String,
        /// So many bytes are here, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// A part of the script begins.
    StepStarted(StepOfScript),
    /// It has ended.
    StepEnded {
        #[serde(flatten)]
        step: StepOfScript,
        status: i32,
        failed: bool,
        seconds: f64,
        /// The stages that are applied by it.
        applied: Vec<u32>,
    },
    /// Anything else that a person would be told.
    Notice { text: String },
    /// Something that stops nothing, but should be known.
    Warning { text: String },
}

/// A part of the setup script.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepOfScript {
    kind: &'static str,
    /// Its number, of a stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<u32>,
    line: usize,
    title: String,
}

impl StepOfScript {
    pub(super) fn new(kind: Kind, line: usize, title: String) -> StepOfScript {
        let stage = if let Kind::Stage(number) = kind { Some(number) } else { None };
        StepOfScript { kind: words::kind_name(kind), stage, line, title }
    }
}

#[derive(Serialize)]
struct WithSchema<'h> {
    schema: &'static str,
    #[serde(flatten)]
    happening: &'h Happening,
}

/// The line that tells it, with its newline. What a terminal would obey is escaped, as JSON has it.
pub(super) fn line(happening: &Happening) -> String {
    let text = serde_json::to_string(&WithSchema { schema: SCHEMA, happening }).unwrap_or_default();
    let escape = |letter: char| match is_unsafe(letter) {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.to_string(),
    };
    text.chars().map(escape).collect::<String>() + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Holds a line against the properties that the schema has for its event.
    fn assert_is_as_described(line: &str) {
        let schema: Value = serde_json::from_str(include_str!("../../../docs/schemas/ce.progress.1.json")).unwrap();
        let event: Value = serde_json::from_str(line).unwrap();
        let kinds = schema["oneOf"].as_array().unwrap();
        let kind = kinds.iter().find(|kind| kind["properties"]["event"]["const"] == event["event"]).unwrap();
        let required = kind["required"].as_array().unwrap();
        assert!(required.iter().all(|name| event.get(name.as_str().unwrap()).is_some()), "{line}");
        let mut names = event.as_object().unwrap().keys().filter(|name| *name != "schema");
        assert!(names.all(|name| kind["properties"].get(name).is_some()), "{line}");
    }

    #[test]
    fn each_event_is_a_line() {
        let step = || StepOfScript::new(Kind::Stage(2), 7, "The tools \u{1b}[31m\u{85}\u{202e}".to_owned());
        let command = StepOfScript::new(Kind::Undecorated, 9, "x=1".to_owned());
        let because = Some("stage 1 failed".to_owned());
        let (container, image) = ("ce-align-1".to_owned(), "debian:13".to_owned());
        let events = [
            Happening::Pulling { image: image.clone(), done: None, total: None },
            Happening::Pulling { image: image.clone(), done: Some(5), total: Some(7) },
            Happening::Creating { container, image, stages: 0, because },
            Happening::StepStarted(step()),
            Happening::StepEnded { step: step(), status: 0, failed: false, seconds: 1.5, applied: vec![2] },
            Happening::StepStarted(command),
            Happening::Notice { text: "trying again".to_owned() },
            Happening::Warning { text: "a \"warning\"".to_owned() },
        ];
        insta::assert_snapshot!(events.iter().map(line).collect::<String>());
        events.iter().for_each(|event| assert_is_as_described(&line(event)));
    }
}
