//! Reading spec records. Everything may come from a stranger's push: sizes are checked first, every object is
//! re-hashed (git serves a planted object under a wrong id), trees are never followed deeper than a record goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::{Code, FORMAT, Kind, Phase, Record, StoredSpec, Violation};
use crate::{
    base::{Oid, Sha256, SpecId, json},
    git::{Commit, ObjectKind, Repo},
    store::{Error, Result, chain::Leaf, names, pretty},
};

/// Bytes of one commit or tree.
const MAX_META: u64 = 4 << 20;
/// Bytes of `record.json`.
pub(super) const MAX_RECORD: u64 = 1 << 20;
/// Bytes of `spec.json` and of each file.
pub(super) const MAX_FILE: u64 = 16 << 20;
/// Files of one record.
pub(super) const MAX_FILES: usize = 10_000;
/// Bytes of all files of one record.
pub(super) const MAX_TOTAL: usize = 256 << 20;
/// Records of one spec.
const MAX_HISTORY: usize = 20_000;

/// One record of a history.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its commit.
    pub commit: Oid,
    /// The commit's parents.
    pub parents: Vec<Oid>,
    /// The record.
    pub record: Record,
}

/// The current record of a spec.
pub fn tip(repo: &Repo, spec: &SpecId) -> Result<Option<Oid>> {
    Ok(repo.refs().read(&names::spec(spec))?)
}

/// Every spec with its current record, in name order. Refs that name no spec are left alone.
pub fn list(repo: &Repo) -> Result<Vec<(SpecId, Oid)>> {
    let all = repo.refs().list(names::spec_prefix())?;
    Ok(all.into_iter().filter_map(|(name, oid)| Some((names::parse_spec(&name)?, oid))).collect())
}

/// Reads one record with its content. It is checked in itself; [`super::verify`] checks it against its history.
pub fn load(repo: &Repo, commit: Oid) -> Result<StoredSpec> {
    let read = || -> std::result::Result<StoredSpec, Bad> {
        let raw = raw(repo, commit)?;
        let record = raw.record(repo)?;
        let spec_bytes = blob(repo, raw.spec, MAX_FILE)?;
        if Sha256::of(&spec_bytes) != record.after {
            return Err(bad(Code::WrongDigest, "`after` is not the digest of spec.json"));
        }
        let (mut files, mut total) = (BTreeMap::new(), 0);
        for (name, oid) in raw.files(repo)? {
            let (digest, bytes) = file(repo, &name, oid)?;
            total += bytes.len();
            if total > MAX_TOTAL {
                return Err(bad(Code::Unreadable, format!("its files are more than {MAX_TOTAL} bytes")));
            }
            files.insert(digest, bytes);
        }
        Ok(StoredSpec { commit, parents: raw.commit.parents, record, spec_bytes, files })
    };
    read().map_err(|b| Error::Record(b.at(commit)))
}

/// The records from `tip` to the first, every record before its parents, through explicit parents only.
pub fn history(repo: &Repo, tip: Oid) -> Result<Vec<Step>> {
    let walked = walk(repo, tip);
    let mut out = Vec::with_capacity(walked.order.len());
    for commit in walked.order {
        let read = match walked.raws.get(&commit) {
            Some(Ok(raw)) => {
                raw.record(repo).map(|record| Step { commit, parents: raw.commit.parents.clone(), record })
            }
            Some(Err(b)) => Err(b.clone()),
            None => Err(bad(Code::Unreadable, format!("the history has more than {MAX_HISTORY} records"))),
        };
        out.push(read.map_err(|b| Error::Record(b.at(commit)))?);
    }
    Ok(out)
}

/// Where a spec stands at `tip`, and the commit of the approval. What is in force is always `tip` itself.
pub fn phase(repo: &Repo, tip: Oid) -> Result<(Phase, Option<Oid>)> {
    let steps = history(repo, tip)?;
    let approval = steps.iter().find(|s| s.record.kind == Kind::Approve).map(|s| s.commit);
    let phase = steps.first().map_or(Phase::Draft, |s| s.record.kind.phase());
    Ok((phase, approval))
}

/// Something is wrong with a record; which one is known to the caller.
#[derive(Clone, Debug)]
pub(super) struct Bad {
    pub code: Code,
    pub message: String,
}

pub(super) fn bad(code: Code, message: impl Into<String>) -> Bad {
    Bad { code, message: message.into() }
}

