//! The user's own checkout: looked at for everybody, changed by nobody but git itself at the user's explicit wish.

use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use super::{BString, ByteSlice, Error, Output, Repo, Result};
use crate::base::{Oid, scratch};

impl Repo {
    /// Runs `git` at the user's wish, as they would: in their checkout, with their settings and their hooks.
    pub fn as_user<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Output> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        self.inner.git.as_user(&args)
    }

    /// The tracked files that differ from HEAD, in the index or in the checkout.
    pub fn modified(&self) -> Result<Vec<BString>> {
        let args =
            ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=untracked"];
        let said = self.git(&args, None)?.ok()?;
        let lines = said.split(|b| *b == 0).filter_map(|line| line.get(3..));
        Ok(lines.map(BString::from).collect())
    }

    /// The untracked files, ignored ones too, that stand where a move from one tree to the other puts something new.
    pub fn in_the_way(&self, from: Oid, to: Oid) -> Result<Vec<BString>> {
        let Some(top) = self.work_dir() else { return Ok(Vec::new()) };
        let changes = self.diff_trees(from, to)?;
        // What goes stands in nobody's way; a file system may take another case of its name for it.
        let folded = |path: &[u8]| path.to_str_lossy().to_lowercase();
        let goes: BTreeSet<String> = changes.iter().filter(|c| c.new.is_none()).map(|c| folded(&c.path)).collect();
        let mut found = BTreeSet::new();
        for change in changes.iter().filter(|c| c.old.is_none()) {
            let ends = change.path.find_iter("/").chain([change.path.len()]);
            for end in ends {
                let path = &change.path[..end];
                // A folder is git's to judge: whether something is left in it is not known before.
                let stands = fs::symlink_metadata(top.join(OsStr::from_bytes(path))).is_ok_and(|m| !m.is_dir());
                if stands && !goes.contains(&folded(path)) {
                    found.insert(BString::from(path));
                    break;
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Those of some paths that the index does not know.
    pub fn untracked_of(&self, mut paths: Vec<BString>) -> Result<Vec<BString>> {
        let index = self.read_index()?;
        let knows = |path: &BString| index.as_ref().is_some_and(|index| index.entry_by_path(path.as_ref()).is_some());
        paths.retain(|path| !knows(path));
        Ok(paths)
    }

    /// What would be committed if everything in the checkout were: tracked files as they are, and untracked ones that
    /// nothing ignores. The user's index is copied, not touched.
    pub fn everything(&self) -> Result<Oid> {
        let dir = scratch::folder().map_err(Error::io("make", std::env::temp_dir()))?;
        let (index, own) = (dir.path().join("index"), self.git_dir().join("index"));
        if own.exists() {
            fs::copy(&own, &index).map_err(Error::io("copy", own))?;
        }
        let git = |args: &[&str]| {
            let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
            self.inner.git.run(&args, None, &[("GIT_INDEX_FILE", index.as_os_str())])?.ok()
        };
        git(&["add", "--all", "--sparse", "--no-warn-embedded-repo"])?;
        let said = String::from_utf8_lossy(&git(&["write-tree"])?).into_owned();
        said.trim().parse().map_err(|_| Error::Git {
            command: "write-tree".into(),
            status: "exit 0".into(),
            stderr: crate::base::text::one_line(&said, 100),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::git::testing::Scratch;

    #[test]
    fn files_in_the_way_are_named_and_folders_left_to_git() {
        let s = Scratch::new();
        let from = s.tree(&[("gone", "x"), ("kept", "x"), ("Case", "x")]);
        let to = s.tree(&[
            ("kept", "y"),
            ("gone/inside", "x"),
            ("new", "x"),
            ("dir/new", "x"),
            ("link/new", "x"),
            ("case", "x"),
        ]);
        let commit = s.commit(from, &[], "Begin");
        s.git(&["reset", "-q", "--hard", &commit.to_string()]);
        let way = || s.repo.in_the_way(from, to).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(way().is_empty(), "what is tracked and goes is in nobody's way: {:?}", way());
        let path = |name: &str| s.work().join(name);
        fs::write(path("new"), "mine").unwrap();
        fs::write(path("dir"), "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        fs::write(path("other"), "mine").unwrap();
        assert_eq!(way(), ["dir", "link", "new"]);
        fs::remove_file(path("new")).unwrap();
        fs::create_dir(path("new")).unwrap();
        assert_eq!(way(), ["dir", "link"]);
    }

    #[test]
    fn what_is_modified_and_what_is_there_is_seen_without_touching_the_index() {
        let s = Scratch::new();
        let commit = s.commit(s.tree(&[("a", "1"), ("b", "1"), (".gitignore", "ignored\n")]), &[], "Begin");
        s.git(&["reset", "-q", "--hard", &commit.to_string()]);
        assert!(s.repo.modified().unwrap().is_empty());
        let path = |name: &str| s.work().join(name);
        fs::write(path("a"), "22").unwrap();
        fs::remove_file(path("b")).unwrap();
        fs::write(path("new"), "3").unwrap();
        fs::write(path("ignored"), "4").unwrap();
        let index = fs::read(s.repo.git_dir().join("index")).unwrap();
        assert_eq!(s.repo.modified().unwrap(), ["a", "b"]);
        let all = s.repo.everything().unwrap();
        assert_eq!(all, s.tree(&[("a", "22"), ("new", "3"), (".gitignore", "ignored\n")]));
        assert_eq!(fs::read(s.repo.git_dir().join("index")).unwrap(), index);
    }
}
