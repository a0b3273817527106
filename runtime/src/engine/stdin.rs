//! What this process reads on its standard input, until somebody says that it is enough.

use std::io::PipeReader;

use rustix::event::{PollFd, PollFlags, poll};

/// How much is read at once, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// Gives what standard input holds to `pass`, piece by piece, until its end, a failure, a `false` of `pass`, or the closing of
/// the other end of `woken`, wherever this waits: nothing is taken that is meant for a later reader.
pub(super) fn read_until_woken(woken: &PipeReader, mut pass: impl FnMut(Vec<u8>) -> bool) {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut ready = [PollFd::from_borrowed_fd(stdin, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if ready.last().is_some_and(|woken| !woken.revents().is_empty()) {
            return;
        }
        let mut chunk = vec![0; CHUNK];
        match rustix::io::read(stdin, &mut chunk) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) | Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                if !pass(chunk) {
                    return;
                }
            }
        }
    }
}
