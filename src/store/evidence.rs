//! Evidence: files on `refs/otto/evidence/<run>/<writer>`, one forward-only history a writer.
//!
//! The producer redacts before it stores: what is here can travel.

use crate::{
    base::{Oid, RunId},
    git::{BString, ByteSlice, Mode, NewCommit, Old, RefEdit, Repo, Swap},
    store::{Error, Result, Store, names},
};

/// Bytes of one file.
pub const MAX_FILE: usize = 16 << 20;
/// Files of one batch.
const MAX_BATCH: usize = 10_000;
/// Bytes of one path.
const MAX_PATH: usize = 1024;

/// Stores a batch of files in one commit, durable when it returns; gives their blobs in the same order. The same path
/// again replaces the file; the history keeps the old one.
pub fn put(store: &Store, run: &RunId, writer: &str, entries: &[(String, Vec<u8>)]) -> Result<Vec<Oid>> {
    let wrong = |path: &str, why: &str| Error::BadEvidence { path: path.chars().take(120).collect(), why: why.into() };
    if !names::is_writer(writer) {
        return Err(wrong(writer, "a writer is named by 1 to 40 lower-case hex digits"));
    }
    if entries.len() > MAX_BATCH {
        return Err(wrong("", "too many files at once"));
    }
    let (mut blobs, mut edits) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for (path, bytes) in entries {
        if bytes.len() > MAX_FILE {
            return Err(wrong(path, "it is larger than 16 MiB"));
        }
        if !is_path(path) {
            return Err(wrong(path, "it is no relative path of plain names"));
        }
        let blob = store.repo.write_blob(bytes)?;
        blobs.push(blob);
        edits.push((BString::from(path.as_str()), Some((Mode::Plain, blob))));
    }
    if entries.is_empty() {
        return Ok(blobs);
    }
    let name = names::evidence(run, writer);
    loop {
        let tip = store.repo.refs().read(&name)?;
        let base = tip.map(|t| store.repo.read_commit(t)).transpose()?.map(|c| c.tree);
        let tree = store.repo.write_tree(base, &edits)?;
        let who = store.otto();
        let message = format!("Keep evidence of {run}\n");
        let parents = tip.into_iter().collect();
        let commit = store.repo.write_commit(&NewCommit { tree, parents, author: &who, committer: &who, message })?;
        let edit = RefEdit { name: name.clone(), old: tip.map_or(Old::Absent, Old::Is), new: Some(commit) };
        // One process may store from several threads: who loses adds to what the other stored.
        if store.swap(&[edit], "evidence")? == Swap::Done {
            return Ok(blobs);
        }
    }
}

/// Whether a path is relative and made of names that every system can hold.
fn is_path(path: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && !name.eq_ignore_ascii_case(".git")
            && !name.chars().any(|c| c.is_control() || c == '\\')
    };
    path.len() <= MAX_PATH && path.split('/').all(plain)
}

/// Every file of a run's evidence with its blob, over all writers, in path order; where two writers have one path the
/// writer whose name sorts last wins.
pub fn list(repo: &Repo, run: &RunId) -> Result<Vec<(String, Oid)>> {
    let mut all = std::collections::BTreeMap::new();
    for tip in tips(repo, run)? {
        for entry in repo.tree_entries(repo.read_commit(tip)?.tree)? {
            all.insert(entry.path.to_str_lossy().into_owned(), entry.oid);
        }
    }
    Ok(all.into_iter().collect())
}

/// The content at a path of a run's evidence, at most [`MAX_FILE`] bytes; see [`list`] for which where there are several.
pub fn find(repo: &Repo, run: &RunId, path: &str) -> Result<Option<Vec<u8>>> {
    for tip in tips(repo, run)?.into_iter().rev() {
        if let Some(entry) = repo.entry(repo.read_commit(tip)?.tree, path.as_bytes().as_bstr())? {
            return Ok(Some(repo.read_blob(entry.oid, MAX_FILE as u64)?));
        }
    }
    Ok(None)
}

fn tips(repo: &Repo, run: &RunId) -> Result<Vec<Oid>> {
    let all = repo.refs().list(&names::evidence_prefix(run))?;
    Ok(all.into_iter().filter(|(name, _)| names::parse_evidence(name).is_some()).map(|(_, oid)| oid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Fixture;

    fn run() -> RunId {
        "jot-20231114t221320z-0a1b2c".parse().unwrap()
    }

    #[test]
    fn what_is_put_is_found_and_nothing_is_lost() {
        let f = Fixture::new();
        let batch = |n: u8| vec![(format!("store/g.1/base/c{n}/result.json"), vec![n; 3]), ("same".into(), vec![n])];
        let ids = put(&f.store, &run(), "0a", &batch(1)).unwrap();
        put(&f.store, &run(), "0a", &batch(2)).unwrap();
        put(&f.store, &run(), "0b", &[("other".into(), vec![])]).unwrap();
        assert_eq!(f.store.repo.read_blob(ids[0], 10).unwrap(), [1; 3]);
        let paths: Vec<String> = list(&f.store.repo, &run()).unwrap().into_iter().map(|(p, _)| p).collect();
        assert_eq!(paths, ["other", "same", "store/g.1/base/c1/result.json", "store/g.1/base/c2/result.json"]);
        assert_eq!(find(&f.store.repo, &run(), "same").unwrap().unwrap(), [2]);
        assert_eq!(find(&f.store.repo, &run(), "store/g.1/base/c1/result.json").unwrap().unwrap(), [1; 3]);
        assert_eq!(find(&f.store.repo, &run(), "store").unwrap(), None);
        let log = f.git(&["rev-list", "--count", &names::evidence(&run(), "0a")]);
        assert_eq!(log.stdout, b"2\n");
    }

    #[test]
    fn threads_of_one_writer_lose_nothing() {
        let f = Fixture::new();
        std::thread::scope(|s| {
            for t in 0..4 {
                let store = &f.store;
                s.spawn(move || {
                    for n in 0..5 {
                        put(store, &run(), "0a", &[(format!("{t}/{n}"), vec![t, n])]).unwrap();
                    }
                });
            }
        });
        assert_eq!(list(&f.store.repo, &run()).unwrap().len(), 20);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused_and_nothing_is_stored() {
        let f = Fixture::new();
        for bad in ["", "/a", "a//b", "a/../b", ".", ".GIT/config", "a\\b", "a\nb", &"x".repeat(2000)] {
            let e = put(&f.store, &run(), "0a", &[(bad.into(), vec![])]);
            assert!(matches!(e, Err(Error::BadEvidence { .. })), "{bad:?}");
        }
        assert!(put(&f.store, &run(), "A/b", &[("a".into(), vec![])]).is_err());
        assert!(put(&f.store, &run(), "0a", &[]).unwrap().is_empty());
        assert!(list(&f.store.repo, &run()).unwrap().is_empty());
    }
}
