//! A program that is nothing but the helper of a store, for tests and for embedders who are none themselves.

fn main() {
    compeval_sandbox::help_if_asked();
    std::process::exit(2)
}
