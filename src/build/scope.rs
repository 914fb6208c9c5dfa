//! What a slice may change: a pure judgement of the difference between its base and its attempt.

use crate::{
    base::{Oid, files, glob, text},
    git::{BStr, ByteSlice as _, Change, Mode},
};

/// Who owns what, as path patterns: git's `:(glob)` dialect, from the root; a trailing `/` means `/**`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// What the slice owns.
    pub owned: &'a [String],
    /// Whether that is all: a task for others is about one file.
    pub bounded: bool,
    /// What every slice may add lines to: the shared scaffold, and literal contracts.
    pub adding: &'a [String],
    /// What other slices own.
    pub others: &'a [String],
}

/// A change that is not the slice's to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, fit to be shown.
    pub path: String,
    /// Why not.
    pub why: String,
}

/// Every change that is out of scope. `read` gives a blob's content, none if it is too large or not there: what cannot
/// be read cannot be allowed.
///
/// In scope are the slice's own paths, lines added to what every slice may add to, and new files that nobody owns. What decides
/// how anything is judged (configuration of runners, CI, attributes, `.otto`) is never a new file like others.
pub fn judge(rules: &Rules<'_>, changes: &[Change], read: impl Fn(Oid) -> Option<Vec<u8>>) -> Vec<Violation> {
    let bad = |c: &Change| {
        refusal(rules, c, &read).map(|why| Violation { path: text::one_line(&c.path.to_str_lossy(), 200), why })
    };
    changes.iter().filter_map(bad).collect()
}

/// Whether a path may be written at all, before anything is; `old` is what the base has there. What the file then holds
/// is judged afterwards.
pub fn may_write(rules: &Rules<'_>, path: &str, old: Option<(Mode, Oid)>) -> Result<(), String> {
    if let Some(why) = files::bad_path(path.as_bytes()) {
        return Err(why.to_owned());
    }
    let change = Change { path: path.into(), old, new: Some((Mode::Plain, Oid::NULL)) };
    // Whether lines are only added is seen when they are there.
    refusal(rules, &change, &|_| Some(Vec::new())).map_or(Ok(()), Err)
}

fn refusal(rules: &Rules<'_>, change: &Change, read: &impl Fn(Oid) -> Option<Vec<u8>>) -> Option<String> {
    let path = change.path.as_bstr();
    match change.new {
        Some((Mode::Symlink, id)) if !read(id).is_some_and(|to| stays_inside(path, &to)) => {
            return Some("it is a link that leads outside".into());
        }
        Some((Mode::Submodule, _)) => return Some("it is a repository inside the repository".into()),
        _ => {}
    }
    let protected = protected_until(path);
    // A wildcard is no intent to change what judges everybody: such a path must be named.
    let named = |patterns: &[String]| {
        let until = protected.unwrap_or(0);
        patterns.iter().any(|p| glob::matches(p, path) && p.find(['*', '?']).unwrap_or(usize::MAX) >= until)
    };
    if named(rules.owned) {
        return None;
    }
    if rules.bounded {
        return Some(format!("the task is about `{}` alone", rules.owned.join("`, `")));
    }
    if named(rules.adding) {
        return (!only_adds_lines(change, read)).then(|| "it is shared: lines may only be added".into());
    }
    if protected.is_some() {
        return Some("it decides how everything is judged, and the slice does not own it by name".into());
    }
    if glob::any(rules.others, path) {
        return Some("another slice owns it".into());
    }
    if configures_runners(path) {
        return Some("it configures how checks run, and the slice does not own it".into());
    }
    change.old.is_some().then(|| "the slice does not own it".into())
}

/// Whether a link leads to a place in the same tree that is no repository's inside. It may go up only at its start:
/// after a folder that is a link itself, going up would end somewhere else than it reads.
fn stays_inside(link: &BStr, to: &[u8]) -> bool {
    if to.is_empty() || to.starts_with(b"/") {
        return false;
    }
    let mut parts = to.split_str("/").filter(|part| !part.is_empty() && *part != b".").peekable();
    let mut above = link.find_iter("/").count();
    while parts.next_if(|part| *part == b"..").is_some() {
        match above.checked_sub(1) {
            Some(less) => above = less,
            None => return false,
        }
    }
    parts.all(|part| part != b".." && !part.eq_ignore_ascii_case(b".git"))
}

