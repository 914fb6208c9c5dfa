//! Trees: built from edits, listed, compared.

use std::cmp::Ordering;

use gix::{
    ObjectId,
    objs::{
        Kind,
        tree::{EntryKind, EntryMode},
    },
    validate::path::component,
};

use super::{BStr, BString, ByteSlice, Change, Entry, Error, Mode, Repo, Result, objects};
use crate::base::Oid;

/// A tree object of more bytes is refused; git's own largest known folders are far below.
const MAX_TREE: u64 = 256 << 20;
/// No honest tree is deeper; a hostile one must not exhaust the stack.
const MAX_DEPTH: usize = 1000;

impl Mode {
    fn kind(self) -> EntryKind {
        match self {
            Mode::Plain => EntryKind::Blob,
            Mode::Executable => EntryKind::BlobExecutable,
            Mode::Symlink => EntryKind::Link,
            Mode::Submodule => EntryKind::Commit,
        }
    }

    pub(super) fn of(mode: EntryMode) -> Option<Mode> {
        Some(match mode.kind() {
            EntryKind::Tree => return None,
            EntryKind::Blob => Mode::Plain,
            EntryKind::BlobExecutable => Mode::Executable,
            EntryKind::Link => Mode::Symlink,
            EntryKind::Commit => Mode::Submodule,
        })
    }
}

/// One entry of one tree object; a folder has no mode of ours.
pub(super) struct Node {
    pub(super) name: BString,
    pub(super) mode: Option<Mode>,
    pub(super) id: ObjectId,
}

/// The order of a tree's entries: bytes, a folder as if its name ended with `/`.
fn order(a: &Node, b: &Node) -> Ordering {
    let key = |n: &Node| -> Vec<u8> { [n.name.as_slice(), if n.mode.is_none() { b"/" } else { b"" }].concat() };
    key(a).cmp(&key(b))
}

pub(super) fn join(folder: &BStr, name: &BStr) -> BString {
    if folder.is_empty() { name.to_owned() } else { [folder.as_bytes(), b"/", name.as_bytes()].concat().into() }
}

/// Fails if a name cannot safely be one component of a path on any system: empty, `.`, `..`, with a slash, or `.git` in
/// any spelling a file system takes for it.
pub(super) fn check_component(name: &BStr, mode: Option<Mode>, path: &BStr) -> Result<()> {
    let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let mode = (mode == Some(Mode::Symlink)).then_some(component::Mode::Symlink);
    gix::validate::path::component(name, mode, options).map(drop).map_err(|e| Error::bad_path(path, e))?;
    if name.contains(&0) { Err(Error::bad_path(path, "it contains a NUL byte")) } else { Ok(()) }
}

impl Repo {
    /// Writes a tree: `base` (nothing if none) with edits. An edit without content removes a file or a whole folder; a file
    /// put where a folder was replaces it, and the other way round.
    pub fn write_tree(&self, base: Option<Oid>, edits: &[(BString, Option<(Mode, Oid)>)]) -> Result<Oid> {
        let repo = self.local().with_object_memory();
        let root = match base {
            Some(id) => id.0,
            None => ObjectId::empty_tree(repo.object_hash()),
        };
        let mut editor = repo.edit_tree(root).map_err(Error::gix("read the base tree"))?;
        let (mut puts, removes): (Vec<_>, Vec<_>) = edits.iter().partition(|(_, new)| new.is_some());
        for (path, _) in removes {
            editor.remove(path).map_err(Error::gix("remove a path from a tree"))?;
        }
        // With `/` as the lowest byte, a path stands directly before what would be inside of it.
        puts.sort_by(|a, b| a.0.split_str("/").cmp(b.0.split_str("/")));
        for pair in puts.windows(2) {
            if let [(a, _), (b, _)] = pair
                && (a == b || b.strip_prefix(a.as_slice()).is_some_and(|rest| rest.starts_with(b"/")))
            {
                return Err(Error::bad_path(b, format!("{a} is put there as well")));
            }
        }
        for (path, new) in puts {
            let Some((mode, id)) = new else { continue };
            path.split_str("/").try_for_each(|name| check_component(name.as_bstr(), Some(*mode), path.as_bstr()))?;
            if *mode != Mode::Submodule {
                objects::require(&repo, *id, Kind::Blob)?;
            }
            editor.upsert(path, mode.kind(), id.0).map_err(Error::gix("put a path into a tree"))?;
        }
        let id = editor.write().map_err(Error::gix("write a tree"))?.detach();
        drop(editor);
        self.write_memory(repo)?;
        if id == ObjectId::empty_tree(self.hash_kind()) {
            return self.empty_tree();
        }
        self.remember(id);
        Ok(Oid(id))
    }

    /// The empty tree, written.
    pub fn empty_tree(&self) -> Result<Oid> {
        self.write_raw(&self.local(), Kind::Tree, b"")
    }

    /// All files of a tree, at any depth, in path order.
    pub fn tree_entries(&self, tree: Oid) -> Result<Vec<Entry>> {
        self.tree_entries_below(tree, &|_| true)
    }

