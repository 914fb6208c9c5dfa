//! Temporary files and folders, which go away with their value. Their names say which process made them, so that those of
//! processes that died go when the next one is made beside them.

use std::{fs::Permissions, io, os::unix::fs::PermissionsExt as _, path::Path, sync::OnceLock, time::Duration};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::{
    Sha256, files,
    procs::{Fate, ProcId, Procs as _, SystemProcs},
};

/// What all their names begin with.
const PREFIX: &str = ".git-otto-";

/// Entries of a folder that are looked at for what the dead left.
const MAX_ENTRIES: usize = 10_000;

/// For how long nobody has touched what a process left of which nobody can tell here whether it lives, before that goes.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A temporary folder, which goes with this value.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays all the same is swept by the next one.
        let _ = files::remove_tree(self.path());
    }
}

/// A folder where temporary files belong (`TMPDIR`).
pub fn folder() -> io::Result<Folder> {
    folder_in(&std::env::temp_dir())
}

/// A folder in another one: what is in it can be renamed to beside it.
pub fn folder_in(dir: &Path) -> io::Result<Folder> {
    sweep(dir);
    Ok(Folder(Builder::new().prefix(&prefix()).tempdir_in(dir)?))
}

/// A file that can be renamed to beside it, with these permissions but for what the user's mask takes away.
pub fn file_in(dir: &Path, mode: u32) -> io::Result<NamedTempFile> {
    sweep(dir);
    Builder::new().prefix(&prefix()).permissions(Permissions::from_mode(mode)).tempfile_in(dir)
}

fn prefix() -> String {
    format!("{PREFIX}{}-", mark())
}

/// What names of this process's files carry, without a dash: the machine, the process, when it started, and where its number
/// means that process.
pub fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let me = SystemProcs.me();
        format!("{}.{}.{}.{}", host(), me.pid, me.start_ticks, numbering(&me))
    })
}

/// Whether what carries a mark was left by a process of this machine that is gone. Of one of another boot or container that
/// cannot be told: it was if nobody has touched it for long.
pub fn is_of_the_dead(mark: &str, path: &Path) -> bool {
    let parts: Vec<&str> = mark.split('.').collect();
    let [at, pid, ticks, numbered @ ..] = parts.as_slice() else { return false };
    let (Ok(pid), Ok(start_ticks)) = (pid.parse(), ticks.parse()) else { return false };
    let me = SystemProcs.me();
    if *at != host() || numbered.len() > 1 {
        return false;
    }
    if numbered.iter().any(|other| *other != numbering(&me)) {
        let modified = std::fs::symlink_metadata(path).and_then(|meta| meta.modified());
        return modified.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > LONG));
    }
    SystemProcs.fate(&ProcId { pid, start_ticks, ..me }) == Fate::Gone
}

/// Where the number of a process means that process: on this boot, in this container.
fn numbering(of: &ProcId) -> String {
    Sha256::of(format!("{} {}", of.boot_id, of.pid_ns.unwrap_or_default())).short()
}

fn host() -> String {
    Sha256::of(SystemProcs.host()).short()
}

/// Removes what the dead left in a folder. Whatever cannot be removed is in nobody's way.
fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().take(MAX_ENTRIES).flatten() {
        let name = entry.file_name();
        let mark = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')).map(|(mark, _)| mark);
        if mark.is_some_and(|mark| is_of_the_dead(mark, &entry.path())) {
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => files::remove_tree(&entry.path()),
                _ => std::fs::remove_file(entry.path()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_goes_with_the_next_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let (host, me) = (host(), std::process::id());
        let left = format!("{PREFIX}{host}.{}.1-x", dead.id());
        // Of a process of another container, or of this one before the machine was booted.
        let [of_another, of_another_long_ago] =
            ["x", "y"].map(|name| format!("{PREFIX}{host}.{}.1.0123456789ab-{name}", dead.id()));
        let others = [
            of_another,
            format!("{PREFIX}{host}.{me}.{}-x", SystemProcs.me().start_ticks),
            format!("{PREFIX}0123456789ab.{}.1-x", dead.id()),
            format!("{PREFIX}incoming-x"),
            format!("{host}.{}.1-x", dead.id()),
        ];
        std::fs::create_dir(dir.path().join(&left)).unwrap();
        for name in [format!("{left}/file"), format!("{left}2"), of_another_long_ago.clone()].iter().chain(&others) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let old = std::fs::File::options().write(true).open(dir.path().join(of_another_long_ago)).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * LONG).unwrap();
        let made =
            [folder_in(dir.path()).unwrap().path().to_owned(), file_in(dir.path(), 0o666).unwrap().path().to_owned()];
        assert!(made.iter().all(|path| !path.exists() && path.file_name().unwrap().to_str().unwrap().contains(mark())));
        let mut found: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let mut others = others.to_vec();
        others.sort();
        assert_eq!(found, others);
        assert!(is_of_the_dead(&format!("{host}.{me}.1"), dir.path()), "the number was given to another process");
    }
}