impl Bad {
    pub fn at(self, commit: Oid) -> Violation {
        let hint = match self.code {
            Code::FormatTooNew => "install a newer git otto".to_owned(),
            Code::Unsigned => format!("git verify-commit {commit}"),
            Code::Unreadable => "git fsck --full; then git otto fetch from a repository that has it".to_owned(),
            _ => format!("git show {}; restore the spec's ref from a clone or its reflog", commit.short()),
        };
        Violation { commit, code: self.code, message: self.message, hint }
    }
}

impl From<crate::git::Error> for Bad {
    fn from(e: crate::git::Error) -> Bad {
        bad(Code::Unreadable, e.to_string())
    }
}

/// A record's commit and root tree, nothing below read yet: small, since a whole history of them is held at a time.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub commit: Commit,
    pub signed: bool,
    pub spec: Oid,
    record: Oid,
    files: Option<Oid>,
}

/// Reads a record's commit and tree, re-hashed; any other shape of tree is refused.
pub(super) fn raw(repo: &Repo, id: Oid) -> std::result::Result<Raw, Bad> {
    let bytes = object(repo, id, ObjectKind::Commit, MAX_META)?;
    let head = bytes.windows(2).position(|w| w == b"\n\n").map_or(&bytes[..], |end| &bytes[..end]);
    let signed = head.split(|b| *b == b'\n').any(|l| l.starts_with(b"gpgsig"));
    // The content is proven by now, so git's reading of it can be used.
    let mut commit = repo.read_commit(id)?;
    commit.message = Default::default();
    let (mut spec, mut record, mut files) = (None, None, None);
    for (mode, name, oid) in tree(repo, commit.tree)? {
        match (mode.as_str(), name.as_str()) {
            ("100644", "spec.json") => spec = Some(oid),
            ("100644", "record.json") => record = Some(oid),
            ("40000", "files") => files = Some(oid),
            _ => return Err(extra(&mode, &name)),
        }
    }
    let missing = |what: &str| bad(Code::WrongEntries, format!("its tree has no {what}"));
    Ok(Raw {
        commit,
        signed,
        spec: spec.ok_or_else(|| missing("spec.json"))?,
        record: record.ok_or_else(|| missing("record.json"))?,
        files,
    })
}

fn extra(mode: &str, name: &str) -> Bad {
    let name: String = crate::base::text::one_line(name, 80);
    bad(Code::WrongEntries, format!("its tree holds {name:?} (mode {mode}), which no record has"))
}

impl Raw {
    /// The names and blobs of `files/`, in path order.
    fn files(&self, repo: &Repo) -> std::result::Result<Vec<(String, Oid)>, Bad> {
        let files = self.files.map(|id| tree(repo, id)).transpose()?.unwrap_or_default();
        if files.len() > MAX_FILES {
            return Err(bad(Code::Unreadable, format!("{} files are more than the {MAX_FILES} allowed", files.len())));
        }
        let plain = |(mode, name, oid): (String, String, Oid)| match mode == "100644" && name.parse::<Sha256>().is_ok()
        {
            true => Ok((name, oid)),
            false => Err(extra(&mode, &format!("files/{name}"))),
        };
        files.into_iter().map(plain).collect()
    }

    /// `record.json`, strictly; it must be byte for byte what this program writes for it.
    pub fn record(&self, repo: &Repo) -> std::result::Result<Record, Bad> {
        let bytes = blob(repo, self.record, MAX_RECORD)?;
        let malformed = |e: json::Error| bad(Code::Malformed, format!("record.json: {e}"));
        let value = json::parse(&bytes, json::Limits::RECORD).map_err(malformed)?;
        // A newer version may have other keys: the format is looked at before anything else.
        if let Some(format) = value.get("format").and_then(|f| f.as_u64()).filter(|f| *f > u64::from(FORMAT)) {
            let text = format!("it has format {format}; this version of git otto reads up to {FORMAT}");
            return Err(bad(Code::FormatTooNew, text));
        }
        let record = Record::deserialize(value).map_err(|e| malformed(e.into()))?;
        if record.format != FORMAT {
            return Err(bad(Code::Malformed, format!("record.json: there is no format {}", record.format)));
        }
        match pretty(&record) {
            Ok(again) if again == bytes => Ok(record),
            _ => Err(bad(Code::NotCanonical, "record.json is not written the way git otto writes it")),
        }
    }

    /// Every entry but `record.json` with the digest of its bytes, in path order; `spec` are the bytes of `spec.json`.
    /// `known` saves reading a blob twice.
    pub fn leaves(
        &self,
        repo: &Repo,
        spec: &[u8],
        known: &mut HashMap<Oid, Sha256>,
    ) -> std::result::Result<Vec<Leaf>, Bad> {
        let mut out = Vec::new();
        for (name, oid) in self.files(repo)? {
            let digest = match known.get(&oid) {
                Some(digest) if digest.to_string() == name => *digest,
                _ => file(repo, &name, oid)?.0,
            };
            known.insert(oid, digest);
            out.push(Leaf { mode: "100644", path: format!("files/{name}"), digest });
        }
        out.push(Leaf { mode: "100644", path: "spec.json".into(), digest: Sha256::of(spec) });
        Ok(out)
    }
}

