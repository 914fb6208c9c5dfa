//! What may become of refs: one rule a namespace.

use super::{Code, Update, Violation, chains::Chains, copies, history, journals, traces};
use crate::{
    base::{Explain, Failure, Oid, RunId, text::one_line},
    git::{self, ByteSlice, Mode, Repo},
    journal,
    store::{
        self, lease,
        names::{self, Named},
        record, run,
    },
};

/// Everything that must not be in a set of ref moves that belong together, such as one push; each move is held against the
/// refs as they will be after the whole set. `repo` must see the new objects and the refs as they are. Of branches and tags
/// the copies of specs are judged, in every commit that no branch and no tag had.
pub fn updates(repo: &Repo, updates: &[Update]) -> Result<Vec<Violation>, Failure> {
    let chains = Chains::after(repo, updates);
    let (mut out, mut tips) = (Vec::new(), Vec::new());
    for update in updates {
        // A caller that names no old value does not know it: packing refs shows them as new.
        let old = match update.old {
            None if names::what(&update.name) != Named::Unknown => repo.refs().read(&update.name)?,
            given => given,
        };
        let Some(new) = update.new else {
            Move { repo, chains: &chains, name: &update.name, out: &mut out }.removal(old)?;
            continue;
        };
        if old == Some(new) {
            continue;
        }
        if is_branch(&update.name) {
            tips.extend(repo.peel(new)?);
        }
        Move { repo, chains: &chains, name: &update.name, out: &mut out }.to(old, new)?;
    }
    if !tips.is_empty() {
        out.extend(copies::in_commits(repo, &chains, &tips, &known(repo, updates)?)?.violations);
    }
    Ok(out)
}

fn is_branch(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

/// What branches and tags had before the set. Other refs do not count: nobody judged what they bring.
fn known(repo: &Repo, updates: &[Update]) -> Result<Vec<Oid>, Failure> {
    let (heads, tags) = (repo.refs().list("refs/heads/")?, repo.refs().list("refs/tags/")?);
    let stay = heads.into_iter().chain(tags).filter(|(name, _)| updates.iter().all(|u| u.name != *name));
    let moved = updates.iter().filter(|u| is_branch(&u.name));
    let moved = moved.map(|u| match u.old {
        Some(old) => Ok(Some(old)),
        None => repo.refs().read(&u.name).map(|found| found.filter(|f| Some(*f) != u.new)),
    });
    let all = stay.map(|(_, oid)| Ok(Some(oid))).chain(moved).collect::<git::Result<Vec<_>>>()?;
    // A tag of something else, or of what is not here, brings no commit.
    Ok(all.into_iter().flatten().filter_map(|oid| repo.peel(oid).ok().flatten()).collect())
}

struct Move<'a> {
    repo: &'a Repo,
    chains: &'a Chains<'a>,
    name: &'a str,
    out: &'a mut Vec<Violation>,
}

