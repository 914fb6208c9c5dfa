//! Trees into folders, byte for byte.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::Path,
};

use gix::{ObjectId, objs::Kind};

use super::{
    BStr, ByteSlice, Error, Mode, Part, Repo, Result,
    trees::{check_component, check_depth, join},
};
use crate::base::Oid;

/// A file of more bytes is refused: it would have to be held in memory.
const MAX_FILE: u64 = 1 << 30;

impl Repo {
    /// Writes the files of a tree into an empty or missing folder: raw bytes (no filters, no line-end conversion),
    /// executable bits, symbolic links; a submodule becomes an empty folder. There is no `.git`.
    ///
    /// Nothing is ever written through what is already there: every file and folder is created exclusively. So names that
    /// a file system folds into one are an error, and no link of the tree can lead a later entry outside.
    pub fn checkout(&self, tree: Oid, dir: &Path) -> Result<()> {
        self.checkout_part(tree, dir, None)
    }

    /// The same with some of the files only.
    pub fn checkout_part(&self, tree: Oid, dir: &Path, part: Option<&Part>) -> Result<()> {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        if fs::read_dir(dir).map_err(Error::io("read", dir))?.next().is_some() {
            let full = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
            return Err(Error::io("check out into", dir)(full));
        }
        self.fill(&self.local(), (tree.0, BStr::new("")), dir, part, 0)
    }

    fn fill(
        &self,
        repo: &gix::Repository,
        (tree, folder): (ObjectId, &BStr),
        dir: &Path,
        part: Option<&Part>,
        depth: usize,
    ) -> Result<()> {
        check_depth(depth, folder)?;
        for node in self.nodes(repo, tree)? {
            let path = join(folder, node.name.as_bstr());
            check_component(node.name.as_bstr(), node.mode, path.as_bstr())?;
            let wanted = |part: &Part| match node.mode {
                None => part.reaches(path.as_bstr()),
                Some(_) => part.has(path.as_bstr()),
            };
            if !part.is_none_or(wanted) {
                continue;
            }
            let at = dir.join(OsStr::from_bytes(&node.name));
            match node.mode {
                None => {
                    DirBuilder::new().create(&at).map_err(Error::io("create", &at))?;
                    self.fill(repo, (node.id, path.as_bstr()), &at, part, depth + 1)?;
                    // A tree has no empty folders, and so no part of it.
                    if part.is_some() {
                        let _ = fs::remove_dir(&at);
                    }
                }
                Some(Mode::Submodule) => DirBuilder::new().create(&at).map_err(Error::io("create", &at))?,
                Some(Mode::Symlink) => {
                    let target = self.object(repo, Oid(node.id), Kind::Blob, 1 << 16)?;
                    std::os::unix::fs::symlink(OsStr::from_bytes(&target), &at).map_err(Error::io("link", &at))?;
                }
                Some(mode) => {
                    let bytes = self.object(repo, Oid(node.id), Kind::Blob, MAX_FILE)?;
                    let bits = if mode == Mode::Executable { 0o777 } else { 0o666 };
                    OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .mode(bits)
                        .open(&at)
                        .and_then(|mut file| file.write_all(&bytes))
                        .map_err(Error::io("write", &at))?;
                }
            }
        }
        Ok(())
    }
}
