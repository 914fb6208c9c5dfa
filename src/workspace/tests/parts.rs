//! Checkouts that are turned into others, and those of parts of trees, against fresh and whole ones.

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use super::*;

/// Every file and folder below a folder, with what it is and what it holds.
fn holds(dir: &Path) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            let mode = meta.permissions().mode();
            let content = if meta.is_dir() {
                open.push(path);
                "a folder".to_owned()
            } else if meta.is_symlink() {
                std::fs::read_link(path).unwrap().display().to_string()
            } else {
                std::fs::read_to_string(path).unwrap()
            };
            out.push((name, format!("{mode:o} {content}")));
        }
    }
    out.sort();
    out
}

/// What of what [`holds`] says a part has, with the folders that it needs.
fn part_of(all: &[(String, String)], part: &Part) -> Vec<(String, String)> {
    let is_folder = |what: &str| what.ends_with("a folder");
    let files: Vec<&String> =
        all.iter().filter(|(path, what)| !is_folder(what) && part.has(path.as_str().into())).map(|(p, _)| p).collect();
    let needed = |path: &str| files.iter().any(|file| *file == path || file.starts_with(&format!("{path}/")));
    all.iter().filter(|(path, _)| needed(path)).cloned().collect()
}

fn cases(n: u32) -> TestRunner {
    TestRunner::new(Config { cases: n, failure_persistence: None, ..Config::default() })
}

/// Files of a tree: at few places, so that files, links and folders come where others were.
fn files() -> impl Strategy<Value = Vec<(&'static str, Mode, &'static str)>> {
    let path = select(vec!["a", "a/b", "a/b/c", "a/d", "e", "e/f", "link", "link/x", ".hidden/g"]);
    let mode = select(vec![Mode::Plain, Mode::Executable, Mode::Symlink]);
    prop::collection::vec((path, mode, select(vec!["one", "two", "a/b"])), 0..6)
}

impl Room {
    /// The tree of the files of which none is in the way of one before it.
    fn tree(&self, files: &[(&str, Mode, &str)]) -> Oid {
        let mut edits: Vec<(BString, Option<(Mode, Oid)>)> = Vec::new();
        for (path, mode, text) in files {
            let inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
            if !edits.iter().any(|(other, _)| {
                let other = other.to_string();
                inside(&other, path) || inside(path, &other)
            }) {
                edits.push(((*path).into(), Some((*mode, self.repo.write_blob(text.as_bytes()).unwrap()))));
            }
        }
        self.repo.write_tree(None, &edits).unwrap()
    }
}

#[test]
fn a_checkout_turned_into_another_tree_is_as_a_fresh_one() {
    let room = room();
    let root = room.dir.path().join("root");
    let some = select(vec![None, Some("a/"), Some("**/b"), Some("a"), Some("link/x")]);
    let check = |(from, to, pattern): (Vec<_>, Vec<_>, Option<&str>)| {
        let (from, to) = (room.tree(&from), room.tree(&to));
        let part = pattern.map(|pattern| Part::of([pattern.to_owned()]));
        let of = |tree| clean_checkout_of(&room.repo, &room.world, &root, "x", tree, part.as_ref()).unwrap();
        let (place, fresh) = (of(from), of(to));
        assert!(place.turn(&room.repo, from, to, part.as_ref()).unwrap());
        assert_eq!(holds(place.dir()), holds(fresh.dir()));
        if let Some(part) = part {
            let whole = clean_checkout(&room.repo, &room.world, &root, "y", to).unwrap();
            assert_eq!(holds(fresh.dir()), part_of(&holds(whole.dir()), &part));
        }
        Ok(())
    };
    cases(150).run(&(files(), files(), some), check).unwrap();
}

#[test]
fn a_checkout_with_a_submodule_is_left_to_a_fresh_one() {
    let room = room();
    let base = room.repo.read_commit(room.base).unwrap().tree;
    let with = room.repo.write_tree(Some(base), &[("sub".into(), Some((Mode::Submodule, room.base)))]).unwrap();
    let place = clean_checkout(&room.repo, &room.world, &room.dir.path().join("root"), "x", base).unwrap();
    let before = holds(place.dir());
    assert!(!place.turn(&room.repo, base, with, None).unwrap());
    assert_eq!(holds(place.dir()), before);
}

#[test]
fn a_workspace_of_a_part_comes_to_what_a_whole_one_does() {
    let room = room();
    let writes = prop::collection::vec(select(vec!["a", "a/b", "a/b/c", "e", "link/x", "new/y", ".hidden/g"]), 1..4);
    let check = |(base, writes): (Vec<_>, Vec<&str>)| {
        let tree = room.tree(&base);
        let me = git::testing::me();
        let commit = git::NewCommit { tree, parents: vec![], author: &me, committer: &me, message: "base".into() };
        let base = room.repo.write_commit(&commit).unwrap();
        let part = Part::around(writes.iter().copied());
        let found = [None, Some(part)].map(|part| {
            let is_part = part.is_some();
            let root = room.dir.path().join(if is_part { "part" } else { "whole" });
            let made = Workspace::create_part(&room.repo, &room.world, &root, &of("one"), (base, tree), part).unwrap();
            let written: Vec<_> = writes
                .iter()
                .map(|path| files::write_beneath(made.dir(), path.as_bytes(), b"new", false).is_ok())
                .collect();
            let left = left(&room.repo, &root).unwrap().pop().unwrap().workspace;
            let looks = [&made, &left].map(|workspace| workspace.snapshot(&room.repo, &[]).unwrap());
            assert_eq!(looks[0], looks[1], "after a crash too");
            let [look, _] = looks;
            assert_eq!(made.kept(&room.repo, &look, &[]).unwrap().is_ok(), look.tree == tree);
            files::remove_tree(&root).unwrap();
            (written, look)
        });
        assert_eq!(found[0], found[1]);
        Ok(())
    };
    cases(100).run(&(files(), writes), check).unwrap();
}
