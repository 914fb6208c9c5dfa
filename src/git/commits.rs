//! Commits: written, read, walked by their explicit parents; HEADs.

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
};

use gix::objs::Kind;

use super::{
    BString, ByteSlice, Commit, Error, Head, NewCommit, Repo, Result, Signature,
    config::clean,
    objects::{self, require},
    reftable,
};
use crate::base::{Oid, Timestamp, text};

/// A commit object of more bytes is refused.
pub(super) const MAX_COMMIT: u64 = 16 << 20;

impl Signature {
    /// As git stores it: a name that cannot forge another header, whole seconds, UTC.
    pub(super) fn actor(&self) -> gix::actor::Signature {
        let name = Some(clean(&self.name)).filter(|n| !n.is_empty()).unwrap_or_else(|| "unknown".into());
        let time = gix::date::Time::new(self.time.secs().max(0), 0);
        gix::actor::Signature { name: name.into(), email: clean(&self.email).into(), time }
    }
}

impl Repo {
    /// Writes a commit. Its tree and parents must exist.
    pub fn write_commit(&self, c: &NewCommit<'_>) -> Result<Oid> {
        let repo = self.local();
        let bytes = commit_bytes(&repo, c)?;
        self.write_raw(&repo, Kind::Commit, &bytes)
    }

    /// Writes a commit, signed by git's own signing programs where `commit.gpgSign` asks for it.
    pub fn write_signed_commit(&self, c: &NewCommit<'_>) -> Result<Oid> {
        if self.config_bool("commit.gpgSign")? != Some(true) {
            return self.write_commit(c);
        }
        self.sign_commit(c)
    }

    /// The same, signed whatever `commit.gpgSign` says.
    pub fn sign_commit(&self, c: &NewCommit<'_>) -> Result<Oid> {
        let mut repo = self.local().with_object_memory();
        let unsigned = commit_bytes(&repo, c)?;
        let mut settings = repo.config_snapshot_mut();
        let keys = ["gpg.format", "gpg.program", "gpg.openpgp.program", "gpg.x509.program", "gpg.ssh.program"];
        for key in keys.into_iter().chain(["user.signingKey", "gpg.ssh.defaultKeyCommand"]) {
            if let Some(value) = self.config(key) {
                settings.set_raw_value(key, value.as_str()).map_err(Error::gix("configure signing"))?;
            }
        }
        let known = self.config("user.signingKey").is_some_and(|key| !key.is_empty());
        if !known && self.config("gpg.format").as_deref() != Some("ssh") {
            // As git does: the committer names the key. gix sees no identity but the repository's own.
            let who = format!("{} <{}>", c.committer.name, c.committer.email);
            settings.set_raw_value("user.signingKey", who.as_str()).map_err(Error::gix("configure signing"))?;
        }
        settings.set_raw_value("commit.gpgSign", "true").map_err(Error::gix("configure signing"))?;
        settings.commit().map_err(Error::gix("configure signing"))?;
        let id = gix::objs::Write::write_buf(&repo.objects, Kind::Commit, &unsigned)
            .map_err(Error::gix("write a commit"))?;
        let commit = repo.find_commit(id).map_err(Error::gix("read a commit"))?;
        let signed = commit.signed().map_err(Error::gix("sign the commit"))?;
        let bytes = signed.data.clone();
        drop((commit, signed));
        self.write_raw(&self.local(), Kind::Commit, &bytes)
    }

