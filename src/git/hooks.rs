//! What git knows of hooks: where it looks for them, what its own configuration file says, and whether it starts one.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Error, Output, Repo, Result, cmd::Git};
use crate::base::{Oid, scratch};

/// Where git looks for hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HooksPath {
    /// The folder.
    pub dir: PathBuf,
    /// What `core.hooksPath` says, as a path, where it is set.
    pub set: Option<PathBuf>,
    /// Whether this repository's own configuration sets it; otherwise other repositories look there too.
    pub own: bool,
}

impl Repo {
    /// Where git looks for the hooks of this checkout.
    pub fn hooks_path(&self) -> Result<HooksPath> {
        self.hooks_path_of(|_| true)
    }

    /// Where it would look if this repository's own configuration said nothing.
    pub fn shared_hooks_path(&self) -> Result<HooksPath> {
        self.hooks_path_of(|scope| !is_own(scope))
    }

    fn hooks_path_of(&self, counts: impl Fn(&str) -> bool) -> Result<HooksPath> {
        let args = ["--show-scope", "--type=path", "--get-all", "core.hooksPath"].map(OsStr::new);
        let said = lossy(&self.inner.git.config(&args)?.stdout);
        let all = said.lines().filter_map(|line| line.split_once('\t')).filter(|(scope, _)| counts(scope));
        let Some((scope, path)) = all.last().filter(|(_, path)| !path.is_empty()) else {
            return Ok(HooksPath { dir: self.common_dir().join("hooks"), set: None, own: true });
        };
        let from = self.work_dir().unwrap_or(self.git_dir());
        Ok(HooksPath { dir: from.join(path), set: Some(path.into()), own: is_own(scope) })
    }

    /// The file of this repository's own configuration.
    pub fn config_file(&self) -> PathBuf {
        self.common_dir().join("config")
    }

    /// What this repository's own configuration says of a key.
    pub fn own_config(&self, key: &str) -> Result<Vec<String>> {
        let file = self.config_file();
        let args = ["--file".as_ref(), file.as_os_str(), "--null".as_ref(), "--get-all".as_ref(), key.as_ref()];
        let said = self.inner.git.config(&args)?;
        Ok(said.stdout.split(|b| *b == 0).filter(|v| !v.is_empty()).map(lossy).collect())
    }

    /// The bytes that a configuration file has once each of these keys has exactly these values: git edits a copy.
    pub fn edited_config(&self, bytes: &[u8], keys: &[(String, Vec<String>)]) -> Result<Vec<u8>> {
        let dir = scratch::folder().map_err(Error::io("make", std::env::temp_dir()))?;
        let file = dir.path().join("config");
        let place = || file.clone();
        fs::write(&file, bytes).map_err(Error::io("write", place()))?;
        let config = |args: &[&str]| {
            let all = ["--file".as_ref(), file.as_os_str()];
            let all: Vec<&OsStr> = all.into_iter().chain(args.iter().map(|a| OsStr::new(*a))).collect();
            self.inner.git.config(&all)
        };
        for (key, values) in keys {
            // 5: there was none.
            let gone = config(&["--unset-all", key])?;
            if !matches!(gone.code, Some(0 | 5)) {
                return Err(gone.failed());
            }
            for value in values {
                config(&["--add", key, value])?.ok()?;
            }
        }
        fs::read(&file).map_err(Error::io("read", place()))
    }

    /// Has git start a hook as it would here, in an empty repository of its own, so that nothing that it does strikes this
    /// one: with the hooks of a folder, these further settings, and nothing of the user's or the system's configuration.
    pub fn fire_hook(
        &self,
        dir: &Path,
        settings: &[(String, String)],
        hook: (&str, &[&str]),
        input: &[u8],
        vars: &[(&str, &str)],
    ) -> Result<Output> {
        let scratch = scratch::folder().map_err(Error::io("make", std::env::temp_dir()))?;
        let mut env = (*self.inner.git.env).clone();
        env.git = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .into();
        let git_dir = scratch.path().join(".git");
        let git = Git { git_dir: git_dir.clone(), work_dir: None, env: Arc::new(env) };
        fs::create_dir(&git_dir).map_err(Error::io("make", git_dir))?;
        git.run(&[OsStr::new("init"), OsStr::new("--quiet"), scratch.path().as_os_str()], None, &[])?.ok()?;
        let git = Git { work_dir: Some(scratch.path().to_owned()), ..git };
        let file = scratch.path().join(".git/hook-input");
        fs::write(&file, input).map_err(Error::io("write", file.clone()))?;
        git.hook(dir, settings, hook, (!input.is_empty()).then_some(&*file), vars)
    }

    /// Whether taking away a ref's own file leaves the ref what it is, because packed refs hold it: so git tidies up, and
    /// words it to hooks as a removal. Whoever removes a packed ref holds the lock of packed refs meanwhile.
    pub fn stays_packed(&self, name: &str, id: Oid) -> bool {
        let locked = self.common_dir().join("packed-refs.lock").exists();
        let packed = || self.local().refs.open_packed_buffer().ok().flatten();
        let is_there = |packed: gix::refs::packed::Buffer| {
            packed.try_find(name).ok().flatten().is_some_and(|found| found.target() == id.0)
        };
        !self.inner.reftable && !locked && packed().is_some_and(is_there)
    }

    /// The version of the `git` program, its first two numbers.
    pub fn git_version(&self) -> Result<(u32, u32)> {
        let said = self.git(&["version"], None)?.ok()?;
        let said = lossy(&said);
        let version = said.split_whitespace().nth(2).unwrap_or_default();
        let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
        Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
    }
}

/// Whether a scope of git's configuration is this repository's own.
fn is_own(scope: &str) -> bool {
    matches!(scope, "local" | "worktree")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
