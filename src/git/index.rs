//! The index, as far as hooks ask about it: whether the next commit changes a folder.

use std::{collections::BTreeMap, path::PathBuf};

use gix::index::{File, decode, entry, extension::Tree};

use super::{BStr, BString, ByteSlice, Error, Head, Repo, Result};
use crate::base::Oid;

impl Repo {
    /// The index that git told its hooks to look at (`GIT_INDEX_FILE`: the one of `commit -- path` is a file of its own),
    /// else that of this checkout.
    pub fn index_path(&self) -> PathBuf {
        let env = &self.inner.git.env;
        match env.var("GIT_INDEX_FILE").filter(|file| !file.is_empty()) {
            Some(file) => env.cwd.join(file),
            None => self.git_dir().join("index"),
        }
    }

    /// Whether the next commit would change anything below a folder: whether the index differs there from HEAD.
    ///
    /// The folder's tree as the index remembers it is compared with HEAD's, which reads no other tree of either. Where
    /// the index does not remember it, the folder's files are compared, and all of them only in a sparse index.
    pub fn changes_staged(&self, folder: &BStr) -> Result<bool> {
        let head = match self.head()? {
            Head::Branch(_, id) => id,
            Head::Detached(id) => Some(id),
        };
        let committed = match head {
            Some(id) => self.subtree(self.read_commit(id)?.tree, folder)?,
            None => None,
        };
        // git writes an index under a lock and has just read this one: its checksum, which takes longer than everything
        // else, is not computed again.
        let path = self.index_path();
        let index = match File::at(&path, self.hash_kind(), true, decode::Options::default()) {
            Ok(index) => index,
            Err(_) if !path.exists() => return Ok(committed.is_some()),
            Err(e) => return Err(Error::gix("read the index")(e)),
        };
        if let Some(remembered) = index.tree().and_then(|root| remembered(root, folder, index.is_sparse())) {
            return Ok(remembered != committed);
        }
        let mut staged = BTreeMap::new();
        let inside: BString = [folder.as_bytes(), b"/"].concat().into();
        // An entry of a sparse index may stand for a folder above the one that is asked about.
        let around = |path: &BStr| path.ends_with(b"/") && inside.starts_with(path);
        let all = index.is_sparse().then(|| index.entries());
        let near = all.or_else(|| index.prefixed_entries(inside.as_bstr())).unwrap_or_default();
        for e in near {
            let path = e.path(&index);
            if around(path) {
                let rest = inside[path.len()..].strip_suffix(b"/").unwrap_or_default();
                return Ok(self.subtree(Oid(e.id), rest.as_bstr())? != committed);
            }
            if !path.starts_with(&inside) {
                continue;
            }
            // What was only announced (`add -N`) is not committed; an unmerged path cannot be.
            if e.stage() == entry::Stage::Unconflicted && !e.flags.contains(entry::Flags::INTENT_TO_ADD) {
                if e.mode.is_sparse() {
                    let below = path.strip_suffix(b"/").unwrap_or(path);
                    for file in self.tree_entries(Oid(e.id))? {
                        let path = [below, b"/", &file.path].concat();
                        staged.insert(BString::from(path), (file.mode.octal().to_owned(), file.oid));
                    }
                } else {
                    staged.insert(path.to_owned(), (format!("{:o}", e.mode.bits()), Oid(e.id)));
                }
            }
        }
        let files = committed.map_or(Ok(Vec::new()), |tree| self.tree_entries(tree))?;
        let of_head = files
            .into_iter()
            .map(|f| (BString::from([inside.as_slice(), &f.path].concat()), (f.mode.octal().to_owned(), f.oid)));
        Ok(staged != of_head.collect::<BTreeMap<_, _>>())
    }
}

