//! A checkout and its index brought to where they were: first a plan, which touches nothing and knows what is at risk, then
//! the deed. Whoever dies in between plans again and comes to the same end: the index is written last.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, Metadata},
    io::{self, ErrorKind, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

use gix::{
    index::{
        File as Index, State,
        entry::{self, Flags, Stage, Stat, stat},
    },
    lock::acquire::Fail,
    objs::Kind,
};

use super::{
    BString, ByteSlice as _, Error, Mode, Repo, Result,
    convert::Convert,
    inflight::{self, InFlight},
};
use crate::base::{Oid, files};

/// A larger file is not read: it would have to be held in memory.
const MAX_FILE: u64 = 1 << 30;

/// What a path is, in a tree or in an index.
type What = (Mode, Oid);

/// Which part of an index is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it becomes the tree.
    Whole,
    /// Only what differs between this tree and that one; what is staged beside it stays.
    Since(Oid),
    /// Only the paths in conflict.
    Unmerged,
    /// The index stays, but for files that the tree adds to this one; the files become those of the tree where the two
    /// differ: how git applies a stash.
    Stash(Oid),
}

/// One path that is to change.
#[derive(Clone, Debug)]
struct Item {
    path: BString,
    /// What its file is to be; none for no file.
    file: Option<What>,
    /// Whether its file is that already.
    done: bool,
}

/// What has to be done to a checkout.
#[derive(Clone, Debug, Default)]
pub struct Back {
    index: BTreeMap<BString, What>,
    items: Vec<Item>,
    /// Files and links that nothing else stands for and that go: changed ones, and untracked ones in the way.
    pub overwritten: Vec<BString>,
    /// Changed files that stay as they are.
    pub kept: Vec<BString>,
    /// A path that only a program could convert (`filter` attribute), with its driver.
    pub filtered: Option<(BString, String)>,
    /// Whether this checkout holds only a part of its files (sparse), which is not known how to bring back.
    pub sparse: bool,
    /// Whether the index is to change.
    restages: bool,
}

/// What stands at a path of a checkout.
enum Found {
    Nothing,
    /// As the index says it.
    Clean,
    Folder,
    /// A file or a link, as git would store it.
    File(What),
    /// What git cannot store, or what only a program could convert.
    Unknown,
}

impl Back {
    /// Whether anything is to be done.
    pub fn is_empty(&self) -> bool {
        !self.restages && self.items.iter().all(|i| i.done)
    }

    /// The files that are written or removed.
    pub fn files(&self) -> usize {
        self.items.iter().filter(|i| !i.done).count()
    }
}

impl Repo {
    /// Plans to bring this checkout to a tree.
    pub fn plan_back(&self, tree: Oid, scope: Scope) -> Result<Back> {
        let Some(top) = self.work_dir() else { return Ok(Back::default()) };
        let local = self.local_as_user()?;
        let old_index = match self.read_index()? {
            Some(index) => index,
            None => Index::from_state(State::new(self.hash_kind()), self.git_dir().join("index")),
        };
        let target = index_of(self, &local, tree)?;
        let mut look = Look {
            top,
            index: &old_index,
            convert: Convert::new(self, &local, &old_index, true)?,
            file_mode: self.config_bool("core.fileMode")?.unwrap_or(true),
        };
        let mut writing = Convert::new(self, &local, &target, false)?;
        let (old, unmerged) = (settled(&old_index), self.unmerged()?.into_iter().collect::<BTreeSet<_>>());
        let (index, desired) = self.desired(tree, scope, &old, &unmerged)?;
        let mut back = Back {
            sparse: old_index.is_sparse() || self.config_bool("core.sparseCheckout")? == Some(true),
            restages: index != old || !unmerged.is_empty(),
            index,
            ..Back::default()
        };
        for (path, file) in desired {
            let was = old.get(&path).copied();
            let found = look.at(&path, was)?;
            let done = look.is(&found, was, file);
            let known = done || matches!(found, Found::Clean | Found::Nothing | Found::Folder);
            if !known {
                back.overwritten.push(path.clone());
            }
            let changes = !done && file.is_none_or(|(mode, _)| mode != Mode::Submodule);
            if let (true, None, Some(driver)) = (changes, &back.filtered, writing.driver(path.as_ref())?) {
                back.filtered = Some((path.clone(), driver));
            }
            if let (Found::Folder, Some((mode, _))) = (&found, file)
                && mode != Mode::Submodule
            {
                back.make_way(top, &path, &old)?;
            }
            if file.is_some() {
                back.clear_above(top, &path, &old);
            }
            back.items.push(Item { path, file, done });
        }
        let touched: BTreeSet<&BString> = back.items.iter().map(|i| &i.path).collect();
        for (path, was) in old.iter().filter(|(path, _)| !touched.contains(path)) {
            if !matches!(look.at(path, Some(*was))?, Found::Clean | Found::Nothing | Found::Folder) {
                back.kept.push(path.clone());
            }
        }
        back.overwritten.sort();
        back.overwritten.dedup();
        Ok(back)
    }