fn file(repo: &Repo, name: &str, oid: Oid) -> std::result::Result<(Sha256, Vec<u8>), Bad> {
    let bytes = blob(repo, oid, MAX_FILE)?;
    let digest = Sha256::of(&bytes);
    if digest.to_string() != name {
        return Err(bad(Code::WrongFile, format!("files/{name} holds something else, with digest {digest}")));
    }
    Ok((digest, bytes))
}

pub(super) fn blob(repo: &Repo, id: Oid, max: u64) -> std::result::Result<Vec<u8>, Bad> {
    object(repo, id, ObjectKind::Blob, max)
}

fn object(repo: &Repo, id: Oid, kind: ObjectKind, max: u64) -> std::result::Result<Vec<u8>, Bad> {
    let (found, bytes) = repo.raw_object(id, max)?;
    if found != kind {
        return Err(bad(Code::Unreadable, format!("the object {id} is no {}", format!("{kind:?}").to_lowercase())));
    }
    Ok(bytes)
}

/// The direct entries of a tree: mode, name, id.
fn tree(repo: &Repo, id: Oid) -> std::result::Result<Vec<(String, String, Oid)>, Bad> {
    let bytes = object(repo, id, ObjectKind::Tree, MAX_META)?;
    let width = if repo.object_format() == "sha256" { 32 } else { 20 };
    let mut rest = &bytes[..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let entry = (|| {
            let space = rest.iter().position(|b| *b == b' ')?;
            let nul = rest.iter().position(|b| *b == 0).filter(|nul| *nul > space)?;
            let id = rest.get(nul + 1..nul + 1 + width)?;
            let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let out = (text(&rest[..space]), text(&rest[space + 1..nul]), hex.parse().ok()?);
            rest = &rest[nul + 1 + width..];
            Some(out)
        })();
        out.push(entry.ok_or_else(|| bad(Code::Unreadable, format!("the tree {id} is damaged")))?);
    }
    Ok(out)
}

/// Every object of the history up to `tip` with the first record that it is a part of, as far as they can be read.
pub fn objects(repo: &Repo, tip: Oid) -> HashMap<Oid, Oid> {
    let (mut out, walked) = (HashMap::new(), walk(repo, tip));
    for commit in walked.order.into_iter().rev() {
        out.insert(commit, commit);
        let Some(Ok(raw)) = walked.raws.get(&commit) else { continue };
        let files = raw.files(repo).unwrap_or_default().into_iter().map(|(_, id)| id);
        let own = [raw.commit.tree, raw.spec, raw.record].into_iter().chain(raw.files).chain(files);
        for id in own {
            out.entry(id).or_insert(commit);
        }
    }
    out
}

/// What was found on the way from a tip to the first record.
pub(super) struct Walked {
    /// Every record before its parents.
    pub order: Vec<Oid>,
    /// What each is, as far as it can be read.
    pub raws: HashMap<Oid, std::result::Result<Raw, Bad>>,
}

/// Walks explicit parents; neither dates nor replaced objects matter.
pub(super) fn walk(repo: &Repo, tip: Oid) -> Walked {
    let mut raws: HashMap<Oid, std::result::Result<Raw, Bad>> = HashMap::new();
    let mut children: HashMap<Oid, usize> = HashMap::new();
    let mut todo = vec![tip];
    while let Some(id) = todo.pop() {
        if raws.contains_key(&id) || raws.len() >= MAX_HISTORY {
            continue;
        }
        let read = raw(repo, id);
        for parent in read.iter().flat_map(|r| r.commit.parents.iter().collect::<BTreeSet<_>>()) {
            *children.entry(*parent).or_default() += 1;
            todo.push(*parent);
        }
        raws.insert(id, read);
    }
    // Kahn 1962: a record comes when all its children have come.
    let (mut order, mut ready) = (Vec::new(), vec![tip]);
    while let Some(id) = ready.pop() {
        order.push(id);
        let Some(Ok(raw)) = raws.get(&id) else { continue };
        for parent in raw.commit.parents.iter().collect::<BTreeSet<_>>() {
            if let Some(left) = children.get_mut(parent) {
                *left -= 1;
                if *left == 0 {
                    ready.push(*parent);
                }
            }
        }
    }
    Walked { order, raws }
}
