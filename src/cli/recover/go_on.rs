//! `git otto recover --continue`.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{here, names, tell_said};
use crate::{
    base::{
        Exit, Failure, Oid,
        text::{count, one_line},
    },
    cli::Start,
    git::{Concluded, PausedKind},
    mend::go_on::{self, Done, Plan},
    store::Store,
};

#[derive(Serialize)]
struct Continued<'a> {
    schema: &'static str,
    worktree: &'a Path,
    continued: PausedKind,
    /// Whether it was done.
    done: bool,
    /// `otto`, or `git`.
    by: &'static str,
    /// The commit that was made; none where git went on.
    commit: Option<Oid>,
    /// What is half done now.
    left: Option<PausedKind>,
    /// Its paths in conflict.
    unmerged: Vec<String>,
    /// Where what could be lost was kept.
    rescue: Option<&'a BTreeMap<String, Oid>>,
}

/// Goes on with what is half done in a checkout.
pub(super) fn run(start: &Start, store: &Store, dry_run: bool) -> Result<Exit, Failure> {
    let plan = go_on::plan(store, here(store, "--continue")?)?;
    let on_terminal = start.ui.answers_terminal() && start.ui.can_ask();
    let done = if dry_run { None } else { Some(go_on::perform(store, &plan, on_terminal)?) };
    let git = done.as_ref().and_then(|d| d.git.as_ref());
    if start.ui.is_json() {
        let left = done.as_ref().and_then(|d| d.left.as_ref());
        start.ui.answer_json(&Continued {
            schema: "otto.recover/1",
            worktree: &plan.paused.worktree,
            continued: plan.paused.kind,
            done: done.is_some() && git.is_none_or(|git| git.code == Some(0)),
            by: if matches!(plan.by, Concluded::ByGit(_)) { "git" } else { "otto" },
            commit: done.as_ref().and_then(|d| d.commit),
            left: left.map(|left| left.kind),
            unmerged: left.map(|left| names(&left.unmerged)).unwrap_or_default(),
            rescue: done.as_ref().map(|d| &d.rescue.refs),
        })?;
    } else {
        tell(start, &plan, done.as_ref())?;
    }
    match git {
        Some(git) if git.code != Some(0) => Ok(Exit::NeedsRecovery),
        _ => Ok(Exit::Done),
    }
}

fn tell(start: &Start, plan: &Plan, done: Option<&Done>) -> Result<(), Failure> {
    let (what, command) = (plan.paused.kind.words(), plan.paused.kind.go_on());
    let Some(done) = done else {
        let how = match &plan.by {
            Concluded::Here(_) => "with one commit".into(),
            Concluded::Made(id) => format!("whose commit is made: {}", id.short()),
            Concluded::ByGit(why) => format!("by {command} ({})", one_line(why, 100)),
        };
        start.ui.answer(&format!("would be gone on with: {what}, {how}\n"))?;
        return Ok(start.ui.say("nothing was done")?);
    };
    if let Some(git) = &done.git {
        tell_said(start, git)?;
    }
    let ended = done.git.as_ref().is_none_or(|git| git.code == Some(0));
    match (done.commit, &done.left) {
        (Some(id), _) => start.ui.answer(&format!("ended: {what}, with {}\n", id.short()))?,
        (None, None) if ended => start.ui.answer(&format!("ended: {what}\n"))?,
        (None, Some(left)) if !left.unmerged.is_empty() => {
            let paths = names(&left.unmerged).join(", ");
            start.ui.answer(&format!("stopped again: {}, in conflict: {paths}\n", left.kind.words()))?;
        }
        (None, _) => {
            start.ui.answer(&format!("{}: {what}\n", if ended { "stopped again" } else { "git did not go on" }))?
        }
    }
    let prefix = done.rescue.prefix.trim_end_matches('/');
    start.ui.say(&format!("kept: {} under {prefix}", count(done.rescue.refs.len(), "ref")))?;
    if done.left.is_some() {
        start.ui.say("something is half done here: git otto recover")?;
    }
    Ok(())
}
