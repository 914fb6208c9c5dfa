//! Files below a directory that somebody else may have prepared: nothing is read or written through a symbolic link,
//! nothing outside, and a tree with read-only folders can still be removed.

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::{Timestamp, scratch};

/// How a folder is opened: never through a link.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Why a path may not name a file below a root, if so: it must be relative, without `..`, empty parts, NUL or anything
/// that a file system may take for `.git`.
pub fn bad_path(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() || path.starts_with(b"/") {
        return Some("it is empty or absolute");
    }
    path.split(|b| *b == b'/').find_map(bad_name)
}

/// Why a name may not stand in a path, if so.
pub fn bad_name(name: &[u8]) -> Option<&'static str> {
    let options =
        gix::validate::path::component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    if name == b"." || name == b".." {
        return Some("it leaves its folder");
    }
    if name.contains(&0) {
        return Some("it contains NUL");
    }
    if name.is_empty() {
        return Some("it has an empty part");
    }
    // A backslash is an ordinary character here, but a separator on other systems: no side of it may mean `.git`.
    let mut sides = name.split(|b| *b == b'\\').filter(|side| !side.is_empty());
    let means_git = |side: &[u8]| gix::validate::path::component(side.into(), None, options).is_err();
    sides.any(means_git).then_some("a part of it means .git")
}

/// Writes a file below `root`, replacing what is there, with the folders that it needs. No part of the path is followed
/// where it is a symbolic link: a link in place of a folder is an error, one in place of the file is replaced.
pub fn write_beneath(root: &Path, path: &[u8], content: &[u8], executable: bool) -> io::Result<()> {
    let (dir, name) = open_beneath(root, path, true)?;
    make_room(&dir, name)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
    let mut file = std::fs::File::from(rustix::fs::openat(&dir, name, flags, mode)?);
    file.write_all(content)
}

/// Makes a symbolic link below `root` as [`write_beneath`] writes a file; where it leads is not looked at.
pub fn link_beneath(root: &Path, path: &[u8], to: &[u8]) -> io::Result<()> {
    let (dir, name) = open_beneath(root, path, true)?;
    make_room(&dir, name)?;
    Ok(rustix::fs::symlinkat(to, &dir, name)?)
}

/// Removes a file or link below `root`, with the folders that this leaves empty; no part of the path is followed where it
/// is a symbolic link.
pub fn remove_beneath(root: &Path, path: &[u8]) -> io::Result<()> {
    let (dir, name) = open_beneath(root, path, false)?;
    rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
    for (at, _) in path.iter().enumerate().rev().filter(|(_, b)| **b == b'/') {
        let (dir, name) = open_beneath(root, &path[..at], false)?;
        if rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR).is_err() {
            break;
        }
    }
    Ok(())
}

/// Reads a file of at most `max` bytes below `root`, and says whether it is executable. No part of the path is followed
/// where it is a symbolic link, and only a regular file is read.
pub fn read_beneath(root: &Path, path: &[u8], max: u64) -> io::Result<(Vec<u8>, bool)> {
    let (dir, name) = open_beneath(root, path, false)?;
    // A pipe that nobody writes to would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::openat(&dir, name, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut content = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max} bytes")));
    }
    Ok((content, meta.permissions().mode() & 0o100 != 0))
}

/// What stands in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: a link, a pipe.
    Other,
}

/// What stands in a folder below `root`, by name in order; the empty path is `root` itself. No part of the path is
/// followed where it is a symbolic link, and what means `.git` is left out.
pub fn entries_beneath(root: &Path, path: &[u8]) -> io::Result<Vec<(Vec<u8>, Entry)>> {
    let folder = match path {
        b"" => open_root(root)?,
        path => {
            let (dir, name) = open_beneath(root, path, false)?;
            rustix::fs::openat(&dir, name, FOLDER, Mode::empty())?
        }
    };
    let mut out = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if bad_name(name).is_some() {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system tells.
            FileType::Unknown => match rustix::fs::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        let kind = match kind {
            FileType::RegularFile => Entry::File,
            FileType::Directory => Entry::Folder,
            _ => Entry::Other,
        };
        out.push((name.to_owned(), kind));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

/// Opens the root, which may be reached through links.
fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?)
}

/// Opens the folder of a path below `root`, making folders where wanted; the path's last part is left.
fn open_beneath<'p>(root: &Path, path: &'p [u8], make: bool) -> io::Result<(OwnedFd, &'p [u8])> {
    if let Some(why) = bad_path(path) {
        let shown = String::from_utf8_lossy(path).into_owned();
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{shown:?} is no path for a file: {why}")));
    }
    let mut dir = open_root(root)?;
    let mut parts = path.split(|b| *b == b'/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return Ok((dir, part));
        }
        if make {
            match rustix::fs::mkdirat(&dir, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        dir = rustix::fs::openat(&dir, part, FOLDER, Mode::empty())?;
    }
    Err(io::ErrorKind::InvalidInput.into())
}

fn make_room(dir: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// How long ago something was modified last, at a moment; none where it is not there or was modified after that.
pub fn untouched_for(path: &Path, now: Timestamp) -> Option<Duration> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(now.millis().try_into().ok()?))?;
    now.duration_since(modified).ok()
}

/// Removes a folder and all below it, also where folders are read-only; links are removed, never followed. Nothing
/// there is fine.
pub fn remove_tree(dir: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match std::fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Somebody still writes there: once its folder is gone it cannot any more.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 100 => tries += 1,
            Err(_) => break,
        }
    }
    open_up(dir, 0)?;
    std::fs::remove_dir_all(dir)
}

