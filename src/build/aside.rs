//! What an attempt needs of a contract that another slice owns: found in what its agent left, and the slice set aside for it.

use super::{Build, Ground, scope};
use crate::{
    base::{Failure, Oid, Point, SliceId, text},
    git::{BString, ByteSlice, Change, Mode},
    journal::event::Kind,
    plan::model::needs,
    store::run,
    workspace::Attempt,
};

/// The code of a request that is refused at once.
const REFUSED: &str = "contract_refused";
/// How much of what an agent wrote into another slice's contract is told to its owner, characters.
const MAX_TOLD: usize = 3000;
/// The largest version of a contract that is looked at for that, bytes.
const MAX_READ: u64 = 1 << 20;

/// A contract, and who owns it.
pub(super) type Awaited = (String, SliceId);

/// That a slice is set aside.
pub(super) fn blocked((path, owner): Awaited, candidate: Option<Oid>) -> Kind {
    Kind::ContractBlocked { path, owner, candidate }
}

impl Build<'_> {
    /// What the agent needs of a contract that is not its own, by what it asked for, or by what it wrote there against the
    /// rules and nowhere else: the tree without that, what the journal is told, and the contract, where its owner can be asked.
    pub(super) fn wanted(
        &self,
        base: Oid,
        tree: Oid,
        asked: Option<Kind>,
    ) -> Result<(Oid, Vec<Kind>, Option<Awaited>), Failure> {
        let repo = self.gate.repo();
        let (others, adding) = (self.others(), self.plan.spec.adding());
        let rules = self.rules(&others, &adding);
        let mut outside = repo.diff_trees(base, tree)?;
        outside.retain(|change| {
            !scope::judge(&rules, std::slice::from_ref(change), |id| repo.read_blob(id, MAX_READ).ok()).is_empty()
        });
        let mut told: Vec<Kind> = asked.into_iter().collect();
        let path = match (told.as_slice(), outside.as_slice()) {
            ([Kind::AmendmentRequested { contract, .. }], _) => contract.clone(),
            ([], [one]) => self.plan.spec.contracts.iter().map(|c| &c.path).find(|p| one.path == p.as_str()).cloned(),
            _ => None,
        };
        let Some(path) = path else { return Ok((tree, told, None)) };
        let owner = self.gate.log.read(|state| needs::owner(self.plan, state, &self.slice.id, &path).cloned());
        let owner = match owner {
            Ok(owner) => owner,
            Err(detail) => {
                // Who asked for nothing has only written where it may not.
                if !told.is_empty() {
                    told.push(Kind::AmendmentRejected { code: REFUSED.into(), detail, request: None });
                }
                return Ok((tree, told, None));
            }
        };
        let Some(wrote) = outside.iter().find(|c| c.path == path.as_str()) else {
            return Ok((tree, told, Some((path, owner))));
        };
        let tree = repo.write_tree(Some(tree), &[(BString::from(path.as_str()), wrote.old)])?;
        if told.is_empty() {
            let reason = format!("it wrote into `{path}`, which `{owner}` owns{}", self.lines(wrote));
            told.push(Kind::AmendmentRequested { reason, change: None, contract: Some(path.clone()) });
        }
        told.push(Kind::ScopeViolation { paths: vec![path.clone()] });
        Ok((tree, told, Some((path, owner))))
    }

    /// The lines that a change adds, for who is to make it.
    fn lines(&self, change: &Change) -> String {
        let text = |side: Option<(Mode, Oid)>| {
            let bytes = side.map_or(Ok(Vec::new()), |(_, id)| self.gate.repo().read_blob(id, MAX_READ));
            bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let (Some(old), Some(new)) = (text(change.old), text(change.new)) else { return String::new() };
        let old: std::collections::HashSet<&str> = old.lines().collect();
        let added: Vec<&str> = new.lines().filter(|line| !old.contains(line)).collect();
        if added.is_empty() {
            return String::new();
        }
        let added = text::redact(added.join("\n").as_bytes()).to_str_lossy().into_owned();
        format!("; the lines that it added there:\n{}", added.chars().take(MAX_TOLD).collect::<String>())
    }

    /// The contract that an attempt needs a change in, where its owner can be asked.
    pub(super) fn awaited(&self, n: u32) -> Option<Awaited> {
        let now = self.now();
        let (path, _) = now.attempts.last().filter(|a| a.n == n)?.wants.clone()?;
        let owner = self.gate.log.read(|state| needs::owner(self.plan, state, &self.slice.id, &path).cloned());
        owner.ok().map(|owner| (path, owner))
    }

    /// Sets the slice aside: other slices go on, and so does this one once the owner of the contract has changed it.
    pub(super) fn set_aside(&self, n: u32, awaited: Awaited, candidate: Oid) -> Result<(), Failure> {
        self.gate.site.world.faults.hit(Point::ContractBlockBefore)?;
        self.record(Some(n), vec![blocked(awaited, Some(candidate))])
    }

    /// What an attempt goes on from that was set aside before it came to a commit: the target, with what it had written.
    pub(super) fn taken_up(&self, tip: Oid, n: u32) -> Result<Ground<'_>, Failure> {
        let repo = self.gate.repo();
        let of = Attempt { slice: self.slice.id.clone(), r#gen: self.plan.generation(&self.slice.id), n };
        match run::wip_of(repo, &self.gate.run, &self.slice.id, &of.written())? {
            Some(kept) => self.joined(tip, kept),
            None => Ok(Ground::new(tip, repo.read_commit(tip)?.tree)),
        }
    }
}