/// The tree of a folder as the index remembers it (`None` inside: there is no such folder); none where it does not.
fn remembered(root: &Tree, folder: &BStr, sparse: bool) -> Option<Option<Oid>> {
    let mut at = root;
    for name in folder.split_str("/") {
        let valid = at.num_entries.is_some();
        match at.children.iter().find(|child| child.name.as_slice() == name) {
            Some(child) => at = child,
            // Only a tree that is remembered as it is tells which folders it does not have, and a sparse index leaves out
            // those below what it does not show.
            None => return (valid && !sparse).then_some(None),
        }
    }
    at.num_entries.map(|_| Some(Oid(at.id)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{base::Env, git::Repo, git::testing::Scratch};

    /// Whether the copies are staged otherwise than HEAD has them, as git says it and as we do.
    fn both(s: &Scratch, env: &Env) -> (bool, bool) {
        let git = !s
            .git(&["diff", "--cached", "--name-only", "--ita-invisible-in-index", "HEAD", "--", ".otto/specs"])
            .is_empty();
        (git, Repo::discover(env).unwrap().changes_staged(".otto/specs".into()).unwrap())
    }

    fn begin() -> Scratch {
        let s = Scratch::new();
        fs::create_dir_all(s.work().join(".otto/specs")).unwrap();
        fs::create_dir_all(s.work().join("src")).unwrap();
        for (path, text) in [(".otto/specs/jot.json", "{}"), (".otto/config", "x"), ("src/a", "a"), ("z", "z")] {
            fs::write(s.work().join(path), text).unwrap();
        }
        s.git(&["add", "."]);
        s.git(&["commit", "-qm", "Begin"]);
        s
    }

    #[test]
    fn what_git_would_commit_of_a_folder_is_seen() {
        let steps: &[(&str, &[&str], bool)] = &[
            ("nothing", &["status"], false),
            ("a change elsewhere", &["update-index", "--cacheinfo", "100644,$X,src/a"], false),
            ("a file beside the folder", &["update-index", "--cacheinfo", "100644,$X,.otto/config"], false),
            ("another content", &["update-index", "--cacheinfo", "100644,$X,.otto/specs/jot.json"], true),
            ("as it was", &["reset", "-q"], false),
            ("another mode", &["update-index", "--chmod=+x", ".otto/specs/jot.json"], true),
            ("as it was, remembered", &["reset", "-q", "--hard"], false),
            ("one more", &["update-index", "--add", "--cacheinfo", "100644,$X,.otto/specs/two.json"], true),
            ("one less", &["rm", "-q", "-r", "--cached", ".otto/specs"], true),
            ("none, remembered", &["write-tree"], true),
            ("all of the folder", &["rm", "-q", "-rf", "--cached", ".otto"], true),
        ];
        let s = begin();
        fs::write(s.work().join("x"), "x").unwrap();
        let x = s.git(&["hash-object", "-w", "x"]);
        for (what, args, expected) in steps {
            let args: Vec<String> = args.iter().map(|a| a.replace("$X", &x)).collect();
            s.git(&args.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(both(&s, &s.env()), (*expected, *expected), "{what}");
        }
    }

    #[test]
    fn a_file_that_is_only_announced_is_not_committed() {
        let s = begin();
        fs::write(s.work().join(".otto/specs/two.json"), "{}").unwrap();
        s.git(&["add", "-N", ".otto/specs/two.json"]);
        assert_eq!(both(&s, &s.env()), (false, false));
    }

    #[test]
    fn a_sparse_index_is_read_to_where_it_stands_for_folders() {
        let s = begin();
        s.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "src"]);
        assert_eq!(both(&s, &s.env()), (false, false));
        let x = s.git(&["hash-object", "-w", "z"]);
        s.git(&["update-index", "--cacheinfo", &format!("100644,{x},src/a")]);
        assert_eq!(both(&s, &s.env()), (false, false));
        s.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{x},.otto/specs/jot.json")]);
        assert_eq!(both(&s, &s.env()), (true, true));
    }

    #[test]
    fn the_index_that_git_names_counts() {
        let s = begin();
        let mut env = s.env();
        env.git.insert("GIT_INDEX_FILE".into(), ".git/other".into());
        // One that is not there is empty.
        assert!(Repo::discover(&env).unwrap().changes_staged(".otto/specs".into()).unwrap());
        fs::copy(s.work().join(".git/index"), s.work().join(".git/other")).unwrap();
        assert!(!Repo::discover(&env).unwrap().changes_staged(".otto/specs".into()).unwrap());
        // Before the first commit everything is new, and nothing is where there is nothing.
        s.git(&["checkout", "-q", "--orphan", "new"]);
        assert!(Repo::discover(&s.env()).unwrap().changes_staged(".otto/specs".into()).unwrap());
        s.git(&["rm", "-qrf", "."]);
        assert!(!Repo::discover(&s.env()).unwrap().changes_staged(".otto/specs".into()).unwrap());
    }
}
