//! Confinement: what a confined program gets at is tried for real, at each level that this machine has. Every attack is
//! first made unconfined, where it must succeed: one that cannot would prove nothing.
//!
//! `OTTO_TEST_LEVELS=bubblewrap,landlock` names the levels that must be there; without it those that are missing are
//! named on standard error.

mod attacks;
mod cost;
mod life;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use git_otto::{
    base::{
        Env, World,
        procs::{self, Bounds, Ended, Finished, Procs, Spec, SystemProcs},
    },
    sandbox::{Available, Confined, Level, Rules, probe},
};

use crate::support::Sandbox;

/// What nobody may learn.
const SECRET: &str = "s3cret-of-the-user";

/// What this machine offers.
fn available() -> Arc<Available> {
    static AVAILABLE: OnceLock<Arc<Available>> = OnceLock::new();
    let probed = AVAILABLE.get_or_init(|| {
        let program = env!("CARGO_BIN_EXE_git-otto").into();
        let world = World { program, ..World::real(Env::read().unwrap()).unwrap() };
        let available = runtime().block_on(probe(&world));
        let must = std::env::var("OTTO_TEST_LEVELS").unwrap_or_default();
        for (name, missing) in
            [("bubblewrap", available.bubblewrap.as_ref().err()), ("landlock", available.landlock.as_ref().err())]
        {
            if let Some(why) = missing {
                assert!(!must.split(',').any(|level| level == name), "{name} does not work here: {why}");
                eprintln!("NOT TESTED: {name} does not work here: {why}");
            }
        }
        Arc::new(available)
    });
    probed.clone()
}

/// The levels of this machine that confine.
fn confining() -> Vec<Level> {
    let available = available();
    let mut levels = Vec::new();
    levels.extend(available.bubblewrap.is_ok().then_some(Level::Bubblewrap));
    levels.extend(available.landlock.is_ok().then_some(Level::Landlock));
    levels
}

/// All levels of this machine.
pub fn levels() -> Vec<Level> {
    confining().into_iter().chain([Level::None]).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A user with secrets, tools and a repository, and two workspaces of which one is at work.
struct Place {
    s: Sandbox,
    /// What the program is started with.
    env: Vec<(OsString, OsString)>,
    rules: Rules,
}

impl Place {
    fn new() -> Place {
        let s = Sandbox::new();
        for file in
            [".ssh/id", ".netrc", ".git-credentials", ".config/gh/hosts.yml", ".cargo/credentials.toml", "notes"]
        {
            s.write(&format!("home/{file}"), SECRET);
        }
        s.script("home/.cargo/bin/otto-test-tool", "#!/bin/sh\necho a tool of the user\n");
        s.write("state/git-otto/0123/ws-2/tree/peer", SECRET);
        s.write("state/git-otto/0123/ws-1/tree/own", "own\n");
        s.write("state/git-otto/0123/ws-1/tree/.git/HEAD", "ref: refs/heads/main\n");
        s.write("state/git-otto/0123/ws-1/scratch/.keep", "");
        let path = format!("{}:{}", s.path("home/.cargo/bin").display(), std::env::var("PATH").unwrap());
        let vars = [
            ("PATH", path.into()),
            ("HOME", s.path("home").into_os_string()),
            ("XDG_STATE_HOME", s.path("state").into_os_string()),
        ];
        let vars = vars.into_iter().map(|(name, value)| (OsString::from(name), value));
        let env = Env { vars: vars.clone().collect(), home: Some(s.path("home")), ..Env::default() };
        let scratch = s.path("state/git-otto/0123/ws-1/scratch");
        let rules = Rules {
            write: vec![s.path("state/git-otto/0123/ws-1/tree"), s.path("does/not/exist")],
            network: false,
            ..Rules::new(&env, &scratch)
        };
        let rules = Rules { read: [rules.read, vec![s.repo().join(".git/objects")]].concat(), ..rules };
        let known = [("REPO", s.repo()), ("TMPDIR", scratch), ("PEER", s.path("state/git-otto/0123/ws-2/tree"))];
        let known = known.map(|(name, path)| (name.into(), path.into()));
        Place { env: vars.chain(known).collect(), rules, s }
    }

    fn workspace(&self) -> PathBuf {
        self.s.path("state/git-otto/0123/ws-1/tree")
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.s.path(name)).ok()
    }

    fn confined(&self, level: Level) -> Confined {
        self.confined_around(Arc::new(SystemProcs), level)
    }

    fn confined_around(&self, inner: Arc<dyn Procs>, level: Level) -> Confined {
        Confined::new(inner, available(), level, self.rules.clone())
    }

    fn spec(&self, argv: &[&str]) -> Spec {
        let argv = argv.iter().map(Into::into).collect();
        Spec { argv, cwd: self.workspace(), env: self.env.clone(), ..Spec::default() }
    }

    fn run(&self, level: Level, spec: &Spec) -> Finished {
        let bounds = Bounds { wall: Duration::from_secs(120), idle: None, keep: 1 << 20 };
        runtime().block_on(procs::run(&self.confined(level), spec, bounds)).unwrap()
    }

    fn sh(&self, level: Level, script: &str) -> Finished {
        self.run(level, &self.spec(&["sh", "-c", script]))
    }

    /// What a script that must succeed prints.
    #[track_caller]
    fn says(&self, level: Level, script: &str) -> String {
        let done = self.sh(level, script);
        assert_eq!(done.ended, Ended::Exit(0), "{level}: {script}: {}", words(&done));
        String::from_utf8(done.stdout.bytes()).unwrap()
    }
}

/// Both streams of a program, for messages.
fn words(done: &Finished) -> String {
    [done.stdout.bytes(), done.stderr.bytes()].map(|b| String::from_utf8_lossy(&b).into_owned()).join("\n")
}

/// Whether a program runs whose command line has this word.
fn runs(word: &str) -> bool {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|b| *b == 0).any(|arg| arg == word.as_bytes()))
}

/// A file's content where it is there.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
