//! Scripts as data: their text, and what a build of them from nothing leaves.

use std::{collections::BTreeMap, fmt};

/// Files that stages write; what runs on every call writes others, so that it may run again.
const STAGE_FILES: [&str; 3] = ["f1", "f2", "f3"];
const REPEATED_FILES: [&str; 2] = ["r1", "r2"];
/// Files of the computation.
const INPUTS: [&str; 2] = ["in1", "in2"];
const VARIABLES: [&str; 2] = ["V", "W"];
const FUNCTIONS: [&str; 2] = ["p", "q"];
const TEXTS: [&str; 3] = ["a", "b", "c"];

/// Numbers that are the same each time (Steele, Lea and Flood: SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A script and the computation's files.
#[derive(Clone, PartialEq)]
pub(crate) struct Version {
    items: Vec<Item>,
    inputs: BTreeMap<&'static str, &'static str>,
}

/// A line of a script.
#[derive(Clone, Copy, PartialEq)]
enum Item {
    Assignment {
        name: &'static str,
        value: &'static str,
        exported: bool,
    },
    /// Adds a text and a variable's value to the file that it is given.
    Function {
        name: &'static str,
        text: &'static str,
        variable: &'static str,
    },
    Command {
        kind: Kind,
        within: Within,
        effect: Effect,
        file: &'static str,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stage,
    Everytime,
    Undecorated,
}

/// What a command stands in.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    Subshell,
    Redirected,
    /// It runs twice.
    Loop,
    /// It runs if the first variable has this value.
    If(&'static str),
}

/// What a command does with its file.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Create(&'static str),
    Delete,
    Input(&'static str),
    Variable(&'static str),
    /// The value as another program sees it.
    Exported(&'static str),
    // What follows does not give the same when it is done again.
    Append(&'static str),
    AppendInput(&'static str),
    /// What another file has, which may be none.
    AppendFile(&'static str),
    Call(&'static str),
}

impl Version {
    pub(crate) fn new(random: &mut Random) -> Version {
        let items = (0..4).map(|_| Item::new(random)).collect();
        Version { items, inputs: INPUTS.into_iter().zip(TEXTS).collect() }
    }

    /// Changes something; says what.
    pub(crate) fn edit(&mut self, random: &mut Random, versions: &[Version]) -> &'static str {
        let (count, at) = (self.items.len(), random.below(self.items.len().max(1)));
        match random.below(13) {
            0..=2 => {
                self.items.push(Item::new(random));
                "append"
            }
            3..=4 if count > 0 => {
                self.items[at] = Item::new(random);
                "edit"
            }
            5 => {
                self.items.insert(at, Item::new(random));
                "insert"
            }
            6..=7 if count > 3 => {
                self.items.remove(at);
                "remove"
            }
            8 if count > 1 => {
                self.items.swap(at, (at + 1) % count);
                "swap"
            }
            9..=10 => {
                self.inputs.insert(random.of(&INPUTS), random.of(&TEXTS));
                "edit a file"
            }
            11 => {
                *self = versions[random.below(versions.len())].clone();
                "revert"
            }
            _ => "nothing",
        }
    }

    pub(crate) fn script(&self) -> String {
        let items = self.items.iter().map(|item| format!("{item}\n"));
        std::iter::once("next_stage && mkdir /data\n".to_owned()).chain(items).collect()
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.inputs.iter().map(|(name, content)| (*name, format!("{content}\n")))
    }

    /// The files that a build of it leaves, as they are listed; `None` when it fails.
    pub(crate) fn files(&self) -> Option<String> {
        let mut shell = Shell::new(&self.inputs);
        for item in &self.items {
            shell.run(*item)?;
        }
        Some(shell.files.iter().map(|(name, content)| format!("== 644 {name}\n{content}")).collect())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.script(), self.inputs)
    }
}

impl Item {
    fn new(random: &mut Random) -> Item {
        match random.below(10) {
            0..=1 => Item::Assignment {
                name: random.of(&VARIABLES),
                value: random.of(&TEXTS),
                exported: random.below(2) == 0,
            },
            2 => {
                Item::Function { name: random.of(&FUNCTIONS), text: random.of(&TEXTS), variable: random.of(&VARIABLES) }
            }
            _ => Item::command(random),
        }
    }

    fn command(random: &mut Random) -> Item {
        let kind = random.of(&[Kind::Stage, Kind::Stage, Kind::Stage, Kind::Everytime, Kind::Undecorated]);
        let within = match random.below(12) {
            0 => Within::Subshell,
            1 => Within::Redirected,
            2 => Within::Loop,
            3 => Within::If(random.of(&TEXTS)),
            _ => Within::Nothing,
        };
        let is_stage = kind == Kind::Stage;
        let effect = match random.below(if is_stage { 10 } else { 5 }) {
            0 => Effect::Create(random.of(&TEXTS)),
            1 => Effect::Delete,
            2 => Effect::Input(random.of(&INPUTS)),
            3 => Effect::Variable(random.of(&VARIABLES)),
            4 => Effect::Exported(random.of(&VARIABLES)),
            5..=6 => Effect::Append(random.of(&TEXTS)),
            7 => Effect::AppendInput(random.of(&INPUTS)),
            8 => Effect::AppendFile(random.of(&STAGE_FILES)),
            _ => Effect::Call(random.of(&FUNCTIONS)),
        };
        let file = if is_stage { random.of(&STAGE_FILES) } else { random.of(&REPEATED_FILES) };
        Item::Command { kind, within, effect, file }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, within, effect, file) = match *self {
            Item::Assignment { name, value, exported } => {
                return write!(f, "{}{name}={value}", if exported { "export " } else { "" });
            }
            Item::Function { name, text, variable } => {
                return write!(f, "{name}() {{ echo {text} \"${variable}\" >>\"$1\"; }}");
            }
            Item::Command { kind, within, effect, file } => (kind, within, effect, file),
        };
        let marker = match kind {
            Kind::Stage => "next_stage && ",
            Kind::Everytime => "everytime && ",
            Kind::Undecorated => "",
        };
        let file = format!("/data/{file}");
        let command = match effect {
            Effect::Create(text) => format!("echo {text} >{file}"),
            Effect::Delete => format!("rm -f {file}"),
            Effect::Input(input) => format!("cp \"$COMPDIR/{input}\" {file}"),
            Effect::Variable(name) => format!("echo \"${name}\" >{file}"),
            Effect::Exported(name) => format!("sh -c 'echo \"${name}\"' >{file}"),
            Effect::Append(text) => format!("echo {text} >>{file}"),
            Effect::AppendInput(input) => format!("cat \"$COMPDIR/{input}\" >>{file}"),
            Effect::AppendFile(from) => {
                format!("touch /data/{from} && text=$(cat /data/{from}) && echo \"$text\" >>{file}")
            }
            Effect::Call(function) => format!("{function} {file}"),
        };
        match within {
            Within::Nothing => write!(f, "{marker}{command}"),
            Within::Subshell => write!(f, "( {marker}{command} )"),
            Within::Redirected => write!(f, "{{ {marker}{command}; }} 2>/dev/null"),
            Within::Loop => write!(f, "for n in 1 2; do {marker}{command}; done"),
            Within::If(value) => {
                let [first, ..] = VARIABLES;
                write!(f, "if [ \"${first}\" = {value} ]; then {marker}{command}; fi")
            }
        }
    }
}

/// A shell that knows these scripts.
struct Shell<'v> {
    inputs: &'v BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, String>,
    /// Values, and whether they are exported.
    variables: BTreeMap<&'static str, (&'static str, bool)>,
    functions: BTreeMap<&'static str, (&'static str, &'static str)>,
}

impl<'v> Shell<'v> {
    fn new(inputs: &'v BTreeMap<&'static str, &'static str>) -> Shell<'v> {
        let (files, variables, functions) = Default::default();
        Shell { inputs, files, variables, functions }
    }

    fn value(&self, name: &str) -> &'static str {
        self.variables.get(name).map_or("", |(value, _)| value)
    }

    /// `None` when the setup fails.
    fn run(&mut self, item: Item) -> Option<()> {
        match item {
            Item::Assignment { name, value, exported } => {
                let was_exported = self.variables.get(name).is_some_and(|(_, exported)| *exported);
                self.variables.insert(name, (value, exported || was_exported));
            }
            Item::Function { name, text, variable } => {
                self.functions.insert(name, (text, variable));
            }
            Item::Command { within, effect, file, .. } => {
                let times = match within {
                    Within::If(value) => {
                        let [first, ..] = VARIABLES;
                        usize::from(self.value(first) == value)
                    }
                    Within::Loop => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    self.take_effect(effect, file)?;
                }
            }
        }
        Some(())
    }

    fn take_effect(&mut self, effect: Effect, file: &'static str) -> Option<()> {
        let input = |name: &str| format!("{}\n", self.inputs.get(name).copied().unwrap_or_default());
        let (appends, text) = match effect {
            Effect::Create(text) => (false, format!("{text}\n")),
            Effect::Delete => {
                self.files.remove(file);
                return Some(());
            }
            Effect::Input(name) => (false, input(name)),
            Effect::Variable(name) => (false, format!("{}\n", self.value(name))),
            Effect::Exported(name) => {
                let value = self.variables.get(name).filter(|(_, exported)| *exported).map_or("", |(value, _)| value);
                (false, format!("{value}\n"))
            }
            Effect::Append(text) => (true, format!("{text}\n")),
            Effect::AppendInput(name) => (true, input(name)),
            Effect::AppendFile(from) => (true, format!("{}\n", self.files.entry(from).or_default().trim_end())),
            Effect::Call(function) => {
                let (text, variable) = self.functions.get(function)?;
                (true, format!("{text} {}\n", self.value(variable)))
            }
        };
        let content = self.files.entry(file).or_default();
        if !appends {
            content.clear();
        }
        content.push_str(&text);
        Some(())
    }
}
