//! The commit that ends a merge, a cherry-pick or a revert, made as `git commit` makes it; and git itself, for everything
//! that is more than that commit.

use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt as _};

use gix::{actor, objs::Kind};

use super::{
    BString, ByteSlice as _, Error, Head, Output, Paused, PausedKind, Repo, Result, Signature, commits::MAX_COMMIT,
    config::clean, paused::lines,
};
use crate::base::{Oid, Timestamp, files};

/// What `git commit` may start.
const HOOKS: [&str; 6] =
    ["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction", "post-index-change"];
/// Settings that make of a commit more than its content, or of a message more than its text without comments.
const SETTINGS: [&str; 6] = [
    "commit.gpgSign",
    "commit.cleanup",
    "core.commentChar",
    "core.commentString",
    "i18n.commitEncoding",
    "rerere.enabled",
];

/// Where it is written down which commit ends what, from before HEAD moves until git's notes are gone.
const RECORD: &str = "otto/concluded";

/// A commit that is ready to be made.
#[derive(Debug)]
pub struct Conclusion {
    /// Where HEAD has to be for it, and stays when it is on a branch.
    head: Head,
    /// Its object, and the tree in it.
    bytes: Vec<u8>,
    tree: Oid,
    /// What it ends: the commits that are merged, picked or reverted.
    heads: Vec<Oid>,
    /// What the reflog says.
    why: String,
    /// Who commits.
    who: Signature,
}

/// Who ends something half done.
#[derive(Debug)]
pub enum Concluded {
    /// Whoever makes this commit.
    Here(Box<Conclusion>),
    /// Somebody made this commit, and died before git's notes were gone.
    Made(Oid),
    /// git itself, for this reason.
    ByGit(String),
}

