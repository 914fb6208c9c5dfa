//! The gate: runs checks on a tree in a clean checkout, keeps the evidence in git, and says so in the journal.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    base::{Exit, Failure, Oid, Point, RunId, Sha256, SliceId, World},
    checks::{
        self,
        model::{Cause, Check, CheckKind, Outcome, Service},
    },
    git::{BString, Mode, Repo},
    journal::{
        Log,
        event::{Fact, Kind},
        state::CheckResult,
    },
    sandbox::{Sandbox, Whose},
    store::{Store, evidence},
    workspace::{self, CheckoutDir, Look},
};

mod away;
mod facts;
mod kept;
mod setup;
mod stage;

use setup::{Locks, Supplied};
use stage::Stage;

pub use away::{Away, Owner, put_away};
pub use kept::{Kept, Place, RESULT, kept};
pub use setup::{PROGRAMS, Supply, cache, find, tools_first, unused_layers};

/// Where in a run's evidence its recorded calls are.
pub const RECORDING: &str = "_recording";

/// Where checks are run: clean checkouts of one repository.
#[derive(Clone)]
pub struct Site {
    /// The outside world.
    pub world: World,
    /// The repository's store.
    pub store: Store,
    /// The folder of the checkouts, outside the repository.
    pub root: PathBuf,
    /// Argument vectors run in a checkout before its checks.
    pub setup: Vec<Vec<String>>,
    /// Contents that the spec names.
    pub contents: BTreeMap<Sha256, Vec<u8>>,
    /// The services that checks talk to.
    pub services: Vec<Service>,
    /// The spec, as invariants see it.
    pub spec: Arc<serde_json::Value>,
    /// The tree where the run began, if there is one.
    pub base: Option<Oid>,
    /// The ports that services of this process have.
    pub ports: checks::Ports,
    /// Hosts to which services may redirect (`otto.probe.allow`).
    pub probes: Vec<String>,
    /// Variables that checks may see besides the built ones (`otto.checkEnv`).
    pub check_env: Vec<(String, String)>,
    /// How programs are confined.
    pub sandbox: Sandbox,
    /// What checkouts get besides their trees.
    pub supply: Supply,
    /// Clean checkouts that no round uses now.
    pub idle: Arc<Idle>,
    /// What this process found out about bases before the run began.
    pub known: Arc<Vec<Outcome>>,
}

/// The checks of one run: where they are run, and what remembers them.
#[derive(Clone)]
pub struct Gate {
    /// Where they are run.
    pub site: Site,
    /// The run's journal.
    pub log: Arc<Log>,
    /// The run.
    pub run: RunId,
    /// Whether calls of agents are recorded.
    pub records: bool,
}

/// Checkouts that can be turned into those of other trees.
#[derive(Default)]
pub struct Idle(Mutex<Vec<Clean>>);

/// Checks to be run on one tree.
pub struct Round<'a> {
    /// The slice that it is for; none for cross-slice checks and the audit.
    pub slice: Option<&'a SliceId>,
    /// Its generation, or the digest of the spec commit's id.
    pub r#gen: Sha256,
    /// Its attempt, 0 for none.
    pub attempt: u32,
    /// base, candidate, queue-n or audit-n.
    pub name: String,
    /// The tree.
    pub tree: Oid,
    /// Files laid over the tree: the candidate's own tests on the base.
    pub overlay: Vec<(BString, Mode, Oid)>,
}

impl Round<'_> {
    /// A round for no slice: of the cross-slice checks on the base, or of the audit.
    pub fn of_run(spec_commit: Oid, name: String, tree: Oid) -> Round<'static> {
        let r#gen = Sha256::of(spec_commit.to_string());
        Round { slice: None, r#gen, attempt: 0, name, tree, overlay: Vec::new() }
    }
}

/// A checkout that nothing has changed in.
struct Clean {
    place: CheckoutDir,
    look: Look,
    tree: Oid,
    supplied: Supplied,
}

impl Idle {
    fn take(&self) -> Option<Clean> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
    fn put(&self, clean: Clean) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(clean);
    }
}

