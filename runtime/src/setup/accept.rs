//! A stage that was edited and yet counts as applied, because a person says so (our design, section 6, Edited stage).

use std::cell::RefCell;

use compeval_interpreter::program::{record_accepted, record_dropped};

use super::{
    Setup,
    choose::{self, Refused},
    error::{SetupError, doing},
    fed::{self, FedShell},
    find,
    notice::{Notice, Watcher},
    plan::{self, Accepted},
    reason::Reason,
    session::{Said, Session, Waits},
    site::Site,
};
use crate::{engine::Container, ledger::Records};

impl Setup<'_> {
    /// Takes stage `number`, which was edited since it was applied, for applied as it is now, and puts down why. Stages
    /// behind it that are as they were stay applied, as does what runs on every call there.
    ///
    /// # Errors
    /// [`SetupError::NotEdited`] when there is no container in which just that stage was edited;
    /// [`SetupError::Edited`] when one behind it was as well; and as for [`Setup::set_up`].
    pub fn accept(&self, number: u32, reason: &str, watcher: &mut dyn Watcher) -> Result<(), SetupError> {
        let site = self.site()?;
        let watcher = RefCell::new(watcher);
        let _lock = self.lock(&watcher)?;
        let mut because = None;
        for container in choose::usable(&site, &mut Refused::default())? {
            let Some(ledger) = choose::read(&site, &container)? else { continue };
            match self.why_not(&site, &container, &ledger) {
                Some(Reason::StageEdited { number: edited, .. }) if edited == number => {
                    return self.accept_in(&site, &container, number, reason, &watcher);
                }
                other => because = because.or(other),
            }
        }
        let computation = self.environment.computation.name.clone();
        Err(SetupError::NotEdited { number, computation, because })
    }

    fn why_not(&self, site: &Site<'_>, container: &Container, ledger: &Records) -> Option<Reason> {
        let fit = plan::fit(self.environment, self.mounts, &site.made_like(container).base, ledger);
        choose::debris(site, ledger, false).or(fit.pending.err())
    }

    fn accept_in(
        &self,
        site: &Site<'_>,
        container: &Container,
        number: u32,
        reason: &str,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<(), SetupError> {
        find::start(site, container)?;
        let task = doing(format!("start a shell in container `{}`", container.name));
        let shell = &RefCell::new(Some(FedShell::start(site, &container.id, fed::root()).map_err(task)?));
        let session = Session { site, container, shell: Some(shell) };
        let waits = Waits { watcher, interrupt: &self.interrupt, timeout: self.lock_timeout };
        let Some(Said { ledger, .. }) = session.settled(&waits)? else {
            return Err(SetupError::Edited { reason: Reason::LedgerDamaged });
        };
        let base = site.made_like(container).base;
        let accepted = plan::accept(self.environment, self.mounts, &base, &ledger, number);
        let Accepted { stages, repeated } = accepted.map_err(|reason| SetupError::Edited { reason })?;
        let (commit, start) = (self.environment.computation.key(), jiff::Timestamp::now().to_string());
        let script = &self.environment.script_hash;
        let told = [("commit", commit.as_str()), ("script", script), ("start", &start), ("reason", reason)];
        let mut records: String = stages.iter().map(|(number, chain)| record_accepted(*number, chain, &told)).collect();
        // What has only another stage before it now is said as it was.
        let is_moved = |text: &str| repeated.values().any(|said| said == text);
        for one in ledger.repeated().filter(|one| !repeated.contains_key(&one.fingerprint) && is_moved(&one.text)) {
            records += &record_dropped(&one.fingerprint, &one.text, one.line);
        }
        session.add(&records)?;
        // Who looks next which calls run must not take it for one.
        fed::close(shell).map_err(doing("end a shell"))?;
        let others = stages.len().saturating_sub(1);
        watcher.borrow_mut().notice(Notice::Accepted { number, others, container: &container.name });
        Ok(())
    }
}
