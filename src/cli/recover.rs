//! `git otto recover`: what git has left half done, in every checkout, and an end to it.

mod go_on;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, Timestamp,
        text::{count, one_line},
    },
    cli::Start,
    git::{Head, LockFile, Output, Paused, PausedKind, Repo, Steps},
    mend::{
        abort::{self, Plan, Stashed},
        rescue::Rescue,
    },
    store::Store,
};

/// Say what git has left half done in your checkouts, give it up or go on, and lose nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Give up what is under way in this checkout, as git's own --abort; what would be lost is kept first
    #[arg(long)]
    abort: bool,
    /// Go on with what is under way in this checkout, as git's own --continue, once nothing is in conflict; the same is kept
    /// first. One commit without hooks is made with git's message as it stands, and no editor; all else git does
    #[arg(long = "continue", conflicts_with = "abort")]
    go_on: bool,
    /// The checkout that is meant [default: this one]
    #[arg(long, value_name = "PATH")]
    worktree: Option<PathBuf>,
    /// Say what would be done; touch nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    paused: Vec<Item>,
    locks: Vec<LockFile>,
}

/// One thing that is half done.
#[derive(Serialize)]
struct Item {
    worktree: PathBuf,
    kind: PausedKind,
    since: Option<Timestamp>,
    heads: Vec<Oid>,
    onto: Option<Oid>,
    orig_head: Option<Oid>,
    head_name: Option<String>,
    moved: bool,
    autostash: Option<Oid>,
    steps: Option<Steps>,
    unmerged: Vec<String>,
    /// Files that giving up would overwrite or remove, and that nothing else stands for.
    at_risk: Vec<String>,
    /// Changed files that giving up leaves as they are.
    kept: Vec<String>,
    /// Why it cannot be given up here.
    refused: Option<String>,
    /// git's own command that goes on.
    go_on: &'static str,
    /// The command that goes on; none where only a person can say how.
    #[serde(rename = "continue")]
    continues: Option<String>,
    /// The command that gives it up.
    abort: String,
}

#[derive(Serialize)]
struct Aborted<'a> {
    schema: &'static str,
    worktree: &'a Path,
    aborted: PausedKind,
    /// Whether it was done.
    done: bool,
    /// Where HEAD is then; none where it stays.
    to: Option<Oid>,
    files: usize,
    overwritten: Vec<String>,
    kept: Vec<String>,
    /// Where what could be lost was kept.
    rescue: Option<&'a BTreeMap<String, Oid>>,
    /// What was stashed before it began.
    autostash: Option<Oid>,
    /// Whether that is in the files again.
    applied: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    if args.go_on {
        return go_on::run(start, &at(start, &store, args.worktree.as_deref())?, args.dry_run);
    }
    if args.abort {
        return give_up(start, &at(start, &store, args.worktree.as_deref())?, &args);
    }
    let (mut items, mut locks) = (Vec::new(), Vec::new());
    for repo in store.repo.checkouts()? {
        let there = Store::new(repo, store.world.clone());
        let wanted = |dir: &Path| args.worktree.as_ref().is_none_or(|w| same(&start.world.env.cwd.join(w), dir));
        if !there.repo.work_dir().is_some_and(wanted) {
            continue;
        }
        for paused in there.repo.paused()? {
            items.push(item(&store.repo, &there, paused));
        }
        locks.extend(there.repo.lock_files()?);
    }
    locks.sort_by(|a, b| a.path.cmp(&b.path));
    locks.dedup();
    if start.ui.is_json() {
        start.ui.answer_json(&Report { schema: "otto.recover/1", paused: items, locks })?;
        return Ok(Exit::Done);
    }
    if items.is_empty() && locks.is_empty() {
        start.ui.answer("nothing is half done in this repository\n")?;
    }
    for item in &items {
        start.ui.answer(&told(item))?;
    }
    for lock in &locks {
        let since = lock.since.map(|at| format!(", since {}", at.human())).unwrap_or_default();
        let whose = match lock.ours {
            true => "left by a git otto that died; the next one that moves a ref removes it".to_owned(),
            false => format!("if no git is at work: rm '{}'", lock.path.display()),
        };
        start.ui.answer(&format!("lock file {}{since}: {whose}\n", lock.path.display()))?;
    }
    Ok(Exit::Done)
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// The store of the checkout that is meant.
fn at(start: &Start, store: &Store, path: Option<&Path>) -> Result<Store, Failure> {
    let Some(path) = path else {
        if store.repo.work_dir().is_some() {
            return Ok(store.clone());
        }
        let text = "this repository has no checkout here";
        return Err(Failure::new(Exit::Refused, text).hint("git otto recover    (says in which checkouts something is half done)"));
    };
    let wanted = start.world.env.cwd.join(path);
    let all = store.repo.checkouts()?;
    let found = all.into_iter().find(|repo| repo.work_dir().is_some_and(|dir| same(dir, &wanted)));
    let none = || {
        let text = format!("{} is no checkout of this repository", path.display());
        Failure::new(Exit::Usage, text).hint("git worktree list")
    };
    Ok(Store::new(found.ok_or_else(none)?, store.world.clone()))
}

