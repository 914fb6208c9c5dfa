//! An overview of a repository for who has never seen it: bounded, the same for the same tree, read from git, never from
//! anybody's checkout. What looks like a secret is left out, and so is what is no text.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    base::{Failure, Oid, json, text},
    git::{ByteSlice, Entry, Mode, Repo},
};

/// The largest overview, bytes.
pub const MAX: usize = 24 << 10;

/// The largest file that is looked into, bytes.
const MAX_READ: u64 = 64 << 10;

/// Lists of this length are cut.
const MOST: usize = 40;

/// Files that say how a project is built and tested.
const MANIFESTS: [&str; 22] = [
    "CMakeLists.txt",
    "Cargo.toml",
    "Gemfile",
    "Makefile",
    "Rakefile",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "deno.json",
    "go.mod",
    "justfile",
    "meson.build",
    "mix.exs",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    "tsconfig.json",
    "vite.config.ts",
];

/// The overview of a tree; none of one without files.
pub fn map(repo: &Repo, tree: Oid) -> Result<Option<String>, Failure> {
    let files: Vec<File> = repo.tree_entries(tree)?.into_iter().map(File::new).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let mut out = format!("{} files\n", files.len());
    section(&mut out, "Folders, with how many files are below", folders(&files));
    section(&mut out, "Files by ending", endings(&files));
    for file in files.iter().filter(|f| f.depth() <= 1 && MANIFESTS.contains(&f.name())).take(12) {
        let lines = file.read(repo).map(|text| key_lines(file.name(), &text)).unwrap_or_default();
        section(&mut out, &file.path, lines);
    }
    let readme = |f: &&File| f.depth() == 0 && f.name().to_ascii_lowercase().starts_with("readme");
    if let Some((file, text)) = files.iter().find(readme).and_then(|f| Some((f, f.read(repo)?))) {
        let lines = text.lines().filter(|l| !l.trim().is_empty()).take(15).map(short).collect();
        section(&mut out, &format!("{}, its first lines", file.path), lines);
    }
    section(&mut out, "Folders of tests", test_folders(&files));
    section(&mut out, "Continuous integration", files.iter().filter(|f| f.is_ci()).map(|f| f.path.clone()).collect());
    paths(&mut out, &files);
    Ok(Some(out))
}

/// A file of the tree, its path fit to be shown.
struct File {
    path: String,
    entry: Entry,
}

impl File {
    fn new(entry: Entry) -> File {
        let path = text::redact(&entry.path);
        let path = text::printable(&path.to_str_lossy()).replace(['\n', '\t'], " ");
        File { path, entry }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn depth(&self) -> usize {
        self.path.matches('/').count()
    }

    fn is_ci(&self) -> bool {
        let whole = [
            ".gitlab-ci.yml",
            ".travis.yml",
            "Jenkinsfile",
            "azure-pipelines.yml",
            ".circleci/config.yml",
            ".drone.yml",
        ];
        whole.contains(&self.path.as_str())
            || (self.depth() == 2
                && [".github/workflows/", ".forgejo/workflows/", ".gitea/workflows/"]
                    .iter()
                    .any(|p| self.path.starts_with(p)))
    }

    /// Its text without secrets; none of a large file, a link, or one that is no text.
    fn read(&self, repo: &Repo) -> Option<String> {
        if !matches!(self.entry.mode, Mode::Plain | Mode::Executable) {
            return None;
        }
        let (_, size) = repo.object_header(self.entry.oid).ok()?;
        let bytes = repo.read_blob(self.entry.oid, MAX_READ).ok().filter(|_| size <= MAX_READ)?;
        let text = String::from_utf8(text::redact(&bytes)).ok()?;
        (!text.contains('\0')).then(|| text::printable(&text))
    }
}

/// A part with a heading, its list cut; nothing where there is nothing to say. What would not fit is left out.
fn section(out: &mut String, head: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let mut part = format!("\n{head}:\n");
    for line in lines.iter().take(MOST) {
        part += &format!("  {line}\n");
    }
    if lines.len() > MOST {
        part += &format!("  and {} more\n", lines.len() - MOST);
    }
    // A third is kept for the paths.
    if out.len() + part.len() <= MAX * 2 / 3 {
        out.push_str(&part);
    }
}

/// Every path, as far as they fit.
fn paths(out: &mut String, files: &[File]) {
    out.push_str("\nPaths:\n");
    for (n, file) in files.iter().enumerate() {
        let rest = format!("  and {} more\n", files.len() - n);
        if out.len() + file.path.len() + 3 + rest.len() > MAX {
            return out.push_str(&rest);
        }
        out.push_str(&format!("  {}\n", file.path));
    }
}

/// Folders of the first two levels, the largest first.
fn folders(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        for (at, _) in file.path.match_indices('/').take(2) {
            *counts.entry(&file.path[..=at]).or_default() += 1;
        }
    }
    counted(counts)
}

