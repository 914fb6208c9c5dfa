//! Files as they are, as they will be, and as they were: what an installation changes, and how it is undone to the byte.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::shim;
use crate::base::{Exit, Failure, Faults, Point, Sha256, json, scratch, text::printable};

/// A hook of more bytes is somebody's mistake.
const MAX_FILE: u64 = 64 << 20;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link, and where it leads.
    Link(PathBuf),
}

impl Content {
    /// A program or script of ours.
    pub fn program(bytes: Vec<u8>) -> Content {
        Content::File { bytes, mode: 0o755 }
    }

    /// The bytes of a file; none of a link.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Content::File { bytes, .. } => bytes,
            Content::Link(_) => b"",
        }
    }
}

/// What stands at a path now; none where nothing does.
pub fn read(path: &Path) -> Result<Option<Content>, Failure> {
    let failed = |e: io::Error| Failure::new(Exit::Internal, format!("cannot read {}: {e}", path.display()));
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    if meta.is_symlink() {
        return Ok(Some(Content::Link(fs::read_link(path).map_err(failed)?)));
    }
    if !meta.is_file() || meta.len() > MAX_FILE {
        let text = format!("{} is no file, or a file of more than {MAX_FILE} bytes", path.display());
        return Err(Failure::new(Exit::Refused, text).hint(format!("ls -l {}", path.display())));
    }
    let bytes = fs::read(path).map_err(failed)?;
    Ok(Some(Content::File { bytes, mode: meta.permissions().mode() & 0o7777 }))
}

/// Puts a content at a path, whole or not at all, or takes away what is there.
fn write(path: &Path, content: Option<&Content>) -> Result<(), Failure> {
    let put = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let Some(content) = content else {
            fs::remove_file(path)?;
            // A folder that was made for one file goes with it.
            if folder.file_name().is_some_and(|name| name == ASIDE) {
                let _ = fs::remove_dir(folder);
            }
            return Ok(());
        };
        fs::create_dir_all(folder)?;
        let scratch = scratch::folder_in(folder)?;
        let new = scratch.path().join("new");
        match content {
            Content::Link(to) => symlink(to, &new)?,
            Content::File { bytes, mode } => {
                fs::write(&new, bytes)?;
                fs::set_permissions(&new, fs::Permissions::from_mode(*mode))?;
                fs::File::open(&new)?.sync_all()?;
            }
        }
        fs::rename(&new, path)
    };
    put().map_err(|e| Failure::new(Exit::Internal, format!("cannot write {}: {e}", path.display())))
}

/// The folder for what was moved aside and has to keep its name.
pub const ASIDE: &str = "before-otto";

/// Files as they will be: what is planned lies over what is there.
#[derive(Debug, Default)]
pub struct Planned(BTreeMap<PathBuf, Option<Content>>);

impl Planned {
    /// What will stand at a path.
    pub fn read(&self, path: &Path) -> Result<Option<Content>, Failure> {
        match self.0.get(path) {
            Some(planned) => Ok(planned.clone()),
            None => read(path),
        }
    }

    /// Plans what stands at a path.
    pub fn put(&mut self, path: PathBuf, content: Option<Content>) {
        self.0.insert(path, content);
    }

    /// What has to be done for it.
    pub fn changes(self) -> Result<Vec<Change>, Failure> {
        let mut out = Vec::new();
        for (path, after) in self.0 {
            let before = read(&path)?;
            if before != after {
                out.push(Change { path, before, after });
            }
        }
        Ok(out)
    }
}

/// A file that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: PathBuf,
    /// What is there.
    pub before: Option<Content>,
    /// What will be.
    pub after: Option<Content>,
}

impl Change {
    /// Makes it.
    pub fn make(&self, faults: &Faults) -> Result<(), Failure> {
        faults.hit(Point::HooksBeforeFile)?;
        if read(&self.path)? != self.before {
            let text = format!("{} changed while you were asked", self.path.display());
            return Err(Failure::new(Exit::Refused, text).hint("git otto hooks status"));
        }
        write(&self.path, self.after.as_ref())
    }