impl Repo {
    /// The commit that ends a merge, or one cherry-pick or revert, in which nothing is in conflict any more.
    pub fn conclusion(&self, paused: &Paused) -> Result<Concluded> {
        let by_git = |why: &str| Ok(Concluded::ByGit(why.into()));
        if paused.steps.is_some() {
            return by_git("further steps follow");
        }
        let head = self.head()?;
        let Some(at) = head.at() else { return by_git("HEAD has no commit") };
        let record: Vec<Oid> = lines(&self.git_dir().join(RECORD)).iter().filter_map(|l| l.parse().ok()).collect();
        if record.split_first() == Some((&at, &paused.heads[..])) {
            return Ok(Concluded::Made(at));
        }
        if paused.autostash.is_some() {
            return by_git("what was stashed is put back");
        }
        if let Some(hook) = self.commit_hook()? {
            return by_git(&format!("the hook {hook} is installed"));
        }
        if let Some(key) = SETTINGS.iter().find(|key| self.config(key).is_some_and(|v| v != "false")) {
            return by_git(&format!("{key} is set"));
        }
        if self.common_dir().join("rr-cache").is_dir() {
            return by_git("resolutions are recorded");
        }
        let index = self.read_index()?;
        if index.as_ref().is_some_and(|index| index.is_sparse()) {
            return by_git("the index is sparse");
        }
        let Some(tree) = self.staged()? else { return by_git("something is in conflict") };
        let message = match fs::read(self.git_dir().join("MERGE_MSG")).map(String::from_utf8) {
            Ok(Ok(text)) => tidy(&text),
            _ => return by_git("there is no message in UTF-8"),
        };
        if message.is_empty() || self.git_dir().join("SQUASH_MSG").exists() {
            return by_git("the message is not the one of this step alone");
        }
        let committer = self.ident("COMMITTER")?;
        let mut parents = vec![at];
        let mut author = None;
        if paused.kind == PausedKind::Merge {
            parents.extend(&paused.heads);
            if self.independent(&parents)? != parents.len() {
                return by_git("one of the merged commits is in another");
            }
        } else if tree == self.read_commit(at)?.tree {
            return by_git("nothing is left of it");
        }
        if let (PausedKind::CherryPick, [picked]) = (paused.kind, &paused.heads[..]) {
            author = self.picked_author(*picked)?;
            if author.is_none() {
                return by_git("the author is written in a way of its own");
            }
        }
        let author = match author {
            Some(author) => author,
            None => self.ident("AUTHOR")?,
        };
        let how = match paused.kind {
            PausedKind::Merge => "commit (merge)",
            PausedKind::CherryPick => "commit (cherry-pick)",
            _ => "commit",
        };
        let why = format!("{how}: {}", message.lines().next().unwrap_or_default());
        let who = Signature {
            name: committer.name.to_string(),
            email: committer.email.to_string(),
            time: Timestamp::from_secs(committer.time.seconds),
        };
        let commit = gix::objs::Commit {
            tree: tree.0,
            parents: parents.iter().map(|p| p.0).collect(),
            author,
            committer,
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        let mut bytes = Vec::new();
        gix::objs::WriteTo::write_to(&commit, &mut bytes).map_err(Error::io("encode", "a commit"))?;
        let heads = paused.heads.clone();
        Ok(Concluded::Here(Box::new(Conclusion { head, bytes, tree, heads, why, who })))
    }

    /// Makes the commit, and writes down what it ends: whoever finds HEAD at it only has to remove git's notes.
    pub fn make(&self, conclusion: &Conclusion) -> Result<Oid> {
        let id = self.write_raw(&self.local(), Kind::Commit, &conclusion.bytes)?;
        self.sync()?;
        let record: String = [&id].into_iter().chain(&conclusion.heads).map(|id| format!("{id}\n")).collect();
        let path = self.git_dir().join(RECORD);
        let failed = |e| Error::io("write", &path)(e);
        fs::create_dir_all(self.git_dir().join("otto")).map_err(failed)?;
        files::replace(&path, record.as_bytes(), self.durable()).map_err(failed)?;
        Ok(id)
    }

    /// Brings HEAD to the commit, if HEAD and the index still are what it was made for. Nobody changes the index meanwhile.
    pub fn arrive(&self, conclusion: &Conclusion, id: Oid) -> Result<()> {
        let _held = self.hold_index()?;
        if self.staged()? != Some(conclusion.tree) {
            return Err(Error::Locked { name: "the index".into(), why: "somebody else changed it meanwhile".into() });
        }
        let to = match &conclusion.head {
            Head::Branch(name, _) => Head::Branch(name.clone(), Some(id)),
            Head::Detached(_) => Head::Detached(id),
        };
        self.refs().move_head(&conclusion.head, &to, &conclusion.who, &conclusion.why)
    }

    /// Forgets which commit ends what.
    pub fn forget_conclusion(&self) -> Result<()> {
        self.remove_paused_files(&[RECORD])
    }

    /// What would be committed; none where something is in conflict.
    fn staged(&self) -> Result<Option<Oid>> {
        Ok(match self.keep_index()? {
            [Some(tree), None, None, None] => Some(tree),
            [None, None, None, None] => Some(self.empty_tree()?),
            _ => None,
        })
    }

    /// Has git do something in this checkout as the user would: with their environment, settings, hooks and editor. On a
    /// terminal git has it; otherwise what it says is the answer.
    pub fn in_person(&self, args: &[&str], on_terminal: bool) -> Result<Output> {
        self.inner.git.in_person(&args.iter().map(OsStr::new).collect::<Vec<_>>(), on_terminal)
    }

    /// A hook that `git commit` would start.
    fn commit_hook(&self) -> Result<Option<String>> {
        let dir = self.hooks_path()?.dir;
        let runs = |name: &&&str| {
            fs::metadata(dir.join(name)).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        };
        let configured = || Ok(self.settings("hook")?.into_iter().next().map(|s| s.key));
        HOOKS.iter().find(runs).map_or_else(configured, |name| Ok(Some((*name).to_owned())))
    }

    /// Who the user is in a role, when, and in which zone: as git says it.
    fn ident(&self, role: &str) -> Result<actor::Signature> {
        let said = self.inner.git.ident(&format!("GIT_{role}_IDENT"))?;
        let parsed = actor::SignatureRef::from_bytes(said.trim_end().as_bytes());
        parsed.and_then(|s| s.to_owned()).map_err(Error::gix("read who you are"))
    }

    /// Who wrote a commit, if `git commit` would write that in the same bytes.
    fn picked_author(&self, id: Oid) -> Result<Option<actor::Signature>> {
        let repo = self.local();
        let bytes = self.object(&repo, id, Kind::Commit, MAX_COMMIT)?;
        let Ok(commit) = gix::objs::CommitRef::from_bytes(&bytes, repo.object_hash()) else { return Ok(None) };
        let Some(author) = commit.author().ok().and_then(|s| s.to_owned().ok()) else { return Ok(None) };
        let plain = |text: &BString| text.to_str().is_ok_and(|text| clean(text) == text);
        Ok(Some(author).filter(|a| commit.encoding.is_none() && plain(&a.name) && plain(&a.email)))
    }

    /// How many of these commits are not in the history of another.
    fn independent(&self, commits: &[Oid]) -> Result<usize> {
        let ids = commits.iter().map(Oid::to_string);
        let args: Vec<String> = ["merge-base", "--independent"].map(str::to_owned).into_iter().chain(ids).collect();
        Ok(self.git(&args, None)?.ok()?.lines().count())
    }
}

/// A message as git keeps one: without comments, without spaces at the ends of lines, without empty lines but single ones
/// inside.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for line in text.split('\n').filter(|line| !line.starts_with('#')) {
        let line = line.trim_end_matches([' ', '\t', '\r']);
        if line.is_empty() {
            gap = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}
