//! A real repository for the tests of this module.

use std::{
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use crate::{
    base::{
        Env, Oid, Timestamp, World,
        procs::{Child, Procs, Spec, SystemProcs},
        world::Clock,
    },
    git::Repo,
    store::Store,
};

/// A clock that stands until it is set.
pub struct TestClock(pub AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// This machine's processes under another host name.
struct Named(String);

impl Procs for Named {
    fn spawn(&self, spec: &Spec) -> std::io::Result<Child> {
        SystemProcs.spawn(spec)
    }
    fn host(&self) -> String {
        self.0.clone()
    }
}

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub clock: Arc<TestClock>,
}

impl Fixture {
    /// A repository with one commit, and a store on it.
    pub fn new() -> Fixture {
        Self::with(&["init", "-q", "-b", "main", "."])
    }

    /// The same from another `git init`.
    pub fn with(init: &[&str]) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        for args in [
            init,
            &["config", "user.name", "Ann Author"],
            &["config", "user.email", "ann@example.org"],
            &["commit", "-q", "--allow-empty", "-m", "first"],
        ] {
            git(dir.path(), args);
        }
        let clock = Arc::new(TestClock(AtomicI64::new(1_700_000_000_042)));
        let store = open(dir.path(), clock.clone());
        Fixture { dir, store, clock }
    }

    pub fn git(&self, args: &[&str]) -> Output {
        git(self.dir.path(), args)
    }

    pub fn head(&self) -> Oid {
        String::from_utf8(self.git(&["rev-parse", "HEAD"]).stdout).unwrap().trim().parse().unwrap()
    }

    pub fn commit(&self, message: &str) -> Oid {
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub fn advance(&self, secs: i64) {
        self.clock.0.fetch_add(secs * 1000, Ordering::SeqCst);
    }

    /// The same repository, opened again.
    pub fn again(&self) -> Store {
        open(self.dir.path(), self.clock.clone())
    }

    /// The same repository with a failpoint armed.
    #[cfg(feature = "faults")]
    pub fn failing(&self, point: crate::base::Point, how: &str) -> Store {
        let store = self.again();
        let faults = crate::base::Faults::parse(Some(&format!("{}:1:{how}", point.name()))).unwrap();
        Store::new(store.repo, World { faults: Arc::new(faults), ..store.world })
    }

    /// The same repository as another machine sees it.
    pub fn elsewhere(&self) -> Store {
        let store = self.again();
        let world = World { procs: Arc::new(Named("elsewhere".into())), ..store.world };
        Store::new(store.repo, world)
    }
}

pub fn open(dir: &Path, clock: Arc<TestClock>) -> Store {
    let world = World { clock, ..World::real(Env::default()).unwrap() };
    Store::new(Repo::open(&dir.join(".git")).unwrap(), world)
}

pub fn git(dir: &Path, args: &[&str]) -> Output {
    git_with(dir, args, &[])
}

pub fn git_with(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Ann Author").env(format!("GIT_{who}_EMAIL"), "ann@example.org");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    let out = command.envs(env.iter().copied()).output().unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}
