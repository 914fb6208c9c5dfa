//! What must hold after a run that died was gone on with.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;

use crate::support::{Output, Running, Sandbox, Snapshot};

/// The example of the documentation: six slices, one of which fails first.
const INTENT: &str = include_str!("../../../examples/jot.md");
const SLICES: [&str; 6] = ["front", "add", "list", "find", "drop", "export"];

/// A repository with the example beside it, and how it was before the first run.
pub struct Scene {
    pub s: Sandbox,
    intent: PathBuf,
    before: Snapshot,
    amended: Cell<bool>,
}

impl Scene {
    pub fn new() -> Scene {
        Self::in_repository(&[])
    }

    /// In a repository that `git init` made with these arguments; with something in the stash and a changed file.
    pub fn in_repository(init: &[&str]) -> Scene {
        let s = Sandbox::initialised(init);
        s.write("repo/README.md", "Put away.\n");
        s.git(&["stash", "-q"]);
        s.write("repo/README.md", "Being changed.\n");
        s.script("repo/.git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
        let intent = s.write("jot.md", INTENT);
        let before = s.snapshot();
        Scene { s, intent, before, amended: Cell::new(false) }
    }

    /// The intent is not what was approved once that was amended.
    fn args(&self) -> [&str; 3] {
        ["run", "--yes", if self.amended.get() { "jot" } else { self.intent.to_str().unwrap() }]
    }

    /// Amends the spec: guidance for the first slice, and for the last one.
    pub fn amend(&self) {
        self.s.amend("jot", "Guidance", |spec| {
            for slice in ["front", "export"] {
                let slices = spec["slices"].as_array_mut().unwrap();
                let slice = slices.iter_mut().find(|s| s["id"] == slice).unwrap();
                slice["tasks"] = serde_json::json!(["Mind the empty case."]);
            }
        });
        self.amended.set(true);
    }

    /// Runs the example, perhaps with a failpoint armed.
    pub fn run(&self, fault: Option<&str>) -> Output {
        self.otto(&self.args(), fault)
    }

    fn otto(&self, args: &[&str], fault: Option<&str>) -> Output {
        let vars: Vec<(&str, &str)> = fault.map(|f| ("GIT_OTTO_FAULT", f)).into_iter().collect();
        self.s.otto_with(args, &vars, None)
    }

    /// What a user types after a crash: `resume` if there is a run, else the same command again.
    pub fn go_on(&self, fault: Option<&str>) -> Output {
        if self.has_run() { self.otto(&["resume"], fault) } else { self.run(fault) }
    }

    /// The same, not waited for, and telling its events.
    pub fn begin(&self) -> Running {
        let run = [&self.args()[..], &["--json"]].concat();
        self.s.start(if self.has_run() { &["resume", "--json"] } else { &run }, &[])
    }

    fn has_run(&self) -> bool {
        !self.refs("refs/otto/runs").is_empty()
    }

    /// Has git do housekeeping, which changes files of its own; nothing of the user's changed before.
    pub fn housekeeping(&mut self, args: &[&str]) {
        self.before.assert_same(&self.s.snapshot());
        self.s.git(args);
        self.before = self.s.snapshot();
    }

    /// Goes on until it is done: once is enough unless something was cut in two that only the second time can see.
    pub fn heal(&self) {
        let mut last = self.go_on(None);
        for _ in 0..3 {
            if last.code == 0 {
                break;
            }
            last = self.go_on(None);
        }
        last.exits(0);
    }

    fn refs(&self, prefix: &str) -> Vec<String> {
        self.s.git(&["for-each-ref", "--format=%(refname)", prefix]).lines().map(str::to_owned).collect()
    }

    /// All of it.
    pub fn hold(&self) {
        static UNDISTURBED: OnceLock<String> = OnceLock::new();
        let product = UNDISTURBED.get_or_init(|| {
            let scene = Scene::new();
            scene.run(None).exits(0);
            scene.hold_but_the_product()
        });
        assert_eq!(self.hold_but_the_product(), *product, "the tree of an undisturbed run");
    }

    /// All of it but which product it is, whose tree it answers.
    pub fn hold_but_the_product(&self) -> String {
        let s = &self.s;
        let again = self.run(None).exits(0);
        assert!(again.stderr.contains("nothing changed since it passed"), "{again}");
        self.each_slice_landed_once();
        s.otto(&["verify", "--all"]).exits(0);
        let fsck = s.try_git("repo", &["fsck", "--full", "--strict", "--no-dangling"]).exits(0);
        assert_eq!(format!("{}{}", fsck.stdout, fsck.stderr), "");
        self.before.assert_same(&s.snapshot());
        self.nothing_is_left();
        s.git(&["rev-parse", "otto/jot^{tree}"])
    }

    /// By the first-parent history, by the events, by the receipts.
    fn each_slice_landed_once(&self) {
        let s = &self.s;
        let format = "--format=%H %T %(trailers:key=Otto-Slice,valueonly,separator=%x2C)";
        let history = s.git(&["log", "--first-parent", format, "main..otto/jot"]);
        let mut landings = BTreeMap::new();
        for line in history.lines() {
            let [commit, tree, slice] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            landings.insert(commit, (tree, slice));
        }
        let mut landed: Vec<&str> = landings.values().map(|(_, slice)| *slice).collect();
        landed.sort_unstable();
        let mut expected = SLICES.to_vec();
        expected.sort_unstable();
        assert_eq!(landed, expected);

        let mut told = BTreeSet::new();
        let mut proven = BTreeSet::new();
        for journal in self.refs("refs/notes/otto") {
            for line in s.git(&["notes", "--ref", &journal, "list"]).lines() {
                let (blob, object) = line.split_once(' ').unwrap();
                let text = s.git(&["cat-file", "blob", blob]);
                for value in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
                    if value["receipt"] == 1 {
                        let (tree, slice) = landings[object];
                        assert_eq!((&value["tested_tree"], &value["slice"]), (&tree.into(), &slice.into()));
                        assert!(proven.insert(slice.to_owned()), "{slice} has two receipts");
                    }
                    if value["kind"] == "slice.merge.landed" {
                        let commit = value["data"]["commit"].as_str().unwrap();
                        assert!(landings.contains_key(commit), "{commit} is told to have landed");
                        assert!(told.insert(commit.to_owned()), "{commit} is told to have landed twice");
                    }
                }
            }
        }
        assert_eq!((told.len(), proven.len()), (SLICES.len(), SLICES.len()));
    }

