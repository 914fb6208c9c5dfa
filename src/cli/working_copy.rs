//! The checked-in copy of a spec in the current checkout: written after the spec, never instead of it, and never over what
//! somebody edited there.

use std::{io::ErrorKind, path::Path};

use crate::{
    base::{Exit, Failure, Oid, SpecId, files, json},
    cli::{Start, difference},
    git::{Head, Repo},
    spec::{
        self,
        model::{Spec, change::changes},
    },
    store::{
        names,
        record::{self, StoredSpec},
    },
};

/// The largest copy that is read.
const MAX: u64 = json::Limits::RECORD.size as u64;

/// Whether there shall be a copy where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Only a copy that is there is brought up to date.
    Present,
    /// It is written.
    Always,
}

impl When {
    /// As `--write` says.
    pub fn asked(write: bool) -> When {
        if write { When::Always } else { When::Present }
    }
}

/// What became of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Copy {
    /// There is none, and none was asked for.
    None,
    /// It says what the spec says.
    Current,
    /// It was written.
    Written,
    /// It holds edits of its own, and was left.
    Edited,
    /// It was removed.
    Removed,
}

/// Removes the copy from this checkout where that is wanted, unless it holds edits; says what is there otherwise.
pub fn remove(repo: &Repo, id: &SpecId, tip: Oid, wanted: bool) -> Result<Copy, Failure> {
    let path = names::working_copy(id);
    let Some(root) = repo.work_dir() else { return Ok(Copy::None) };
    match files::read_beneath(root, path.as_bytes(), MAX) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Copy::None),
        Ok((bytes, _)) if is_recorded(repo, tip, &bytes)? => {
            if !wanted {
                return Ok(Copy::Current);
            }
            files::remove_beneath(root, path.as_bytes())
                .map_err(|e| Failure::new(Exit::Internal, format!("cannot remove {path}: {e}")))?;
            Ok(Copy::Removed)
        }
        _ => Ok(Copy::Edited),
    }
}

/// The checkout that copies belong into; an error where there is none and one is asked for. To be asked before anything is
/// recorded.
pub fn place(repo: &Repo, when: When) -> Result<Option<&Path>, Failure> {
    let (text, hint) = match repo.work_dir() {
        _ if repo.config("otto.workingCopy").as_deref() == Some("off") => {
            ("otto.workingCopy is off: checkouts hold no copies of specs", "git config otto.workingCopy target")
        }
        None => ("a bare repository has no checkout that a copy could be written to", "leave --write out"),
        found => return Ok(found),
    };
    if when == When::Always { Err(Failure::new(Exit::Usage, text).hint(hint)) } else { Ok(None) }
}

/// Brings the copy in this checkout up to date with a record of the spec, and says so. What the record was `made_from` is
/// no edit any more.
pub fn update(
    start: &Start,
    repo: &Repo,
    id: &SpecId,
    stored: &StoredSpec,
    made_from: Option<&[u8]>,
    when: When,
) -> Result<Copy, Failure> {
    let path = names::working_copy(id);
    let Some(root) = place(repo, when)? else { return Ok(Copy::None) };
    let copy = match files::read_beneath(root, path.as_bytes(), MAX) {
        Ok((bytes, _)) if bytes == stored.spec_bytes => return Ok(Copy::Current),
        Ok((bytes, _)) => Some(bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => {
            start.ui.say(&format!("{path} is left alone: {e}"))?;
            return Ok(Copy::Edited);
        }
    };
    match copy {
        None if when == When::Present => return Ok(Copy::None),
        Some(bytes) if made_from != Some(&bytes) && !is_recorded(repo, stored.commit, &bytes)? => {
            start.ui.say(&format!("{path} holds edits that are in no version of the spec: it is left as it is"))?;
            match spec::parse(&bytes) {
                Ok(edited) => {
                    let (now, _) = super::version::load(repo, stored.commit)?;
                    start.ui.say(difference::text(start, &changes(&now, &edited), "  ").trim_end())?;
                }
                Err(errors) => {
                    let first = errors.first().map(ToString::to_string).unwrap_or_default();
                    start.ui.say(&format!("  it is no valid spec: {first}"))?;
                }
            }
            start.ui.say(&format!("to make them an amendment: git otto amend {id} --file {path} -m <reason>"))?;
            start.ui.say(&format!("to drop them: rm {path} && git otto show {id} --write"))?;
            return Ok(Copy::Edited);
        }
        _ => {}
    }
    files::write_beneath(root, path.as_bytes(), &stored.spec_bytes, false)
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot write {path}: {e}")))?;
    start.ui.say(&format!("written: {path}"))?;
    Ok(Copy::Written)
}

/// Whether a copy says what some version up to `tip` says.
fn is_recorded(repo: &Repo, tip: Oid, copy: &[u8]) -> Result<bool, Failure> {
    let Ok(spec) = spec::parse(copy) else { return Ok(false) };
    Ok(version_of(repo, tip, &spec)?.is_some())
}

/// The newest record up to `tip` that says what a spec says.
fn version_of(repo: &Repo, tip: Oid, spec: &Spec) -> Result<Option<Oid>, Failure> {
    let digest = spec::digest(spec);
    Ok(record::history(repo, tip)?.into_iter().find(|step| step.record.after == digest).map(|step| step.commit))
}

/// Whether a person names the copy in this checkout.
pub fn is_meant(start: &Start, repo: &Repo, id: &SpecId, file: &str) -> bool {
    let copy = repo.work_dir().and_then(|root| root.join(names::working_copy(id)).canonicalize().ok());
    copy.is_some() && copy == start.world.env.cwd.join(file).canonicalize().ok()
}

/// The version that an edited copy in this checkout was made from: the one that is committed there. None where that is in
/// no version up to `tip`.
pub fn base(repo: &Repo, id: &SpecId, tip: Oid) -> Result<Option<Oid>, Failure> {
    let head = match repo.head()? {
        Head::Detached(commit) | Head::Branch(_, Some(commit)) => commit,
        Head::Branch(_, None) => return Ok(None),
    };
    let tree = repo.read_commit(head)?.tree;
    let Some(entry) = repo.entry(tree, names::working_copy(id).as_str().into())? else { return Ok(None) };
    match spec::parse(&repo.read_blob(entry.oid, MAX)?) {
        Ok(spec) => version_of(repo, tip, &spec),
        Err(_) => Ok(None),
    }
}
