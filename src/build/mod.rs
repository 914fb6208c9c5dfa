//! Building: one attempt at one slice, from its base to a candidate or a failure with evidence.

use crate::{
    agent::{Team, prompt::Prompts},
    base::{Exit, Failure, Oid, Sha256, SliceId, glob},
    checks::{
        self,
        model::{Check, Gate as When},
    },
    gate::{Gate, Round, not_green},
    git::{BString, ByteSlice, Change, Clash, Mode},
    journal::{
        event::{AttemptFailure, BlockReason, Fact, Kind},
        state::{CheckResult, SliceState},
    },
    plan::model::{Plan, blocks, contracts, current, integrate::Integration},
    spec::model::{FileBlock, FileMode, Slice},
    store::run,
    workspace,
};

mod aside;
mod ask;
mod by_hand;
mod joined;
mod renew;
mod request;
pub mod scope;
mod write;

pub use by_hand::Desk;
pub use write::Live;

/// Builds one slice: what all attempts share.
pub struct Build<'a> {
    /// Where checks are run.
    pub gate: &'a Gate,
    /// The plan.
    pub plan: &'a Plan,
    /// Who writes slices that the intent carries no files for.
    pub team: &'a Team,
    /// What agents are told.
    pub prompts: &'a Prompts,
    /// Who is told what the agent does.
    pub live: &'a Live<'a>,
    /// Where people hand in what they wrote.
    pub desk: &'a Desk,
    /// The slice; in a task for others, as that bounds it.
    pub slice: &'a Slice,
    /// Whether it is at such a task.
    pub bounded: bool,
}

/// What an attempt starts from.
struct Ground<'a> {
    /// The commit that the candidate will have as its parent.
    base: Oid,
    /// The files that the agent finds: the base's, those of the last attempt, or the base with a candidate merged in.
    tree: Oid,
    /// The candidate that is merged in.
    joined: Option<Integration<'a>>,
    /// Where that conflicts.
    clashes: Vec<Clash>,
}

impl Ground<'_> {
    fn new(base: Oid, tree: Oid) -> Self {
        Ground { base, tree, joined: None, clashes: Vec::new() }
    }
}

