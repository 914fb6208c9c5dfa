//! Sharing specs and runs with another repository.
//!
//! What a remote has comes into tracking refs first, which nothing local depends on. Each new thing is verified there; what
//! verifies brings the local refs forward, and what does not stays where it is and is named. Pushes only add: they are
//! atomic, never forced, and what was rejected because the remote moved is brought together and tried again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Point, SpecId},
    spec::model::merge::{Conflict, Side},
    store::{Store, names},
};

mod bring;
mod bundle;
mod leases;
mod plan;
mod remote;
mod secrets;
mod specs;
mod transport;

pub use bundle::{Bundled, create, unbundle, verify};
pub use remote::{Added, add, chosen};

/// How often a push that the remote rejected because it had moved is tried again.
const TRIES: u32 = 64;

/// What is shared, with whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The remote's name.
    pub remote: String,
    /// Only these specs, with their runs; none means all.
    pub specs: Vec<SpecId>,
    /// Whether snapshots of workspaces travel, too.
    pub wip: bool,
    /// Whether the branches that runs land on are pushed along.
    pub branches: bool,
    /// Whether only the tracking refs move.
    pub dry_run: bool,
    /// Whether git may ask on the terminal.
    pub asks: bool,
    /// What a person decided about what both sides changed.
    pub decision: Option<Decision>,
}

/// What a person decided about everything that both sides changed.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Whose is taken.
    pub side: Side,
    /// Why, in their words; empty for none.
    pub reason: String,
}

/// What came of sharing.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The remote's name.
    pub remote: String,
    /// Local refs that moved.
    pub fetched: Vec<Moved>,
    /// Refs of the remote that moved.
    pub pushed: Vec<Moved>,
    /// What stays where it is.
    pub kept: Vec<Kept>,
    /// Specs that a person has to decide about.
    pub open: Vec<Open>,
    /// What was found sound already: a push that is tried again is no longer than it has to be.
    #[serde(skip)]
    sound: BTreeSet<(String, Oid)>,
}

/// A ref that moved, or would.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// Its full name.
    #[serde(rename = "ref")]
    pub name: String,
    /// What it was.
    pub old: Option<Oid>,
    /// What it is.
    pub new: Option<Oid>,
    /// How.
    pub how: How,
}

/// How a ref moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is new.
    Created,
    /// Forward.
    Forward,
    /// Both sides were brought together.
    Merged,
    /// The other side's counts; what was here is kept under a rescue ref.
    Replaced,
    /// It is gone.
    Removed,
}

/// Something that did not move, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// The ref's full name.
    #[serde(rename = "ref")]
    pub name: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A spec that both sides changed in ways that do not go together.
#[derive(Debug, Serialize)]
pub struct Open {
    /// Which.
    pub spec: SpecId,
    /// What happened, one sentence.
    pub message: String,
    /// Each piece with what both sides say.
    pub disputes: Vec<Dispute>,
    /// The commands that decide.
    pub hint: String,
}

/// A piece with what both sides say, in words.
#[derive(Debug, Serialize)]
pub struct Dispute {
    /// The piece.
    pub place: String,
    /// This side.
    pub ours: Vec<String>,
    /// The other one.
    pub theirs: Vec<String>,
}

impl From<&Conflict> for Dispute {
    fn from(c: &Conflict) -> Dispute {
        Dispute { place: c.head(), ours: c.said(Side::Ours), theirs: c.said(Side::Theirs) }
    }
}

impl Report {
    /// Whether everything went where it belongs.
    pub fn is_clean(&self) -> bool {
        self.kept.is_empty() && self.open.is_empty()
    }

    fn keep(&mut self, name: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        let kept = Kept { name: name.into(), message: message.into(), hint: hint.into() };
        if self.kept.iter().all(|k| k.name != kept.name) {
            self.kept.push(kept);
        }
    }
}

/// What refs are, by full name.
type View = BTreeMap<String, Oid>;

/// Brings what the remote has here.
pub fn fetch(store: &Store, options: &Options) -> Result<Report, Failure> {
    let mut report = Report { remote: options.remote.clone(), ..Report::default() };
    round(store, options, &mut report)?;
    Ok(report)
}

/// Brings what is here to the remote; fetches where the remote has moved.
pub fn push(store: &Store, options: &Options) -> Result<Report, Failure> {
    let mut report = Report { remote: options.remote.clone(), ..Report::default() };
    let there = transport::look(store, options)?;
    deliver(store, options, there, &mut report)?;
    Ok(report)
}

/// Both: fetches what is new there, pushes what is new here.
pub fn sync(store: &Store, options: &Options) -> Result<Report, Failure> {
    let mut report = Report { remote: options.remote.clone(), ..Report::default() };
    let there = transport::look(store, options)?;
    // Nothing to fetch is the common case: one conversation less.
    if transport::is_tracked(store, options, &there)? {
        bring::bring(store, options, &transport::tracked(store, &options.remote)?, &mut report)?;
    } else {
        round(store, options, &mut report)?;
    }
    deliver(store, options, there, &mut report)?;
    Ok(report)
}

/// One fetch, and what follows from it here.
fn round(store: &Store, options: &Options, report: &mut Report) -> Result<(), Failure> {
    let before = transport::tracked(store, &options.remote)?;
    transport::fetch(store, options)?;
    store.world.faults.hit(Point::SyncAfterFetch)?;
    bring::bring(store, options, &before, report)
}

/// Pushes until the remote has what is here, or refuses for another reason than that it moved.
fn deliver(store: &Store, options: &Options, mut there: View, report: &mut Report) -> Result<(), Failure> {
    let mut told = Vec::new();
    for attempt in 0..TRIES {
        let plan = plan::plan(store, options, &there, report)?;
        if !plan.behind {
            if plan.moves.is_empty() {
                return Ok(());
            }
            if options.dry_run {
                report.pushed.extend(plan.moves.into_iter().map(plan::Push::told));
                return Ok(());
            }
            match transport::push(store, options, &plan.moves)? {
                transport::Answer::Done => {
                    store.world.faults.hit(Point::SyncAfterPush)?;
                    transport::remember(store, options, &plan.moves)?;
                    report.pushed.extend(plan.moves.into_iter().map(plan::Push::told));
                    return Ok(());
                }
                transport::Answer::Refused(words) => {
                    let message = format!("{} refused the push; nothing of it was taken", options.remote);
                    let hint = "git otto push --no-branch    (where only the branch is protected)";
                    return Err(Failure { causes: words, ..Failure::new(Exit::Refused, message).hint(hint) });
                }
                transport::Answer::Moved(words) => told = words,
            }
            std::thread::sleep(pause(store, attempt)?);
        } else if options.dry_run {
            return Ok(());
        }
        // From here to the push is the time in which others get ahead: the branches may be older.
        round(store, options, report)?;
        there.retain(|name, _| names::tracking(&options.remote, name).is_none());
        there.extend(transport::tracked(store, &options.remote)?);
    }
    let message = format!("{} moved {TRIES} times while this tried to push", options.remote);
    Err(Failure {
        causes: told,
        ..Failure::new(Exit::Internal, message).hint(format!("git otto sync {}", options.remote))
    })
}

/// A short pause with jitter, so that those who met do not meet again. It stays short: who waits long loses to those who
/// have just pushed.
fn pause(store: &Store, attempt: u32) -> Result<Duration, Failure> {
    let jitter = u64::from_str_radix(&store.world.ids.hex(4)?, 16).unwrap_or_default() % 1000;
    Ok(Duration::from_micros(u64::from(attempt.clamp(1, 10)) * 10 * jitter))
}

#[cfg(test)]
mod tests;