impl Site {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.store.repo
    }

    /// Runs checks one after the other, each in a clean checkout, so that none sees what another left behind.
    pub async fn outcomes(&self, round: &Round<'_>, checks: &[&Check]) -> Result<Vec<Outcome>, Failure> {
        let supplies = self.supplies(round.tree).await?;
        let (mut outcomes, mut clean) = (Vec::new(), self.turned(round, &supplies.1)?);
        let (mut broken, mut stage) = (None, None);
        for check in checks {
            outcomes.push(match self.known_of(round, check) {
                Some(known) => known,
                None if check.kind.service().is_some() => {
                    self.talk(round, check, &supplies, &mut stage, &mut broken).await?
                }
                None if matches!(check.kind, CheckKind::StateInvariant { .. }) => {
                    self.invariant(round, check, stage.as_ref()).await?
                }
                None => self.one(round, check, &supplies, &mut clean, &mut broken).await?,
            });
        }
        if let Some(Stage { served: Ok(served), .. }) = stage {
            served.stop().await;
        }
        if let Some(clean) = clean.filter(|_| self.turns(round, &supplies.1)) {
            self.idle.put(clean);
        }
        Ok(outcomes)
    }

    /// What is known of a check on the tree of a base, from a checkout like those of the round.
    fn known_of(&self, round: &Round<'_>, check: &Check) -> Option<Outcome> {
        let digest = check.digest();
        let is_it = |o: &&Outcome| o.evidence.tree == round.tree && o.evidence.digest == digest;
        let mut known = self.known.iter().filter(|_| round.name == "base" && round.overlay.is_empty());
        let mut known = known.find(is_it)?.clone();
        known.evidence.detail += "; it was run before the run began";
        Some(known)
    }

    /// One check in a clean checkout: a fresh one, or the one of the check before where that left everything as it was.
    async fn one(
        &self,
        round: &Round<'_>,
        check: &Check,
        supplies: &(Locks, Supplied),
        clean: &mut Option<Clean>,
        broken: &mut Option<String>,
    ) -> Result<Outcome, Failure> {
        let shared = check.files.is_empty();
        let supplied = &supplies.1;
        let (place, look) = match clean.take().filter(|_| shared) {
            Some(Clean { place, look, .. }) => (place, Some(look)),
            None => {
                let (place, failed) = self.prepared(round, check, supplies, broken).await?;
                if let Some(why) = failed {
                    let on = on(round, &place, supplied);
                    return Ok(checks::unknown(&self.confined(&on), check, &on, why));
                }
                let look = if shared { place.look()? } else { None };
                (place, look)
            }
        };
        let on = on(round, &place, supplied);
        let outcome = checks::run(&self.confined(&on), check, on).await;
        let (tree, supplied) = (round.tree, supplied.clone());
        *clean = look.filter(|look| place.still_looks_like(look)).map(|look| Clean { place, look, tree, supplied });
        Ok(outcome)
    }

    /// A fresh checkout for a check, with everything that it gets; and why it cannot be used, if that failed.
    async fn prepared(
        &self,
        round: &Round<'_>,
        check: &Check,
        supplies: &(Locks, Supplied),
        broken: &mut Option<String>,
    ) -> Result<(CheckoutDir, Option<String>), Failure> {
        let place = self.check_out(round)?;
        // What could not be installed for one check cannot be for the next one.
        if broken.is_none() {
            *broken = self.install(place.dir(), place.scratch(), round.tree, supplies).await?;
        }
        self.lay_over(&place, round, check)?;
        let failed = match broken {
            Some(why) => Some(why.clone()),
            None => self.own(place.dir(), place.scratch(), round.tree).await?,
        };
        Ok((place, failed))
    }

    /// The world as a check in a checkout sees it.
    fn confined(&self, on: &checks::On<'_>) -> World {
        let write = vec![on.dir.to_owned(), on.scratch.to_owned()];
        self.sandbox.around(&self.world, Whose::Check, on.scratch.to_owned(), write)
    }

    /// Whether the checkout of a round holds nothing but its tree and what others get too, so that it can become that of another round. The audit
    /// takes nothing over: its checkout is a fresh one.
    fn turns(&self, round: &Round<'_>, supplied: &Supplied) -> bool {
        supplied.shared && round.overlay.is_empty() && !round.name.starts_with("audit-")
    }

    /// An idle checkout, turned into that of a round; none where there is none that nothing has changed in.
    fn turned(&self, round: &Round<'_>, supplied: &Supplied) -> Result<Option<Clean>, Failure> {
        if !self.turns(round, supplied) {
            return Ok(None);
        }
        let Some(Clean { place, look, tree, supplied: had }) = self.idle.take() else { return Ok(None) };
        if had != *supplied || !place.still_looks_like(&look) {
            return Ok(None);
        }
        let carried = &self.supply.carried;
        let covers =
            tree != round.tree && (carried.is_in(self.repo(), tree)? || carried.is_in(self.repo(), round.tree)?);
        // One that cannot be turned goes; a fresh one says what is wrong.
        if covers || !place.turn(self.repo(), tree, round.tree, None).unwrap_or(false) {
            return Ok(None);
        }
        let look = if tree == round.tree { Some(look) } else { place.look()? };
        Ok(look.map(|look| Clean { place, look, tree: round.tree, supplied: had }))
    }

    /// A fresh checkout of a round's tree, with what is carried.
    fn check_out(&self, round: &Round<'_>) -> Result<CheckoutDir, Failure> {
        let name = format!("check-{}-{}", round.slice.map_or("cross", |s| s.as_str()), round.name);
        let place = workspace::clean_checkout(self.repo(), &self.world, &self.root, &name, round.tree)?;
        place.carry(self.repo(), round.tree, &self.supply.carried)?;
        Ok(place)
    }

    /// Lays the judges' files over a checkout.
    fn lay_over(&self, place: &CheckoutDir, round: &Round<'_>, check: &Check) -> Result<(), Failure> {
        for (path, mode, blob) in &round.overlay {
            let content = self.repo().read_blob(*blob, workspace::MAX_FILE)?;
            place.lay_over(path.as_ref(), *mode == Mode::Executable, &content)?;
        }
        for (path, digest) in &check.files {
            let content = self.contents.get(digest).ok_or_else(|| {
                Failure::new(Exit::Invalid, format!("the spec's commit lacks the content of `{path}` (files/{digest})"))
            })?;
            place.lay_over(path.as_str().into(), content.starts_with(b"#!"), content)?;
        }
        Ok(())
    }
}

