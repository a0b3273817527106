//! Whether a setup may go on in a container where calls run.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use super::{
    Setup,
    choose::Refused,
    error::{SetupError, doing},
    notice::{Notice, Watcher},
    session::Session,
    site::Site,
    snapshot,
};
use crate::{computation::description::Everytime, container::in_use, ledger::Records};

/// How long to wait before it is asked again which calls run.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Whether a setup may go on in a container.
#[derive(PartialEq)]
pub(super) enum Room {
    /// No call runs in it.
    Free,
    /// Calls run in it for which all was done that there is to do.
    Join,
    /// So many calls run in it, and go on.
    Taken(usize),
}

/// How long calls are waited for that run in the container.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Until they end, or it turns out that what was done for them will do.
    ToShare,
    /// Until they end.
    Endless,
    /// At most so long.
    For(Duration),
}

impl Setup<'_> {
    /// How long calls are waited for that run where stages are missing: as long as it would take to come as far in another
    /// container, or what is worth no snapshot. As long as they run, where no stage is missing, or `--retry` names the
    /// container.
    pub(super) fn patience(
        &self,
        site: &Site<'_>,
        ledger: &Records,
        pending: usize,
        refused: &Refused,
    ) -> Result<Patience, SetupError> {
        if pending == 0 {
            return Ok(Patience::ToShare);
        }
        if self.retry {
            return Ok(Patience::Endless);
        }
        let start = snapshot::nearest(site, refused)?;
        let again = ledger.work_since(start.as_ref().map_or("", |start| &start.ancestor.chain));
        let has_all = start.is_some_and(|start| start.stages >= ledger.applied());
        Ok(Patience::For(if has_all { Duration::ZERO } else { again.max(self.worth.least) }))
    }

    /// Waits until nothing runs in a container that what the script is about to do there could disturb; or finds that it
    /// need not be done, for it was done for the calls that run there, or is better done elsewhere.
    pub(super) fn make_room(
        &self,
        session: &Session<'_, '_>,
        patience: Patience,
        is_settled: bool,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<Room, SetupError> {
        let Session { site, container, .. } = session;
        let (began, own) = (Instant::now(), session.own());
        let mut told = false;
        loop {
            let calls = in_use::calls(site.engine, &container.id, own.as_deref());
            let calls = calls.map_err(doing("look which calls run"))?;
            if calls == 0 {
                return Ok(Room::Free);
            }
            let may_share = self.environment.description.everytime == Everytime::Shared;
            match patience {
                Patience::ToShare if is_settled && may_share => {
                    watcher.borrow_mut().notice(Notice::Joining { calls });
                    return Ok(Room::Join);
                }
                Patience::For(time) if began.elapsed() >= time => return Ok(Room::Taken(calls)),
                _ => {}
            }
            if !told {
                watcher.borrow_mut().notice(Notice::WaitingForCalls { calls, container: &container.name });
                told = true;
            }
            if let Some(waited) = self.lock_timeout.filter(|limit| began.elapsed() >= *limit) {
                return Err(SetupError::InUse { container: container.name.clone(), calls, waited });
            }
            if let Some(signal) = self.interrupt.sleep(BETWEEN_LOOKS) {
                return Err(SetupError::Interrupted { signal, stopped: None });
            }
        }
    }
}