    /// Every byte of it, as a difference of lines; of what is moved as it is, the name alone.
    pub fn words(&self, all: &[Change]) -> String {
        let path = self.path.display();
        let other = |f: &dyn Fn(&Change) -> bool| all.iter().find(|c| f(c)).map(|c| c.path.display().to_string());
        let head = match (&self.before, &self.after) {
            (None, Some(new)) if let Some(from) = other(&|c| c.before.as_ref() == Some(new)) => {
                return format!("{path}: what {from} was, unchanged\n");
            }
            (_, Some(Content::Link(to))) => return format!("{path}: a link to {}\n", to.display()),
            (None, Some(Content::File { mode, .. })) => format!("{path}: new, mode {mode:o}\n"),
            (Some(_), None) => format!("{path}: removed\n"),
            (Some(old), Some(_)) => match other(&|c| c.before.is_none() && c.after.as_ref() == Some(old)) {
                // Its lines are not lost, so that only the new ones are shown.
                Some(to) => return format!("{path}: moved to {to}; now\n") + &lines("+", &all_lines(&self.after)),
                None => format!("{path}: changed\n"),
            },
            (None, None) => return String::new(),
        };
        head + &difference(&all_lines(&self.before), &all_lines(&self.after))
    }
}

/// Its lines; of what is no text, size and digest, and the text at its end.
fn all_lines(content: &Option<Content>) -> Vec<String> {
    let bytes = content.as_ref().map(Content::bytes).unwrap_or_default();
    let (binary, text) = shim::binary_and_text(bytes);
    let head = format!("({} bytes, not text, SHA-256 {})", bytes.len(), Sha256::of(bytes));
    let head = (!binary.is_empty()).then_some(head);
    head.into_iter().chain(String::from_utf8_lossy(text).lines().map(printable)).collect()
}

fn lines(sign: &str, lines: &[String]) -> String {
    lines.iter().map(|l| format!("{sign}{l}\n")).collect()
}

/// What is between the common beginning and the common end, with a few lines around it.
fn difference(old: &[String], new: &[String]) -> String {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let context = |from: usize, to: usize| lines(" ", old.get(from..to).unwrap_or_default());
    context(head.saturating_sub(3), head)
        + &lines("-", old.get(head..old.len() - tail).unwrap_or_default())
        + &lines("+", new.get(head..new.len() - tail).unwrap_or_default())
        + &context(old.len() - tail, (old.len() - tail + 3).min(old.len()))
}

/// What was kept of a content: enough to know it again, its bytes in a file of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Kept {
    File { sha256: Sha256, mode: u32 },
    Link(PathBuf),
}

impl Kept {
    fn of(content: &Content) -> Kept {
        match content {
            Content::File { bytes, mode } => Kept::File { sha256: Sha256::of(bytes), mode: *mode },
            Content::Link(to) => Kept::Link(to.clone()),
        }
    }
}

/// A file that an installation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    /// Below the repository's folder, or absolute.
    path: PathBuf,
    before: Option<Kept>,
    after: Option<Kept>,
}

/// What an installation changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Of the format.
    format: u32,
    /// Whether the hooks are those of a server.
    pub server: bool,
    files: Vec<Changed>,
    /// The keys of the repository's own configuration that were changed, and what they were.
    pub keys: Vec<(String, Vec<String>)>,
}

/// Where the record and the copies of what was changed lie.
pub struct Keep<'a> {
    common_dir: &'a Path,
}

