//! What makes a run trustworthy: its journals are whole, each landing is in the target's history once, and each has a
//! receipt whose tree is the landed one and whose evidence is there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Code, Seen, Violation,
    journals::{MAX_NOTE, mismatch},
};
use crate::{
    base::{Failure, Oid, RunId, json, text::one_line},
    checks::model::Evidence,
    git::{self, ObjectKind, Repo},
    journal::{
        self, Replayed,
        event::{Event, Kind},
    },
    queue::receipt::{Proof, Receipt},
    store::{
        evidence, names, record,
        run::{self, RunAnchor},
    },
};

/// How to get refs back that somebody moved or removed.
fn restore(prefix: &str) -> String {
    format!("restore from a clone, or from a reflog: git for-each-ref '{prefix}*'")
}

struct Check<'a> {
    repo: &'a Repo,
    run: &'a RunId,
    seen: Seen,
    found: Vec<Violation>,
}

/// Everything wrong with a run, and what was looked at.
pub fn run(repo: &Repo, run: &RunId) -> Result<(Seen, Vec<Violation>), Failure> {
    let mut check = Check { repo, run, seen: Seen::default(), found: Vec::new() };
    check.all()?;
    Ok((check.seen, check.found))
}

impl Check<'_> {
    fn bad(&mut self, code: Code, commit: Option<Oid>, message: impl Into<String>, hint: impl Into<String>) {
        let place = format!("run {}", self.run);
        self.found.push(Violation { code, place, commit, message: message.into(), hint: hint.into() });
    }

    fn all(&mut self) -> Result<(), Failure> {
        let (at, anchor) = match run::load(self.repo, self.run) {
            Ok(found) => found,
            Err(e) => {
                let failure = Failure::from(e);
                let hint = failure.hint.clone().unwrap_or_else(|| restore(&names::run(self.run)));
                self.bad(Code::AnchorMalformed, None, format!("its anchor cannot be read: {failure}"), hint);
                return Ok(());
            }
        };
        if let Err(e) = self.repo.raw_object(at, MAX_NOTE) {
            self.bad(Code::AnchorMalformed, Some(at), format!("its anchor is damaged: {e}"), "git fsck --full");
        }
        let Replayed { events, state, receipts, overtaken, .. } = journal::read(self.repo, self.run, at)?;
        self.versions(&anchor, &state.amended)?;
        self.seen.events = events.len();
        for problem in &state.problems {
            self.bad(
                Code::JournalBroken,
                None,
                format!("its journal: {problem}"),
                restore(&names::journal_prefix(self.run)),
            );
        }
        for event in &events {
            if let Kind::CheckFinished { evidence, check, .. } = &event.fact.kind {
                self.seen.evidence += 1;
                if !matches!(self.repo.object_header(*evidence), Ok((ObjectKind::Blob, _))) {
                    let what = format!("the evidence {evidence} of check `{check}` (event {}) is not there", event.id);
                    self.bad(Code::EvidenceMissing, None, what, restore(&names::evidence_prefix(self.run)));
                }
            }
        }
        let Some(tip) = run::target(self.repo, self.run)? else {
            let name = names::target(self.run);
            // A run that died before it had a target has landed nothing.
            if !state.landings.is_empty() {
                self.bad(Code::TargetLost, None, format!("{name} is gone"), restore(&name));
            }
            return Ok(());
        };
        if !self.reaches(anchor.base, tip)? {
            let what = format!("the target {tip} does not contain the base {} that the run started from", anchor.base);
            self.bad(Code::TargetLost, Some(tip), what, restore(&names::target(self.run)));
        }
        let mut notes: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for receipt in receipts {
            notes.entry(receipt.commit).or_default().push(receipt.blob);
        }
        let (mut commits, mut generations) = (BTreeSet::new(), BTreeMap::new());
        for (slice, commit) in &state.landings {
            self.seen.landings += 1;
            let show = format!("git show {commit}");
            if !commits.insert(*commit) {
                self.bad(
                    Code::LandingWrong,
                    Some(*commit),
                    format!("the landing {commit} of `{slice}` is told twice"),
                    show,
                );
                continue;
            }
            let found = notes.remove(commit).unwrap_or_default();
            if !self.reaches(*commit, tip)? {
                let what = format!("`{slice}` landed as {commit}, which is not in the target's history");
                let hint = format!("git log --first-parent {tip}; git branch --contains {commit}");
                self.bad(Code::LandingWrong, Some(*commit), what, hint);
                continue;
            }
            for receipt in self.receipts(*commit, &found) {
                if receipt.slice != *slice {
                    let what = format!("the receipt on {commit} is of `{}`, not of `{slice}`", receipt.slice);
                    self.bad(Code::ReceiptMismatch, Some(*commit), what, show.clone());
                }
                let of = (receipt.slice.clone(), receipt.r#gen);
                let landed: &mut usize = generations.entry(of).or_default();
                *landed += 1;
                // An amendment that takes another one back opens the generation that was before once more, and what others
                // need of what has landed is done to it in its own generation.
                let again = |e: &&Event| {
                    let is_of = e.fact.slice.as_ref() == Some(slice) && e.fact.r#gen == Some(receipt.r#gen);
                    is_of && matches!(e.fact.kind, Kind::SliceInvalidated { .. } | Kind::RepairStarted { .. })
                };
                if *landed > 1 + events.iter().filter(again).count() {
                    let what = format!("`{slice}` landed twice in one generation, again as {commit}");
                    self.bad(Code::LandingWrong, Some(*commit), what, show.clone());
                }
                self.receipt(*commit, &receipt)?;
            }
        }
        // What landed on a machine from which another one had taken the run over counts for nothing.
        for event in overtaken {
            if let Kind::MergeLanded { commit, .. } = event.fact.kind {
                notes.remove(&commit);
            }
        }
        for commit in notes.keys() {
            let what = format!("a receipt stands on {commit}, which the journal does not call a landing");
            self.bad(Code::ReceiptMismatch, Some(*commit), what, format!("git show {commit}"));
        }
        Ok(())
    }

    /// Each version of the spec that it built follows the one before, and all are in the spec's history.
    fn versions(&mut self, anchor: &RunAnchor, amended: &[Oid]) -> Result<(), Failure> {
        let tip = record::tip(self.repo, &anchor.spec)?;
        let mut before = anchor.spec_commit;
        for version in [&[anchor.spec_commit], amended].concat() {
            let known = match tip {
                Some(tip) => self.reaches(version, tip)? && self.reaches(before, version)?,
                None => false,
            };
            if !known {
                let what =
                    format!("the spec version {version} that it builds is not in the history of {}", anchor.spec);
                self.bad(Code::VersionUnknown, Some(version), what, format!("git otto verify {}", anchor.spec));
            }
            before = version;
        }
        Ok(())
    }

    /// The receipts in the notes on a landing: one, unless something is wrong.
    fn receipts(&mut self, commit: Oid, notes: &[Oid]) -> Vec<Receipt> {
        let mut out: Vec<Receipt> = Vec::new();
        let show = format!("git log -1 --notes='otto/*' {commit}");
        let bad = |me: &mut Self, what, hint: &str| me.bad(Code::ReceiptMismatch, Some(commit), what, hint);
        for note in notes {
            let read = self.repo.raw_object(*note, MAX_NOTE).map_err(|e| e.to_string());
            match read.map(|(_, bytes)| Receipt::find(&bytes)) {
                Ok(Some(Ok(receipt))) if out.contains(&receipt) => {}
                Ok(Some(Ok(receipt))) => out.push(receipt),
                Ok(Some(Err(e))) => bad(self, format!("the receipt on {commit} cannot be read: {e}"), &show),
                Ok(None) => bad(self, format!("the note on {commit} holds no receipt"), &show),
                Err(e) => bad(self, format!("the note on {commit} cannot be read: {e}"), "git fsck --full"),
            }
        }
        if out.is_empty() && notes.is_empty() {
            let prefix = names::journal_prefix(self.run);
            self.bad(
                Code::ReceiptMissing,
                Some(commit),
                format!("the landing {commit} has no receipt"),
                restore(&prefix),
            );
        }
        if out.len() > 1 {
            bad(self, format!("the landing {commit} has {} receipts that differ", out.len()), &show);
            out.truncate(1);
        }
        self.seen.receipts += out.len();
        out
    }

    /// What a receipt says against what git has.
    fn receipt(&mut self, commit: Oid, receipt: &Receipt) -> Result<(), Failure> {
        if let Err(e) = self.repo.raw_object(commit, MAX_NOTE) {
            self.bad(
                Code::LandingWrong,
                Some(commit),
                format!("the landing {commit} is damaged: {e}"),
                "git fsck --full",
            );
            return Ok(());
        }
        for what in mismatch(self.run, commit, &self.repo.read_commit(commit)?, receipt) {
            self.bad(Code::ReceiptMismatch, Some(commit), what, format!("git show --format=raw {commit}"));
        }
        for proof in &receipt.checks {
            if let Some(what) = self.evidence(receipt, proof) {
                let id = one_line(&proof.id, 80);
                self.bad(
                    Code::ReceiptMismatch,
                    Some(commit),
                    format!("check `{id}` in the receipt on {commit}: {what}"),
                    format!("git cat-file blob {}", proof.evidence),
                );
            }
        }
        Ok(())
    }

    /// What is wrong with the evidence of one check on the landed tree, if anything is.
    fn evidence(&self, receipt: &Receipt, proof: &Proof) -> Option<String> {
        let blob = match self.repo.raw_object(proof.evidence, evidence::MAX_FILE as u64) {
            Ok((ObjectKind::Blob, bytes)) => bytes,
            Ok(_) => return Some(format!("its evidence {} is no blob", proof.evidence)),
            Err(e) => return Some(format!("its evidence cannot be read: {e}")),
        };
        let found: Evidence = match json::read(&blob, json::Limits::RECORD) {
            Ok(found) => found,
            Err(e) => return Some(format!("its evidence {} is no result: {e}", proof.evidence)),
        };
        if found.check != proof.id || found.digest != proof.digest {
            return Some(format!("its evidence {} is of another check", proof.evidence));
        }
        if found.tree != receipt.tested_tree {
            return Some(format!("its evidence is of the tree {}, not of the landed one", found.tree));
        }
        let green = found.passed && found.cause.passed() && proof.integrated.passed();
        (!green).then(|| "it was not green on the landed tree".to_owned())
    }

    /// Whether `from` is in the history of `tip`; what is missing is not.
    fn reaches(&self, from: Oid, tip: Oid) -> Result<bool, Failure> {
        match self.repo.is_ancestor(from, tip) {
            Ok(found) => Ok(found),
            Err(git::Error::NoObject(_)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}