/// Writes a file of the user's own choice as a whole: whoever reads it sees the old or the new content. As with a
/// redirection of the shell, a link is followed, and what is no file, such as a pipe, is written to. With `durable` the
/// content is on the disk before it has the name.
pub fn replace(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    let path = match std::fs::canonicalize(path) {
        Ok(there) if !there.is_file() => return std::fs::write(there, content),
        Ok(there) => there,
        Err(e) if e.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(e) => return Err(e),
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = scratch::file_in(dir, 0o666)?;
    file.write_all(content)?;
    if durable {
        file.as_file().sync_all()?;
    }
    file.persist(&path)?;
    if durable {
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Makes every folder below one's own to change again.
fn open_up(dir: &Path, depth: u32) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(dir)?;
    if !meta.is_dir() || depth > 1000 {
        return Ok(());
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(meta.permissions().mode() | 0o700))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path(), depth + 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_also_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        replace(&file, b"one", true).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two", false).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
        assert!(replace(&dir.path().join("no/such"), b"x", false).is_err());
        assert!(replace(dir.path(), b"x", false).is_err());
        replace(Path::new("/dev/null"), b"x", true).unwrap();
    }

    #[test]
    fn what_leaves_the_root_or_means_git_is_no_path() {
        for good in ["a", "a/b.c", ".gitignore", ".github/x", "a b/é", "back\\slash", "..."] {
            assert_eq!(bad_path(good.as_bytes()), None, "{good}");
        }
        for bad in [
            "",
            "/a",
            "a//b",
            "a/",
            "./a",
            "a/../b",
            "..",
            ".git/x",
            "a/.GIT",
            "git~1",
            ".g\u{200c}it",
            "a\0",
            "x\\.git",
        ] {
            assert!(bad_path(bad.as_bytes()).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn links_are_never_written_through() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("dir")).unwrap();
        std::os::unix::fs::symlink(&victim, root.path().join("leaf")).unwrap();
        std::fs::hard_link(&victim, root.path().join("hard")).unwrap();
        assert!(write_beneath(root.path(), b"dir/new", b"x", false).is_err());
        write_beneath(root.path(), b"leaf", b"theirs", true).unwrap();
        write_beneath(root.path(), b"hard", b"theirs", false).unwrap();
        write_beneath(root.path(), b"a/b/c", b"deep", false).unwrap();
        assert!(
            link_beneath(root.path(), b"dir/l", b"x").is_err() && remove_beneath(root.path(), b"dir/victim").is_err()
        );
        link_beneath(root.path(), b"a/l", b"../x").unwrap();
        assert_eq!(std::fs::read_link(root.path().join("a/l")).unwrap(), Path::new("../x"));
        remove_beneath(root.path(), b"a/l").unwrap();
        assert!(root.path().join("a/b/c").exists());
        assert!(remove_beneath(root.path(), b"no/such").is_err() && !root.path().join("no").exists());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        let meta = std::fs::symlink_metadata(root.path().join("leaf")).unwrap();
        assert!(meta.is_file() && meta.permissions().mode() & 0o100 != 0);
        assert_eq!(std::fs::read_to_string(root.path().join("a/b/c")).unwrap(), "deep");
    }

    #[test]
    fn nothing_is_read_through_links_and_only_files_are() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "mine").unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("dir")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("leaf")).unwrap();
        std::fs::create_dir(root.path().join(".git")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap();
        assert!(made.success());
        write_beneath(root.path(), b"a/b", b"1234", true).unwrap();
        assert_eq!(read_beneath(root.path(), b"a/b", 4).unwrap(), (b"1234".to_vec(), true));
        assert_eq!(read_beneath(root.path(), b"a/b", 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        for bad in ["dir/secret", "leaf", "pipe", "a", "../x", "/etc/passwd", ".git/config", "a/c"] {
            assert!(read_beneath(root.path(), bad.as_bytes(), 4).is_err(), "{bad}");
        }
        let of = |path: &[u8]| entries_beneath(root.path(), path);
        let names = |name: &[u8], kind| (name.to_vec(), kind);
        let all = [("a", Entry::Folder), ("dir", Entry::Other), ("leaf", Entry::Other), ("pipe", Entry::Other)];
        assert_eq!(of(b"").unwrap(), all.map(|(name, kind)| names(name.as_bytes(), kind)));
        assert_eq!(of(b"a").unwrap(), [names(b"b", Entry::File)]);
        for bad in ["dir", "a/b", ".git", ".."] {
            assert!(of(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn read_only_folders_can_be_removed_and_links_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("kept"), "").unwrap();
        let dir = root.path().join("x");
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::fs::write(dir.join("a/b/c"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.join("a/link")).unwrap();
        std::fs::set_permissions(dir.join("a/b"), std::fs::Permissions::from_mode(0o500)).unwrap();
        std::fs::set_permissions(dir.join("a"), std::fs::Permissions::from_mode(0o000)).unwrap();
        open_up(&dir, 0).unwrap();
        assert_eq!(std::fs::metadata(dir.join("a")).unwrap().permissions().mode() & 0o700, 0o700);
        remove_tree(&dir).unwrap();
        assert!(!dir.exists() && outside.path().join("kept").exists());
        remove_tree(&dir).unwrap();
    }
}
