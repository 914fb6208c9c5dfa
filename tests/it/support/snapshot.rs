//! What a run must leave exactly as it was: files, index, HEAD, stash, configuration, hooks, branches and tags.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::Sandbox;

/// The state of a checkout and of its repository, apart from objects and from what is otto's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot(BTreeMap<String, Vec<u8>>);

/// Top-level entries of a git folder that a run adds to: objects, its own refs and their logs, its own folder.
const OURS: [&str; 6] = ["objects", "refs", "reftable", "logs", "packed-refs", "otto"];
/// Refs that are otto's to move.
const OUR_REFS: [&str; 3] = ["refs/otto/", "refs/notes/otto/", "refs/heads/otto/"];

impl Snapshot {
    pub(super) fn take(s: &Sandbox) -> Snapshot {
        let mut all = BTreeMap::new();
        let git = s.repo().join(".git");
        for entry in fs::read_dir(&git).unwrap() {
            let entry = entry.unwrap();
            if !OURS.contains(&entry.file_name().to_str().unwrap()) {
                files(&s.repo(), &entry.path(), &mut all);
            }
        }
        for log in ["HEAD", "refs/stash"] {
            files(&s.repo(), &git.join("logs").join(log), &mut all);
        }
        for entry in fs::read_dir(s.repo()).unwrap() {
            let path = entry.unwrap().path();
            if path != git {
                files(&s.repo(), &path, &mut all);
            }
        }
        files(&s.path(""), &s.path("home"), &mut all);
        for line in s.git(&["for-each-ref", "--format=%(refname) %(objectname) %(symref)"]).lines() {
            if !OUR_REFS.iter().any(|r| line.starts_with(r)) {
                let (name, value) = line.split_once(' ').unwrap();
                all.insert(name.to_owned(), value.into());
            }
        }
        for args in [&["status", "--porcelain=v2", "--ignored", "-uall"][..], &["stash", "list"], &["worktree", "list"]]
        {
            // Without optional locks git does not refresh the index that is being compared.
            let said = s.git(&[&["--no-optional-locks"], args].concat());
            all.insert(format!("git {}", args.join(" ")), said.into());
        }
        Snapshot(all)
    }

    /// Names of what differs, and how.
    pub fn differences(&self, later: &Snapshot) -> Vec<String> {
        let names: BTreeSet<_> = self.0.keys().chain(later.0.keys()).collect();
        let how = |name: &String| match (self.0.get(name), later.0.get(name)) {
            (a, b) if a == b => None,
            (None, _) => Some(format!("{name} was added")),
            (_, None) => Some(format!("{name} was removed")),
            _ => Some(format!("{name} changed")),
        };
        names.into_iter().filter_map(how).collect()
    }

    /// Everything must be as it was.
    #[track_caller]
    pub fn assert_same(&self, later: &Snapshot) {
        assert_eq!(self.differences(later), Vec::<String>::new(), "the user's checkout is theirs");
    }
}

/// Notes a file with its mode, its time of change and its content, or everything in a folder.
fn files(root: &Path, path: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let mut value = format!("{:o} ", meta.permissions().mode()).into_bytes();
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(root, &entry.unwrap().path(), all);
        }
    } else if meta.is_symlink() {
        value.extend(fs::read_link(path).unwrap().into_os_string().into_encoded_bytes());
    } else {
        value.extend(format!("{}.{} ", meta.mtime(), meta.mtime_nsec()).bytes());
        value.extend(fs::read(path).unwrap());
    }
    all.insert(name, value);
}