impl<'a> Keep<'a> {
    /// Of a repository.
    pub fn new(common_dir: &'a Path) -> Keep<'a> {
        Keep { common_dir }
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.common_dir.join("otto/hooks")
    }

    fn record(&self) -> PathBuf {
        self.folder().join("installed.json")
    }

    fn copy(&self, digest: &Sha256) -> PathBuf {
        self.folder().join(digest.to_string())
    }

    /// The record of what is installed, if anything is.
    pub fn load(&self) -> Result<Option<Record>, Failure> {
        let Some(content) = read(&self.record())? else { return Ok(None) };
        let broken = |why: String| {
            Failure::new(Exit::Internal, format!("{} cannot be read: {why}", self.record().display()))
                .hint(format!("mv {0} {0}.broken", self.record().display()))
        };
        let record: Record = json::read(content.bytes(), json::Limits::RECORD).map_err(|e| broken(e.to_string()))?;
        if record.format != FORMAT { Err(broken(format!("its format is {}", record.format))) } else { Ok(Some(record)) }
    }

    /// Keeps what is needed to undo these changes, and those of an earlier installation with them.
    pub fn store(
        &self,
        changes: &[Change],
        keys: Vec<(String, Vec<String>)>,
        server: bool,
        earlier: Option<&Record>,
    ) -> Result<(), Failure> {
        let mut files: Vec<Changed> = Vec::new();
        let known = |path: &Path| earlier.and_then(|e| e.files.iter().find(|f| f.path == path));
        for change in changes {
            let path = change.path.strip_prefix(self.common_dir).unwrap_or(&change.path).to_owned();
            // What a file was before the first installation is what an uninstallation gives back.
            let ours = known(&path).filter(|f| f.after == change.before.as_ref().map(Kept::of));
            let before = match ours {
                Some(first) => first.before.clone(),
                None => change.before.as_ref().map(Kept::of),
            };
            if let Some(content @ Content::File { bytes, .. }) = &change.before
                && ours.is_none()
                && let Kept::File { sha256, .. } = Kept::of(content)
            {
                write(&self.copy(&sha256), Some(&Content::File { bytes: bytes.clone(), mode: 0o600 }))?;
            }
            files.push(Changed { path, before, after: change.after.as_ref().map(Kept::of) });
        }
        let old = earlier.map(|e| e.files.as_slice()).unwrap_or_default().iter();
        let rest: Vec<Changed> = old.filter(|o| files.iter().all(|f| f.path != o.path)).cloned().collect();
        files.extend(rest);
        // What is as it was before needs no undoing.
        files.retain(|f| f.before != f.after);
        let record = Record { format: FORMAT, server, files, keys };
        let mut bytes = serde_json::to_vec_pretty(&record).map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
        bytes.push(b'\n');
        write(&self.record(), Some(&Content::File { bytes, mode: 0o600 }))
    }

    /// Plans what stood everywhere before; answers the paths that somebody has changed since, which are left alone.
    pub fn undo(&self, record: &Record, planned: &mut Planned) -> Result<Vec<PathBuf>, Failure> {
        let mut left = Vec::new();
        for file in &record.files {
            let path = self.common_dir.join(&file.path);
            let now = read(&path)?;
            if now.as_ref().map(Kept::of) != file.after {
                if now.as_ref().map(Kept::of) != file.before {
                    left.push(path);
                }
                continue;
            }
            let before = match &file.before {
                None => None,
                Some(Kept::Link(to)) => Some(Content::Link(to.clone())),
                Some(Kept::File { sha256, mode }) => match read(&self.copy(sha256))? {
                    Some(Content::File { bytes, .. }) if Sha256::of(&bytes) == *sha256 => {
                        Some(Content::File { bytes, mode: *mode })
                    }
                    _ => {
                        let text = format!("the copy of what {} was is gone or changed", path.display());
                        return Err(Failure::new(Exit::Internal, text).hint("git otto hooks status"));
                    }
                },
            };
            planned.put(path, before);
        }
        Ok(left)
    }

    /// Forgets the installation: the record first, so that no copy that it needs is missing.
    pub fn forget(&self, record: &Record) -> Result<(), Failure> {
        write(&self.record(), None)?;
        for file in &record.files {
            if let Some(Kept::File { sha256, .. }) = &file.before {
                let _ = fs::remove_file(self.copy(sha256));
            }
        }
        let _ = fs::remove_dir(self.folder());
        Ok(())
    }
}

/// The format of the record.
const FORMAT: u32 = 1;
