//! What is really enforced: git is made to call each hook, and the hook has to answer.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    CANARY, Name, Side, files,
    install::{CONFIGURED_HOOKS, lefthook_job},
    shim,
};
use crate::{
    base::{Failure, SpecId},
    git::Repo,
    store::names,
};

/// What became of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// git called the hook, and it answered.
    Answered,
    /// Another program has a job for it; starting that would start its other jobs too.
    Job,
    /// It is there, and did not answer.
    Silent,
    /// It is not there.
    Missing,
}

/// A hook and what is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct Hook {
    /// As git calls it.
    pub name: &'static str,
    /// What became of its canary.
    pub state: State,
    /// What calls it, or what stands in its place.
    pub path: Option<PathBuf>,
    /// One sentence.
    pub text: String,
}

/// Fires a canary at every hook of a side. `nonce` is a word that nothing else says.
pub fn look(repo: &Repo, side: Side, nonce: &str) -> Result<Vec<Hook>, Failure> {
    let folder = repo.hooks_path()?.dir;
    Name::of(side).map(|name| look_at(repo, name, &folder, nonce)).collect()
}

/// How a hook would be reached.
enum Way {
    /// Through the configuration.
    Configured(Vec<(String, String)>),
    /// Through a file that is a shim, or that calls one first.
    File(PathBuf),
    /// Through a job of lefthook.
    Job(PathBuf),
    /// Not at all; what stands there instead.
    None(Option<PathBuf>),
}

fn look_at(repo: &Repo, name: Name, folder: &Path, nonce: &str) -> Result<Hook, Failure> {
    let hook = |state: State, path: Option<PathBuf>, text: String| Hook { name: name.word(), state, path, text };
    let (dir, settings, path) = match way(repo, name, folder)? {
        Way::Configured(settings) => (Path::new("/dev/null"), settings, repo.config_file()),
        Way::File(path) => (folder, Vec::new(), path),
        Way::Job(path) => {
            let text = "lefthook runs it as a job; it was not started, for your other jobs would start too";
            return Ok(hook(State::Job, Some(path), text.into()));
        }
        Way::None(Some(path)) => {
            let text = format!("git calls {}, which is not ours", path.display());
            return Ok(hook(State::Missing, Some(path), text));
        }
        Way::None(None) => return Ok(hook(State::Missing, None, "not installed".into())),
    };
    let canary: SpecId = "canary".parse().map_err(|e| Failure::new(crate::base::Exit::Internal, format!("{e}")))?;
    let (reference, zero, one) = (names::spec(&canary), "0".repeat(40), "1".repeat(40));
    let (args, input): (Vec<&str>, String) = match name {
        Name::PreCommit | Name::PreMergeCommit => (Vec::new(), String::new()),
        Name::PrePush => (vec!["canary", "canary"], format!("{reference} {one} {reference} {zero}\n")),
        Name::ReferenceTransaction => (vec!["prepared"], format!("{zero} {one} {reference}\n")),
        Name::PreReceive => (Vec::new(), format!("{zero} {one} {reference}\n")),
        Name::Update => (vec![&reference, &zero, &one], String::new()),
    };
    // Without a configuration of their own, the programs that call our hooks have nothing else to do there.
    let vars = [(CANARY, nonce), ("PRE_COMMIT_ALLOW_NO_CONFIG", "1")];
    let said = repo.fire_hook(dir, &settings, (name.word(), &args), input.as_bytes(), &vars)?;
    if said.stderr.lines().any(|line| line.trim() == format!("canary {name} {nonce}")) {
        let text = format!("git calls it by {}, and it answers", path.display());
        return Ok(hook(State::Answered, Some(path), text));
    }
    let last = said.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let text = format!("{} is there, and does not answer: {last}", path.display());
    Ok(hook(State::Silent, Some(path), text))
}

fn way(repo: &Repo, name: Name, folder: &Path) -> Result<Way, Failure> {
    let key = |what: &str| format!("hook.otto-{name}.{what}");
    if repo.config(&key("event")).is_some() && repo.git_version()? >= CONFIGURED_HOOKS {
        let all = [key("event"), key("command"), key("enabled"), format!("hook.{name}.enabled")];
        let set = all.into_iter().filter_map(|key| repo.config(&key).map(|value| (key, value)));
        return Ok(Way::Configured(set.collect()));
    }
    let path = folder.join(name.word());
    let Some(found) = files::read(&path)? else { return Ok(Way::None(None)) };
    if shim::is_ours(found.bytes()) {
        return Ok(Way::File(path));
    }
    let text = String::from_utf8_lossy(found.bytes()).into_owned();
    let legacy = folder.join(format!("{name}.legacy"));
    if shim::is_managed(&text) && files::read(&legacy)?.is_some_and(|c| shim::is_ours(c.bytes())) {
        return Ok(Way::File(legacy));
    }
    if shim::is_husky(&text)
        && let Some(script) = folder.parent().map(|dir| dir.join(name.word()))
        && files::read(&script)?.is_some_and(|c| shim::is_ours(c.bytes()))
    {
        return Ok(Way::File(script));
    }
    if shim::is_lefthook(&text)
        && let Some(file) = lefthook_job(repo, name)?
    {
        return Ok(Way::Job(file));
    }
    Ok(Way::None(Some(path)))
}

/// What a server's own settings let through, or do not hold off.
pub fn server_settings(repo: &Repo) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    let on = |key: &str| repo.config_bool(key).map(|value| value == Some(true));
    if !on("receive.fsckObjects")? && !on("transfer.fsckObjects")? {
        out.push("objects are taken unchecked; git config receive.fsckObjects true".into());
    }
    if on("receive.shallowUpdate")? {
        out.push("histories that are cut off are taken; git config receive.shallowUpdate false".into());
    }
    let handed = repo.config_all("receive.procReceiveRefs");
    if handed.iter().any(|v| names::touches(v.rsplit(':').next().unwrap_or(v))) {
        out.push(
            "refs of git otto are handed to proc-receive, past update; git config --unset-all receive.procReceiveRefs"
                .into(),
        );
    }
    Ok(out)
}
