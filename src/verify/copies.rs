//! The checked-in copies of specs: `.otto/specs/<spec>.json` in commits and in the index. A copy is fine where its content
//! is that of a record from the approval on. It is compared after parsing: layout is nobody's business.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use super::{
    Code, Findings, Note, Violation,
    chains::{Chain, Chains},
    of_record,
};
use crate::{
    base::{Failure, Oid, Sha256, SpecId, json},
    git::{BString, ByteSlice, Entry, Link, Mode, ObjectKind, Repo},
    spec::{
        self,
        model::{Spec, change, parts},
    },
    store::{self, names, record},
};

pub use crate::store::names::COPIES;

/// Versions that an edited copy is held against to find the one that it came from.
const MAX_COMPARED: usize = 200;
/// Differences that a message tells.
const MAX_TOLD: usize = 6;

/// The copies of one tree: by file name.
type Copies = BTreeMap<BString, (Mode, Oid)>;

/// What the copies do in every commit that `tips` reach and `known` do not, oldest first: each against its parents.
pub fn commits(repo: &Repo, tips: &[Oid], known: &[Oid]) -> Result<Findings, Failure> {
    in_commits(repo, &Chains::after(repo, &[]), tips, known)
}

/// The same with histories as they will be.
pub(super) fn in_commits(repo: &Repo, chains: &Chains<'_>, tips: &[Oid], known: &[Oid]) -> Result<Findings, Failure> {
    let links = repo.new_commits(tips, known)?;
    let trees: HashMap<Oid, Oid> = links.iter().map(|l| (l.commit, l.tree)).collect();
    let mut judge = Judge { repo, chains, found: Findings::default() };
    let mut folders = HashMap::new();
    let mut folder = |tree: Oid| -> Result<Option<Oid>, Failure> {
        if let Some(known) = folders.get(&tree) {
            return Ok(*known);
        }
        let found = repo.subtree(tree, COPIES.into())?;
        folders.insert(tree, found);
        Ok(found)
    };
    for Link { commit, tree, parents } in &links {
        let of_parent = |p: &Oid| match trees.get(p) {
            Some(tree) => Ok(*tree),
            None => repo.read_commit(*p).map(|c| c.tree),
        };
        let here = folder(*tree)?;
        let before: Vec<Option<Oid>> = parents.iter().map(|p| folder(of_parent(p)?)).collect::<Result<_, _>>()?;
        if before.iter().all(|b| *b == here) && (here.is_none() || !before.is_empty()) {
            continue;
        }
        let before = before.into_iter().map(|b| in_folder(repo, b)).collect::<Result<Vec<_>, _>>()?;
        judge.change(Some(*commit), &in_folder(repo, here)?, &before)?;
    }
    if judge.found.violations.is_empty() {
        return Ok(judge.found);
    }
    // Where dates lie, a commit may count as new that was judged long ago.
    let mut known_for = HashMap::new();
    for commit in judge.found.violations.iter().filter_map(|v| v.commit).collect::<BTreeSet<_>>() {
        known_for.insert(Some(commit), trees.contains_key(&commit) && repo.reached_by(commit, known)?);
    }
    judge.found.violations.retain(|v| known_for.get(&v.commit) != Some(&true));
    Ok(judge.found)
}

/// What the next commit does to the copies: the index against the commits that become its parents. `index` is the file.
pub fn index(repo: &Repo, index: &Path, parents: &[Oid]) -> Result<Findings, Failure> {
    let here = by_name(repo.index_entries(index, COPIES.into())?, COPIES);
    let folder = |p: &Oid| -> Result<Copies, Failure> {
        let tree = repo.read_commit(*p)?.tree;
        in_folder(repo, repo.subtree(tree, COPIES.into())?)
    };
    let before = parents.iter().map(folder).collect::<Result<Vec<_>, _>>()?;
    if before.iter().all(|b| *b == here) && (here.is_empty() || !before.is_empty()) {
        return Ok(Findings::default());
    }
    let chains = Chains::after(repo, &[]);
    let mut judge = Judge { repo, chains: &chains, found: Findings::default() };
    judge.change(None, &here, &before)?;
    Ok(judge.found)
}

/// What is wrong with one copy, by its file name (`jot.json`) and content.
pub fn copy(repo: &Repo, name: &str, bytes: &[u8]) -> Result<Findings, Failure> {
    let chains = Chains::after(repo, &[]);
    let mut judge = Judge { repo, chains: &chains, found: Findings::default() };
    judge.content(None, name, bytes)?;
    Ok(judge.found)
}