    /// How many events of a kind there are.
    pub fn told(&self, kind: &str) -> usize {
        let of_kind = format!("\"kind\":\"{kind}\"");
        let of_note = |line: &str| {
            let text = self.s.git(&["cat-file", "blob", line.split(' ').next().unwrap()]);
            text.lines().filter(|l| l.contains(&of_kind)).count()
        };
        let of_journal =
            |name: &String| -> usize { self.s.git(&["notes", "--ref", name, "list"]).lines().map(of_note).sum() };
        self.refs("refs/notes/otto").iter().map(of_journal).sum()
    }

    fn nothing_is_left(&self) {
        for prefix in ["refs/otto/lease", "refs/otto/pin", "refs/otto/wip"] {
            assert_eq!(self.refs(prefix), Vec::<String>::new());
        }
        let git = self.s.repo().join(".git");
        // The files that otto's own locks are taken on stay; a lock of git is there only while it is held.
        let locks = |p: &PathBuf| p.extension().is_some_and(|e| e == "lock") && !p.starts_with(git.join("otto"));
        assert_eq!(below(&git).into_iter().filter(locks).collect::<Vec<_>>(), Vec::<PathBuf>::new());
        // Transcripts stay for people to read; the intent's own code leaves none.
        assert_eq!(below(&self.s.path("state")), Vec::<PathBuf>::new());
    }
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => out.extend(below(&entry.path())),
            false => out.push(entry.path()),
        }
    }
    out
}