/// What a check of a round runs on.
fn on<'a>(round: &Round<'_>, place: &'a CheckoutDir, supplied: &'a Supplied) -> checks::On<'a> {
    let Supplied { key, vars, .. } = supplied;
    checks::On { dir: place.dir(), tree: round.tree, scratch: place.scratch(), extra_env: vars, supplied: *key }
}

impl Gate {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.site.store.repo
    }

    /// Runs checks on a tree; what came of them is in the evidence and in the journal.
    pub async fn round(&self, round: &Round<'_>, checks: &[&Check]) -> Result<Vec<CheckResult>, Failure> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let fact = |kind| Fact {
            kind,
            slice: round.slice.cloned(),
            r#gen: round.slice.map(|_| round.r#gen),
            attempt: (round.attempt > 0).then_some(round.attempt),
        };
        let started =
            |c: &&Check| fact(Kind::CheckStarted { check: c.id.clone(), round: round.name.clone(), tree: round.tree });
        self.log.record(&checks.iter().map(started).collect::<Vec<_>>())?;
        let outcomes = self.site.outcomes(round, checks).await?;
        self.site.world.faults.hit(if round.name == "base" {
            Point::BuildBaseAfter
        } else {
            Point::BuildChecksAfter
        })?;
        let blobs = self.keep(round, &outcomes)?;
        self.site.world.faults.hit(Point::EvidenceAfter)?;
        let results: Vec<CheckResult> = outcomes
            .iter()
            .zip(blobs)
            .map(|(Outcome { evidence: e, .. }, blob)| CheckResult {
                check: e.check.clone(),
                digest: e.digest,
                round: round.name.clone(),
                tree: round.tree,
                cause: e.cause,
                detail: e.detail.clone(),
                duration_ms: e.duration_ms,
                evidence: blob,
            })
            .collect();
        let finished = |r: &CheckResult| {
            fact(Kind::CheckFinished {
                check: r.check.clone(),
                digest: r.digest,
                round: r.round.clone(),
                tree: r.tree,
                passed: r.cause.passed(),
                cause: r.cause,
                detail: r.detail.clone(),
                duration_ms: r.duration_ms,
                evidence: r.evidence,
            })
        };
        self.log.record(&results.iter().map(finished).collect::<Vec<_>>())?;
        Ok(results)
    }

    /// Stores evidence; gives the blob of each `result.json`.
    fn keep(&self, round: &Round<'_>, outcomes: &[Outcome]) -> Result<Vec<Oid>, Failure> {
        let (mut entries, mut results) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let dir = self.evidence_dir(round.slice, round.r#gen, round.attempt, &round.name, &outcome.evidence.check);
            let mut result = serde_json::to_vec_pretty(&outcome.evidence).map_err(std::io::Error::from)?;
            result.push(b'\n');
            results.push(entries.len());
            entries.push((format!("{dir}/{RESULT}"), result));
            entries.push((format!("{dir}/stdout"), outcome.stdout.clone()));
            entries.push((format!("{dir}/stderr"), outcome.stderr.clone()));
            let artifacts = outcome.artifacts.iter();
            entries.extend(artifacts.map(|(name, bytes)| (format!("{dir}/artifacts/{name}"), bytes.clone())));
        }
        let ids = evidence::put(&self.site.store, &self.run, &self.log.writer(), &entries)?;
        Ok(results.into_iter().filter_map(|at| ids.get(at).copied()).collect())
    }

    /// Stores a recorded call with the run's evidence, under a name of its own.
    pub fn keep_recording(&self, name: &str, line: Vec<u8>) -> Result<(), Failure> {
        let entry = (format!("{RECORDING}/{name}"), line);
        evidence::put(&self.site.store, &self.run, &self.log.writer(), &[entry])?;
        Ok(())
    }

    fn evidence_dir(&self, slice: Option<&SliceId>, r#gen: Sha256, attempt: u32, round: &str, check: &str) -> String {
        let (round, check) = (round.to_owned(), check.to_owned());
        Place { slice: slice.cloned(), generation: r#gen.short(), attempt, round, check }.to_string()
    }

    /// The streams of a check that was run for a slice, or for the run, cut to their ends: what agents are told.
    pub fn streams(&self, slice: Option<&SliceId>, r#gen: Sha256, attempt: u32, result: &CheckResult) -> [String; 2] {
        let dir = self.evidence_dir(slice, r#gen, attempt, &result.round, &result.check);
        ["stdout", "stderr"].map(|stream| {
            let found = evidence::find(self.repo(), &self.run, &format!("{dir}/{stream}"));
            let bytes = found.ok().flatten().unwrap_or_default();
            let start = bytes.len().saturating_sub(4096);
            String::from_utf8_lossy(&bytes[start..]).into_owned()
        })
    }
}

/// What is not green, one clause each; empty when all is.
pub fn not_green(results: &[CheckResult]) -> String {
    let bad = results.iter().filter(|r| !r.cause.passed());
    bad.map(|r| format!("`{}` {}: {}", r.check, words(r.cause), r.detail)).collect::<Vec<_>>().join("; ")
}

/// What came of a check.
pub fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Holds => "holds",
        Cause::Assertion => "does not hold",
        Cause::Missing => "found nothing to check",
        Cause::Error => "broke off",
        Cause::Timeout => "took too long",
        Cause::Unknown => "could not be evaluated",
    }
}
