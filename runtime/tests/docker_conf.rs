//! The reference page of docker.conf: every key has its part, and every example on it is understood.

use std::{collections::BTreeSet, fs, path::Path};

use compeval_runtime::computation::description::Description;

#[test]
fn every_key_is_documented_with_an_example_that_is_understood() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/docker-conf.md")).unwrap();
    let parse = |text: &str| Description::parse(Path::new("docker.conf"), text);
    let mut documented = BTreeSet::new();
    for part in page.split("\n## ").skip(1) {
        let key = part.lines().next().unwrap();
        let (_, example) = part.split_once("```toml\n").unwrap();
        let (example, rest) = example.split_once("```\n").unwrap();
        let table: toml::Table = example.parse().unwrap();
        assert!(table.contains_key(key), "{key}");
        parse(example).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(rest.trim_start().starts_with("Costs: "), "{key}");
        documented.insert(format!("`{key}`"));
    }
    // What is said of a key that is no key names all that there are.
    let help = parse("nosuchkeyatall = 1").unwrap_err().help.unwrap();
    let known: BTreeSet<String> = help.trim_start_matches("the keys are ").split(", ").map(str::to_owned).collect();
    assert_eq!(documented, known);
}