/// What is half done in a checkout and has to be ended first, by a flag of this command.
fn here(store: &Store, flag: &str) -> Result<Paused, Failure> {
    if let Some(paused) = store.repo.paused()?.into_iter().next() {
        return Ok(paused);
    }
    if let Some(elsewhere) = elsewhere(store)? {
        let text = format!("nothing is half done in this checkout, but {} is in another", elsewhere.kind.words());
        return Err(Failure::new(Exit::Refused, text).hint(command(&store.repo, &elsewhere, flag)));
    }
    Err(Failure::new(Exit::Refused, "nothing is half done in this checkout").hint("git otto recover"))
}

fn give_up(start: &Start, store: &Store, args: &Args) -> Result<Exit, Failure> {
    let plan = abort::plan(store, here(store, "--abort")?)?;
    let done = if args.dry_run { None } else { Some(abort::perform(store, &plan)?) };
    let (back, kind) = (&plan.back, plan.paused.kind);
    if start.ui.is_json() {
        let stashed = done.as_ref().map(|d| d.stashed);
        start.ui.answer_json(&Aborted {
            schema: "otto.recover/1",
            worktree: &plan.paused.worktree,
            aborted: kind,
            done: done.is_some(),
            to: plan.to.as_ref().and_then(|goal| goal.head.at()),
            files: back.files(),
            overwritten: names(&back.overwritten),
            kept: names(&back.kept),
            rescue: done.as_ref().map(|d| &d.rescue.refs),
            autostash: plan.paused.autostash,
            applied: matches!(stashed, Some(Stashed::Applied(_))),
        })?;
        return Ok(Exit::Done);
    }
    let what = if done.is_some() { "given up" } else { "would be given up" };
    start.ui.answer(&format!("{what}: {}{}\n", kind.words(), where_to(&plan)))?;
    if let Some(done) = &done {
        tell_kept(start, &plan, &done.rescue)?;
        done.hook.iter().try_for_each(|said| tell_said(start, said))?;
    } else {
        for path in names(&back.overwritten) {
            start.ui.answer(&format!("  would be kept in a ref, and overwritten: {path}\n"))?;
        }
    }
    for path in names(&back.kept) {
        start.ui.answer(&format!("  changed, and stays as it is: {path}\n"))?;
    }
    match done.map(|d| d.stashed) {
        Some(Stashed::Applied(_)) => start.ui.answer("  what was stashed before it began is in the files again\n")?,
        Some(Stashed::Kept(_)) => {
            start.ui.answer("  what was stashed before it began is the newest entry of the stash: git stash pop\n")?;
        }
        Some(Stashed::Lost(stash)) => {
            start.ui.answer(&format!("  what was stashed before it began is gone from the repository: {stash}\n"))?;
        }
        Some(Stashed::Nothing) => {}
        None => start.ui.say("nothing was done")?,
    }
    if !args.dry_run && !store.repo.paused()?.is_empty() {
        start.ui.say("something else is half done here too: git otto recover")?;
    }
    Ok(Exit::Done)
}

/// Says what git, or a hook of the user's, has said.
fn tell_said(start: &Start, said: &Output) -> Result<(), Failure> {
    for line in String::from_utf8_lossy(&said.stdout).lines().chain(said.stderr.lines()) {
        start.ui.say(&one_line(line, 300))?;
    }
    Ok(())
}

/// Says where what could be lost was kept, and how a file comes back.
fn tell_kept(start: &Start, plan: &Plan, rescue: &Rescue) -> Result<(), Failure> {
    let prefix = rescue.prefix.trim_end_matches('/');
    for path in names(&plan.back.overwritten) {
        let restore = format!("git restore --source {prefix}/work -- '{path}'");
        start.ui.answer(&format!("  overwritten: {path}    to have it again: {restore}\n"))?;
    }
    start.ui.say(&format!("kept: {} under {prefix}", count(rescue.refs.len(), "ref")))?;
    Ok(())
}

