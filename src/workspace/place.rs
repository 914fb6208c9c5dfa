//! Folders with names that nobody else has, and clean checkouts in them.

use std::{
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{Result, io_at};
use crate::{
    base::{Oid, World, files},
    git::{BStr, Part, Repo},
};

/// A name as one plain component of a path.
pub fn plain(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let name: String = name.chars().take(100).map(fit).collect();
    name.trim_start_matches(['.', '-']).to_owned()
}

/// Makes a new folder below `root`, for this user alone: `<name>-<random>`. Never one that was there: what an agent
/// left running may still write to its old one.
pub fn folder(world: &World, root: &Path, name: &str) -> Result<PathBuf> {
    let make = |path: &Path, recursive| std::fs::DirBuilder::new().mode(0o700).recursive(recursive).create(path);
    make(root, true).map_err(io_at("create", root))?;
    let mut tries = 0;
    loop {
        let path = root.join(format!("{name}-{}", world.ids.hex(8).map_err(io_at("name", root))?));
        match make(&path, false) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 1000 => tries += 1,
            made => return made.map_err(io_at("create", &path)).map(|()| path),
        }
    }
}

/// A checkout that no agent wrote in; gone when dropped.
#[derive(Debug)]
pub struct CheckoutDir {
    home: PathBuf,
    dir: PathBuf,
    scratch: PathBuf,
}

/// Checks a tree out into a fresh folder below `root`.
pub fn clean_checkout(repo: &Repo, world: &World, root: &Path, name: &str, tree: Oid) -> Result<CheckoutDir> {
    clean_checkout_of(repo, world, root, name, tree, None)
}

/// The same with a part of the files.
pub fn clean_checkout_of(
    repo: &Repo,
    world: &World,
    root: &Path,
    name: &str,
    tree: Oid,
    part: Option<&Part>,
) -> Result<CheckoutDir> {
    let home = folder(world, root, &plain(name))?;
    let place = CheckoutDir { dir: home.join("tree"), scratch: home.join("scratch"), home };
    repo.checkout_part(tree, &place.dir, part)?;
    std::fs::create_dir(&place.scratch).map_err(io_at("create", &place.scratch))?;
    Ok(place)
}

impl CheckoutDir {
    /// The files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder beside them, for HOME and TMPDIR of what runs on them.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Lays a file over the tree, never through a link of the tree and never outside.
    pub fn lay_over(&self, path: &BStr, executable: bool, content: &[u8]) -> Result<()> {
        files::write_beneath(&self.dir, path, content, executable)
            .map_err(io_at("write a file of the check in", &self.dir))
    }
}

impl Drop for CheckoutDir {
    fn drop(&mut self) {
        // What cannot be removed now is swept with the run's other folders.
        let _ = files::remove_tree(&self.home);
    }
}
