//! The commits of a branch from one to another: what a forge that runs no hooks has checked by CI.

use super::{
    COPIES, Code, Findings, Violation,
    chains::Chains,
    copies,
    delivered::{self, Delivery},
    history,
    traces::UNSHALLOW,
};
use crate::{
    base::{Failure, Oid},
    git::{self, Repo},
    store::names,
};

/// What was found in a range.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// How many commits there are.
    pub commits: usize,
    /// What is wrong with the copies in them and with the histories that those stand on, and what is worth telling.
    pub findings: Findings,
    /// Which of them bring what runs have landed, oldest first.
    pub delivered: Vec<Delivery>,
}

/// Judges every commit that `head` reaches and `known` do not (without those, every one), the copies that stand at `head`,
/// and the whole histories of their specs. What a shallow clone hides is told, never passed over.
pub fn range(repo: &Repo, known: &[Oid], head: Oid) -> Result<Range, Failure> {
    let mut out = Range::default();
    let links = match known.iter().chain([&head]).try_for_each(|b| repo.read_commit(*b).map(drop)) {
        Ok(()) => repo.new_commits(&[head], known)?,
        Err(git::Error::NoObject(missing)) => {
            out.findings.violations.push(cut(head, format!("{missing}, an end of the range, is not here")));
            return Ok(out);
        }
        Err(e) => return Err(e.into()),
    };
    out.commits = links.len();
    let edge = repo.shallow();
    if let Some(at) = links.iter().find(|l| edge.contains(&l.commit)) {
        let text = format!("history is cut at {}: what came before cannot be judged", at.commit.short());
        out.findings.violations.push(cut(at.commit, text));
    }
    let chains = Chains::after(repo, &[]);
    let changed = copies::in_commits(repo, &chains, &[head], known)?;
    let standing = copies::standing(repo, &chains, head)?;
    let told: Vec<(Code, String)> = changed.violations.iter().map(|v| (v.code, v.message.clone())).collect();
    let fresh = standing.violations.into_iter().filter(|v| !told.contains(&(v.code, v.message.clone())));
    out.findings.violations.extend(changed.violations.into_iter().chain(fresh).map(how_to_fetch));
    out.findings.notes.extend(changed.notes);
    for id in chains.read() {
        for tip in chains.tips(&id)? {
            out.findings.violations.extend(history(repo, &id, tip, &chains));
        }
    }
    out.delivered = delivered::among(repo, &links)?;
    Ok(out)
}

fn cut(at: Oid, message: String) -> Violation {
    Violation { code: Code::Shallow, place: COPIES.into(), commit: Some(at), message, hint: UNSHALLOW.into() }
}

/// Whoever runs this in CI has a bare clone: say what to type there.
fn how_to_fetch(mut v: Violation) -> Violation {
    if v.code == Code::NoChain {
        v.hint = format!("git otto fetch; or: git fetch <remote> '{0}*:{0}*'", names::spec_prefix());
    }
    v
}