    /// What the index is to be, and what the files of those paths are to be that change.
    #[allow(clippy::type_complexity)]
    fn desired(
        &self,
        tree: Oid,
        scope: Scope,
        old: &BTreeMap<BString, What>,
        unmerged: &BTreeSet<BString>,
    ) -> Result<(BTreeMap<BString, What>, BTreeMap<BString, Option<What>>)> {
        let all = |tree| -> Result<BTreeMap<BString, What>> {
            Ok(self.tree_entries(tree)?.into_iter().map(|e| (e.path, (e.mode, e.oid))).collect())
        };
        let target = all(tree)?;
        let (mut index, mut files) = (old.clone(), BTreeMap::new());
        let mut set = |path: &BString, what: Option<What>| {
            match what {
                Some(what) => index.insert(path.clone(), what),
                None => index.remove(path),
            };
            files.insert(path.clone(), what);
        };
        match scope {
            Scope::Whole => {
                let paths: BTreeSet<&BString> = old.keys().chain(target.keys()).chain(unmerged).collect();
                for path in paths {
                    if unmerged.contains(path) || old.get(path) != target.get(path) {
                        set(path, target.get(path).copied());
                    }
                }
            }
            Scope::Since(from) => {
                for change in self.diff_trees(from, tree)? {
                    set(&change.path, change.new);
                }
            }
            Scope::Unmerged => unmerged.iter().for_each(|path| set(path, target.get(path).copied())),
            Scope::Stash(base) => {
                for change in self.diff_trees(base, tree)? {
                    if let (None, Some(what)) = (change.old, change.new) {
                        index.insert(change.path.clone(), what);
                    }
                    files.insert(change.path, change.new);
                }
            }
        }
        Ok((index, files))
    }

