//! What two copies of a repository are compared by.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    process::Command,
};

use super::scenes::{Copy, Stage, done};

/// Everything about a checkout and its repository that must be the same: HEAD, refs, logs, index, files, what git left of
/// an operation. Objects are not compared but for what is reached: a commit that was made while being compared is told by
/// what it holds.
#[derive(Clone, PartialEq)]
pub struct State(pub BTreeMap<String, String>);

/// What says nothing of how an operation ended: a message that was edited, what gc and fetch said, what is otto's own.
const NO_STATE: [&str; 12] = [
    "COMMIT_EDITMSG",
    "FETCH_HEAD",
    "HEAD",
    "config",
    "description",
    "gc.log",
    "gitdir",
    "hooks",
    "index",
    "info",
    "objects",
    "otto",
];
const NO_STATE_EITHER: [&str; 7] = ["commondir", "logs", "packed-refs", "refs", "reftable", "worktrees", "branches"];

/// How many seconds make the difference between what was written before the comparison and during it.
const LONG_AGO: i64 = 1_600_000_000;

/// Tells commits in words that are the same in every copy.
struct Reader {
    /// Where the copy lies.
    root: String,
    /// All objects that there are, as text.
    all: HashMap<String, String>,
    told: HashMap<String, String>,
}

impl State {
    /// The state of a copy.
    pub fn of(stage: &Stage, copy: &Copy) -> State {
        let mut reader =
            Reader { root: copy.root.display().to_string(), all: objects(stage, copy), told: HashMap::new() };
        let mut all = BTreeMap::new();
        let script = "git symbolic-ref -q HEAD || git rev-parse HEAD; echo ==; git for-each-ref --include-root-refs --format='%(refname) %(objectname)'; \
                      echo ==; git ls-files -s -t; echo ==; git --no-optional-locks status --porcelain=v1 --ignored -uall";
        let said = done(&mut stage.shell(&copy.work, script), "the state");
        let mut parts = said.split("==\n");
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let head = part();
        all.insert("HEAD".to_owned(), reader.told_in(head.trim()));
        for line in part().lines() {
            let (name, id) = line.split_once(' ').unwrap();
            if !name.starts_with("refs/otto/") {
                all.insert(format!("ref {name}"), reader.told(id));
            }
        }
        all.insert("index".into(), part());
        for line in part().lines() {
            let (how, path) = line.split_at(3);
            all.insert(format!("status {}", path.trim_matches('"')), how.to_owned());
        }
        files(&copy.work, "", &mut |name, bytes| {
            all.insert(format!("file {name}"), bytes);
        });
        let common = copy.root.join("repo/.git");
        for (dir, of) in BTreeMap::from([(&copy.git_dir, "git"), (&common, "common")]) {
            let mut found = Vec::new();
            files(dir, "", &mut |name, bytes| found.push((name, bytes)));
            for (name, bytes) in found {
                let top = name.split('/').next().unwrap();
                let log = name.strip_prefix("logs/").filter(|log| of == "common" || !log.starts_with("refs/"));
                if let Some(log) = log.filter(|log| !log.starts_with("refs/otto/")) {
                    all.insert(format!("log {of} {log}"), reader.log(&bytes));
                } else if !NO_STATE.contains(&top) && !NO_STATE_EITHER.contains(&top) {
                    all.insert(format!("state {of} {name}"), reader.told_in(&bytes));
                }
            }
        }
        State(all)
    }

    /// Names of what differs, and how.
    pub fn differences(&self, other: &State) -> Vec<(String, String)> {
        let names: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let how = |name: &String| match (self.0.get(name), other.0.get(name)) {
            (a, b) if a == b => None,
            (a, b) => Some((name.clone(), format!("{a:?}\n    not {b:?}"))),
        };
        names.into_iter().filter_map(how).collect()
    }
}

