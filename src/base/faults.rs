//! Failpoints: places between two durable steps where a test can make the process die or the disk fail.
//!
//! `GIT_OTTO_FAULT=<point>:<n>:abort|eio|enospc` makes the n-th visit of a point fail, across processes. Only with the
//! feature `faults`; without it [`Faults::hit`] does nothing.

use std::io;

macro_rules! points {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Every failpoint, so that a test can enumerate them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point { $($(#[$doc])* $variant,)* }

        impl Point {
            /// All points, in source order.
            pub const ALL: &'static [Point] = &[$(Point::$variant,)*];

            /// The name by which a test chooses the point.
            pub fn name(self) -> &'static str {
                match self { $(Point::$variant => $name,)* }
            }
        }
    };
}

points! {
    /// Objects of a batch are written, not yet synced.
    StorePutBeforeSync = "store.put.before_sync",
    /// Objects are durable, no ref names them yet.
    StoreSwapBefore = "store.swap.before",
    /// A ref transaction is done, not yet synced nor read back.
    StoreSwapAfter = "store.swap.after",
    /// A spec record is written, its ref not moved.
    SpecAppendBeforeSwap = "spec.append.before_swap",
    /// The run's anchor exists, nothing else of the run does.
    RunStartAfterAnchor = "run.start.after_anchor",
    /// The target refs exist, no event was written.
    RunStartAfterTarget = "run.start.after_target",
    /// What an amendment changes is stopped and kept, and no event says so.
    RunAmendBefore = "amend.before_event",
    /// The run has gone over to another version of its spec, nothing of that was begun.
    RunAmendAfter = "amend.after_event",
    /// The lease is taken, the run not yet replayed.
    LeaseTaken = "lease.taken",
    /// The lines of a batch are in the note's blob, the notes ref not moved.
    JournalAppendBeforeSwap = "journal.append.before_swap",
    /// The notes ref moved, the caller does not know yet.
    JournalAppendAfterSwap = "journal.append.after_swap",
    /// A workspace's directory exists, its files do not.
    WorkspaceCreateMid = "workspace.create.mid",
    /// A workspace is complete, the agent not started.
    WorkspaceCreateAfter = "workspace.create.after",
    /// A workspace is about to be removed.
    WorkspaceRemoveBefore = "workspace.remove.before",
    /// A workspace is one that may be swept, and all that was in it is still there.
    WorkspaceRemoveMid = "workspace.remove.mid",
    /// The base checks of a slice ran, their evidence is not stored.
    BuildBaseAfter = "build.base.after",
    /// The agent ended, nothing of its work is stored.
    BuildAgentAfter = "build.agent.after",
    /// The snapshot's objects exist, no ref names the attempt.
    BuildSnapshotAfter = "build.snapshot.after",
    /// The attempt's ref exists, no event says so.
    BuildCommitAfter = "build.commit.after",
    /// The candidate's checks ran, their evidence is not stored.
    BuildChecksAfter = "build.checks.after",
    /// Evidence is stored, no event says so.
    EvidenceAfter = "evidence.after",
    /// The merge commit exists, its checks have not run.
    QueueMergeAfter = "queue.merge.after",
    /// The integrated tree passed, no event says so.
    QueueChecksAfter = "queue.checks.after",
    /// An attempt needs a change in a contract of another slice, and no event says so.
    ContractBlockBefore = "contract.block.before",
    /// The owner of a contract is to be asked for a change, and no event says so.
    ContractAskBefore = "contract.ask.before",
    /// What a slice waited for is done or lost, and no event says so.
    ContractSettleBefore = "contract.settle.before",
    /// Everything is journalled, the target not moved.
    QueueLandBeforeSwap = "queue.land.before_swap",
    /// The target moved, no receipt is written.
    QueueLandAfterSwap = "queue.land.after_swap",
    /// The receipt is written, the run does not know yet.
    QueueLandAfterReceipt = "queue.land.after_receipt",
    /// The audit's checks ran, no event says so.
    AuditAfterChecks = "audit.after_checks",
    /// The audit is journalled, the run not finished.
    AuditAfterEvent = "audit.after_event",
    /// The run is finished, the lease not released.
    RunFinishBeforeRelease = "run.finish.before_release",
    /// What could be lost of a person's checkout is kept, nothing of it is touched.
    MendRescueAfter = "mend.rescue.after",
    /// The commit that ends what is half done exists, HEAD is not at it.
    MendCommitAfter = "mend.commit.after",
    /// Its files and its index are back, HEAD is not.
    MendFilesAfter = "mend.files.after",
    /// HEAD is where it goes, what was stashed is not back and git's notes are there.
    MendHeadAfter = "mend.head.after",
    /// Everything is back, and git still says that something is under way.
    MendStashAfter = "mend.stash.after",
    /// Some of git's notes are gone, not what says that something is under way.
    MendStateMid = "mend.state.mid",
    /// git's notes are gone, otto's own note on the commit is not.
    MendStateAfter = "mend.state.after",
    /// What a dead process left of a run is put right, and no event says so.
    RecoverBeforeEvent = "recover.before_event",
    /// What a person asks of a run is written down, and nobody has done it.
    ControlAfterRequest = "control.after_request",
    /// The way back from a delivery is written, the branch not moved.
    DeliverBeforeMove = "deliver.before_move",
    /// The branch moved, and nobody was told; of what was taken back, the old way back is still there.
    DeliverAfterMove = "deliver.after_move",
    /// What the remote has is here, and nothing local follows it.
    SyncAfterFetch = "sync.after_fetch",
    /// The remote has what is here, and nothing here says so.
    SyncAfterPush = "sync.after_push",
    /// Some files of hooks may be changed, others are not.
    HooksBeforeFile = "hooks.before_file",
    /// What brings the refs back that are discarded is written, and everything is still there.
    DiscardBefore = "discard.before",
    /// The folders of what is discarded are gone, its refs are not.
    DiscardBeforeRefs = "discard.before_refs",
}

/// The failpoint that this process has been told to fail at, if any.
#[derive(Debug, Default)]
pub struct Faults {
    #[cfg(feature = "faults")]
    armed: Option<Armed>,
}

#[cfg(feature = "faults")]
#[derive(Debug)]
struct Armed {
    point: Point,
    left: std::sync::atomic::AtomicI64,
    how: How,
}

#[cfg(feature = "faults")]
#[derive(Clone, Copy, Debug)]
enum How {
    Abort,
    Error(i32),
}

impl Faults {
    /// Reads the setting `<point>:<n>:<how>`; anything malformed is an error, so that no test passes by a typing mistake.
    #[cfg(feature = "faults")]
    pub fn parse(setting: Option<&str>) -> Result<Faults, String> {
        let Some(setting) = setting.filter(|s| !s.is_empty()) else { return Ok(Faults::default()) };
        let bad = || format!("GIT_OTTO_FAULT={setting:?} is not <point>:<n>:abort|eio|enospc");
        let mut parts = setting.split(':');
        let (Some(name), Some(n), Some(how), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let point = Point::ALL.iter().copied().find(|p| p.name() == name).ok_or_else(bad)?;
        let how = match how {
            "abort" => How::Abort,
            "eio" => How::Error(rustix::io::Errno::IO.raw_os_error()),
            "enospc" => How::Error(rustix::io::Errno::NOSPC.raw_os_error()),
            _ => return Err(bad()),
        };
        let left = n.parse::<i64>().ok().filter(|n| *n >= 1).ok_or_else(bad)?.into();
        Ok(Faults { armed: Some(Armed { point, left, how }) })
    }

    /// Visits a failpoint: dies or fails when it is this visit's turn.
    #[cfg(feature = "faults")]
    pub fn hit(&self, point: Point) -> io::Result<()> {
        if let Some(armed) = self.armed.as_ref().filter(|a| a.point == point)
            && armed.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1
        {
            match armed.how {
                How::Abort => {
                    // As kill -9 would: no destructor runs, nothing is flushed.
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                    std::process::abort();
                }
                How::Error(code) => {
                    let e = io::Error::from_raw_os_error(code);
                    return Err(io::Error::new(e.kind(), format!("{e}, at {}", point.name())));
                }
            }
        }
        Ok(())
    }

    /// Visits a failpoint: nothing happens in a build without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    pub fn hit(&self, _point: Point) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Point::ALL.iter().map(|p| p.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }

    #[cfg(feature = "faults")]
    #[test]
    fn the_nth_visit_fails_and_only_that_one() {
        let f = Faults::parse(Some("lease.taken:2:enospc")).unwrap();
        assert!(f.hit(Point::LeaseTaken).is_ok());
        assert!(f.hit(Point::EvidenceAfter).is_ok());
        let e = f.hit(Point::LeaseTaken).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::StorageFull);
        assert!(e.to_string().ends_with("at lease.taken"), "{e}");
        assert!(f.hit(Point::LeaseTaken).is_ok());
        for bad in ["x", "lease.taken:0:abort", "lease.taken:1:", "lease.taken:1:abort:"] {
            assert!(Faults::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
