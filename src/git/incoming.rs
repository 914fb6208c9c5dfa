//! Objects that a push brought and that wait in quarantine: hooks of a server judge them before they are let in.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gix::odb::{Store, store::init::Options};

use super::{Error, Result};
use crate::base::{
    Env,
    scratch::{self, Folder},
};

/// An object store that sees the quarantine and everything behind it, in a folder that goes away with it; none outside of
/// a push. gix takes no object folder from the environment, and git's quarantine names no alternates: an empty store
/// whose alternates are both of them has all objects, and whatever were written would not reach the repository.
pub(super) fn store(common_dir: &Path, env: &Env, hash: gix::hash::Kind) -> Result<Option<(Folder, Store)>> {
    let var = |name: &str| env.git.get(OsStr::new(name)).filter(|v| !v.is_empty());
    let Some(quarantine) = var("GIT_QUARANTINE_PATH") else { return Ok(None) };
    let behind = var("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(std::env::split_paths).into_iter().flatten();
    let mut dirs = vec![env.cwd.join(quarantine), common_dir.join("objects")];
    dirs.extend(behind.map(|dir| env.cwd.join(dir)).filter(|dir| dir.is_dir()));
    let list = dirs.iter().map(|dir| alternate(dir)).collect::<Result<Vec<_>>>()?.concat();
    let make = || {
        let dir = scratch::folder()?;
        fs::create_dir(dir.path().join("info"))?;
        fs::write(dir.path().join("info/alternates"), list)?;
        let options = Options { current_dir: Some(env.cwd.clone()), ..Options::default() };
        let store = Store::at_opts(dir.path().to_owned(), hash, &mut std::iter::empty(), options)?;
        Ok((dir, store))
    };
    make().map(Some).map_err(Error::io("read the incoming objects in", PathBuf::from(quarantine)))
}

/// A line of a list of alternates, quoted as git does where it has to be.
fn alternate(dir: &Path) -> Result<Vec<u8>> {
    let bytes = dir.as_os_str().as_bytes();
    if bytes.contains(&b'\n') {
        return Err(Error::bad_path(bytes, "a folder of objects cannot have a line break in its name"));
    }
    Ok([bytes, b"\n"].concat())
}
