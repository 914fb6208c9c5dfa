//! What must hold after a run that died was gone on with.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::seen::Seen;
use crate::support::{Output, Running, Sandbox, Snapshot};

/// What is made in a scene.
pub struct Product {
    name: &'static str,
    intent: &'static str,
    slices: &'static [&'static str],
    /// Whether an agent, a process of its own, writes it; else the intent carries the code.
    by_agent: bool,
}

/// The example of the documentation: six slices, one of which fails first.
pub const JOT: Product = Product {
    name: "jot",
    intent: include_str!("../../../examples/jot.md"),
    slices: &["front", "add", "list", "find", "drop", "export"],
    by_agent: false,
};

/// Four small slices, three at a time; agents and checks are processes of their own.
pub const WORDS: Product = Product {
    name: "words",
    intent: "# Words\n\nA word in each file.\n\nKind: `cli`, started as `./a`.\n\n\
        ## Slice `a`: The word a\n\n**R1** It prints a.\n\nOwns: `a`.\n\nCheck: `./a` prints `a`.\n\n\
        ## Slice `b`, after `a`: The word b\n\n**R2** It prints b.\n\nOwns: `b`.\n\nCheck: `./b` prints `b`.\n\n\
        ## Slice `c`, after `a`: The word c\n\n**R3** It prints c.\n\nOwns: `c`.\n\nCheck: `./c` prints `c`.\n\n\
        ## Slice `d`: The word d\n\n**R4** It prints d.\n\nOwns: `d`.\n\nCheck: `./d` prints `d`.\n",
    slices: &["a", "b", "c", "d"],
    by_agent: true,
};

/// A repository with an intent beside it, and how it was before the first run.
pub struct Scene {
    pub s: Sandbox,
    product: Product,
    intent: PathBuf,
    before: Snapshot,
    amended: Cell<bool>,
    seen: RefCell<Seen>,
}

impl Scene {
    pub fn new() -> Scene {
        Self::in_repository(&[])
    }

    /// In a repository that `git init` made with these arguments.
    pub fn in_repository(init: &[&str]) -> Scene {
        Self::of(JOT, init)
    }

    /// In a repository with something in the stash, a changed file, one that is staged and one that git does not know.
    pub fn of(product: Product, init: &[&str]) -> Scene {
        Self::with(product, Sandbox::initialised(init))
    }

    /// The same below a folder.
    pub fn below(dir: &Path, product: Product) -> Scene {
        Self::with(product, Sandbox::below(dir, &[]))
    }

