//! `git otto undo`: a delivery is taken back.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, text::one_line},
    cli::{
        Start,
        place::{Place, short},
    },
    store::{
        Store, names,
        undo::{self, Kept, Kind},
    },
};

/// Take a delivery back: the branch goes to where it was before.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which, as --list names it [default: the newest delivery into the branch that is checked out]
    #[arg(value_name = "UNDO")]
    name: Option<String>,
    /// List what can be taken back
    #[arg(long, conflicts_with_all = ["name", "dry_run"])]
    list: bool,
    /// Say what would be done; move nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct List<'a> {
    schema: &'static str,
    undo: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(flatten)]
    kept: &'a Kept,
    /// Whether the branch is still where it was brought.
    possible: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    branch: &'a str,
    before: Oid,
    after: Oid,
    /// The way back from this; none where nothing was moved.
    undo: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let all = undo::list(&store.repo)?;
    if args.list {
        return list(start, &store, &all);
    }
    let command = match &args.name {
        Some(name) => format!("git otto undo {}", one_line(name, 120)),
        None => "git otto undo".to_owned(),
    };
    let (kept, place) = find(&store, &all, args.name.as_deref(), &command)?;
    let moved = &kept.moved;
    if place.at != Some(moved.after) {
        return Err(gone_on(&store, kept, &place)?);
    }
    let before = moved.before.ok_or_else(|| {
        let text = format!("{} had no commit before {} was delivered", place.short(), moved.run);
        Failure::new(Exit::Refused, text).hint(format!("git branch -m {} <another name>", place.short()))
    })?;
    place.refuse_at_risk(&store, store.repo.read_commit(before)?.tree, &command)?;
    let back = match args.dry_run {
        true => None,
        false => {
            // What took something back is taken back as the delivery that it was.
            let kind = if moved.kind == Kind::Deliver { Kind::Undo } else { Kind::Deliver };
            let back = place.go(&store, kind, &moved.run, before)?;
            Place::forget(&store, kept)?;
            Some(back)
        }
    };
    tell(start, kept, &place, before, back.as_ref())
}

/// The move that is meant, and the branch that it moved.
fn find<'a>(
    store: &Store,
    all: &'a [Kept],
    name: Option<&str>,
    command: &str,
) -> Result<(&'a Kept, Place), Failure> {
    let Some(name) = name else {
        let place = Place::here(store, command)?;
        let mine = |k: &&Kept| k.moved.kind == Kind::Deliver && k.moved.branch == place.branch;
        let newest = all.iter().rev().filter(mine);
        let found = newest.clone().find(|k| place.at == Some(k.moved.after)).or_else(|| newest.clone().next());
        return match found {
            Some(kept) => Ok((kept, place)),
            None => {
                let text = format!("nothing was delivered into {} that could be taken back", place.short());
                Err(Failure::new(Exit::Refused, text).hint("git otto undo --list"))
            }
        };
    };
    let full = format!("{}{}", names::undos_prefix(), name.strip_prefix(names::undos_prefix()).unwrap_or(name));
    let newest_of = |k: &&Kept| k.moved.run.as_str() == name;
    let found = all.iter().find(|k| k.name == full).or_else(|| all.iter().rev().find(newest_of));
    let kept = found.ok_or_else(|| {
        let text = format!("there is no way back {:?}", one_line(name, 120));
        Failure::new(Exit::Usage, text).hint("git otto undo --list")
    })?;
    Ok((kept, Place::named(store, &kept.moved.branch, command)?))
}

/// That the branch is no longer where the move brought it, and what can be done then.
fn gone_on(store: &Store, kept: &Kept, place: &Place) -> Result<Failure, Failure> {
    let moved = &kept.moved;
    let (branch, after) = (place.short(), moved.after);
    let contained = place.at.map(|at| store.repo.is_ancestor(after, at)).transpose()?.unwrap_or(false);
    if !contained {
        let text = format!("{branch} does not contain {} any more: there is nothing to take back", after.short());
        return Ok(Failure::new(Exit::Refused, text).hint("git otto undo --list"));
    }
    let text = format!("{branch} has moved on since {} was delivered: going back would lose commits", moved.run);
    let merge = store.repo.read_commit(after)?.parents.first().copied() == moved.before;
    let hint = match moved.before {
        Some(_) if merge => format!("git revert -m 1 {}    (takes its changes back in a new commit)", after.short()),
        Some(before) => format!(
            "git revert -m 1 $(git rev-list --first-parent {}..{})    (takes its changes back in new commits)",
            before.short(),
            after.short()
        ),
        None => "git log".into(),
    };
    Ok(Failure::new(Exit::Refused, text).hint(hint))
}

fn tell(start: &Start, kept: &Kept, place: &Place, to: Oid, back: Option<&Kept>) -> Result<Exit, Failure> {
    let moved = &kept.moved;
    if start.ui.is_json() {
        let (branch, before, undo) = (place.branch.as_str(), moved.after, back.map(Kept::short));
        start.ui.answer_json(&Answer { schema: "otto.undo/1", branch, before, after: to, undo })?;
        return Ok(Exit::Done);
    }
    let what = match (moved.kind, back.is_some()) {
        (Kind::Deliver, true) => "taken back",
        (Kind::Deliver, false) => "would be taken back",
        (Kind::Undo, true) => "delivered again",
        (Kind::Undo, false) => "would be delivered again",
    };
    let (branch, from, to) = (place.short(), moved.after.short(), to.short());
    start.ui.answer(&format!("{what}: {} ({branch} from {from} to {to})\n", moved.run))?;
    match (moved.kind, back) {
        (Kind::Deliver, Some(back)) => {
            start.ui.say(&format!("to have it again, exactly as it was: git otto undo {}", back.short()))?;
        }
        (Kind::Undo, Some(_)) => start.ui.say("to go back: git otto undo")?,
        (_, None) => start.ui.say("nothing was done")?,
    }
    Ok(Exit::Done)
}

fn list(start: &Start, store: &Store, all: &[Kept]) -> Result<Exit, Failure> {
    let mut items = Vec::new();
    for kept in all.iter().rev() {
        let possible = store.repo.refs().read(&kept.moved.branch)? == Some(kept.moved.after);
        items.push(Item { kept, possible });
    }
    if start.ui.is_json() {
        start.ui.answer_json(&List { schema: "otto.undo/1", undo: items })?;
        return Ok(Exit::Done);
    }
    if items.is_empty() {
        start.ui.answer("nothing to take back: nothing was delivered here\n")?;
    }
    for Item { kept, possible } in items {
        let m = &kept.moved;
        let what = if m.kind == Kind::Deliver { "delivered into" } else { "taken back from" };
        let still = if possible { "" } else { "; the branch is elsewhere now" };
        let before = m.before.map_or("nothing".into(), |b| b.short());
        let (branch, after, at) = (one_line(short(&m.branch), 80), m.after.short(), m.at.human());
        start.ui.answer(&format!("{}  {what} {branch}, {before} to {after}, {at}{still}\n", kept.short()))?;
    }
    Ok(Exit::Done)
}
