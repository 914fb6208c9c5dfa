//! The index, as far as hooks ask about it: whether the next commit changes a folder.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read, Seek},
    path::PathBuf,
};

use gix::index::{
    File, decode, entry,
    extension::{self, Tree},
};

use super::{BStr, BString, ByteSlice, Error, Repo, Result};
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
        let committed = match self.head()?.at() {
            Some(id) => self.subtree(self.read_commit(id)?.tree, folder)?,
            None => None,
        };
        // git writes an index under a lock and has just read this one: its checksum, which takes longer than everything
        // else, is not computed again.
        let path = self.index_path();
        // The quick way, where the index is of a kind that allows it and remembers the folder.
        if let Some((root, sparse)) = fs::File::open(&path).ok().and_then(|file| trees(file, self.hash_kind()))
            && let Some(remembered) = remembered(&root, folder, sparse)
        {
            return Ok(remembered != committed);
        }
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

/// The trees that an index of format 2 or 3 remembers, and whether it is sparse; its entries are stepped over, which takes a
/// fraction of reading them. None where the whole has to be read to know. Format: gitformat-index(5).
fn trees(index: impl Read + Seek, hash: gix::hash::Kind) -> Option<(Tree, bool)> {
    let mut index = BufReader::with_capacity(1 << 16, index);
    let mut head = [0; 12];
    index.read_exact(&mut head).ok()?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    if !head.starts_with(b"DIRC") || !(2..=3).contains(&number(4)?) {
        return None;
    }
    // Times, ids of the file, mode and size; the object; flags, of which there may be more; the path, with 1 to 8 NULs.
    let mut entry = vec![0; 40 + hash.len_in_bytes() + 2];
    for _ in 0..number(8)? {
        index.read_exact(&mut entry).ok()?;
        let flags = u16::from_be_bytes(*entry.last_chunk()?);
        let before = entry.len() + if flags & 0x4000 == 0 { 0 } else { 2 };
        let mut read = entry.len();
        let path = match usize::from(flags & 0xfff) {
            0xfff => {
                let mut long = Vec::new();
                index.seek_relative((before - read) as i64).ok()?;
                read = before + index.read_until(0, &mut long).ok()?;
                long.len().checked_sub(1)?
            }
            len => len,
        };
        let end = (before + path + 8) & !7;
        index.seek_relative(end.checked_sub(read)? as i64).ok()?;
    }
    let mut rest = Vec::new();
    index.read_to_end(&mut rest).ok()?;
    let extensions = rest.get(..rest.len().checked_sub(hash.len_in_bytes())?)?;
    let (mut root, mut sparse) = (None, false);
    for (signature, chunk) in extension::Iter::new(extensions) {
        match &signature {
            // The rest of it is in another file.
            b"link" => return None,
            b"sdir" => sparse = true,
            b"TREE" => root = extension::tree::decode(chunk, hash, None),
            _ => {}
        }
    }
    Some((root?, sparse))
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
    use std::{fs, io::Cursor};

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
    fn stepping_over_entries_ends_where_reading_them_does() {
        let s = begin();
        fs::write(s.work().join("x"), "x").unwrap();
        let x = s.git(&["hash-object", "-w", "x"]);
        let agree = |what: &str| {
            let tree = s.git(&["write-tree"]);
            let bytes = fs::read(s.work().join(".git/index")).unwrap();
            let (root, sparse) = super::trees(Cursor::new(&bytes), gix::hash::Kind::Sha1).unwrap();
            assert_eq!((root.id.to_string(), sparse), (tree.clone(), false), "{what}");
            let folder = super::remembered(&root, ".otto/specs".into(), sparse).unwrap().unwrap();
            assert_eq!(folder.to_string(), s.git(&["rev-parse", &format!("{tree}:.otto/specs")]), "{what}");
        };
        agree("short paths");
        // Every padding, and paths whose length the flags cannot hold.
        for len in (1..20).chain([4094, 4095, 4096, 5000]) {
            s.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{x},p{}", "a".repeat(len))]);
        }
        agree("paths of all lengths");
        s.git(&["update-index", "--skip-worktree", "z"]);
        agree("further flags");
        let bytes = fs::read(s.work().join(".git/index")).unwrap();
        for cut in (0..bytes.len()).step_by(7) {
            super::trees(Cursor::new(&bytes[..cut]), gix::hash::Kind::Sha1);
        }
        s.git(&["update-index", "--index-version", "4"]);
        assert!(super::trees(fs::File::open(s.work().join(".git/index")).unwrap(), gix::hash::Kind::Sha1).is_none());
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