    fn with(product: Product, s: Sandbox) -> Scene {
        s.write("repo/README.md", "Put away.\n");
        s.git(&["stash", "-q"]);
        s.write("repo/README.md", "Being changed.\n");
        s.write("repo/staged", "To be committed.\n");
        s.git(&["add", "staged"]);
        s.write("repo/unknown", "Mine.\n");
        s.script("repo/.git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
        let intent = s.write(&format!("{}.md", product.name), product.intent);
        if product.by_agent {
            let steps = |id: &&str| {
                let write = json!({"path": id, "content": format!("#!/bin/sh\necho {id}\n"), "executable": true});
                ((*id).to_owned(), json!({"*": [{"write": write}]}))
            };
            let slices: serde_json::Map<_, _> = product.slices.iter().map(steps).collect();
            let script = s.write("agent.json", json!({"slices": slices}).to_string());
            let agent = format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), script.display());
            s.git(&["config", "--global", "otto.agent", &agent]);
            s.git(&["config", "--global", "otto.jobs", "3"]);
        }
        let before = s.snapshot();
        Scene { s, product, intent, before, amended: Cell::new(false), seen: RefCell::default() }
    }

    /// The intent is not what was approved once that was amended.
    pub fn args(&self) -> [&str; 3] {
        ["run", "--yes", if self.amended.get() { self.product.name } else { self.intent.to_str().unwrap() }]
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

    /// Runs a command, perhaps with a failpoint armed, and looks at what it left.
    pub fn otto(&self, args: &[&str], fault: Option<&str>) -> Output {
        let vars: Vec<(&str, &str)> = fault.map(|f| ("GIT_OTTO_FAULT", f)).into_iter().collect();
        let out = self.s.otto_with(args, &vars, None);
        self.look(&out);
        out
    }

    /// What a process left that has ended somehow: what was there before is still there, or has gone on.
    pub fn look(&self, out: &Output) {
        self.seen.borrow_mut().look(&self.s, out);
    }

    /// What a user types after a crash: `resume` if there is a run, else the same command again.
    pub fn go_on(&self, fault: Option<&str>) -> Output {
        if self.has_run() { self.otto(&["resume"], fault) } else { self.run(fault) }
    }

    /// The same, not waited for, and telling its events.
    pub fn begin(&self) -> Running {
        self.s.start(&self.next(), &[])
    }

    /// The command that goes on, telling its events.
    pub fn next(&self) -> Vec<&str> {
        if self.has_run() { vec!["resume", "--json"] } else { [&self.args()[..], &["--json"]].concat() }
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

    /// Goes on until it is done: once is enough unless something was cut in two that only the second time can see. What a
    /// fault brought to an honest end begins anew, as a user has it do who has read why.
    pub fn heal(&self) {
        let mut last = self.go_on(None);
        for _ in 0..6 {
            let status = self.s.otto(&["status", "--json"]).exits(0).json();
            last = match (status["standing"].as_str(), status["verdict"].as_str()) {
                (Some("finished"), Some("passed")) => break,
                (Some("finished"), _) => self.anew(&status),
                _ => self.go_on(None),
            };
        }
        last.exits(0);
    }

    /// Has a slice begin anew that is blocked for a reason of its own; where none is, the product is judged again.
    fn anew(&self, status: &Value) -> Output {
        let blocked = |slice: &&Value| slice["phase"] == "blocked" && slice["reason"] != "dep blocked";
        let Some(slice) = status["slices"].as_array().unwrap().iter().find(blocked) else {
            return self.otto(&["audit"], None);
        };
        let id = slice["id"].as_str().unwrap();
        let why = self.s.otto(&["why", id]).exits(0);
        assert!(why.stdout.contains(&format!("git otto retry {id}")), "{why}");
        self.otto(&["retry", id], None)
    }

    fn refs(&self, prefix: &str) -> Vec<String> {
        self.s.git(&["for-each-ref", "--format=%(refname)", prefix]).lines().map(str::to_owned).collect()
    }

    /// All of it.
    pub fn hold(&self) {
        static UNDISTURBED: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];
        let (which, of) = if self.product.by_agent { (1, WORDS) } else { (0, JOT) };
        let product = UNDISTURBED[which].get_or_init(|| {
            let scene = Scene::of(of, &[]);
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
        self.seen.borrow().hold(s);
        s.otto(&["verify", "--all"]).exits(0);
        let fsck = s.try_git("repo", &["fsck", "--full", "--strict", "--no-dangling"]).exits(0);
        assert_eq!(format!("{}{}", fsck.stdout, fsck.stderr), "");
        self.before.assert_same(&s.snapshot());
        self.nothing_is_left();
        s.git(&["rev-parse", &format!("otto/{}^{{tree}}", self.product.name)])
    }

    /// By the first-parent history, by the events, by the receipts.
    fn each_slice_landed_once(&self) {
        let s = &self.s;
        let format = "--format=%H %T %(trailers:key=Otto-Slice,valueonly,separator=%x2C)";
        let history = s.git(&["log", "--first-parent", format, &format!("main..otto/{}", self.product.name)]);
        let mut landings = BTreeMap::new();
        for line in history.lines() {
            let [commit, tree, slice] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            landings.insert(commit, (tree, slice));
        }
        let mut landed: Vec<&str> = landings.values().map(|(_, slice)| *slice).collect();
        landed.sort_unstable();
        let mut expected = self.product.slices.to_vec();
        expected.sort_unstable();
        assert_eq!(landed, expected);

        let mut told = BTreeSet::new();
        let mut proven = BTreeSet::new();
        let green = self.green();
        for journal in self.refs("refs/notes/otto") {
            for line in s.git(&["notes", "--ref", &journal, "list"]).lines() {
                let (blob, object) = line.split_once(' ').unwrap();
                let text = s.git(&["cat-file", "blob", blob]);
                for value in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
                    if value["receipt"] == 1 {
                        let (tree, slice) = landings[object];
                        assert_eq!((&value["tested_tree"], &value["slice"]), (&tree.into(), &slice.into()));
                        assert!(proven.insert(slice.to_owned()), "{slice} has two receipts");
                        // All that was due on exactly this tree was green, and the journal says so, too.
                        let checks = value["checks"].as_array().unwrap();
                        assert!(!checks.is_empty(), "{slice} landed untested");
                        for check in checks {
                            let run = (tree.to_owned(), check["id"].as_str().unwrap().to_owned());
                            assert!(check["integrated"] == "holds" && green.contains(&run), "{slice}: {check}");
                        }
                    }
                    if value["kind"] == "slice.merge.landed" {
                        let commit = value["data"]["commit"].as_str().unwrap();
                        assert!(landings.contains_key(commit), "{commit} is told to have landed");
                        assert!(told.insert(commit.to_owned()), "{commit} is told to have landed twice");
                    }
                }
            }
        }
        assert_eq!((told.len(), proven.len()), (expected.len(), expected.len()));
    }

    /// The checks that were green while slices landed, by tree.
    fn green(&self) -> BTreeSet<(String, String)> {
        let passed = |e: &Value| {
            let data = &e["data"];
            let queued = data["round"].as_str().is_some_and(|r| r.starts_with("queue-"));
            let text = |name: &str| data[name].as_str().unwrap().to_owned();
            (e["kind"] == "slice.check.finished" && data["passed"] == true && queued)
                .then(|| (text("tree"), text("check")))
        };
        super::seen::events(&self.s).iter().filter_map(passed).collect()
    }

    /// How many events of a kind there are.
    pub fn told(&self, kind: &str) -> usize {
        super::seen::events(&self.s).iter().filter(|e| e["kind"] == kind).count()
    }

    fn nothing_is_left(&self) {
        // What an agent had written when it was killed is kept on purpose; the intent's own code is not lost.
        let wip = if self.product.by_agent { &[][..] } else { &["refs/otto/wip"] };
        for prefix in ["refs/otto/lease", "refs/otto/pin"].iter().chain(wip) {
            assert_eq!(self.refs(prefix), Vec::<String>::new());
        }
        let git = self.s.repo().join(".git");
        // The files that otto's own locks are taken on stay; a lock of git is there only while it is held.
        let locks = |p: &PathBuf| p.extension().is_some_and(|e| e == "lock") && !p.starts_with(git.join("otto"));
        let temporary = |p: &PathBuf| {
            let name = p.file_name().unwrap().to_string_lossy();
            name.starts_with("tmp_") || name.starts_with(".tmp") || name.starts_with(".git-otto")
        };
        let left = |p: &PathBuf| locks(p) || temporary(p);
        assert_eq!(below(&git).into_iter().filter(left).collect::<Vec<_>>(), Vec::<PathBuf>::new());
        let held = |p: &PathBuf| flock(fs::File::open(p).unwrap(), FlockOperation::NonBlockingLockExclusive).is_err();
        let locks = below(&git.join("otto/locks")).into_iter().filter(held);
        assert_eq!(locks.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "locks that somebody holds");
        // Transcripts stay for people to read; the intent's own code leaves none.
        let transcripts =
            |p: &PathBuf| !p.components().any(|c| c.as_os_str() == "transcripts") || !self.product.by_agent;
        let state = below(&self.s.path("state")).into_iter().filter(transcripts);
        assert_eq!(state.collect::<Vec<_>>(), Vec::<PathBuf>::new());
        assert_eq!(fs::read_dir(self.s.path("tmp")).unwrap().count(), 0, "temporary files");
        super::seen::nobody_is_left(&self.s);
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
