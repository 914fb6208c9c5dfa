//! Which commits are new, and where a checkout's index stands: what the verifier of pushes and commits asks.

use std::{
    collections::{BinaryHeap, HashMap, HashSet, hash_map::Entry as Slot},
    path::Path,
};

use gix::objs::{CommitRefIter, Kind};

use super::{BStr, BString, ByteSlice, Entry, Error, Mode, Repo, Result, commits::MAX_COMMIT};
use crate::base::Oid;

/// A commit without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order; none at the edge of a shallow clone.
    pub parents: Vec<Oid>,
}

/// What the walk knows of a commit that it has met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// In the queue, reached from a new tip only.
    Waiting,
    /// Looked at, reached from a new tip only.
    New,
    /// Reached from what is known.
    Known,
}

impl Repo {
    /// The commits that `tips` reach and `known` do not, oldest first as far as dates tell.
    ///
    /// Dates only say where to look first: that a commit is known is found by walking parents from `known`. Where dates
    /// lie, a known commit may be answered as new, never the other way round. What of `known` cannot be read is ignored.
    pub fn new_commits(&self, tips: &[Oid], known: &[Oid]) -> Result<Vec<Link>> {
        let (repo, edge) = (self.local(), self.shallow());
        let (mut met, mut links) = (HashMap::<Oid, Met>::new(), Vec::new());
        let mut queue = BinaryHeap::new();
        let read = |id: Oid| -> Result<(i64, Link)> {
            let bytes = self.object(&repo, id, Kind::Commit, MAX_COMMIT)?;
            let bad = |e: gix::Error| Error::Corrupt { id, why: e.to_string() };
            let iter = || CommitRefIter::from_bytes(&bytes, repo.object_hash());
            let tree = Oid(iter().tree_id().map_err(bad)?);
            let seconds = iter().committer().ok().map_or(0, |who| who.seconds());
            let parents = if edge.contains(&id) { Vec::new() } else { iter().parent_ids().map(Oid).collect() };
            Ok((seconds, Link { commit: id, tree, parents }))
        };
        // Tips that are known need no walk, and where all are, nothing is read.
        let known: HashSet<Oid> = known.iter().copied().collect();
        let mut waiting = 0_usize;
        for tip in tips.iter().filter(|t| !known.contains(t)) {
            if let Slot::Vacant(slot) = met.entry(*tip) {
                slot.insert(Met::Waiting);
                let (at, link) = read(*tip)?;
                queue.push((at, *tip, Queued(link)));
                waiting += 1;
            }
        }
        if waiting == 0 {
            return Ok(links);
        }
        for id in known {
            if let Ok((at, link)) = read(id) {
                met.insert(id, Met::Known);
                queue.push((at, id, Queued(link)));
            }
        }
        while let Some((_, id, Queued(link))) = queue.pop().filter(|_| waiting > 0) {
            let is_known = met.get(&id) == Some(&Met::Known);
            if !is_known {
                met.insert(id, Met::New);
                waiting -= 1;
            }
            for parent in &link.parents {
                let push = match (met.get(parent).copied(), is_known) {
                    (None, false) => {
                        waiting += 1;
                        met.insert(*parent, Met::Waiting);
                        true
                    }
                    // Again, where it was looked at as new: what it reaches is known as well.
                    (None | Some(Met::New), true) => {
                        met.insert(*parent, Met::Known);
                        true
                    }
                    (Some(Met::Waiting), true) => {
                        waiting -= 1;
                        met.insert(*parent, Met::Known);
                        false
                    }
                    (Some(_), _) => false,
                };
                if push {
                    match read(*parent) {
                        Ok((at, link)) => queue.push((at, *parent, Queued(link))),
                        Err(_) if is_known => {}
                        Err(e) => return Err(e),
                    }
                }
            }
            if !is_known {
                links.push(link);
            }
        }
        links.retain(|l| met.get(&l.commit) == Some(&Met::New));
        links.reverse();
        Ok(links)
    }

