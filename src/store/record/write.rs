//! Appending to a spec's history.

use std::collections::{BTreeMap, HashMap};

use super::{
    Actor, Cost, FORMAT, Kind, Person, Phase, Record, Step, StoredSpec, Time, history, load,
    read::{MAX_FILE, MAX_FILES, MAX_TOTAL, raw, tip},
    verify::{Seen, check, spec_bytes},
};
use crate::{
    base::{Oid, Point, Sha256, SpecId, Timestamp, text},
    git::{BString, Mode, NewCommit, Old, RefEdit, Signature, Swap},
    store::{Error, Result, Store, chain, names, pretty},
};

/// What to append.
#[derive(Clone, Debug)]
pub struct NewRecord<'a> {
    /// What is done.
    pub kind: Kind,
    /// By whom.
    pub by: By,
    /// The product's title, for the commit's subject.
    pub title: &'a str,
    /// Why; secrets are redacted before it is stored.
    pub reason: &'a str,
    /// The event that an agent's amendment answers.
    pub trigger: Option<&'a str>,
    /// Of an amendment: 1, 2 or 3.
    pub tier: Option<u8>,
    /// The spec after it; none keeps the current one (approve, close).
    pub content: Option<Content<'a>>,
    /// What an agent's work cost.
    pub cost: Option<Cost>,
    /// Of a merge: the other parent, and the newest record that both have.
    pub merges: Option<(Oid, Oid)>,
}

/// By whom a record is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The person whom git knows as the user; their record is signed when `commit.gpgSign` or `otto.sign` is on.
    User,
    /// An agent; the committer is this program.
    Agent {
        /// Such as `claude`.
        provider: String,
        /// Such as `opus`.
        model: String,
    },
    /// This program, by rule.
    Otto,
}

/// A spec and what it names by digest.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// `spec.json`, as this program writes it.
    pub spec: &'a [u8],
    /// The contents that the spec names.
    pub files: &'a BTreeMap<Sha256, Vec<u8>>,
}

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The spec's current record.
    pub commit: Oid,
    /// Whether it is new; equal content is no change and makes no commit.
    pub new: bool,
}

/// Appends a record if the spec is still at `expected` (none: it does not exist yet), else [`Error::Moved`].
///
/// A compile or edit with the content that is there, an approve of what is approved and a close of what is closed
/// change nothing and give the current record.
pub fn append(store: &Store, spec: &SpecId, new: NewRecord<'_>, expected: Option<Oid>) -> Result<Appended> {
    let found = tip(&store.repo, spec)?;
    if found != expected {
        return Err(moved(store, spec, found));
    }
    let why = format!("{} {spec}", new.kind.word());
    let made = prepare(store, spec, new, expected)?;
    if made.new {
        advance(store, spec, expected, made.commit, &why)?;
    }
    Ok(made)
}

/// Lets a spec go on from `expected` to a record that was prepared, else [`Error::Moved`].
pub fn advance(store: &Store, spec: &SpecId, expected: Option<Oid>, to: Oid, why: &str) -> Result<()> {
    store.world.faults.hit(Point::SpecAppendBeforeSwap)?;
    let edit = RefEdit { name: names::spec(spec), old: expected.map_or(Old::Absent, Old::Is), new: Some(to) };
    match store.swap(&[edit], why)? {
        Swap::Done => Ok(()),
        Swap::Lost { found, .. } => Err(moved(store, spec, found)),
    }
}

