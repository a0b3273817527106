//! Any bytes: reading ends, the tree holds together, and its canonical form is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/tree/mod.rs"]
#[allow(dead_code)] // The tests compare with dash too.
mod tree;

fuzz_target!(|text: &[u8]| {
    tree::check(text);
});
