//! What a checkout needs besides its tree before anything runs in it: files that the user carries along, and what lock
//! files name, installed once and copied into every checkout that needs the same.

mod detect;
mod layer;
mod tools;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex;

use super::Site;
use crate::{
    base::{Failure, Oid, Sha256, World, files, procs, text},
    checks,
    git::Repo,
    sandbox::Whose,
    workspace::{self, Carried},
};

pub use detect::{Locks, PROGRAMS, find};
pub use layer::unused as unused_layers;
pub use tools::tools_first;

/// How long one command of a setup may take.
const WALL: Duration = Duration::from_secs(1200);

/// What checkouts of one repository get besides their trees.
#[derive(Clone, Default)]
pub struct Supply {
    /// Files of the user's.
    pub carried: Arc<Carried>,
    /// Where what lock files name is kept, for all runs of the repository; none where that is not wanted (`otto.setup`).
    pub cache: Option<PathBuf>,
    /// Variables that only setup sees: where packages come from, and through what.
    pub variables: Vec<(OsString, OsString)>,
    /// What programs say of their version. Whoever holds it may fill the cache.
    desk: Arc<Mutex<BTreeMap<&'static str, String>>>,
    /// What the lock files of a tree ask for: a tree is tested more than once.
    found: Arc<std::sync::Mutex<BTreeMap<Oid, Locks>>>,
}

impl Supply {
    /// What a repository's checkouts get; a `cache` is where setups by lock files are kept.
    pub fn new(world: &World, carried: Carried, cache: Option<PathBuf>) -> Supply {
        let variables = tools::passed_on(&world.env);
        Supply { carried: Arc::new(carried), cache, variables, ..Supply::default() }
    }

    fn locks(&self, repo: &Repo, tree: Oid) -> Result<Locks, Failure> {
        let known = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(locks) = known().get(&tree) {
            return Ok(locks.clone());
        }
        let locks = find(repo, tree)?;
        known().insert(tree, locks.clone());
        Ok(locks)
    }
}

/// What a checkout was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Supplied {
    /// The digest of all of it; none where there was nothing to give.
    pub key: Option<Sha256>,
    /// Variables of its checks.
    pub vars: Vec<(String, String)>,
    /// Whether another checkout with the same key has the very same.
    pub shared: bool,
}

impl Site {
    /// What the checkout of a tree is to get, before anything is done for it.
    pub(super) async fn supplies(&self, tree: Oid) -> Result<(Locks, Supplied), Failure> {
        let locks = match &self.supply.cache {
            Some(_) => self.supply.locks(self.repo(), tree)?,
            None => Locks::default(),
        };
        let mut vars = self.check_env.clone();
        if let Some(cache) = self.supply.cache.as_deref().filter(|_| locks.cargo) {
            vars.extend(tools::cargo(&self.world.env, cache));
        }
        let carried = self.supply.carried.digest();
        if locks.steps.is_empty() && self.setup.is_empty() && carried.is_none() {
            return Ok((locks, Supplied { key: None, vars, shared: true }));
        }
        let mut parts = vec!["otto-setup/1".to_owned(), std::env::consts::OS.into(), std::env::consts::ARCH.into()];
        parts.extend(carried.map(|digest| digest.to_string()));
        parts.push(locks.inputs.to_string());
        for step in &locks.steps {
            parts.push(step.argv.join("\0"));
            parts.push(self.version(step.program).await);
        }
        parts.extend(self.setup.iter().map(|argv| argv.join("\0")));
        let key = Some(Sha256::of(parts.join("\n")));
        let shared = locks.pure && self.setup.is_empty();
        Ok((locks, Supplied { key, vars, shared }))
    }

    /// Gives a checkout of a tree in `dir` what it needs by lock files; says what went wrong, if anything did.
    pub(super) async fn install(
        &self,
        dir: &Path,
        scratch: &Path,
        tree: Oid,
        (locks, supplied): &(Locks, Supplied),
    ) -> Result<Option<String>, Failure> {
        let Some(cache) = &self.supply.cache else { return Ok(None) };
        if locks.steps.is_empty() {
            return Ok(None);
        }
        let key = supplied.key.filter(|_| locks.pure);
        let Some(key) = key else { return self.steps(locks, dir, scratch, tree).await };
        let kept = cache.join("layers").join(key.short());
        if !kept.is_dir() {
            let _desk = self.supply.desk.lock().await;
            if !kept.is_dir()
                && let Some(broken) = self.make(locks, tree, cache, &kept).await?
            {
                return Ok(Some(broken));
            }
        }
        layer::lay(&kept, dir)?;
        Ok(None)
    }

    /// Installs in a checkout of its own and keeps what came of it.
    async fn make(&self, locks: &Locks, tree: Oid, cache: &Path, kept: &Path) -> Result<Option<String>, Failure> {
        let place = workspace::clean_checkout(self.repo(), &self.world, &self.root, "setup", tree)?;
        place.carry(self.repo(), tree, &self.supply.carried)?;
        if let Some(broken) = self.steps(locks, place.dir(), place.scratch(), tree).await? {
            return Ok(Some(broken));
        }
        let new = workspace::folder(&self.world, cache, "new")?;
        layer::take(place.dir(), &new)?;
        layer::unused(cache, self.world.clock.now())?.iter().try_for_each(|old| files::remove_tree(old))?;
        layer::keep(&new, kept)?;
        Ok(None)
    }

