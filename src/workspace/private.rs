//! The `.git` of a workspace: for the agent's own use, so that `git diff` and `git log` tell it something. It borrows the
//! repository's objects and knows none of its refs, hooks and settings.

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use gix::index::{
    State,
    entry::{self, Flags},
};

use super::{Result, io_at, stat};
use crate::{
    base::Oid,
    git::{Entry, Mode, Repo},
};

/// Writes `dir/.git`: HEAD detached at `base`, an index of its files.
pub fn create(repo: &Repo, dir: &Path, base: Oid, entries: &[Entry], seen: &stat::Cache) -> Result<()> {
    let git = dir.join(".git");
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        std::fs::create_dir_all(git.join(folder)).map_err(io_at("create", &git))?;
    }
    let put =
        |name: &str, content: &[u8]| std::fs::write(git.join(name), content).map_err(io_at("write", git.join(name)));
    let common = repo.common_dir();
    let objects = common.join("objects");
    let objects = objects.canonicalize().map_err(io_at("find", &objects))?;
    put("objects/info/alternates", &alternates(&objects))?;
    put("HEAD", format!("{base}\n").as_bytes())?;
    let format = match repo.object_format() {
        "sha1" => "\trepositoryformatversion = 0\n".to_owned(),
        other => format!("\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = {other}\n[core]\n"),
    };
    let settings =
        "\tbare = false\n\tfilemode = true\n\tautocrlf = false\n\thooksPath = /dev/null\n\tfsmonitor = false\n";
    put("config", format!("[core]\n{format}{settings}[gc]\n\tauto = 0\n").as_bytes())?;
    // Where history was cut, walking on would miss objects.
    match std::fs::read(common.join("shallow")) {
        Ok(cut) => put("shallow", &cut)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(io_at("read", common.join("shallow"))(e)),
    }
    write_index(&git, base, entries, seen)
}

/// The line that borrows objects, quoted as git quotes paths where it must be.
fn alternates(objects: &Path) -> Vec<u8> {
    let path = objects.as_os_str().as_bytes();
    let mut out = Vec::with_capacity(path.len() + 1);
    if path.iter().any(|b| matches!(b, b'\n' | b'"' | b'\\')) || path.starts_with(b"#") {
        out.push(b'"');
        for b in path {
            match b {
                b'\n' => out.extend_from_slice(b"\\n"),
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *b]),
                b => out.push(*b),
            }
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(path);
    }
    out.push(b'\n');
    out
}

fn write_index(git: &Path, base: Oid, entries: &[Entry], seen: &stat::Cache) -> Result<()> {
    let mut state = State::new(base.0.kind());
    for e in entries {
        let mode = match e.mode {
            Mode::Plain => entry::Mode::FILE,
            Mode::Executable => entry::Mode::FILE_EXECUTABLE,
            Mode::Symlink => entry::Mode::SYMLINK,
            Mode::Submodule => entry::Mode::COMMIT,
        };
        let path = e.path.as_ref();
        let stat = seen.stat_of(path, e.mode, e.oid).map(index_stat).unwrap_or_default();
        state.dangerously_push_entry(stat, e.oid.0, Flags::empty(), mode, path);
    }
    state.sort_entries();
    let file = git.join("index");
    let index = gix::index::File::from_state(state, &file);
    // In memory first: what a disk says of a write is lost in the words of gix.
    let mut bytes = Vec::new();
    let encoded = index.write_to(&mut bytes, gix::index::write::Options::default());
    encoded.map_err(|e| io_at("write", &file)(std::io::Error::other(e.to_string())))?;
    std::fs::write(&file, bytes).map_err(io_at("write", &file))
}

/// As git stores it: the low 32 bits.
fn index_stat(s: stat::Stat) -> entry::Stat {
    let time = |(secs, nsecs): (i64, i64)| entry::stat::Time { secs: secs as u32, nsecs: nsecs as u32 };
    entry::Stat {
        mtime: time(s.mtime),
        ctime: time(s.ctime),
        dev: s.dev as u32,
        ino: s.ino as u32,
        uid: s.uid,
        gid: s.gid,
        size: s.size as u32,
    }
}