    /// The same without what is below folders that are not `entered`.
    pub fn tree_entries_below(&self, tree: Oid, entered: &dyn Fn(&BStr) -> bool) -> Result<Vec<Entry>> {
        let repo = self.local();
        let mut out = Vec::new();
        let mut each = |path, mode, oid| out.push(Entry { path, mode, oid });
        self.walk(&repo, (tree.0, BStr::new("")), 0, entered, &mut each)?;
        Ok(out)
    }

    /// The file at a path; none if there is none, or a folder.
    pub fn entry(&self, tree: Oid, path: &BStr) -> Result<Option<Entry>> {
        let found = self.lookup(tree, path)?.and_then(|n| Some((n.mode?, n.id)));
        Ok(found.map(|(mode, id)| Entry { path: path.to_owned(), mode, oid: Oid(id) }))
    }

    /// The tree of the folder at a path; the tree itself for an empty path.
    pub fn subtree(&self, tree: Oid, path: &BStr) -> Result<Option<Oid>> {
        if path.is_empty() {
            return Ok(Some(tree));
        }
        Ok(self.lookup(tree, path)?.filter(|n| n.mode.is_none()).map(|n| Oid(n.id)))
    }

    fn lookup(&self, tree: Oid, path: &BStr) -> Result<Option<Node>> {
        let repo = self.local();
        let (mut at, mut names) = (tree.0, path.split_str("/").peekable());
        while let Some(name) = names.next() {
            let Some(node) = self.nodes(&repo, at)?.into_iter().find(|n| n.name == name) else { return Ok(None) };
            match (names.peek(), node.mode) {
                (None, _) => return Ok(Some(node)),
                (Some(_), None) => at = node.id,
                (Some(_), Some(_)) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The paths in which two trees differ, in path order; no renames.
    pub fn diff_trees(&self, old: Oid, new: Oid) -> Result<Vec<Change>> {
        let repo = self.local();
        let mut out = Vec::new();
        self.diff(&repo, Some(old.0), Some(new.0), BStr::new(""), 0, &mut out)?;
        out.sort_by(|a, b| a.path.cmp(&b.path));
        // A file that became a folder of files shows as both, at different paths; one path never shows twice.
        Ok(out)
    }

    fn diff(
        &self,
        repo: &gix::Repository,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        folder: &BStr,
        depth: usize,
        out: &mut Vec<Change>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let read = |id: Option<ObjectId>| id.map_or(Ok(Vec::new()), |id| self.nodes(repo, id));
        check_depth(depth, folder)?;
        let (old, new) = (read(old)?, read(new)?);
        let (mut a, mut b) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let side = match (a.peek(), b.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(x), Some(y)) => order(x, y),
            };
            let x = if side == Ordering::Greater { None } else { a.next() };
            let y = if side == Ordering::Less { None } else { b.next() };
            let Some(node) = x.or(y) else { return Ok(()) };
            let path = join(folder, node.name.as_bstr());
            if node.mode.is_none() {
                self.diff(repo, x.map(|n| n.id), y.map(|n| n.id), path.as_bstr(), depth + 1, out)?;
                continue;
            }
            let file = |n: Option<&Node>| n.and_then(|n| Some((n.mode?, Oid(n.id))));
            let (old, new) = (file(x), file(y));
            if old != new {
                out.push(Change { path, old, new });
            }
        }
    }

    /// Calls `f` for every file of a tree and below the folders that are `entered`, in path order.
    pub(super) fn walk(
        &self,
        repo: &gix::Repository,
        (tree, folder): (ObjectId, &BStr),
        depth: usize,
        entered: &dyn Fn(&BStr) -> bool,
        f: &mut dyn FnMut(BString, Mode, Oid),
    ) -> Result<()> {
        check_depth(depth, folder)?;
        for node in self.nodes(repo, tree)? {
            let path = join(folder, node.name.as_bstr());
            match node.mode {
                Some(mode) => f(path, mode, Oid(node.id)),
                None if !entered(path.as_bstr()) => {}
                None => self.walk(repo, (node.id, path.as_bstr()), depth + 1, entered, f)?,
            }
        }
        Ok(())
    }

    /// The entries of one tree object.
    pub(super) fn nodes(&self, repo: &gix::Repository, tree: ObjectId) -> Result<Vec<Node>> {
        if tree == ObjectId::empty_tree(repo.object_hash()) {
            return Ok(Vec::new());
        }
        let bytes = self.object(repo, Oid(tree), Kind::Tree, MAX_TREE)?;
        gix::objs::TreeRefIter::from_bytes(&bytes, repo.object_hash())
            .map(|entry| {
                let entry = entry.map_err(|e| Error::Corrupt { id: Oid(tree), why: e.to_string() })?;
                Ok(Node { name: entry.filename.to_owned(), mode: Mode::of(entry.mode), id: entry.oid.to_owned() })
            })
            .collect()
    }
}

pub(super) fn check_depth(depth: usize, path: &BStr) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::bad_path(path, format!("it is more than {MAX_DEPTH} folders deep")));
    }
    Ok(())
}
