//! The verifier of a spec's history: re-hashes every object that it reads, walks explicit parents, and names the first
//! bad record first. What it cannot read it reports, and goes on with the rest.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Actor, Code, Kind, Person, Record, Step, Violation,
    read::{Bad, MAX_FILE, Raw, bad, blob, walk},
};
use crate::{
    base::{Oid, Sha256, SpecId, json},
    git::Repo,
    store::{chain, pretty},
};

/// Every rule that the history of `spec` up to `tip` breaks, oldest record first; none means that nothing was rewritten.
pub fn verify(repo: &Repo, spec: &SpecId, tip: Oid) -> Vec<Violation> {
    let mut out = Vec::new();
    verify_each(repo, spec, tip, |looked| out.extend(looked.found));
    out
}

/// What was found at one record.
pub struct Looked<'a> {
    /// Its commit.
    pub commit: Oid,
    /// The record and the bytes of its spec, where they can be read.
    pub read: Option<(&'a Step, &'a [u8])>,
    /// The contents that it holds, by digest.
    pub files: BTreeSet<Sha256>,
    /// Which rules it breaks.
    pub found: Vec<Violation>,
}

/// The same record by record, for those who know what a spec means.
pub fn verify_each(repo: &Repo, spec: &SpecId, tip: Oid, mut see: impl FnMut(Looked<'_>)) {
    let demanded = match repo.config_bool("otto.requireSigned") {
        Ok(value) => value.unwrap_or(false),
        Err(_) => true,
    };
    let walked = walk(repo, tip);
    let mut seen: HashMap<Oid, Seen> = HashMap::new();
    let mut digests = HashMap::new();
    for commit in walked.order.iter().rev().copied() {
        let checked = match walked.raws.get(&commit) {
            Some(Ok(raw)) => check(repo, spec, raw, &seen, &mut digests).map(|checked| (raw, checked)),
            Some(Err(b)) => Err(b.clone()),
            None => Err(bad(Code::Unreadable, "the history is too long to be read")),
        };
        match checked {
            Ok((raw, Checked { record, mut found, spec_bytes, files })) => {
                if demanded && matches!(record.actor, Actor::User(_)) && !well_signed(repo, commit, raw) {
                    let text = "it has no signature that git accepts, and otto.requireSigned is on";
                    found.push(bad(Code::Unsigned, text));
                }
                let step = Step { commit, parents: raw.commit.parents.clone(), record };
                seen.insert(commit, Seen::of(&step, &seen));
                let found = found.into_iter().map(|b| b.at(commit)).collect();
                see(Looked { commit, read: Some((&step, &spec_bytes)), files, found });
            }
            Err(b) => see(Looked { commit, read: None, files: BTreeSet::new(), found: vec![b.at(commit)] }),
        }
    }
}

/// Whether git's own programs accept the signature. What cannot be judged counts as not signed.
fn well_signed(repo: &Repo, commit: Oid, raw: &Raw) -> bool {
    raw.signed && repo.git(&["verify-commit", &commit.to_string()], None).is_ok_and(|out| out.code == Some(0))
}

/// What later records need to know of an earlier one.
pub(super) struct Seen {
    pub kind: Kind,
    pub after: Sha256,
    pub chain: Option<Sha256>,
    pub parents: Vec<Oid>,
    /// The length of the longest way to a first record: of two records on one line the earlier one has less.
    depth: usize,
}

impl Seen {
    /// What is to be known of a record whose parents, as far as they are known, are in `seen`.
    pub fn of(step: &Step, seen: &HashMap<Oid, Seen>) -> Seen {
        let depth = step.parents.iter().filter_map(|p| seen.get(p)).map(|s| s.depth + 1).max().unwrap_or(0);
        let Step { record, parents, .. } = step;
        Seen { kind: record.kind, after: record.after, chain: record.chain, parents: parents.clone(), depth }
    }
}

/// One record, held against its parents.
pub(super) struct Checked {
    pub record: Record,
    /// The rules that it breaks.
    pub found: Vec<Bad>,
    pub spec_bytes: Vec<u8>,
    /// The contents that it holds, by digest.
    pub files: BTreeSet<Sha256>,
}

/// Checks one record against its parents. A parent that is not in `seen` has been reported already: what depends on it
/// is not judged again.
pub(super) fn check(
    repo: &Repo,
    spec: &SpecId,
    raw: &Raw,
    seen: &HashMap<Oid, Seen>,
    digests: &mut HashMap<Oid, Sha256>,
) -> Result<Checked, Bad> {
    let record = raw.record(repo)?;
    let mut found = Vec::new();
    let mut rule = |holds: bool, code: Code, text: String| {
        if !holds {
            found.push(bad(code, text));
        }
    };

    let bytes = blob(repo, raw.spec, MAX_FILE)?;
    if let Err(b) = spec_bytes(spec, &bytes) {
        rule(false, b.code, b.message);
    }
    let leaves = match raw.leaves(repo, &bytes, digests) {
        Ok(leaves) => leaves,
        Err(b) => {
            rule(false, b.code, b.message);
            Vec::new()
        }
    };
    let now = leaves.last().map(|l| l.digest);
    let digest = now.is_none_or(|d| d == record.after);
    rule(digest, Code::WrongDigest, format!("`after` is {}, spec.json has another digest", record.after.short()));

    let parents = &raw.commit.parents;
    let known: Vec<&Seen> = parents.iter().filter_map(|p| seen.get(p)).collect();
    let whole = known.len() == parents.len();
    let chains: Option<Vec<Sha256>> = known.iter().map(|s| s.chain).collect();
    if let (true, Some(chains), false) = (whole, chains, leaves.is_empty()) {
        let blank = pretty(&Record { chain: None, ..record.clone() }).unwrap_or_default();
        let right = record.chain == Some(chain::digest(&chains, &leaves, &blank));
        rule(right, Code::ChainBroken, "its chain does not follow from its content and its parents".into());
    }

    let c = &raw.commit;
    let same = |p: &Person, s: &crate::git::Signature| p.name == s.name && p.email == s.email;
    let people = same(&record.author, &c.author) && same(&record.committer, &c.committer);
    rule(people, Code::WrongIdentity, "author or committer of the commit are not the ones of the record".into());
    let times = c.author.time.secs() == record.time.secs && c.committer.time.secs() == record.time.secs;
    let zones = c.author_offset == 0 && c.committer_offset == 0 && record.time.zone == "+0000";
    rule(times && zones, Code::WrongIdentity, "the time of the commit is not the one of the record".into());

    let merge = record.kind == Kind::Merge;
    match parents.as_slice() {
        [] => rule(record.base.is_none() && !merge, Code::WrongParents, "the first record has a base".into()),
        [one] => {
            let fits = record.base == Some(*one) && !merge;
            rule(fits, Code::WrongParents, "its base is not its parent".into());
        }
        [a, b] => {
            rule(merge && a < b, Code::WrongParents, "only a merge has two parents, sorted by id".into());
            let common = record.base.is_some_and(|base| reaches(seen, *a, base) && reaches(seen, *b, base));
            rule(common || !whole, Code::WrongParents, "its base is not in the history of both parents".into());
        }
        more => rule(false, Code::WrongParents, format!("it has {} parents", more.len())),
    }
    if whole {
        let first = known.first();
        let before = record.before == first.map(|s| s.after);
        rule(before, Code::WrongDigest, "`before` is not the digest of its parent's spec.json".into());
        let phases: Vec<_> =
            if known.is_empty() { vec![None] } else { known.iter().map(|s| Some(s.kind.phase())).collect() };
        let order = phases.iter().all(|p| record.kind.may_follow(*p));
        let place = first.map_or("as the first record".to_owned(), |s| format!("after {}", s.kind.word()));
        rule(order, Code::WrongOrder, format!("{} cannot stand {place}", record.kind.word()));
        let same = first.is_some_and(|s| s.after == record.after);
        let change = first.is_none() || merge || same == record.kind.keeps_content();
        let text = if same { "changes nothing" } else { "changes the spec" };
        rule(change, Code::NoChange, format!("a record of kind {} {text}", record.kind.word()));
    }
    actor(&record, &mut rule);
    let files = leaves.iter().filter(|l| l.path.starts_with("files/")).map(|l| l.digest).collect();
    Ok(Checked { record, found, spec_bytes: bytes, files })
}

/// Who may do what.
fn actor(record: &Record, rule: &mut impl FnMut(bool, Code, String)) {
    let amends = matches!(record.kind, Kind::Amend | Kind::Retire);
    let tier = match record.tier {
        Some(tier) => amends && (1..=3).contains(&tier),
        None => !amends,
    };
    rule(tier, Code::WrongActor, format!("the tier {:?} does not fit the kind {}", record.tier, record.kind.word()));
    let may = match (&record.actor, record.kind) {
        (Actor::User(_), kind) => kind != Kind::Merge,
        (Actor::Agent { .. }, kind) => kind == Kind::Compile || (kind == Kind::Amend && record.tier == Some(3)),
        (Actor::Otto, kind) => matches!(kind, Kind::Compile | Kind::Merge),
    };
    rule(may, Code::WrongActor, format!("{} may not {} with tier {:?}", record.actor, record.kind.word(), record.tier));
    if let Actor::User(mail) = &record.actor {
        rule(*mail == record.author.email, Code::WrongActor, "the actor is not the author".into());
    }
    let trigger = record.trigger.as_deref().is_some_and(|t| !t.is_empty());
    let agent = matches!(record.actor, Actor::Agent { .. });
    let cited = trigger || !(agent && record.kind == Kind::Amend);
    rule(cited, Code::MissingTrigger, "an agent's amendment names no event that it answers".into());
    let reason = !record.reason.trim().is_empty() || !amends;
    rule(reason, Code::Malformed, format!("a record of kind {} has no reason", record.kind.word()));
}

/// Whether `base` is `from` or one of its ancestors, as far as records are known. Nothing below the base is looked at, or
/// a long history of merges would be walked once for each.
fn reaches(seen: &HashMap<Oid, Seen>, from: Oid, base: Oid) -> bool {
    let (mut todo, mut done) = (vec![from], HashSet::new());
    let depth = |id: &Oid| seen.get(id).map_or(0, |s| s.depth);
    let least = depth(&base);
    while let Some(id) = todo.pop() {
        if id == base {
            return true;
        }
        if depth(&id) > least && done.insert(id) {
            todo.extend(seen.get(&id).iter().flat_map(|s| &s.parents));
        }
    }
    false
}

/// The bytes of a spec are strict JSON in this program's own layout, and of that spec where they say of which.
pub(super) fn spec_bytes(spec: &SpecId, bytes: &[u8]) -> Result<(), Bad> {
    let value =
        json::parse(bytes, json::Limits::RECORD).map_err(|e| bad(Code::Malformed, format!("spec.json: {e}")))?;
    if pretty(&value).ok().as_deref() != Some(bytes) {
        return Err(bad(Code::NotCanonical, "spec.json is not written the way git otto writes it"));
    }
    match value.get("id").and_then(|id| id.as_str()) {
        Some(id) if id != spec.as_str() => {
            let id = crate::base::text::one_line(id, 80);
            Err(bad(Code::WrongSpec, format!("spec.json belongs to the spec {id:?}, not to {spec}")))
        }
        _ => Ok(()),
    }
}