/// Writes a record that follows `parent`, and moves no ref: what [`append`] does, for a history that goes on elsewhere.
pub fn prepare(store: &Store, spec: &SpecId, new: NewRecord<'_>, parent: Option<Oid>) -> Result<Appended> {
    let refused = |why: String| Error::Refused { spec: spec.clone(), why };
    let current = parent.map(|tip| load(&store.repo, tip)).transpose()?;
    let phase = current.as_ref().map(|c| c.record.kind.phase());
    let content = match (&new.content, &current) {
        (Some(content), _) => *content,
        (None, Some(c)) if new.kind.keeps_content() => Content { spec: &c.spec_bytes, files: &c.files },
        _ => return Err(refused(format!("a record of kind {} needs a spec", new.kind.word()))),
    };
    if let Some(c) = &current {
        let same = content.spec == c.spec_bytes && *content.files == c.files;
        let done = match new.kind {
            Kind::Compile | Kind::Edit => same,
            Kind::Approve => same && phase == Some(Phase::Approved),
            Kind::Close => same && phase == Some(Phase::Closed),
            _ => false,
        };
        if done {
            return Ok(Appended { commit: c.commit, new: false });
        }
    }
    if !new.kind.may_follow(phase) {
        let stands = phase.map_or("has no record yet", |p| match p {
            Phase::Draft => "is a draft",
            Phase::Approved => "is approved",
            Phase::Closed => "is closed",
        });
        return Err(refused(format!("it {stands}, so {} cannot follow", new.kind.word())));
    }
    within_bounds(content).map_err(refused)?;
    spec_bytes(spec, content.spec).map_err(|b| refused(b.message))?;

    let commit = write(store, spec, &new, content, current.as_ref())?;
    Ok(Appended { commit, new: true })
}

fn within_bounds(content: Content<'_>) -> std::result::Result<(), String> {
    let total: usize = content.files.values().map(Vec::len).sum();
    let largest = content.files.values().map(Vec::len).chain([content.spec.len()]).max().unwrap_or(0);
    if largest as u64 > MAX_FILE || total > MAX_TOTAL || content.files.len() > MAX_FILES {
        return Err(format!(
            "it is too large: at most {MAX_FILES} files, {} MiB each, {} MiB in all",
            MAX_FILE >> 20,
            MAX_TOTAL >> 20
        ));
    }
    match content.files.iter().find(|(digest, bytes)| Sha256::of(bytes) != **digest) {
        Some((digest, _)) => Err(format!("the file {digest} has another digest")),
        None => Ok(()),
    }
}