    /// Runs what the lock files ask for.
    async fn steps(&self, locks: &Locks, dir: &Path, scratch: &Path, tree: Oid) -> Result<Option<String>, Failure> {
        for step in &locks.steps {
            if let Some(broken) = self.command(&step.argv, dir, scratch, tree).await? {
                let off = "git config otto.setup off    (runs no setup by lock files)";
                return Ok(Some(format!("{broken}\nhint: {off}")));
            }
        }
        Ok(None)
    }

    /// Runs the spec's own setup; says what failed, if anything did.
    pub(super) async fn own(&self, dir: &Path, scratch: &Path, tree: Oid) -> Result<Option<String>, Failure> {
        for argv in &self.setup {
            if let Some(broken) = self.command(argv, dir, scratch, tree).await? {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }

    /// One command of a setup, confined as an agent is. It alone may write the caches of package managers.
    async fn command(&self, argv: &[String], dir: &Path, scratch: &Path, tree: Oid) -> Result<Option<String>, Failure> {
        let on = checks::On { dir, tree, scratch, extra_env: &self.check_env, supplied: Some(Sha256::of("setup")) };
        let mut env = checks::environment(&self.world, &on)?;
        let mut write = vec![dir.to_owned(), scratch.to_owned()];
        if let Some(cache) = &self.supply.cache {
            let own = tools::caches(&self.world.env, cache)?;
            write.push(cache.join("packages"));
            for (name, value) in own.into_iter().chain(self.supply.variables.iter().cloned()) {
                env.retain(|(known, _)| *known != name);
                env.push((name, value));
            }
        }
        let world = self.sandbox.around(&self.world, Whose::Agent, scratch.to_owned(), write);
        let spec =
            procs::Spec { argv: argv.iter().map(Into::into).collect(), cwd: dir.to_owned(), env, ..Default::default() };
        let bounds = procs::Bounds { wall: WALL, idle: None, keep: 64 << 10 };
        let shown = argv.join(" ");
        Ok(match procs::run(&*world.procs, &spec, bounds).await {
            Ok(done) if done.limit.is_none() && done.ended == procs::Ended::Exit(0) => None,
            Ok(done) => {
                let ended = match (done.limit, done.ended) {
                    (Some(_), _) => format!("took longer than {} s", WALL.as_secs()),
                    (None, procs::Ended::Exit(code)) => format!("exit {code}"),
                    (None, procs::Ended::Signal(signal)) => format!("signal {signal}"),
                };
                Some(format!("setup `{shown}` failed ({ended}): {}", last(&done.stderr.bytes(), &done.stdout.bytes())))
            }
            Err(e) => Some(format!("setup `{shown}` could not be started: {e}")),
        })
    }

    /// What a program says of its version, asked once.
    async fn version(&self, program: &'static str) -> String {
        let mut known = self.supply.desk.lock().await;
        if let Some(version) = known.get(program) {
            return version.clone();
        }
        let env = vec![("PATH".into(), checks::path_of(&self.world.env))];
        let spec =
            procs::Spec { argv: vec![program.into(), "--version".into()], cwd: "/".into(), env, ..Default::default() };
        let bounds = procs::Bounds { wall: Duration::from_secs(30), idle: None, keep: 4096 };
        let said = procs::run(&*self.world.procs, &spec, bounds).await.map(|done| done.stdout.bytes());
        let version = said.map_or("not there".into(), |said| text::one_line(&String::from_utf8_lossy(&said), 100));
        known.insert(program, version.clone());
        version
    }

    /// A workspace of an agent gets the same as checkouts of checks. What fails there is told by the checks.
    pub async fn furnish(&self, workspace: &mut workspace::Workspace, tree: Oid) -> Result<(), Failure> {
        workspace.carry(self.repo(), tree, &self.supply.carried)?;
        let supplies = self.supplies(tree).await?;
        let (dir, scratch) = (workspace.dir().to_owned(), workspace.scratch().to_owned());
        if self.install(&dir, &scratch, tree, &supplies).await?.is_none() {
            self.own(&dir, &scratch, tree).await?;
        }
        if !supplies.1.shared {
            workspace.disown(self.repo(), tree)?;
        }
        Ok(())
    }
}

/// The last lines that a command printed, redacted.
fn last(stderr: &[u8], stdout: &[u8]) -> String {
    let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let said = String::from_utf8_lossy(&text::redact(said)).into_owned();
    let lines: Vec<String> =
        said.lines().filter(|l| !l.trim().is_empty()).map(|line| text::one_line(line, 200)).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}

/// The folder of a repository's setups, for all its runs.
pub fn cache(world: &World, repo: &Repo) -> Result<PathBuf, Failure> {
    Ok(workspace::root(world, repo)?.join("setup"))
}
