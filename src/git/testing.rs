//! Real repositories for tests, made by git itself in a cleared environment.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Mode, NewCommit, ObjectKind, Repo, Signature};
use crate::base::{Env, Oid, Timestamp};

/// A repository in a folder that goes away with it.
pub(crate) struct Scratch {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) repo: Repo,
}

impl Scratch {
    /// An empty SHA-1 repository with refs as files.
    pub(crate) fn new() -> Scratch {
        Self::with(&[])
    }

    /// An empty repository, with flags of `git init`.
    pub(crate) fn with(flags: &[&str]) -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        let args: Vec<&str> = ["init", "-q", "-b", "main"].iter().chain(flags).copied().chain(["work"]).collect();
        git(dir.path(), dir.path(), &args);
        let repo = Repo::open(&dir.path().join("work")).unwrap();
        Scratch { dir, repo }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Runs git in the checkout; its trimmed output.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.work(), self.dir.path(), args)
    }

    /// An environment like the one a user has there.
    pub(crate) fn env(&self) -> Env {
        let home = self.dir.path().to_owned();
        let mut env = Env { cwd: self.work(), home: Some(home.clone()), ..Env::default() };
        env.vars.insert("HOME".into(), home.into());
        env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
        env.git.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
        env
    }

    /// A tree of files.
    pub(crate) fn tree(&self, files: &[(&str, &str)]) -> Oid {
        let edit = |(path, text): &(&str, &str)| {
            ((*path).into(), Some((Mode::Plain, self.repo.write_blob(text.as_bytes()).unwrap())))
        };
        self.repo.write_tree(None, &files.iter().map(edit).collect::<Vec<_>>()).unwrap()
    }

    /// A commit of a tree.
    pub(crate) fn commit(&self, tree: Oid, parents: &[Oid], message: &str) -> Oid {
        let me = me();
        let (author, committer) = (&me, &me);
        let c = NewCommit { tree, parents: parents.to_vec(), author, committer, message: message.into() };
        self.repo.write_commit(&c).unwrap()
    }
}

pub(crate) fn me() -> Signature {
    let time = Timestamp::from_secs(1_700_000_000);
    Signature { name: "A U Thor".into(), email: "author@example.com".into(), time }
}

/// Runs git in a folder, with nothing of the surrounding environment but `PATH`.
pub(crate) fn git(dir: &Path, home: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")])
        .envs([("GIT_AUTHOR_NAME", "A U Thor"), ("GIT_AUTHOR_EMAIL", "author@example.com")])
        .envs([("GIT_COMMITTER_NAME", "C O Mitter"), ("GIT_COMMITTER_EMAIL", "committer@example.com")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

impl Repo {
    /// Writes any object, whatever it holds: what somebody with access to the files can do.
    pub(crate) fn forge(&self, kind: ObjectKind, bytes: &[u8]) -> Oid {
        self.write_raw(&self.local(), kind, bytes).unwrap()
    }
}