impl Build<'_> {
    /// Makes one attempt on `tip`, or goes on with one that a dead process left: base checks, agent, scope, commit, checks.
    /// Everything that comes of it is in the journal; an error is one of the machine, not of the slice.
    pub async fn attempt(&self, tip: Oid) -> Result<(), Failure> {
        if !self.bounded && self.now().base.is_none() && !self.start(tip).await? {
            return Ok(());
        }
        let now = self.now();
        let n = match now.attempts.last() {
            Some(last) if last.failed.is_none() => last.n,
            _ => now.last_attempt() + 1,
        };
        let ground = self.ground(&now, tip)?;
        let commit = match run::attempt(self.gate.repo(), &self.gate.run, &self.slice.id, n)? {
            Some(commit) => commit,
            None => match self.write(&now, n, &ground).await? {
                Some(commit) => commit,
                None => return Ok(()),
            },
        };
        self.judge(n, commit).await
    }

    /// Where the slice stands; in a task for others, in that task.
    fn now(&self) -> SliceState {
        self.gate.log.read(|state| current(self.plan, state, &self.slice.id).in_task().into_owned())
    }

    fn fact(&self, attempt: Option<u32>, kind: Kind) -> Fact {
        Fact::slice(&self.slice.id, self.plan.generation(&self.slice.id), attempt, kind)
    }

    fn record(&self, attempt: Option<u32>, kinds: Vec<Kind>) -> Result<(), Failure> {
        let facts: Vec<_> = kinds.into_iter().map(|k| self.fact(attempt, k)).collect();
        Ok(self.gate.log.record(&facts)?)
    }

    fn self_written(&self, check: &Check) -> Vec<String> {
        checks::self_written(check, |path| glob::any(&self.slice.owned_paths, path))
    }

    /// What other slices own.
    fn others(&self) -> Vec<String> {
        let others = self.plan.spec.slices.iter().filter(|s| s.id != self.slice.id);
        others.flat_map(|s| s.owned_paths.iter().cloned()).collect()
    }

    fn rules<'r>(&'r self, others: &'r [String], adding: &'r [String]) -> scope::Rules<'r> {
        scope::Rules { owned: &self.slice.owned_paths, bounded: self.bounded, adding, others }
    }

    fn round<'r>(&'r self, name: &str, attempt: u32, tree: Oid, overlay: Vec<(BString, Mode, Oid)>) -> Round<'r> {
        let r#gen = self.plan.generation(&self.slice.id);
        Round { slice: Some(&self.slice.id), r#gen, attempt, name: name.into(), tree, overlay }
    }

    /// Runs the checks on the base. Says that the slice has started and gives true, or settles it without an agent.
    async fn start(&self, base: Oid) -> Result<bool, Failure> {
        let tree = self.gate.repo().read_commit(base)?.tree;
        // A test that the slice itself writes is there only if it was built before; its red run comes with the candidate.
        let kept = |c: &Check| c.gate == When::Keeps && !self.self_written(c).is_empty();
        let early: Vec<&Check> = self.slice.checks.iter().filter(|c| !kept(c)).collect();
        let results = self.gate.round(&self.round("base", 0, tree, Vec::new()), &early).await?;
        let of = |gate: When| results.iter().zip(&early).filter(move |(_, c)| c.gate == gate).map(|(r, _)| r);
        let green: Vec<String> = of(When::New).filter(|r| r.cause.passed()).map(|r| r.check.clone()).collect();
        let unfit: Vec<CheckResult> = of(When::Keeps).filter(|r| !r.cause.passed()).cloned().collect();
        let unknown: Vec<CheckResult> =
            of(When::New).filter(|r| !r.cause.passed() && !r.cause.is_red()).cloned().collect();
        let mut kinds = vec![Kind::SliceStarted { base, green: green.clone() }];
        let news = self.slice.checks.iter().filter(|c| c.gate == When::New).count();
        let settled = if !unknown.is_empty() {
            Some(Kind::SliceBlocked { reason: BlockReason::Unknown, detail: not_green(&unknown) })
        } else if !unfit.is_empty() {
            let detail = format!("what must be kept is not green on the base: {}", not_green(&unfit));
            Some(Kind::SliceBlocked { reason: BlockReason::BaseUnfit, detail })
        } else if news > 0 && green.len() == news && !self.brings_code(tree)? {
            let detail = "everything that it must bring holds on the base already".to_owned();
            Some(Kind::MergeRedundant { tree, detail })
        } else {
            None
        };
        let goes_on = settled.is_none();
        kinds.extend(settled);
        self.record(None, kinds)?;
        Ok(goes_on)
    }

    /// Whether the intent carries code for it that is neither on the base nor was in the product before: checks alone do not
    /// make that redundant. What others own is theirs.
    fn brings_code(&self, base: Oid) -> Result<bool, Failure> {
        let spec = &self.plan.spec;
        let is_there = |block: &FileBlock| -> Result<bool, Failure> {
            let repo = self.gate.repo();
            let wanted = if block.mode == FileMode::Executable { Mode::Executable } else { Mode::Plain };
            let Some(found) = repo.entry(base, block.path.as_str().into())? else { return Ok(false) };
            Ok(found.mode == wanted && Sha256::of(repo.read_blob(found.oid, workspace::MAX_FILE)?) == block.sha256)
        };
        let own: Vec<&FileBlock> = spec.files.iter().filter(|f| f.slice == self.slice.id).collect();
        for n in 1..=own.iter().map(|f| f.attempt).max().unwrap_or(0) {
            let mut all = true;
            for block in blocks(spec, &self.slice.id, n) {
                all = all && is_there(block)?;
            }
            if all {
                return Ok(false);
            }
        }
        let others = self.others();
        let new = |f: &&FileBlock| !self.plan.known.contains(f) && !glob::any(&others, &f.path);
        Ok(own.into_iter().any(|f| new(&f)))
    }

    /// What the next attempt starts from: after red checks the last attempt's files, after the queue gave it back the tip
    /// with the candidate merged in, else the base.
    fn ground(&self, now: &SliceState, tip: Oid) -> Result<Ground<'_>, Failure> {
        let repo = self.gate.repo();
        // What was waited for is on the target, not on what was built on before.
        let since =
            now.waits.iter().rfind(|w| w.settled.as_ref().is_some_and(|(passed, _)| *passed)).map(|w| w.attempt);
        let base = now.base.filter(|_| since.is_none()).unwrap_or(tip);
        let base_tree = repo.read_commit(base)?.tree;
        if let Some(open) = now.open_attempt().filter(|a| Some(a.n) == since) {
            return self.taken_up(tip, open.n);
        }
        let last = now.attempts.iter().rev().find(|a| a.failed.is_some());
        let Some((last, (reason, _))) = last.and_then(|a| a.failed.as_ref().map(|f| (a, f))) else {
            return Ok(Ground::new(base, base_tree));
        };
        match (reason, last.commit) {
            (AttemptFailure::Checks | AttemptFailure::Empty, Some(commit)) => {
                let commit = repo.read_commit(commit)?;
                let base = commit.parents.first().copied().unwrap_or(base);
                Ok(Ground::new(base, commit.tree))
            }
            _ => {
                if let Some(candidate) = joined::given_back(now) {
                    return self.joined(tip, candidate);
                }
                let newer = now.attempts.iter().filter(|a| since.is_none_or(|n| a.n >= n));
                let rebased = newer.rev().find_map(|a| a.commit);
                let parent = rebased.and_then(|c| repo.read_commit(c).ok()?.parents.first().copied());
                let base = parent.unwrap_or(base);
                Ok(Ground::new(base, repo.read_commit(base)?.tree))
            }
        }
    }

    /// Judges an attempt's commit: scope, then checks. It depends on nothing but the commit.
    async fn judge(&self, n: u32, commit: Oid) -> Result<(), Failure> {
        let repo = self.gate.repo();
        let stored = repo.read_commit(commit)?;
        let parent = stored.parents.first().copied();
        let base = parent.ok_or_else(|| Failure::new(Exit::Internal, format!("attempt {commit} has no parent")))?;
        let base_tree = repo.read_commit(base)?.tree;
        let changes = repo.diff_trees(base_tree, stored.tree)?;
        let diff = Some(diff_digest(&changes));
        let failed = |reason, detail| Kind::AttemptFailed { reason, detail, commit: Some(commit), diff };
        let (others, adding) = (self.others(), self.plan.spec.adding());
        let violations = scope::judge(&self.rules(&others, &adding), &changes, |id| repo.read_blob(id, 1 << 20).ok());
        if !violations.is_empty() {
            let paths: Vec<String> = violations.iter().map(|v| v.path.clone()).collect();
            let detail = violations.iter().map(|v| format!("`{}`: {}", v.path, v.why)).collect::<Vec<_>>().join("; ");
            return self.record(Some(n), vec![Kind::ScopeViolation { paths }, failed(AttemptFailure::Scope, detail)]);
        }
        let all: Vec<&Check> = self.slice.checks.iter().collect();
        let results = self.gate.round(&self.round("candidate", n, stored.tree, Vec::new()), &all).await?;
        let mut detail = not_green(&results);
        if detail.is_empty() {
            // Those of others are held against what is integrated.
            let own = contracts::bearing(&self.plan.spec, self.slice, &[], &|_| false);
            detail = contracts::broken(repo, stored.tree, &own)?.join("; ");
        }
        let awaited = if detail.is_empty() { None } else { self.awaited(n) };
        if (detail.is_empty() || awaited.is_some()) && !self.bounded {
            let proves_nothing = self.not_falsifiable(n, base_tree, &changes).await?;
            match (proves_nothing.is_empty(), awaited) {
                (true, Some(awaited)) => return self.set_aside(n, awaited, commit),
                (false, _) if detail.is_empty() => detail = proves_nothing,
                (false, _) => detail = format!("{detail}; {proves_nothing}"),
                (true, None) => {}
            }
        }
        if detail.is_empty() {
            self.record(Some(n), vec![Kind::MergeEligible { candidate: commit }])
        } else {
            self.record(Some(n), vec![failed(AttemptFailure::Checks, detail)])
        }
    }

    /// Tests that the slice wrote itself must be red on the base with the candidate's tests laid over it.
    async fn not_falsifiable(&self, n: u32, base: Oid, changes: &[Change]) -> Result<String, Failure> {
        let mut green = Vec::new();
        let known = self.now().green_on_base;
        for check in self.slice.checks.iter().filter(|c| c.gate == When::New && !known.contains(&c.id)) {
            let own = self.self_written(check);
            if own.is_empty() {
                continue;
            }
            let is_test = |c: &&Change| {
                own.iter().any(|t| c.path == t.as_str() || c.path.starts_with(format!("{t}/").as_bytes()))
            };
            let laid =
                changes.iter().filter(is_test).filter_map(|c| c.new.map(|(mode, id)| (c.path.clone(), mode, id)));
            let results = self.gate.round(&self.round("base", n, base, laid.collect()), &[check]).await?;
            if results.iter().any(|r| r.cause.passed()) {
                green.push(format!("`{}` passes on the base too, so it proves nothing", check.id));
            }
        }
        Ok(green.join("; "))
    }
}

/// The digest of a change, to notice the same one twice.
fn diff_digest(changes: &[Change]) -> Sha256 {
    let side = |s: Option<(Mode, Oid)>| s.map_or("-".to_owned(), |(mode, id)| format!("{} {id}", mode.octal()));
    let mut text = Vec::new();
    for change in changes {
        text.extend_from_slice(change.path.as_bytes());
        text.extend_from_slice(format!("\0{}\0{}\n", side(change.old), side(change.new)).as_bytes());
    }
    Sha256::of(text)
}

/// The slice of that id, or an error of the machine.
pub fn slice<'p>(plan: &'p Plan, id: &SliceId) -> Result<&'p Slice, Failure> {
    plan.spec.slice(id).ok_or_else(|| Failure::new(Exit::Internal, format!("the plan has no slice `{id}`")))
}