    /// Does what was planned: files first, then the index, under its lock.
    pub fn go_back(&self, back: &Back, tree: Oid) -> Result<()> {
        let Some(top) = self.work_dir().filter(|_| !back.is_empty()) else { return Ok(()) };
        let path = self.git_dir().join("index");
        let (held, _alone) = self.hold_index()?;
        // Let go of before it is said that it was.
        let mut held = held;
        let local = self.local_as_user()?;
        let target = index_of(self, &local, tree)?;
        let mut convert = Convert::new(self, &local, &target, false)?;
        for item in back.items.iter().filter(|i| !i.done && i.file.is_none()) {
            remove(top, &item.path)?;
        }
        for item in back.items.iter().filter(|i| !i.done) {
            if let Some((mode, id)) = item.file {
                self.put(&local, top, &item.path, (mode, id), &mut convert)?;
            }
        }
        let old = self.read_index()?;
        let index = Index::from_state(self.restaged(top, back, old.as_ref()), &path);
        let mut bytes = Vec::new();
        index.write_to(&mut bytes, Default::default()).map_err(Error::gix("write the index"))?;
        let failed = |e| Error::io("write", &path)(e);
        held.with_mut(|file| {
            file.write_all(&bytes)?;
            if self.durable() { file.sync_all() } else { Ok(()) }
        })
        .map_err(failed)?;
        held.commit().map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Takes the lock of the index of this checkout. It is recorded, so that the lock of one that dies does not stand for
    /// ever.
    pub(super) fn hold_index(&self) -> Result<(gix::lock::File, InFlight<'_>)> {
        let path = self.git_dir().join("index");
        let locked = |why: String| Error::Locked { name: path.display().to_string(), why };
        let alone = InFlight::begin(self.git_dir(), inflight::INDEX, &["index".to_owned()])?;
        let mut alone = alone.ok_or_else(|| locked("another git otto works on it".into()))?;
        let held = gix::lock::File::acquire_to_update_resource(&path, Fail::Immediately, None, 0)
            .map_err(|e| locked(e.probable_cause().to_string()))?;
        alone.held();
        Ok((held, alone))
    }

    fn put(
        &self,
        local: &gix::Repository,
        top: &Path,
        path: &BString,
        (mode, id): What,
        convert: &mut Convert<'_>,
    ) -> Result<()> {
        let failed = |e| Error::io("write", top.join(OsStr::from_bytes(path)))(e);
        match mode {
            // Its own repository is nobody's business here.
            Mode::Submodule => match fs::create_dir_all(top.join(OsStr::from_bytes(path))) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(failed(e)),
                _ => Ok(()),
            },
            Mode::Symlink => {
                let to = self.object(local, id, Kind::Blob, 1 << 16)?;
                files::link_beneath(top, path, &to).map_err(failed)
            }
            Mode::Plain | Mode::Executable => {
                let blob = self.object(local, id, Kind::Blob, MAX_FILE)?;
                let bytes = convert.file(path.as_ref(), &blob)?;
                files::write_beneath(top, path, &bytes, mode == Mode::Executable).map_err(failed)
            }
        }
    }

    /// The index that was planned. What is known of files that did not change is kept; of the others it is looked up.
    fn restaged(&self, top: &Path, back: &Back, old: Option<&Index>) -> State {
        let mut state = State::new(self.hash_kind());
        let changed: BTreeMap<&BString, Option<What>> = back.items.iter().map(|i| (&i.path, i.file)).collect();
        for (path, what) in &back.index {
            let known = old.and_then(|old| {
                let entry = old.entry_by_path_and_stage(path.as_ref(), Stage::Unconflicted)?;
                // A file that may have changed in the moment in which its entry was made is looked at again.
                let racy = entry.stat.is_racy(old.timestamp(), stat::Options::default());
                let stat = if racy { Stat::default() } else { entry.stat };
                Some((
                    stat,
                    entry.flags & (Flags::ASSUME_VALID | Flags::SKIP_WORKTREE | Flags::EXTENDED | Flags::INTENT_TO_ADD),
                ))
            });
            let (stat, flags) = match (changed.get(path), known) {
                (None, Some(known)) => known,
                (Some(Some(file)), _) if file == what && what.0 != Mode::Submodule => {
                    (stat_of(top, path), Flags::empty())
                }
                _ => (Stat::default(), Flags::empty()),
            };
            state.dangerously_push_entry(stat, what.1.0, flags, index_mode(what.0), path.as_ref());
        }
        state.sort_entries();
        state
    }

    /// Writes files of this checkout as they stand, converted by nothing, into a tree; what is gone or cannot be stored is
    /// left out.
    pub fn keep_files(&self, paths: &[BString]) -> Result<Oid> {
        let mut edits = Vec::new();
        // What is changed may be in the way, too.
        for path in paths.iter().collect::<BTreeSet<_>>() {
            let Some(top) = self.work_dir() else { break };
            let at = top.join(OsStr::from_bytes(path));
            let what = match fs::symlink_metadata(&at) {
                Ok(m) if m.is_symlink() => match fs::read_link(&at) {
                    Ok(to) => Some((Mode::Symlink, self.write_blob(to.as_os_str().as_bytes())?)),
                    Err(e) => return Err(Error::io("read", at)(e)),
                },
                Ok(m) if m.is_file() => {
                    let (bytes, executable) =
                        files::read_beneath(top, path, MAX_FILE).map_err(Error::io("read", &at))?;
                    let mode = if executable { Mode::Executable } else { Mode::Plain };
                    Some((mode, self.write_blob(&bytes)?))
                }
                _ => None,
            };
            edits.extend(what.map(|what| (path.clone(), Some(what))));
        }
        self.write_tree(None, &edits)
    }

