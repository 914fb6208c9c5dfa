//! Looking at the files of a workspace. Whoever wrote them may still be running and may be hostile: folders are opened
//! one in the other without following links, and nothing but regular files is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    os::fd::OwnedFd,
};

use gix::bstr::ByteSlice as _;
use rustix::{
    fs::{AtFlags, Dir, FileType, OFlags},
    io::Errno,
};

use super::{MAX_FILE, ignore, stat};
use crate::{
    base::{Oid, files, text},
    git::{BString, Mode},
};

/// How deep folders may be nested, and how many entries are looked at.
const MAX_DEPTH: usize = 100;
const MAX_ENTRIES: usize = 1_000_000;
/// The largest file of the base that is looked at.
const MAX_BASE: u64 = 1 << 30;
/// Problems that are told; more say nothing new.
const MAX_PROBLEMS: usize = 50;

/// A file of the workspace.
pub enum Content {
    /// As in the base.
    Known(Mode, Oid),
    /// Something else.
    Read(Mode, Vec<u8>),
}

/// What the walk goes by.
pub struct Walk<'a> {
    /// The files of the base.
    pub base: &'a BTreeMap<BString, (Mode, Oid)>,
    /// What is ignored where the base has nothing.
    pub rules: &'a ignore::Rules,
    /// Paths that are never ignored.
    pub wanted: &'a BTreeSet<BString>,
    /// What files looked like.
    pub seen: &'a stat::Cache,
    /// What was carried there and is the user's alone, whatever the rules and the agent say.
    pub carried: &'a BTreeSet<BString>,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    entries: usize,
}

impl<'a> Walk<'a> {
    pub fn new(
        base: &'a BTreeMap<BString, (Mode, Oid)>,
        rules: &'a ignore::Rules,
        wanted: &'a BTreeSet<BString>,
        seen: &'a stat::Cache,
        carried: &'a BTreeSet<BString>,
    ) -> Self {
        Walk { base, rules, wanted, seen, carried, problems: Vec::new(), entries: 0 }
    }