impl Move<'_> {
    fn bad(&mut self, code: Code, commit: Option<Oid>, message: impl Into<String>, hint: impl Into<String>) {
        let place = one_line(self.name, 200);
        self.out.push(Violation { code, place, commit, message: message.into(), hint: hint.into() });
    }

    /// A ref is created or moves.
    fn to(&mut self, old: Option<Oid>, new: Oid) -> Result<(), Failure> {
        match names::what(self.name) {
            Named::Spec(id) => {
                let hint = format!("git otto sync {id}");
                self.forward(old, new, "the history of a spec", hint)?;
                self.out.extend(history(self.repo, &id, new, self.chains));
            }
            Named::Run(run) => {
                self.once(old, new);
                self.anchor(&run, new)?;
            }
            Named::Attempt(_) => self.once(old, new),
            Named::Target(run) => {
                self.forward(old, new, "the target of a run", format!("git otto verify {run}"))?;
                self.commit(new)?;
            }
            Named::Evidence(run) => {
                if self.forward(old, new, "the evidence of a run", format!("git otto verify {run}"))? {
                    self.evidence(&run, old, new)?;
                }
            }
            Named::Journal(run, writer) => {
                if self.forward(old, new, "a journal", format!("git otto verify {run}"))? {
                    self.journal(&run, &writer, old, new)?;
                }
            }
            Named::Lease(run) => {
                if let Err(e) = lease::load(self.repo, new) {
                    let broken = unless_ours(e)?;
                    self.bad(
                        Code::LeaseMalformed,
                        Some(new),
                        format!("it is no lease: {broken}"),
                        format!("git otto status {run}"),
                    );
                }
            }
            Named::Theirs => self.replaces()?,
            Named::Wip(_) => {}
            Named::Private => {
                let text = "what this program keeps for itself stays where it is";
                self.bad(Code::BadName, Some(new), text, format!("leave {} out of the push", one_line(self.name, 200)));
            }
            Named::Unknown => {
                let text = "no ref of git otto is named so";
                self.bad(
                    Code::BadName,
                    Some(new),
                    text,
                    "rename it; or, if a newer git otto made it, install that here",
                );
            }
        }
        Ok(())
    }

    /// A ref goes.
    fn removal(&mut self, old: Option<Oid>) -> Result<(), Failure> {
        let (Some(old), id) = (
            old,
            match names::what(self.name) {
                Named::Spec(id) => id,
                Named::Run(run) | Named::Attempt(run) | Named::Target(run) | Named::Evidence(run) => run.spec().clone(),
                Named::Journal(run, _) | Named::Wip(run) => run.spec().clone(),
                // A run is given back by removing its lease; to remove what may not be there is no harm.
                Named::Lease(_) | Named::Private | Named::Unknown | Named::Theirs => return Ok(()),
            },
        ) else {
            return Ok(());
        };
        let name = names::spec(&id);
        let tip = match self.name == name {
            true => Some(old),
            // The spec may go in the same set: what it was counts.
            false => self.chains.tip(&name)?.or(self.repo.refs().read(&name)?),
        };
        let closed = match tip.map(|tip| record::load(self.repo, tip)).transpose() {
            Ok(found) => found.is_none_or(|s| s.record.kind == record::Kind::Close),
            Err(e) => {
                unless_ours(e)?;
                false
            }
        };
        if !closed {
            let text = format!("nothing of a spec is removed while it is open, and `{id}` is");
            self.bad(Code::Deleted, Some(old), text, format!("git otto close {id}"));
        }
        Ok(())
    }

    /// Whether a ref moves forward; told where it does not.
    fn forward(&mut self, old: Option<Oid>, new: Oid, what: &str, hint: String) -> Result<bool, Failure> {
        let Some(old) = old else { return Ok(true) };
        let forward = match self.repo.is_ancestor(old, new) {
            Ok(forward) => forward,
            Err(git::Error::NoObject(_) | git::Error::WrongKind { .. } | git::Error::Corrupt { .. }) => false,
            Err(e) => return Err(e.into()),
        };
        if !forward {
            let text = format!("{what} only grows, and {} does not contain {}", new.short(), old.short());
            self.bad(Code::NotForward, Some(new), text, hint);
        }
        Ok(forward)
    }

    fn once(&mut self, old: Option<Oid>, new: Oid) {
        if let Some(old) = old {
            let text = format!("it is created once and never moves; it is {}", old.short());
            self.bad(
                Code::NotForward,
                Some(new),
                text,
                format!("git fetch <remote> {0}:{0}", one_line(self.name, 200)),
            );
        }
    }

    /// Whether a ref names a commit; told where it does not.
    fn commit(&mut self, new: Oid) -> Result<bool, Failure> {
        match self.repo.read_commit(new) {
            Ok(_) => Ok(true),
            Err(e) => {
                let broken = unless_ours(e.into())?;
                let name = one_line(self.name, 200);
                self.bad(Code::Record(record::Code::Unreadable), Some(new), broken, format!("git cat-file -t {name}"));
                Ok(false)
            }
        }
    }

    /// A ref that makes git show something else for a part of a spec's history is refused.
    fn replaces(&mut self) -> Result<(), Failure> {
        let object = self.name.strip_prefix(traces::REPLACED).and_then(|hex| hex.parse::<Oid>().ok());
        let Some(object) = object else { return Ok(()) };
        for name in self.chains.names(names::spec_prefix())? {
            let Some(tip) = self.chains.tip(&name)? else { continue };
            if let Some(record) = record::objects(self.repo, tip).get(&object) {
                let text =
                    format!("git would show something else for {object}, a part of the record {}", record.short());
                self.bad(Code::Replaced, Some(*record), text, format!("git replace -d {object}"));
                break;
            }
        }
        Ok(())
    }

    fn anchor(&mut self, run: &RunId, new: Oid) -> Result<(), Failure> {
        let anchor = match run::read(self.repo, run, new) {
            Ok(anchor) => anchor,
            Err(e) => {
                let hint = e.hint().unwrap_or_else(|| format!("git show {new}:run.json"));
                let broken = unless_ours(e)?;
                self.bad(Code::AnchorMalformed, Some(new), broken, hint);
                return Ok(());
            }
        };
        let tip = self.chains.tip(&names::spec(&anchor.spec))?;
        let reached = tip.map(|tip| self.repo.is_ancestor(anchor.spec_commit, tip)).transpose();
        if !matches!(reached, Ok(Some(true))) {
            let text =
                format!("it builds {}, which is no version of `{}` here", anchor.spec_commit.short(), anchor.spec);
            self.bad(Code::VersionUnknown, Some(new), text, format!("git otto push {}", anchor.spec));
        }
        Ok(())
    }

    fn evidence(&mut self, run: &RunId, old: Option<Oid>, new: Oid) -> Result<(), Failure> {
        if !self.commit(new)? {
            return Ok(());
        }
        let now = self.repo.read_commit(new)?.tree;
        let wrong = match old {
            Some(old) => {
                let changes = self.repo.diff_trees(self.repo.read_commit(old)?.tree, now)?.into_iter();
                let mut wrong =
                    changes.filter(|c| c.old.is_some() || c.new.is_none_or(|(mode, _)| mode != Mode::Plain));
                wrong.next().map(|c| (c.path, if c.new.is_some() { "is changed" } else { "is removed" }))
            }
            None => {
                let other = self.repo.tree_entries(now)?.into_iter().find(|e| e.mode != Mode::Plain);
                other.map(|e| (e.path, "is none"))
            }
        };
        if let Some((path, what)) = wrong {
            let path = one_line(&path.to_str_lossy(), 120);
            let text = format!("evidence is only added, as plain files, and {path} {what}");
            self.bad(Code::EvidenceChanged, Some(new), text, format!("git otto verify {run}"));
        }
        Ok(())
    }

    fn journal(&mut self, run: &RunId, writer: &str, old: Option<Oid>, new: Oid) -> Result<(), Failure> {
        let hint = format!("git otto verify {run}");
        let Some(anchor) = self.chains.tip(&names::run(run))? else {
            self.bad(Code::AnchorMissing, Some(new), format!("the run {run} has no anchor here"), "git otto push");
            return Ok(());
        };
        if !self.commit(new)? {
            return Ok(());
        }
        if let Some(old) = old
            && let Some(what) = journals::changed(self.repo, old, new)?
        {
            self.bad(
                Code::JournalChanged,
                Some(new),
                format!("lines of a journal are only added, and {what}"),
                hint.clone(),
            );
        }
        let written = journal::of_writer(self.repo, writer, anchor, new)?;
        for fault in written.faults {
            self.bad(Code::JournalBroken, Some(new), fault.to_string(), hint.clone());
        }
        for noted in written.receipts {
            if let Some(what) = journals::receipt(self.repo, run, &noted)? {
                let text = format!("the receipt on {} is not of that landing: {what}", noted.commit.short());
                self.bad(Code::ReceiptMismatch, Some(noted.commit), text, hint.clone());
            }
        }
        Ok(())
    }
}

/// What is wrong with objects, in words; trouble of this machine stays trouble.
fn unless_ours(e: store::Error) -> Result<String, Failure> {
    use git::Error::{Corrupt, NoObject, TooLarge, WrongKind};
    match e {
        store::Error::Git(NoObject(_) | Corrupt { .. } | WrongKind { .. } | TooLarge { .. }) => Ok(e.to_string()),
        store::Error::Git(_) | store::Error::Io(_) => Err(e.into()),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