/// The copies of a commit, each as if it were new.
pub(super) fn standing(repo: &Repo, chains: &Chains<'_>, commit: Oid) -> Result<Findings, Failure> {
    let mut judge = Judge { repo, chains, found: Findings::default() };
    let tree = repo.read_commit(commit)?.tree;
    judge.change(Some(commit), &in_folder(repo, repo.subtree(tree, COPIES.into())?)?, &[])?;
    Ok(judge.found)
}

fn in_folder(repo: &Repo, tree: Option<Oid>) -> Result<Copies, Failure> {
    let entries = tree.map(|tree| repo.tree_entries(tree)).transpose()?;
    Ok(by_name(entries.unwrap_or_default(), ""))
}

/// The files that pass for copies, among those below a folder.
fn by_name(entries: Vec<Entry>, folder: &str) -> Copies {
    let name = |e: Entry| {
        let name = e.path.strip_prefix(folder.as_bytes())?;
        let name = name.strip_prefix(b"/").unwrap_or(name).as_bstr().to_owned();
        (name.ends_with(b".json") && !name.contains(&b'/')).then_some((name, (e.mode, e.oid)))
    };
    entries.into_iter().filter_map(name).collect()
}

struct Judge<'a> {
    repo: &'a Repo,
    chains: &'a Chains<'a>,
    found: Findings,
}

impl Judge<'_> {
    fn bad(&mut self, code: Code, at: Option<Oid>, name: &str, what: &str, hint: String) {
        let message = format!("{} {what}", path(name));
        self.found.violations.push(Violation { code, place: path(name), commit: at, message, hint });
    }

    /// One commit, or what is to become one, against its parents: what it takes over unchanged from one of them was
    /// judged there.
    fn change(&mut self, at: Option<Oid>, here: &Copies, before: &[Copies]) -> Result<(), Failure> {
        for (file, entry) in here {
            if before.iter().any(|b| b.get(file) == Some(entry)) {
                continue;
            }
            let name = file.to_str_lossy().into_owned();
            let (mode, oid) = *entry;
            if !matches!(mode, Mode::Plain | Mode::Executable) {
                self.bad(Code::CopyMalformed, at, &name, "is no plain file", put_back(&name));
                continue;
            }
            let bytes = match self.repo.raw_object(oid, json::Limits::RECORD.size as u64) {
                Ok((ObjectKind::Blob, bytes)) => bytes,
                Ok(_) => Vec::new(),
                Err(e) => {
                    self.bad(Code::CopyMalformed, at, &name, &format!("cannot be read: {e}"), put_back(&name));
                    continue;
                }
            };
            if let Some((chain, now)) = self.content(at, &name, &bytes)? {
                self.goes_back(at, &name, &chain, now, before.iter().filter_map(|b| b.get(file)))?;
            }
        }
        let gone: BTreeSet<&BString> =
            before.iter().flat_map(Copies::keys).filter(|n| !here.contains_key(*n)).collect();
        gone.into_iter().try_for_each(|file| self.removal(at, &file.to_str_lossy()))
    }

    /// A copy's content; the chain and the place in it where it is fine.
    fn content(
        &mut self,
        at: Option<Oid>,
        name: &str,
        bytes: &[u8],
    ) -> Result<Option<(std::rc::Rc<Chain>, usize)>, Failure> {
        let Some(id) = id_of(name) else {
            let hint = format!("git mv {} {COPIES}/<spec>.json", path(name));
            self.bad(Code::CopyMisnamed, at, name, "is not named after a spec", hint);
            return Ok(None);
        };
        let read: Result<Spec, json::Error> = json::read(bytes, json::Limits::RECORD);
        if let Ok(spec) = read.as_ref()
            && spec.id != id
        {
            let what = format!("holds the spec `{}`", spec.id);
            self.bad(
                Code::CopyMisnamed,
                at,
                name,
                &what,
                format!("git mv {} {}", path(name), names::working_copy(&spec.id)),
            );
            return Ok(None);
        }
        let Some(chain) = self.chain(at, name, &id)? else { return Ok(None) };
        let digest = read.as_ref().map_or_else(|_| Sha256::of(bytes), spec::digest);
        match (chain.position(&digest), read) {
            (Some(now), _) => {
                let newest = chain.versions.first().is_none_or(|v| v.digest == digest);
                if let Some(version) = chain.versions.get(now).filter(|_| !newest) {
                    let message =
                        format!("{} is an older version, {}; git otto show {id} --write", path(name), version.name);
                    self.found.notes.push(Note { place: path(name), commit: at, message });
                }
                return Ok(Some((chain, now)));
            }
            (None, Ok(spec)) => {
                let told = differences(self.repo, &chain, &spec)?;
                let what = format!("was edited without an amendment{told}");
                let hint = format!("git otto amend {id} --file {} -m '<why>'", path(name));
                self.bad(Code::CopyNotInChain, at, name, &what, hint);
            }
            (None, Err(e)) => self.bad(Code::CopyMalformed, at, name, &format!("is no spec: {e}"), put_back(name)),
        }
        Ok(None)
    }

    fn chain(&mut self, at: Option<Oid>, name: &str, id: &SpecId) -> Result<Option<std::rc::Rc<Chain>>, Failure> {
        match self.chains.chain(id) {
            Ok(Some(chain)) => return Ok(Some(chain)),
            Ok(None) => {
                let what = format!("cannot be judged: the history of `{id}` is not in this repository");
                self.bad(Code::NoChain, at, name, &what, "git otto fetch".into());
            }
            Err(store::Error::Record(v)) => self.found.violations.push(of_record(format!("spec {id}"), v)),
            Err(e) => return Err(e.into()),
        }
        Ok(None)
    }

    /// Says where a copy goes back behind one of its parents'.
    fn goes_back<'e>(
        &mut self,
        at: Option<Oid>,
        name: &str,
        chain: &Chain,
        now: usize,
        before: impl Iterator<Item = &'e (Mode, Oid)>,
    ) -> Result<(), Failure> {
        for (_, oid) in before {
            let old = self.repo.raw_object(*oid, json::Limits::RECORD.size as u64).map(|(_, bytes)| bytes);
            let read = old.ok().and_then(|bytes| json::read::<Spec>(&bytes, json::Limits::RECORD).ok());
            let was = read.and_then(|spec| chain.position(&spec::digest(&spec)));
            if let Some((was, now)) =
                was.filter(|was| *was < now).and_then(|w| chain.versions.get(w).zip(chain.versions.get(now)))
            {
                let message = format!("{} goes back from {} to {}", path(name), was.name, now.name);
                self.found.notes.push(Note { place: path(name), commit: at, message });
                break;
            }
        }
        Ok(())
    }

    fn removal(&mut self, at: Option<Oid>, name: &str) -> Result<(), Failure> {
        let Some(id) = id_of(name) else { return Ok(()) };
        if self.repo.config("otto.workingCopy").is_some_and(|v| v.eq_ignore_ascii_case("off")) {
            return Ok(());
        }
        if let Some(chain) = self.chain(at, name, &id)?.filter(|chain| !chain.closed) {
            let hint = format!("git otto show {id} --write; or, if it is finished: git otto close {id}");
            let what = match chain.versions.is_empty() {
                true => "was removed, though its spec is a draft",
                false => "was removed, though its spec is open",
            };
            self.bad(Code::CopyRemoved, at, name, what, hint);
        }
        Ok(())
    }
}