/// Writes the commit and holds it against the verifier before any ref may name it.
fn write(
    store: &Store,
    spec: &SpecId,
    new: &NewRecord<'_>,
    content: Content<'_>,
    current: Option<&StoredSpec>,
) -> Result<Oid> {
    let repo = &store.repo;
    let mut parents: Vec<StoredSpec> = current.cloned().into_iter().collect();
    if let Some((other, _)) = new.merges {
        parents.push(load(repo, other)?);
        parents.sort_by_key(|p| p.commit);
    }
    let now = match new.kind {
        // Both sides of a merge must get the same commit.
        Kind::Merge => Timestamp::from_secs(parents.iter().map(|p| p.record.time.secs).max().unwrap_or(0)),
        _ => Timestamp::from_secs(store.world.clock.now().secs()),
    };
    let otto = Signature { time: now, ..store.otto() };
    let (actor, author, committer) = match &new.by {
        By::User => {
            let (author, committer) = repo.identity(now)?;
            (Actor::User(author.email.trim().into()), author, committer)
        }
        By::Agent { provider, model } => {
            let name = format!("{provider}/{model}");
            let actor = Actor::Agent { provider: provider.clone(), model: model.clone() };
            (actor, Signature { name, email: "agent@localhost".into(), time: now }, otto)
        }
        By::Otto => (Actor::Otto, otto.clone(), otto),
    };
    // Names as a commit keeps them: without white space around.
    let clean = |s: Signature| Signature { name: s.name.trim().into(), email: s.email.trim().into(), time: now };
    let (author, committer) = (clean(author), clean(committer));

    let reason = String::from_utf8_lossy(&text::redact(text::printable(new.reason).trim().as_bytes())).into_owned();
    let person = |s: &Signature| Person { name: s.name.clone(), email: s.email.clone() };
    let mut record = Record {
        format: FORMAT,
        kind: new.kind,
        actor,
        author: person(&author),
        committer: person(&committer),
        time: Time { secs: now.secs(), zone: "+0000".into() },
        reason,
        base: new.merges.map(|(_, base)| base).or(current.map(|c| c.commit)),
        trigger: new.trigger.map(str::to_owned),
        tier: new.tier,
        before: parents.first().map(|p| p.record.after),
        after: Sha256::of(content.spec),
        cost: new.cost,
        chain: None,
    };

    let leaf = |path: String, digest| chain::Leaf { mode: Mode::Plain.octal(), path, digest };
    let mut leaves: Vec<_> = content.files.keys().map(|d| leaf(format!("files/{d}"), *d)).collect();
    leaves.push(leaf("spec.json".into(), record.after));
    let chains: Vec<Sha256> = parents.iter().filter_map(|p| p.record.chain).collect();
    record.chain = Some(chain::digest(&chains, &leaves, &pretty(&record)?));

    let mut edits = Vec::with_capacity(content.files.len() + 2);
    let mut put = |path: String, bytes: &[u8]| -> Result<()> {
        edits.push((BString::from(path), Some((Mode::Plain, repo.write_blob(bytes)?))));
        Ok(())
    };
    for (digest, bytes) in content.files {
        put(format!("files/{digest}"), bytes)?;
    }
    put("record.json".into(), &pretty(&record)?)?;
    put("spec.json".into(), content.spec)?;
    let tree = repo.write_tree(None, &edits)?;
    let ids: Vec<Oid> = parents.iter().map(|p| p.commit).collect();
    let message = message(new, &record);
    let commit = NewCommit { tree, parents: ids, author: &author, committer: &committer, message };
    let id = match new.by == By::User && signing(store)? {
        true => repo.sign_commit(&commit)?,
        false => repo.write_commit(&commit)?,
    };

    let mut seen = HashMap::new();
    for p in &parents {
        let steps = match new.merges {
            // The base of a merge may lie further back than its parents.
            Some(_) => history(repo, p.commit)?,
            None => vec![Step { commit: p.commit, parents: p.parents.clone(), record: p.record.clone() }],
        };
        for step in steps.iter().rev() {
            seen.insert(step.commit, Seen::of(step, &seen));
        }
    }
    let written = raw(repo, id).and_then(|raw| check(repo, spec, &raw, &seen, &mut HashMap::new()));
    let wrong = match written {
        Ok(checked) => checked.found.into_iter().next(),
        Err(b) => Some(b),
    };
    match wrong {
        None => Ok(id),
        Some(b) => Err(Error::Refused { spec: spec.clone(), why: b.message }),
    }
}

/// Whether records of users are signed: where `otto.sign` or `commit.gpgSign` is on.
fn signing(store: &Store) -> Result<bool> {
    let on = |key: &str| store.repo.config_bool(key).map(|value| value == Some(true));
    Ok(on("otto.sign")? || on("commit.gpgSign")?)
}

/// Prose for readers of `git log`: a sentence, then the reason.
fn message(new: &NewRecord<'_>, record: &Record) -> String {
    let title = match text::one_line(new.title, 60) {
        t if t.is_empty() => "an untitled product".to_owned(),
        t => t,
    };
    let subject = match new.kind {
        Kind::Compile => format!("Compile the spec of {title}"),
        Kind::Edit => format!("Edit the spec of {title}"),
        Kind::Approve => format!("Approve the spec of {title}"),
        Kind::Amend => format!("Amend the spec of {title}"),
        Kind::Merge => format!("Merge two amendments of {title}"),
        Kind::Retire => format!("Retire a part of {title}"),
        Kind::Close => format!("Close the spec of {title}"),
    };
    match record.reason.is_empty() {
        true => format!("{subject}\n"),
        false => format!("{subject}\n\n{}\n", record.reason),
    }
}

/// Who was there first, for the one who lost.
fn moved(store: &Store, spec: &SpecId, found: Option<Oid>) -> Error {
    let what = match found.map(|oid| (oid, load(&store.repo, oid))) {
        None => "it is gone".to_owned(),
        Some((oid, Ok(s))) => {
            let (r, at) = (&s.record, Timestamp::from_secs(s.record.time.secs).human());
            format!("{} did {} at {at} ({})", r.actor, r.kind.word(), oid.short())
        }
        Some((oid, Err(_))) => format!("it is at {} now, which is no valid record", oid.short()),
    };
    Error::Moved { spec: spec.clone(), found, what }
}
