//! The caller's terminal: its size, and that it passes every byte on while a command has one of its own.

use std::sync::{Mutex, PoisonError};

use rustix::{
    process::getpgrp,
    stdio::{stdin, stdout},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr},
};

use crate::engine::TerminalSize;

/// How the terminal was, while it is not so.
static FORMER: Mutex<Option<Termios>> = Mutex::new(None);

/// The size of the terminal that this process reads from and writes to; `None` where either is something else, or another
/// job has it.
#[must_use]
pub fn size() -> Option<TerminalSize> {
    let is_ours = || tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp());
    if !isatty(stdin()) || !isatty(stdout()) || !is_ours() {
        return None;
    }
    let size = tcgetwinsize(stdout()).ok()?;
    Some(TerminalSize { columns: size.ws_col, rows: size.ws_row })
}

/// Lets the terminal pass every byte on, until this is dropped.
pub(super) struct Raw;

impl Raw {
    pub(super) fn begin() -> Raw {
        // One that cannot be changed is used as it is.
        if let Ok(former) = tcgetattr(stdin()) {
            former_locked().get_or_insert(former);
            resume();
        }
        Raw
    }
}

/// Makes the terminal what it was while this process is stopped.
pub fn suspend() {
    if let Some(former) = &*former_locked() {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, former);
    }
}

/// Has it pass every byte on again, if it did before.
pub fn resume() {
    if let Some(former) = &*former_locked() {
        let mut raw = former.clone();
        raw.make_raw();
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &raw);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was. For who ends this process while a command runs; otherwise it comes about by itself.
pub fn restore() {
    if let Some(former) = former_locked().take() {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &former);
    }
}

fn former_locked() -> std::sync::MutexGuard<'static, Option<Termios>> {
    FORMER.lock().unwrap_or_else(PoisonError::into_inner)
}
