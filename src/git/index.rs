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
        if let Some(remembered) = index.tree().and_then(|root| remembered(root, folder)) {
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
fn remembered(root: &Tree, folder: &BStr) -> Option<Option<Oid>> {
    let mut at = root;
    for name in folder.split_str("/") {
        let valid = at.num_entries.is_some();
        match at.children.iter().find(|child| child.name.as_slice() == name) {
            Some(child) => at = child,
            // Only a tree that is remembered as it is tells which folders it does not have.
            None => return valid.then_some(None),
        }
    }
    at.num_entries.map(|_| Some(Oid(at.id)))
}