fn endings(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let ending = file.name().rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, e)| e);
        *counts.entry(ending.filter(|e| e.len() <= 12).unwrap_or("(none)")).or_default() += 1;
    }
    counted(counts).into_iter().take(15).collect()
}

fn test_folders(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        for (at, _) in file.path.match_indices('/') {
            let folder = &file.path[..at];
            let name = folder.rsplit('/').next().unwrap_or_default();
            if ["test", "tests", "spec", "specs", "__tests__", "e2e", "testdata", "fixtures"].contains(&name) {
                *counts.entry(&file.path[..=at]).or_default() += 1;
                break;
            }
        }
    }
    counted(counts)
}

/// Names with their counts, the largest first.
fn counted(counts: BTreeMap<&str, usize>) -> Vec<String> {
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    all.into_iter().map(|(name, n)| format!("{name} {n}")).collect()
}

/// The lines of a manifest that say what the project is called and how it is run.
fn key_lines(name: &str, content: &str) -> Vec<String> {
    let lines: Vec<String> = if name.ends_with(".json") {
        let value = json::parse(content.as_bytes(), json::Limits::LINE).unwrap_or_default();
        let texts =
            ["name", "type", "main", "bin"].into_iter().filter_map(|key| Some((key.to_owned(), value.get(key)?)));
        let scripts = value.get("scripts").and_then(Value::as_object).into_iter().flatten();
        let scripts = scripts.map(|(key, script)| (format!("script {key}"), script));
        texts.chain(scripts).map(|(key, value)| short(format!("{key}: {value}"))).collect()
    } else {
        let is_key = |line: &&str| match name {
            "Makefile" | "justfile" => {
                let target = line.split(':').next().unwrap_or_default();
                line.contains(':') && !line.starts_with([' ', '\t', '#', '.']) && !target.contains('=')
            }
            "go.mod" => line.starts_with("module ") || line.starts_with("go "),
            _ if name.ends_with(".toml") || name.ends_with(".cfg") || name.ends_with(".ini") => {
                let key = line.split('=').next().unwrap_or_default().trim();
                line.starts_with('[')
                    || ["name", "version", "edition", "requires-python", "testpaths", "envlist"].contains(&key)
            }
            _ => !line.trim().is_empty(),
        };
        let most = if name.ends_with(".xml") || name.ends_with(".gradle") || name.ends_with(".py") { 8 } else { 20 };
        content.lines().filter(is_key).take(most).map(short).collect()
    };
    lines.into_iter().take(20).collect()
}

fn short(line: impl AsRef<str>) -> String {
    text::one_line(line.as_ref(), 160)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

    #[test]
    fn nothing_is_said_of_nothing() {
        let s = Scratch::new();
        assert_eq!(map(&s.repo, s.repo.empty_tree().unwrap()).unwrap(), None);
    }

    #[test]
    fn it_says_what_a_newcomer_looks_for_and_nothing_secret() {
        let s = Scratch::new();
        let package = r#"{"name":"notes","scripts":{"test":"node --test","deploy":"API_KEY=abcdefghijklmnopqrst ship"},"author":"Ann"}"#;
        let tree = s.tree(&[
            (".env", "PASSWORD=do-not-tell-anybody"),
            (".github/workflows/ci.yml", "on: push"),
            ("Cargo.toml", "[package]\nname = \"notes\"\nedition = \"2024\"\nlicense = \"MIT\"\n"),
            ("README.md", "# Notes\n\nKeeps notes. token=abcdefghijklmnopqrstu\n\u{1b}[2J"),
            ("go.mod", "module example.org/\0binary\n"),
            ("package.json", package),
            ("src/a/one.rs", "fn one() {}"),
            ("src/main.rs", "fn main() {}"),
            ("tests/it.rs", "#[test]"),
        ]);
        let text = map(&s.repo, tree).unwrap().unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(map(&s.repo, tree).unwrap().unwrap(), text, "it is a function of the tree");
        for secret in ["do-not-tell", "abcdefghijkl", "\u{1b}", "binary"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }

    #[test]
    fn it_is_bounded_whatever_the_tree_holds() {
        let s = Scratch::new();
        let long = format!("{}\n", "x".repeat(10_000)).repeat(30);
        let names: Vec<String> = (0..3000).map(|n| format!("folder-{}/part-{}/file-{n}.e{n}", n % 90, n % 7)).collect();
        let mut files: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "x")).collect();
        files.extend([("Makefile", long.as_str()), ("README", &long[..60_000]), ("setup.py", &long[..60_000])]);
        let text = map(&s.repo, s.tree(&files)).unwrap().unwrap();
        assert!(text.len() <= MAX, "{}", text.len());
        assert!(text.len() > MAX / 2, "{}", text.len());
        assert!(text.contains("3003 files") && text.trim_end().ends_with("more"), "{text}");
        assert!(!text.contains("\nMakefile:\n"), "a manifest of 300 KB is not read");
    }
}
