//! The contract between a program and whoever keeps a ledger: what a dispatcher adds to a program.

/// What a dispatcher adds to a program.
#[derive(Clone, Copy, Debug)]
pub struct Hooks<'h> {
    /// A directory there that the program may write to, for stretches with markers.
    pub scratch: &'h str,
    /// Shell commands, built-ins only, that record what became of a stage. Their arguments: the stage's number;
    /// `started`, `applied` or `failed`; its exit status; and the index of its chain in [`Request::chains`].
    pub record: &'h [u8],
}