    /// The index of this checkout as trees: what is staged, and each side of what is in conflict (base, ours, theirs).
    pub fn keep_index(&self) -> Result<[Option<Oid>; 4]> {
        let mut edits: [Vec<(BString, Option<What>)>; 4] = Default::default();
        if let Some(index) = self.read_index()? {
            for entry in index.entries() {
                let mode = entry.mode.to_tree_entry_mode().and_then(Mode::of);
                // What was only announced (`add -N`) has no content.
                let Some(mode) = mode.filter(|_| !entry.flags.contains(Flags::INTENT_TO_ADD)) else { continue };
                let side = entry.stage() as usize;
                edits[side.min(3)].push((entry.path(&index).to_owned(), Some((mode, Oid(entry.id)))));
            }
        }
        let mut trees = [None; 4];
        for (tree, edits) in trees.iter_mut().zip(&edits) {
            if !edits.is_empty() {
                *tree = Some(self.write_tree(None, edits)?);
            }
        }
        Ok(trees)
    }
}

impl Back {
    /// A folder stands where a file has to come: what is in it goes, unless the index knows it and has it go anyway.
    fn make_way(&mut self, top: &Path, folder: &BString, old: &BTreeMap<BString, What>) -> Result<()> {
        let mut folders = vec![folder.clone()];
        while let Some(folder) = folders.pop() {
            let failed = Error::io("read", top.join(OsStr::from_bytes(&folder)));
            for (name, kind) in files::entries_beneath(top, &folder).map_err(failed)? {
                let path = BString::from([folder.as_slice(), b"/", &name].concat());
                match kind {
                    files::Entry::Folder => folders.push(path),
                    _ if old.contains_key(&path) => {}
                    _ => {
                        self.overwritten.push(path.clone());
                        self.items.push(Item { path, file: None, done: false });
                    }
                }
            }
        }
        Ok(())
    }

    /// A file or a link stands where a folder of `path` has to come.
    fn clear_above(&mut self, top: &Path, path: &BString, old: &BTreeMap<BString, What>) {
        for at in path.find_iter("/") {
            let above = BString::from(&path[..at]);
            let stands = fs::symlink_metadata(top.join(OsStr::from_bytes(&above))).is_ok_and(|m| !m.is_dir());
            if stands && !old.contains_key(&above) && !self.items.iter().any(|i| i.path == above) {
                self.overwritten.push(above.clone());
                self.items.push(Item { path: above, file: None, done: false });
            }
        }
    }
}

/// Looks at a checkout.
struct Look<'a> {
    top: &'a Path,
    index: &'a Index,
    convert: Convert<'a>,
    file_mode: bool,
}