    /// Gives every file below `root` that counts to `each`, with its path.
    pub fn run<E>(
        &mut self,
        root: &std::path::Path,
        each: &mut dyn FnMut(BString, Content) -> Result<(), E>,
    ) -> std::io::Result<Result<(), E>> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(root, flags, rustix::fs::Mode::empty())?;
        Ok(self.folder(dir, &BString::default(), 0, false, each))
    }

    fn problem(&mut self, path: &BString, what: impl std::fmt::Display) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(format!("{}: {what}", text::one_line(&path.to_str_lossy(), 200)));
        }
    }

    fn folder<E>(
        &mut self,
        dir: OwnedFd,
        path: &BString,
        depth: usize,
        ignored: bool,
        each: &mut dyn FnMut(BString, Content) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        match Dir::read_from(&dir).and_then(|all| all.map(|e| e.map(|e| e.file_name().to_bytes().to_vec())).collect()) {
            Ok(all) => names.extend::<Vec<_>>(all),
            Err(e) => self.problem(path, format_args!("this folder cannot be read: {e}")),
        }
        names.sort_unstable();
        for name in names.into_iter().filter(|n| n != b"." && n != b"..") {
            // The workspace's own, whatever the agent made of it.
            if depth == 0 && name == b".git" {
                continue;
            }
            self.entries += 1;
            if self.entries >= MAX_ENTRIES {
                if self.entries == MAX_ENTRIES {
                    self.problem(path, format_args!("there are more than {MAX_ENTRIES} files"));
                }
                return Ok(());
            }
            let mut at = path.clone();
            if depth > 0 {
                at.push(b'/');
            }
            at.extend_from_slice(&name);
            if self.carried.contains(&at) {
                continue;
            }
            let meta = match rustix::fs::statat(&dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(meta) => meta,
                Err(Errno::NOENT) => continue,
                Err(e) => {
                    self.problem(&at, e);
                    continue;
                }
            };
            let kind = FileType::from_raw_mode(meta.st_mode);
            let is_dir = kind == FileType::Directory;
            let tracked = self.base.contains_key(&at) || is_dir && self.has_below(&at);
            let wanted = self.wanted.contains(&at) || is_dir && wanted_below(self.wanted, &at);
            let ignored = ignored || self.rules.ignores(at.as_ref(), is_dir);
            if ignored && !tracked && !wanted {
                continue;
            }
            if name == b".git" {
                self.problem(&at, "a repository inside the workspace");
                continue;
            }
            if let Some(why) = files::bad_name(&name) {
                self.problem(&at, format_args!("a name that cannot be stored: {why}"));
                continue;
            }
            match kind {
                FileType::Directory => self.enter(&dir, &name, &at, depth, ignored, each)?,
                FileType::RegularFile => {
                    if let Some(content) = self.file(&dir, &name, &at) {
                        each(at, content)?;
                    }
                }
                FileType::Symlink => match rustix::fs::readlinkat(&dir, name.as_slice(), Vec::new()) {
                    Ok(to) => each(at, Content::Read(Mode::Symlink, to.into_bytes()))?,
                    Err(e) => self.problem(&at, format_args!("this link cannot be read: {e}")),
                },
                _ => self.problem(&at, "neither a file, a folder nor a link"),
            }
        }
        Ok(())
    }

    fn enter<E>(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        at: &BString,
        depth: usize,
        ignored: bool,
        each: &mut dyn FnMut(BString, Content) -> Result<(), E>,
    ) -> Result<(), E> {
        if depth >= MAX_DEPTH {
            self.problem(at, format_args!("folders are nested deeper than {MAX_DEPTH}"));
            return Ok(());
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let below = match rustix::fs::openat(dir, name, flags, rustix::fs::Mode::empty()) {
            Ok(below) => below,
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => {
                self.problem(at, format_args!("this folder cannot be read: {e}"));
                return Ok(());
            }
        };
        if let Some((Mode::Submodule, oid)) = self.base.get(at).copied() {
            let empty = Dir::read_from(&below)
                .is_ok_and(|mut all| all.all(|e| e.is_ok_and(|e| matches!(e.file_name().to_bytes(), b"." | b".."))));
            if !empty {
                self.problem(at, "a submodule cannot be changed here");
            }
            return each(at.clone(), Content::Known(Mode::Submodule, oid));
        }
        // A cache by its own word (https://bford.info/cachedir/), such as what cargo builds: nothing that is meant to stay.
        if !self.has_below(at) && !wanted_below(self.wanted, at) && is_cache(&below) {
            return Ok(());
        }
        self.folder(below, at, depth + 1, ignored, each)
    }

    /// The content of a regular file; none if there is a problem with it.
    fn file(&mut self, dir: &OwnedFd, name: &[u8], at: &BString) -> Option<Content> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(dir, name, flags, rustix::fs::Mode::empty()).map_err(std::io::Error::from);
        let read = opened.map(std::fs::File::from).and_then(|file| Ok((file.metadata()?, file)));
        let (meta, file) = match read {
            Ok(open) => open,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => {
                self.problem(at, format_args!("it cannot be read: {e}"));
                return None;
            }
        };
        let now = stat::Stat::from(&meta);
        // Only what the base holds too is taken from memory: its object is sure to stay.
        if let Some((mode, oid)) = self.seen.known(at.as_ref(), &now)
            && self.base.get(at) == Some(&(mode, oid))
        {
            return Some(Content::Known(mode, oid));
        }
        if !meta.is_file() {
            self.problem(at, "it changed while it was looked at");
            return None;
        }
        // What the base holds may be larger, as long as it stays as it is.
        let old = self.base.get(at).map(|(_, oid)| *oid);
        let most = if old.is_some() { MAX_BASE } else { MAX_FILE };
        let mut bytes = Vec::new();
        if let Err(e) = file.take(most + 1).read_to_end(&mut bytes) {
            self.problem(at, format_args!("it cannot be read: {e}"));
            return None;
        }
        let mode = if now.mode & 0o100 != 0 { Mode::Executable } else { Mode::Plain };
        if let Some(oid) = old.filter(|oid| blob_id(&bytes, *oid) == Some(*oid)) {
            return Some(Content::Known(mode, oid));
        }
        if bytes.len() as u64 > MAX_FILE {
            self.problem(at, format_args!("it is larger than {} MiB", MAX_FILE >> 20));
            return None;
        }
        Some(Content::Read(mode, bytes))
    }

    fn has_below(&self, dir: &BString) -> bool {
        let start = below(dir);
        self.base.range(start.clone()..).next().is_some_and(|(path, _)| path.starts_with(&start))
    }
}

fn wanted_below(wanted: &BTreeSet<BString>, dir: &BString) -> bool {
    let start = below(dir);
    wanted.range(start.clone()..).next().is_some_and(|path| path.starts_with(&start))
}

fn below(dir: &BString) -> BString {
    let mut start = dir.clone();
    start.push(b'/');
    start
}

/// The id that a content has as a blob, in the hash of another id.
fn blob_id(bytes: &[u8], like: Oid) -> Option<Oid> {
    gix::objs::compute_hash(like.0.kind(), gix::objs::Kind::Blob, bytes).ok().map(Oid)
}

fn is_cache(dir: &OwnedFd) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(dir, "CACHEDIR.TAG", flags, rustix::fs::Mode::empty()) else { return false };
    let mut head = Vec::new();
    let read = std::fs::File::from(file).take(SIGNATURE.len() as u64).read_to_end(&mut head);
    read.is_ok() && head == SIGNATURE
}
