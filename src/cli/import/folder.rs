//! The files of another tool's specification: found below the path that a person named, in bounds, no links followed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{Exit, Failure},
    cli::source,
    intent::import::{Document, Tool},
};

/// More files than this are no one specification.
const FILES: usize = 1_000;
/// Folders in each other.
const DEPTH: usize = 6;
/// Bytes of all of them.
const SIZE: usize = 16 << 20;

/// What was found.
pub struct Found {
    /// The name of the feature, capability or change.
    pub name: String,
    /// Its files, by path.
    pub documents: Vec<Document>,
}

/// Finds the specification that a path means: itself, or the only one below it. `named` is the path as it was typed.
pub fn find(tool: Tool, path: &Path, named: &Path) -> Result<Found, Failure> {
    let missing = |e: std::io::Error| {
        Failure::new(Exit::Usage, format!("cannot read {}: {e}", named.display()))
            .hint("name the folder of the specification, as specs/001-notes or openspec/specs/notes")
    };
    let is_folder = fs::metadata(path).map_err(missing)?.is_dir();
    let below = |part: &str| (path.join(part), named.join(part));
    let (root, shown) = match tool {
        _ if !is_folder => (folder_of(path), folder_of(named)),
        Tool::SpecKit if !path.join("spec.md").is_file() => only_feature(path, named)?,
        Tool::OpenSpec if path.join("openspec").is_dir() => below("openspec"),
        _ => (path.to_owned(), named.to_owned()),
    };
    let mut walk = Walk { documents: Vec::new(), size: 0 };
    walk.folder(&root, &shown, "", 0)?;
    walk.documents.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Found { name: name(&root), documents: walk.documents })
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The name of a folder without the number that spec-kit begins it with; of `openspec` or `specs`, that of what is above.
fn name(root: &Path) -> String {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut names = root.iter().rev().map(|n| n.to_string_lossy().into_owned());
    let name = names.find(|n| !["openspec", "specs", "changes"].contains(&n.as_str())).unwrap_or_default();
    let bare = name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
    if bare.is_empty() { name } else { bare.to_owned() }
}

/// The only folder below `path` or `path/specs` that holds a `spec.md`.
fn only_feature(path: &Path, named: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let mut features = Vec::new();
    for part in ["specs", ""] {
        let Ok(entries) = fs::read_dir(path.join(part)) else { continue };
        for entry in entries.take(FILES) {
            let entry = entry?;
            if entry.file_type()?.is_dir() && entry.path().join("spec.md").is_file() {
                features.push((entry.path(), named.join(part).join(entry.file_name())));
            }
        }
    }
    features.sort();
    match features.len() {
        1 => features.pop().ok_or_else(|| Failure::new(Exit::Internal, "the feature is gone")),
        0 => Err(Failure::new(Exit::Usage, format!("{} holds no spec.md, and no feature with one", named.display()))
            .hint("git otto import --from spec-kit specs/<feature>")),
        n => {
            let lines = features.iter().map(|(_, f)| format!("git otto import --from spec-kit {}", f.display()));
            Err(Failure::new(Exit::Usage, format!("{} holds {n} features: import one at a time", named.display()))
                .hint(lines.collect::<Vec<_>>().join("\n")))
        }
    }
}

struct Walk {
    documents: Vec<Document>,
    size: usize,
}

impl Walk {
    fn folder(&mut self, dir: &Path, shown: &Path, below: &str, depth: usize) -> Result<(), Failure> {
        let cannot = |e: std::io::Error| Failure::new(Exit::Usage, format!("cannot read {}: {e}", shown.display()));
        for entry in fs::read_dir(dir).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let (kind, name) = (entry.file_type().map_err(cannot)?, entry.file_name().to_string_lossy().into_owned());
            // Links lead elsewhere; what begins with a dot is the tool's own; an archive is finished work.
            if kind.is_symlink() || name.starts_with('.') || name == "archive" {
                continue;
            }
            let (path, shown) = (format!("{below}{name}"), shown.join(&name));
            if kind.is_dir() && depth < DEPTH {
                self.folder(&entry.path(), &shown, &format!("{path}/"), depth + 1)?;
            } else if kind.is_file() {
                let bytes = name.ends_with(".md").then(|| source::read(&entry.path())).transpose()?;
                self.size += bytes.as_ref().map_or(0, Vec::len);
                self.documents.push(Document { path, shown: shown.display().to_string(), bytes });
            }
            if self.documents.len() > FILES || self.size > SIZE {
                let text = format!("{} holds more than one specification: over {FILES} files or {} MiB", shown.display(), SIZE >> 20);
                return Err(Failure::new(Exit::Invalid, text).hint("name the folder of one feature, capability or change"));
            }
        }
        Ok(())
    }
}
