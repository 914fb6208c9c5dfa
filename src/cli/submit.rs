//! `git otto submit`: a person hands in what they built by hand.

use std::{path::{Path, PathBuf}, sync::Arc};

use serde::Serialize;

use crate::{
    base::{Env, Exit, Failure, RunId, SliceId, World, text::one_line},
    cli::{Start, asking::Known},
    journal::state::SUBMIT,
    store::{
        Store,
        lease::{self, Owner},
    },
    workspace,
};

/// Hand in what you built by hand (agent `manual`): the files of your workspace are taken as they are, and judged as those of
/// any agent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slice [default: that of the folder you are in, else the only one that waits]
    #[arg(value_name = "SLICE")]
    slice: Option<SliceId>,
    /// The run, or the spec whose newest run is meant [default: the one that waits]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// What you say of it
    #[arg(long, short = 'm', value_name = "NOTE")]
    message: Option<String>,
    /// Say what would be handed in; hand in nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    slice: &'a SliceId,
    attempt: u32,
    /// The event that hands it in; none where that was not written.
    request: Option<String>,
    /// What the process that works on the run says; none where none does.
    result: Option<String>,
    workspace: PathBuf,
}

/// Runs the command.
pub fn run(mut args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = match inside(start) {
        Some((store, run, slice)) if args.slice.as_ref().is_none_or(|s| *s == slice) => {
            args.slice = Some(slice);
            args.run = args.run.or(Some(run.to_string()));
            store
        }
        _ => start.store()?,
    };
    let (known, slice) = find(Known::candidates(&store, args.run.as_deref())?, args.slice.as_ref())?;
    let (id, slice) = (&known.id, &slice);
    let attempt = known.slice(slice).by_hand().map_or(0, |a| a.n);
    let root = workspace::root(&store.world, &store.repo)?.join(id.as_str());
    let (dir, _) = workspace::theirs(&root, slice);
    let ui = &start.ui;
    let tell = |request: Option<String>, result: Option<String>, words: String| -> Result<Exit, Failure> {
        let workspace = dir.clone();
        let answer = Answer { schema: "otto.submit/1", run: id, slice, attempt, request, result, workspace };
        match ui.is_json() {
            true => ui.answer_json(&answer)?,
            false => ui.answer(&format!("{slice}: {words}\n"))?,
        }
        Ok(Exit::Done)
    };
    if args.dry_run {
        return tell(None, None, format!("{} would be handed in as attempt {attempt}", dir.display()));
    }
    let request = known.ask(&store, SUBMIT, slice, Some(attempt), args.message.as_deref())?;
    if let Owner::Live(_) = lease::owner(&store, id)? {
        let result = known.result(start, &store, &request)?;
        let words = result.clone().unwrap_or_else(|| "handed in; it is taken when the run comes to it".into());
        return tell(Some(request.id), result, words);
    }
    tell(Some(request.id), None, format!("handed in; nobody works on the run now, so next: git otto resume {id}"))
}

/// The slice that is meant, of what waits.
fn find(candidates: Vec<Known>, slice: Option<&SliceId>) -> Result<(Known, SliceId), Failure> {
    let mut fit = Vec::new();
    let mut waits = Vec::new();
    for known in candidates {
        let ids: Vec<SliceId> = known.waiting().into_iter().cloned().collect();
        waits.extend(ids.iter().map(|id| format!("git otto submit {id} --run {}", known.id)));
        let meant: Vec<_> = ids.into_iter().filter(|id| slice.is_none_or(|s| s == id)).collect();
        fit.push((known, meant));
    }
    fit.retain(|(_, ids)| !ids.is_empty());
    let several = fit.iter().map(|(_, ids)| ids.len()).sum::<usize>() > 1;
    match fit.pop() {
        Some((known, mut ids)) if !several => match ids.pop() {
            Some(id) => Ok((known, id)),
            None => Err(nothing(slice, &waits)),
        },
        Some(_) => {
            Err(Failure::new(Exit::Usage, "several slices wait for somebody: say which").hint(waits.join("\n")))
        }
        None => Err(nothing(slice, &waits)),
    }
}

fn nothing(slice: Option<&SliceId>, waits: &[String]) -> Failure {
    let text = match slice {
        Some(slice) => format!("`{}` waits for nobody", one_line(slice.as_str(), 80)),
        None => "nothing waits for anybody here".to_owned(),
    };
    let hint = if waits.is_empty() { "git otto status".to_owned() } else { waits.join("\n") };
    Failure::new(Exit::Usage, text).hint(hint)
}

/// Whose workspace the current folder is in, if it is in a person's: the run is known by the folders above it, the
/// repository by whose objects it borrows.
fn inside(start: &Start) -> Option<(Store, RunId, SliceId)> {
    let cwd = start.world.env.cwd.canonicalize().ok()?;
    let home = cwd.ancestors().find(|home| home.join("TASK.md").is_file() && home.join("tree/.git").is_dir())?;
    let run: RunId = home.parent()?.file_name()?.to_str()?.parse().ok()?;
    let borrowed = std::fs::read_to_string(home.join("tree/.git/objects/info/alternates")).ok()?;
    let common = Path::new(borrowed.trim_end_matches('\n')).parent()?.to_owned();
    let env = Env { cwd: common, ..(*start.world.env).clone() };
    let world = World { env: Arc::new(env), ..start.world.clone() };
    let repo = crate::git::Repo::discover(&world.env).ok()?;
    let store = Store::new(repo, world);
    let known = Known::load(&store, run.clone()).ok()?;
    let slice = known.plan.spec.slices.iter().map(|s| s.id.clone());
    let root = workspace::root(&store.world, &store.repo).ok()?.join(run.as_str());
    let mut here = slice.filter(|s| workspace::theirs(&root, s).0.canonicalize().is_ok_and(|dir| cwd.starts_with(dir)));
    here.next().map(|slice| (store, run, slice))
}