impl Reader {
    /// A log as the moves in it, with their words; entries that move nothing are git's own noise.
    fn log(&mut self, bytes: &str) -> String {
        let mut lines = Vec::new();
        for line in bytes.lines() {
            let (moved, words) = line.split_once('\t').unwrap_or((line, ""));
            let mut ids = moved.split(' ');
            let (from, to) = (ids.next().unwrap_or_default(), ids.next().unwrap_or_default());
            if from != to {
                lines.push(format!("{} -> {} {}", self.told(from), self.told(to), self.told_in(words)));
            }
        }
        lines.join("\n")
    }

    /// A text in which a commit may be named.
    fn told_in(&mut self, text: &str) -> String {
        let is_id = |word: &str| word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let text = text.replace(&self.root, "");
        let words = text.split_inclusive([' ', '\n', '\t']).map(|part| {
            let word = part.trim_end();
            if is_id(word) { self.told(word) + &part[word.len()..] } else { part.to_owned() }
        });
        words.collect()
    }

    /// A commit: by its id if it was there before, otherwise by everything that is in it but for the time.
    fn told(&mut self, id: &str) -> String {
        if let Some(told) = self.told.get(id) {
            return told.clone();
        }
        let text = self.all.get(id).cloned().unwrap_or_default();
        let told = if is_new(&text) { self.content(&text) } else { id.to_owned() };
        self.told.insert(id.to_owned(), told.clone());
        told
    }

    fn content(&mut self, text: &str) -> String {
        let (head, message) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = Vec::new();
        for line in head.lines() {
            lines.push(match line.split_once(' ') {
                Some(("parent", id)) => format!("parent {}", self.told(id)),
                Some((who @ ("author" | "committer"), _)) => {
                    let (rest, time, zone) = split_time(line);
                    let time = if time > LONG_AGO { "now".into() } else { time.to_string() };
                    format!("{who}{} {time} {zone}", rest.strip_prefix(who).unwrap_or(rest))
                }
                _ => line.to_owned(),
            });
        }
        format!("({}\n\n{message})", lines.join("\n"))
    }
}

/// Every object of a copy as text, by its id.
fn objects(stage: &Stage, copy: &Copy) -> HashMap<String, String> {
    let said = stage.shell(&copy.work, "git cat-file --batch-all-objects --batch --unordered").output().unwrap().stdout;
    let (mut all, mut rest) = (HashMap::new(), &said[..]);
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut words = head.split(' ');
        let (id, size) = (words.next().unwrap(), words.nth(1).unwrap().parse::<usize>().unwrap());
        all.insert(id.to_owned(), String::from_utf8_lossy(&rest[end + 1..end + 1 + size]).into_owned());
        rest = &rest[end + 2 + size..];
    }
    all
}

/// Whether a commit was made just now.
fn is_new(text: &str) -> bool {
    let line = text.lines().take_while(|l| !l.is_empty()).find(|l| l.starts_with("committer "));
    line.is_some_and(|l| split_time(l).1 > LONG_AGO)
}

/// `author Name <mail> 1577934245 +0200` in its last parts.
fn split_time(line: &str) -> (&str, i64, &str) {
    let (rest, zone) = line.rsplit_once(' ').unwrap();
    let (rest, time) = rest.rsplit_once(' ').unwrap();
    (rest, time.parse().unwrap(), zone)
}

/// Every file below a folder but for git's own, with its mode and content.
fn files(root: &Path, below: &str, told: &mut dyn FnMut(String, String)) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            // The objects are many, and told by what reaches them.
            if name != ".git" && path != "objects" {
                files(root, &path, told);
            }
        } else if meta.is_symlink() {
            told(path, format!("-> {}", fs::read_link(entry.path()).unwrap().display()));
        } else if name != ".git" {
            use std::os::unix::fs::PermissionsExt as _;
            let executable = if meta.permissions().mode() & 0o100 != 0 { "x " } else { "" };
            told(path, format!("{executable}{}", String::from_utf8_lossy(&fs::read(entry.path()).unwrap())));
        }
    }
}

/// The ids of everything that rescue refs of a copy reach.
pub fn rescued(stage: &Stage, copy: &Copy) -> BTreeSet<String> {
    let mut git: Command = stage.shell(&copy.work, "git rev-list --objects --glob='refs/otto/rescue/*'");
    let said = done(&mut git, "what was rescued");
    said.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
