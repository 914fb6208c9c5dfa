//! `refs/otto/*`: the only spelling of ref names, the records behind them, and the only durable writer.
//!
//! Every write is: objects, made durable; then one compare-and-swap of refs, made durable and read back. Whoever dies
//! in between leaves objects that nobody names, and the next try does the same again.

pub mod chain;
pub mod claim;
mod error;
pub mod evidence;
pub mod lane;
pub mod lease;
pub mod names;
pub mod record;
pub mod run;
#[cfg(test)]
pub(crate) mod testing;
pub mod undo;

pub use error::{Error, Result};

use crate::{
    base::{Point, World},
    git::{Old, RefEdit, Repo, Signature, Swap},
};

/// The only durable writer of a repository.
#[derive(Clone)]
pub struct Store {
    /// The repository.
    pub repo: Repo,
    /// Clock, ids, processes, failpoints.
    pub world: World,
}

impl Store {
    /// A writer to a repository.
    pub fn new(repo: Repo, world: World) -> Store {
        Store { repo, world }
    }

    /// Makes the objects written so far durable, then does all edits or none. `why` goes into the reflogs.
    pub fn swap(&self, edits: &[RefEdit], why: &str) -> Result<Swap> {
        self.world.faults.hit(Point::StorePutBeforeSync)?;
        self.repo.sync()?;
        self.world.faults.hit(Point::StoreSwapBefore)?;
        let done = self.repo.refs().swap(edits, &self.otto(), &format!("otto: {why}"))?;
        self.world.faults.hit(Point::StoreSwapAfter)?;
        Ok(done)
    }

    /// Creates a ref that never moves. The same value again is success: a retry after a crash cannot know.
    pub fn create_once(&self, name: &str, value: crate::base::Oid, why: &str) -> Result<()> {
        match self.swap(&[RefEdit { name: name.to_owned(), old: Old::Absent, new: Some(value) }], why)? {
            Swap::Done => Ok(()),
            Swap::Lost { found, .. } if found == Some(value) => Ok(()),
            Swap::Lost { name, found } => Err(Error::Exists { name, found }),
        }
    }

    /// The program's own identity at this moment: for journal, evidence and leases, whose authors are no people.
    pub fn otto(&self) -> Signature {
        Signature { name: "git otto".into(), email: "otto@localhost".into(), time: self.world.clock.now() }
    }
}

/// Bytes of a record as this program writes them: fixed key order, two-space indent, a newline at the end.
pub(crate) fn pretty<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(crate::base::json::Error::from)?;
    bytes.push(b'\n');
    Ok(bytes)
}