/// The path of a copy from the root of a checkout, fit to be shown.
fn path(name: &str) -> String {
    format!("{COPIES}/{}", crate::base::text::one_line(name, 120))
}

fn id_of(name: &str) -> Option<SpecId> {
    name.strip_suffix(".json")?.parse().ok()
}

/// The command that makes a copy the current one again.
fn put_back(name: &str) -> String {
    id_of(name).map_or_else(|| format!("git rm {}", path(name)), |id| format!("git otto show {id} --write"))
}

/// In what an edited copy differs from the version that it is nearest to, one difference a line.
fn differences(repo: &Repo, chain: &Chain, edited: &Spec) -> Result<String, Failure> {
    let edited = parts::take_apart(edited);
    let (mut nearest, mut known): (Option<(&str, Vec<change::Change>)>, BTreeSet<Sha256>) = Default::default();
    for version in chain.versions.iter().filter(|v| known.insert(v.digest)).take(MAX_COMPARED) {
        let bytes = record::load(repo, version.commit)?.spec_bytes;
        let Ok(spec) = json::read::<Spec>(&bytes, json::Limits::RECORD) else { continue };
        let changes = change::between(&parts::take_apart(&spec), &edited);
        if nearest.as_ref().is_none_or(|(_, least)| changes.len() < least.len()) {
            nearest = Some((&version.name, changes));
        }
    }
    let Some((name, changes)) = nearest else { return Ok("; its spec has no approved version".into()) };
    let told: String = changes.iter().take(MAX_TOLD).map(|c| format!("\n  {}", c.sentence())).collect();
    let more = changes.len().saturating_sub(MAX_TOLD);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    Ok(format!("; against {name}:{told}{more}"))
}

#[cfg(test)]
mod tests;