    /// Reads a commit.
    pub fn read_commit(&self, id: Oid) -> Result<Commit> {
        let repo = self.local();
        let bytes = self.object(&repo, id, Kind::Commit, MAX_COMMIT)?;
        let bad = |e: gix::Error| Error::Corrupt { id, why: e.probable_cause().to_string() };
        let c = gix::objs::CommitRef::from_bytes(&bytes, repo.object_hash()).map_err(bad)?;
        let person = |s: gix::actor::SignatureRef<'_>| -> Result<(Signature, i32)> {
            let time = s.time().map_err(bad)?;
            let (name, email) = (s.name.to_str_lossy().into_owned(), s.email.to_str_lossy().into_owned());
            Ok((Signature { name, email, time: Timestamp::from_secs(time.seconds) }, time.offset))
        };
        let (author, author_offset) = person(c.author().map_err(bad)?)?;
        let (committer, committer_offset) = person(c.committer().map_err(bad)?)?;
        let (tree, parents) = (Oid(c.tree()), c.parents().map(Oid).collect());
        Ok(Commit { tree, parents, author, author_offset, committer, committer_offset, message: c.message.to_owned() })
    }

    /// Whether `a` is `b` or one of its ancestors, by walking explicit parents: never by dates, which can lie.
    pub fn is_ancestor(&self, a: Oid, b: Oid) -> Result<bool> {
        let repo = self.local();
        let edge = self.shallow();
        let (mut seen, mut next) = (HashSet::from([b]), VecDeque::from([b]));
        while let Some(at) = next.pop_front() {
            if at == a {
                return Ok(true);
            }
            next.extend(self.parents(&repo, &edge, at)?.into_iter().filter(|p| seen.insert(*p)));
        }
        Ok(false)
    }

    /// A commit, its first parent, that one's first parent…: at most `max` commits.
    pub fn first_parents(&self, tip: Oid, max: usize) -> Result<Vec<Oid>> {
        let repo = self.local();
        let (edge, mut out, mut at) = (self.shallow(), Vec::new(), Some(tip));
        while let Some(id) = at.filter(|_| out.len() < max) {
            at = self.parents(&repo, &edge, id)?.first().copied();
            out.push(id);
        }
        Ok(out)
    }

    fn parents(&self, repo: &gix::Repository, edge: &HashSet<Oid>, id: Oid) -> Result<Vec<Oid>> {
        let bytes = self.object(repo, id, Kind::Commit, MAX_COMMIT)?;
        if edge.contains(&id) {
            return Ok(Vec::new());
        }
        Ok(gix::objs::CommitRefIter::from_bytes(&bytes, repo.object_hash()).parent_ids().map(Oid).collect())
    }

    /// The commit that a revision given by the user names (`HEAD~2`, a branch, a tag, an abbreviated id).
    pub fn resolve(&self, rev: &str) -> Result<Oid> {
        let no = |why: String| Error::Revision { rev: text::one_line(rev, 120), why };
        if rev.is_empty() || rev.starts_with('-') || rev.contains(['\0', '\n']) {
            return Err(no("not a revision".into()));
        }
        if self.inner.reftable {
            return reftable::resolve(&self.inner.git, rev)?.ok_or_else(|| no("git does not find it".into()));
        }
        let repo = self.local();
        let spec = repo.rev_parse_single(rev.as_bytes()).map_err(|e| no(e.probable_cause().to_string()))?;
        let commit = spec.object().and_then(|o| o.peel_to_commit());
        Ok(Oid(commit.map_err(|e| no(e.probable_cause().to_string()))?.id))
    }

    /// Where this checkout's HEAD is.
    pub fn head(&self) -> Result<Head> {
        if self.inner.reftable { reftable::head(&self.inner.git) } else { head_of(&self.local()) }
    }

    /// Every checkout of the repository with its HEAD, the main one first. A branch that is being rebased counts as
    /// checked out: git would move it when the rebase ends.
    pub fn checked_out(&self) -> Result<Vec<(PathBuf, Head)>> {
        if self.inner.reftable {
            return reftable::checked_out(&self.inner.git);
        }
        let local = self.local();
        let failed = Error::gix("list the checkouts");
        let main = local.main_repo().map_err(Error::gix("open the main checkout"))?;
        let linked = main.worktrees().map_err(failed)?;
        let linked: Vec<gix::Repository> =
            linked.into_iter().filter_map(|proxy| proxy.into_repo_with_possibly_inaccessible_worktree().ok()).collect();
        let mut out = Vec::new();
        for repo in std::iter::once(&main).chain(&linked) {
            let Some(dir) = repo.workdir() else { continue };
            let head = head_of(repo)?;
            for rebase in ["rebase-merge", "rebase-apply"] {
                if let (Head::Detached(id), Ok(name)) =
                    (&head, std::fs::read_to_string(repo.git_dir().join(rebase).join("head-name")))
                    && name.starts_with("refs/heads/")
                {
                    out.push((dir.to_owned(), Head::Branch(name.trim_end().to_owned(), Some(*id))));
                }
            }
            out.push((dir.to_owned(), head));
        }
        Ok(out)
    }
}

fn head_of(repo: &gix::Repository) -> Result<Head> {
    let head = repo.head().map_err(Error::gix("read HEAD"))?;
    let id = head.id().map(|id| Oid(id.detach()));
    let no = |why: &str| Error::Ref { name: "HEAD".into(), why: why.into() };
    match (head.referent_name(), id) {
        (Some(name), id) => Ok(Head::Branch(name.as_bstr().to_string(), id)),
        (None, Some(id)) => Ok(Head::Detached(id)),
        (None, None) => Err(no("it is neither on a branch nor on a commit")),
    }
}

/// The bytes of an unsigned commit.
fn commit_bytes(repo: &gix::Repository, c: &NewCommit<'_>) -> Result<Vec<u8>> {
    require(repo, c.tree, Kind::Tree)?;
    c.parents.iter().try_for_each(|p| objects::require(repo, *p, Kind::Commit))?;
    let commit = gix::objs::Commit {
        tree: c.tree.0,
        parents: c.parents.iter().map(|p| p.0).collect(),
        author: c.author.actor(),
        committer: c.committer.actor(),
        encoding: None,
        // git cuts a message at a NUL byte, so that its end would be hidden.
        message: BString::from(c.message.replace('\0', "")),
        extra_headers: Vec::new(),
    };
    let mut bytes = Vec::new();
    gix::objs::WriteTo::write_to(&commit, &mut bytes).map_err(Error::io("encode", "a commit"))?;
    Ok(bytes)
}