/// Both sides plain text of one mode, and every old line is there in its order; a new file adds lines only.
fn only_adds_lines(change: &Change, read: &impl Fn(Oid) -> Option<Vec<u8>>) -> bool {
    let (new, old) = match (change.old, change.new) {
        (None, Some((Mode::Plain, new))) => (new, None),
        (Some((mode @ (Mode::Plain | Mode::Executable), old)), Some((now, new))) if mode == now => (new, Some(old)),
        _ => return false,
    };
    let (Some(new), Some(old)) = (read(new), old.map_or(Some(Vec::new()), read)) else { return false };
    if new.contains(&0) {
        return false;
    }
    let mut lines = new.lines();
    old.lines().all(|line| lines.any(|l| l == line))
}

/// Where the part of a path ends that makes it protected, if it is: `.otto`, CI, `.gitattributes`, `.gitmodules`.
fn protected_until(path: &BStr) -> Option<usize> {
    const FOLDERS: [&str; 11] = [
        ".otto",
        ".github",
        ".gitlab",
        ".circleci",
        ".buildkite",
        ".forgejo",
        ".gitea",
        ".woodpecker",
        ".husky",
        ".azure",
        ".teamcity",
    ];
    const FILES: [&str; 14] = [
        ".gitlab-ci.yml",
        ".travis.yml",
        ".drone.yml",
        ".woodpecker.yml",
        ".cirrus.yml",
        ".appveyor.yml",
        "appveyor.yml",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "jenkinsfile",
        ".pre-commit-config.yaml",
        "lefthook.yml",
        "codeowners",
        ".worktreeinclude",
    ];
    // Folded, since a file system may fold.
    let folded = path.to_str_lossy().to_lowercase();
    let first = folded.split('/').next().unwrap_or_default();
    if FOLDERS.contains(&first) {
        return Some(first.len());
    }
    let name = folded.rsplit('/').next().unwrap_or_default();
    (matches!(name, ".gitattributes" | ".gitmodules") || FILES.contains(&folded.as_str())).then_some(path.len())
}

/// Whether a file, by its name, decides what a test runner runs.
fn configures_runners(path: &BStr) -> bool {
    const NAMES: [&str; 41] = [
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "tox.ini",
        "setup.cfg",
        "setup.py",
        "pyproject.toml",
        "noxfile.py",
        "sitecustomize.py",
        "usercustomize.py",
        ".coveragerc",
        "package.json",
        // What is installed decides what runs: a runner comes from there.
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "uv.lock",
        ".npmrc",
        ".yarnrc",
        ".yarnrc.yml",
        ".pnpmfile.cjs",
        "tsconfig.json",
        "deno.json",
        "bunfig.toml",
        "makefile",
        "gnumakefile",
        "justfile",
        "taskfile.yml",
        "rakefile",
        "gemfile",
        ".rspec",
        "cargo.toml",
        "build.rs",
        "rust-toolchain",
        "rust-toolchain.toml",
        "go.mod",
        "go.work",
        "pom.xml",
        "build.gradle",
        "build.gradle.kts",
        "cmakelists.txt",
        "phpunit.xml",
    ];
    const STEMS: [&str; 9] = [
        "jest.config.",
        "vitest.config.",
        "vite.config.",
        "karma.conf.",
        "playwright.config.",
        "babel.config.",
        "cypress.config.",
        ".mocharc",
        ".babelrc",
    ];
    let folded = path.to_str_lossy().to_lowercase();
    let name = folded.rsplit('/').next().unwrap_or_default();
    NAMES.contains(&name)
        || STEMS.iter().any(|stem| name.starts_with(stem))
        || name.ends_with(".pth")
        || name.starts_with("requirements") && name.ends_with(".txt")
        || folded.split('/').any(|part| part == ".cargo")
}

#[cfg(test)]
mod tests;
