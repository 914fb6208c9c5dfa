//! Tools that look at files: nothing outside the workspace, nothing through a link, nothing in `.git`.

use std::{collections::VecDeque, path::Path};

use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::Value;

use super::{Done, beneath, read};
use crate::base::{
    files::{self, Entry},
    text,
};

/// The largest file that is read, bytes.
pub const LARGEST_FILE: u64 = 8 << 20;
/// How many names a list has at most.
const MOST_NAMES: usize = 1_000;
/// How many files a search opens, how many bytes it reads and how many lines it finds at most.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: usize = 64 << 20;
const MOST_HITS: usize = 200;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct Read {
    path: String,
    from: Option<usize>,
    lines: Option<usize>,
}

#[derive(Deserialize)]
struct Search {
    pattern: String,
    #[serde(default)]
    path: String,
}

/// Looks, in a thread that may wait for the disk.
pub async fn look(root: &Path, tool: &str, arguments: Value) -> Done {
    let (root, tool) = (root.to_owned(), tool.to_owned());
    let look = move || match tool.as_str() {
        "list" => list(&root, read(arguments)?),
        "read" => show(&root, read(arguments)?),
        _ => search(&root, read(arguments)?),
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|e| Err(format!("the tool broke: {e}")))
}

fn list(root: &Path, what: List) -> Done {
    let mut out = Vec::new();
    for (path, entry) in Walk::new(root, &what.path)? {
        if out.len() == MOST_NAMES {
            out.push(format!("(there are more than {MOST_NAMES}: list a folder of it)"));
            break;
        }
        out.push(match entry {
            Entry::Folder => format!("{path}/"),
            Entry::File => path,
            Entry::Other => format!("{path} (no file)"),
        });
    }
    if out.is_empty() {
        return Ok(b"(nothing)".to_vec());
    }
    Ok(out.join("\n").into_bytes())
}

fn show(root: &Path, what: Read) -> Done {
    let path = beneath(root, &what.path);
    let (content, _) = files::read_beneath(root, path.as_bytes(), LARGEST_FILE).map_err(|e| format!("{path}: {e}"))?;
    if content.contains(&0) {
        return Err(format!("{path} is no text: it has {} bytes", content.len()));
    }
    if content.is_empty() {
        return Ok(b"(the file is empty)".to_vec());
    }
    let skip = what.from.unwrap_or(1).saturating_sub(1);
    let lines = content.split_inclusive(|b| *b == b'\n').skip(skip).take(what.lines.unwrap_or(usize::MAX));
    Ok(lines.flatten().copied().collect())
}

fn search(root: &Path, what: Search) -> Done {
    let pattern = RegexBuilder::new(&what.pattern).size_limit(1 << 20).build();
    let pattern = pattern.map_err(|e| format!("the pattern is wrong: {e}"))?;
    let path = beneath(root, &what.path);
    let mut files: Box<dyn Iterator<Item = (String, Entry)>> = match files::bad_path(path.as_bytes()) {
        None if files::read_beneath(root, path.as_bytes(), LARGEST_FILE).is_ok() => {
            Box::new(std::iter::once((path, Entry::File)))
        }
        _ => Box::new(Walk::new(root, &path)?),
    };
    let (mut hits, mut bytes) = (Vec::new(), 0);
    let more = |what: &str| format!("(not everything was searched: {what})");
    for (opened, (path, _)) in files.by_ref().filter(|(_, entry)| *entry == Entry::File).enumerate() {
        if opened == MOST_FILES || bytes > MOST_BYTES {
            hits.push(more("there are too many files"));
            break;
        }
        let Ok((content, _)) = files::read_beneath(root, path.as_bytes(), LARGEST_FILE) else { continue };
        bytes += content.len();
        if content.contains(&0) {
            continue;
        }
        let content = String::from_utf8_lossy(&content);
        let found = content.lines().enumerate().filter(|(_, line)| pattern.is_match(line));
        let room = (MOST_HITS + 1).saturating_sub(hits.len());
        hits.extend(found.take(room).map(|(n, line)| format!("{path}:{}: {}", n + 1, text::one_line(line, 300))));
        if hits.len() > MOST_HITS {
            hits.truncate(MOST_HITS);
            hits.push(more("there are too many lines"));
            break;
        }
    }
    if hits.is_empty() {
        return Ok(b"(nothing is found)".to_vec());
    }
    Ok(hits.join("\n").into_bytes())
}

/// Everything below a folder, nearest first, each folder in the order of names.
struct Walk<'a> {
    root: &'a Path,
    folders: VecDeque<String>,
    entries: VecDeque<(String, Entry)>,
}

impl Walk<'_> {
    fn new<'a>(root: &'a Path, folder: &str) -> Result<Walk<'a>, String> {
        let folder = beneath(root, folder.trim_end_matches('/'));
        let mut walk = Walk { root, folders: VecDeque::new(), entries: VecDeque::new() };
        walk.enter(&folder).map_err(|e| format!("{folder}: {e}"))?;
        Ok(walk)
    }

    fn enter(&mut self, folder: &str) -> std::io::Result<()> {
        for (name, entry) in files::entries_beneath(self.root, folder.as_bytes())? {
            // Names that are no text could not be named in return.
            let Ok(name) = String::from_utf8(name) else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            self.entries.push_back((path, entry));
        }
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = (String, Entry);

    fn next(&mut self) -> Option<Self::Item> {
        while self.entries.is_empty() {
            let folder = self.folders.pop_front()?;
            // A folder that is gone or closed has nothing to show.
            let _ = self.enter(&folder);
        }
        let (path, entry) = self.entries.pop_front()?;
        if entry == Entry::Folder {
            self.folders.push_back(path.clone());
        }
        Some((path, entry))
    }
}