    /// Whether any of `tips` is, or reaches, `id`, by explicit parents. What of `tips` cannot be read is ignored.
    pub fn reached_by(&self, id: Oid, tips: &[Oid]) -> Result<bool> {
        let (mut seen, mut todo) = (HashSet::new(), tips.to_vec());
        let repo = self.local();
        while let Some(at) = todo.pop() {
            if at == id {
                return Ok(true);
            }
            if seen.insert(at)
                && let Ok(bytes) = self.object(&repo, at, Kind::Commit, MAX_COMMIT)
            {
                todo.extend(CommitRefIter::from_bytes(&bytes, repo.object_hash()).parent_ids().map(Oid));
            }
        }
        Ok(false)
    }

    /// The commits at the edge of a shallow clone: they name parents that are not here.
    pub fn shallow(&self) -> HashSet<Oid> {
        let edge = self.local().shallow_commits().ok().flatten();
        edge.map(|edge| edge.iter().copied().map(Oid).collect()).unwrap_or_default()
    }

    /// What a ref has been, oldest first, as far as its reflog tells; nothing where it has none.
    pub fn reflog(&self, name: &str) -> Result<Vec<Oid>> {
        if self.inner.reftable {
            return super::reftable::reflog(&self.inner.git, name);
        }
        let path = self.common_dir().join("logs").join(name);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", &path)(e)),
        };
        let mut out = Vec::new();
        // `<old> <new> <who>…`; zeros are no value.
        for id in text.lines().flat_map(|line| line.split(' ').take(2)) {
            out.extend(id.parse::<Oid>().ok().filter(|id| !id.0.is_null() && out.last() != Some(id)));
        }
        Ok(out)
    }

    /// The commit that an object stands for: itself, or what an annotated tag names; none for anything else.
    pub fn peel(&self, id: Oid) -> Result<Option<Oid>> {
        let repo = self.local();
        let mut at = id;
        // A tag of a tag is legal; a longer line of them is somebody's trap.
        for _ in 0..16 {
            match super::objects::header(&repo, at)? {
                (Kind::Commit, _) => return Ok(Some(at)),
                (Kind::Tag, _) => {
                    let bytes = self.object(&repo, at, Kind::Tag, MAX_COMMIT)?;
                    let tag = gix::objs::TagRefIter::from_bytes(&bytes, repo.object_hash()).target_id();
                    at = Oid(tag.map_err(|e| Error::Corrupt { id: at, why: e.to_string() })?);
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The files of an index below a folder, in path order: what the next commit will have there. No index file is an
    /// empty index. Entries in conflict are left out, since git commits none.
    pub fn index_entries(&self, index: &Path, folder: &BStr) -> Result<Vec<Entry>> {
        let options = gix::index::decode::Options { thread_limit: Some(1), ..Default::default() };
        let file = match gix::index::File::at(index, self.hash_kind(), true, options) {
            Ok(file) => file,
            Err(e) if e.is_not_found() || !index.exists() => return Ok(Vec::new()),
            Err(e) => return Err(Error::gix("read the index")(e)),
        };
        let prefix: BString = [folder.as_bytes(), b"/"].concat().into();
        let entries = file.prefixed_entries(prefix.as_ref()).unwrap_or_default();
        let entry = |e: &gix::index::Entry| {
            let mode = Mode::of(e.mode.to_tree_entry_mode()?)?;
            let settled = e.stage() == gix::index::entry::Stage::Unconflicted;
            settled.then(|| Entry { path: e.path(&file).to_owned(), mode, oid: Oid(e.id) })
        };
        Ok(entries.iter().filter_map(entry).collect())
    }
}

/// Rides along in the queue without having a place in its order.
struct Queued(Link);

impl PartialEq for Queued {
    fn eq(&self, _: &Queued) -> bool {
        true
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, _: &Queued) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