impl Look<'_> {
    fn at(&mut self, path: &BString, was: Option<What>) -> Result<Found> {
        let at = self.top.join(OsStr::from_bytes(path));
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Found::Nothing),
            Err(e) => return Err(Error::io("look at", at)(e)),
        };
        if meta.is_dir() {
            return Ok(Found::Folder);
        }
        if was.is_some() && self.is_known(path, &at) {
            return Ok(Found::Clean);
        }
        let found = self.content(path, &at, &meta)?;
        Ok(match (&found, was) {
            (Found::File(what), Some(was)) if self.same(*what, was) => Found::Clean,
            _ => found,
        })
    }

    /// Whether the index remembers a file as it stands, so that it need not be read.
    fn is_known(&self, path: &BString, at: &Path) -> bool {
        let Some(entry) = self.index.entry_by_path_and_stage(path.as_ref(), Stage::Unconflicted) else { return false };
        let options = stat::Options::default();
        let now = gix::index::fs::Metadata::from_path_no_follow(at).ok().and_then(|m| Stat::from_fs(&m).ok());
        now.is_some_and(|now| entry.stat.matches(&now, options)) && !entry.stat.is_racy(self.index.timestamp(), options)
    }

    fn content(&mut self, path: &BString, at: &Path, meta: &Metadata) -> Result<Found> {
        let hash = |bytes: &[u8]| {
            gix::objs::compute_hash(self.index.object_hash(), Kind::Blob, bytes).map_err(Error::gix("hash a file"))
        };
        if meta.is_symlink() {
            let to = fs::read_link(at).map_err(Error::io("read", at))?;
            return Ok(Found::File((Mode::Symlink, Oid(hash(to.as_os_str().as_bytes())?))));
        }
        if !meta.is_file() || self.convert.driver(path.as_ref())?.is_some() {
            return Ok(Found::Unknown);
        }
        let bytes = match files::read_beneath(self.top, path, MAX_FILE) {
            Ok((bytes, _)) => bytes,
            // Behind a link: not a file of this checkout.
            Err(e) if e.kind() == ErrorKind::NotADirectory || is_loop(&e) => return Ok(Found::Nothing),
            Err(e) => return Err(Error::io("read", at)(e)),
        };
        let mode = if meta.permissions().mode() & 0o100 != 0 { Mode::Executable } else { Mode::Plain };
        // Not what git can store as text of its encoding: nobody else has it.
        Ok(self.convert.id(path.as_ref(), &bytes).map_or(Found::Unknown, |id| Found::File((mode, Oid(id)))))
    }

    fn same(&self, (mode, id): What, (wanted, other): What) -> bool {
        let file = |mode| matches!(mode, Mode::Plain | Mode::Executable);
        id == other && (mode == wanted || !self.file_mode && file(mode) && file(wanted))
    }

    /// Whether what was found is what is wanted.
    fn is(&self, found: &Found, was: Option<What>, wanted: Option<What>) -> bool {
        match (found, wanted) {
            (Found::Nothing, None) => true,
            (Found::Clean, Some(wanted)) => was.is_some_and(|was| self.same(was, wanted)),
            (Found::File(what), Some(wanted)) => self.same(*what, wanted),
            (Found::Folder, Some((Mode::Submodule, _))) => true,
            _ => false,
        }
    }
}

fn is_loop(e: &io::Error) -> bool {
    e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// What an index has without conflict.
fn settled(index: &Index) -> BTreeMap<BString, What> {
    let entries = index.entries().iter().filter(|e| e.stage() == Stage::Unconflicted);
    let what = |e: &gix::index::Entry| Some((Mode::of(e.mode.to_tree_entry_mode()?)?, Oid(e.id)));
    entries.filter_map(|e| Some((e.path(index).to_owned(), what(e)?))).collect()
}

fn index_of(repo: &Repo, local: &gix::Repository, tree: Oid) -> Result<Index> {
    // An empty tree need not be stored.
    if tree == repo.empty_tree()? {
        return Ok(Index::from_state(State::new(repo.hash_kind()), repo.git_dir().join("index")));
    }
    local.index_from_tree(&tree.0).map_err(Error::gix("read a tree"))
}

fn index_mode(mode: Mode) -> entry::Mode {
    match mode {
        Mode::Plain => entry::Mode::FILE,
        Mode::Executable => entry::Mode::FILE_EXECUTABLE,
        Mode::Symlink => entry::Mode::SYMLINK,
        Mode::Submodule => entry::Mode::COMMIT,
    }
}

fn stat_of(top: &Path, path: &BString) -> Stat {
    let meta = gix::index::fs::Metadata::from_path_no_follow(&top.join(OsStr::from_bytes(path)));
    meta.ok().and_then(|m| Stat::from_fs(&m).ok()).unwrap_or_default()
}

/// Removes a file with the folders that this leaves empty; a submodule only where its folder is empty.
fn remove(top: &Path, path: &BString) -> Result<()> {
    let at = top.join(OsStr::from_bytes(path));
    if fs::symlink_metadata(&at).is_ok_and(|m| m.is_dir()) {
        let _ = fs::remove_dir(&at);
        return Ok(());
    }
    match files::remove_beneath(top, path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        other => other.map_err(Error::io("remove", at)),
    }
}