fn where_to(plan: &Plan) -> String {
    match plan.to.as_ref().map(|goal| &goal.head) {
        Some(Head::Branch(name, Some(id))) => {
            format!("; {} is at {}", one_line(name.trim_start_matches("refs/heads/"), 80), id.short())
        }
        Some(Head::Branch(name, None)) => format!("; on {}", one_line(name.trim_start_matches("refs/heads/"), 80)),
        Some(Head::Detached(id)) => format!("; HEAD is at {}", id.short()),
        None => "; HEAD has moved since, and nothing but git's notes on it goes".into(),
    }
}

/// What is half done in another checkout.
fn elsewhere(store: &Store) -> Result<Option<Paused>, Failure> {
    for repo in store.repo.checkouts()? {
        if let Some(found) = repo.paused()?.into_iter().next() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The command that ends something by a flag, seen from a checkout.
fn command(here: &Repo, paused: &Paused, flag: &str) -> String {
    match here.work_dir().is_some_and(|dir| same(dir, &paused.worktree)) {
        true => format!("git otto recover {flag}"),
        false => format!("git otto recover {flag} --worktree '{}'", paused.worktree.display()),
    }
}

fn item(here: &Repo, there: &Store, paused: Paused) -> Item {
    let (at_risk, kept, refused) = match abort::plan(there, paused.clone()) {
        Ok(plan) => (names(&plan.back.overwritten), names(&plan.back.kept), None),
        Err(e) => (Vec::new(), Vec::new(), Some(Failure::from(e).message)),
    };
    let abort = command(here, &paused, "--abort");
    let continues = paused.kind.goes_on().then(|| command(here, &paused, "--continue"));
    Item {
        kind: paused.kind,
        since: paused.since,
        heads: paused.heads,
        onto: paused.onto,
        orig_head: paused.orig_head,
        head_name: paused.head_name,
        moved: paused.moved,
        autostash: paused.autostash,
        steps: paused.steps,
        unmerged: names(&paused.unmerged),
        at_risk,
        kept,
        refused,
        go_on: paused.kind.go_on(),
        continues,
        abort,
        worktree: paused.worktree,
    }
}

fn names(paths: &[crate::git::BString]) -> Vec<String> {
    paths.iter().map(|p| one_line(&p.to_string(), 400)).collect()
}

/// One thing that is half done, in words.
fn told(item: &Item) -> String {
    let since = item.since.map(|at| format!(", since {}", at.human())).unwrap_or_default();
    let mut out = format!("{} in {}{since}\n", item.kind.words(), one_line(&item.worktree.display().to_string(), 200));
    let mut line = |text: String| out += &format!("  {text}\n");
    if let Some(steps) = item.steps {
        let at = steps.at.map(|n| format!("at step {n}, ")).unwrap_or_default();
        line(format!("{at}{} left", count(steps.left as usize, "step")));
    }
    let commits = |ids: &[Oid]| ids.iter().map(Oid::short).collect::<Vec<_>>().join(", ");
    if !item.heads.is_empty() {
        line(format!("of {}", commits(&item.heads)));
    }
    let branch = item.head_name.as_deref().map(|n| one_line(n.trim_start_matches("refs/heads/"), 80));
    match (item.orig_head, branch) {
        _ if item.moved => line("HEAD has moved since: giving it up would leave HEAD where it is".into()),
        (Some(id), Some(branch)) => line(format!("began on {branch} at {}", id.short())),
        (Some(id), None) => line(format!("began at {}", id.short())),
        (None, Some(branch)) => line(format!("began on {branch}")),
        (None, None) => {}
    }
    for (what, paths) in
        [("in conflict", &item.unmerged), ("giving it up overwrites (kept in a ref first)", &item.at_risk), ("changed, and stays", &item.kept)]
    {
        if let Some(first) = paths.first() {
            let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
            line(format!("{what}: {first}{more}"));
        }
    }
    if let Some(stash) = item.autostash {
        line(format!("stashed before it began: {}", stash.short()));
    }
    line(format!("to go on: {}", item.continues.as_deref().unwrap_or(item.go_on)));
    match &item.refused {
        Some(why) => line(format!("to give it up: {}    (not here: {})", item.kind.abort(), one_line(why, 200))),
        None => line(format!("to give it up: {}", item.abort)),
    }
    out
}
