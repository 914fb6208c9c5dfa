//! `git otto deliver`: what a run has landed comes into the user's branch.

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, RunId, SliceId,
        text::{count, one_line},
    },
    checks::model::Check,
    cli::{
        Start,
        amended::Version,
        by_hand::{self, Bench, Line},
        place::{Place, short},
        show::run_named,
    },
    git::{Merged, NewCommit},
    journal::{self, event::Verdict, state::RunState},
    plan::model::current,
    report::words,
    store::{
        Store,
        lease::{self, Owner},
        run::{self, RunAnchor},
        undo::Kind,
    },
};

/// Bring what a run has landed into your branch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// Merge where your branch has moved on; the merged tree is tested first
    #[arg(long)]
    merge: bool,
    /// The branch to move [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Deliver what is there of a product that has not passed
    #[arg(long)]
    partial: bool,
    /// Say what would be done; move nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What is to be delivered.
struct Product {
    run: RunId,
    anchor: RunAnchor,
    version: Version,
    state: RunState,
    verdict: Verdict,
    why: Vec<String>,
    /// What the run ended with.
    commit: Oid,
    /// The tree on which all checks were run at the end.
    audited: Option<Oid>,
}

/// How the branch moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    /// It contains everything already.
    Nothing,
    FastForward,
    Merge,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    verdict: Verdict,
    branch: &'a str,
    how: How,
    before: Option<Oid>,
    /// None where it would be a merge that was not made.
    after: Option<Oid>,
    /// The way back; none where nothing was moved.
    undo: Option<&'a str>,
    /// Commits of people on the target, which have no receipts.
    by_hand: usize,
    checks: &'a [Line],
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let id = run_named(&store.repo, args.name.as_deref())?;
    let command = args.command(&id);
    // Whoever works on the spec holds this lock.
    let held = lease::lock_spec(&store, id.spec(), &command)?;
    let product = Product::load(&store, id)?;
    let place = match &args.into {
        None => Place::here(&store, &command)?,
        Some(name) => Place::named(&store, name, &command)?,
    };
    let how = match place.at {
        Some(at) if store.repo.is_ancestor(product.commit, at)? => How::Nothing,
        Some(at) if !store.repo.is_ancestor(at, product.commit)? => How::Merge,
        _ => How::FastForward,
    };
    if how == How::Nothing {
        tell(start, &product, &place, (how, place.at, None), &[], product.by_hand(&store)?)?;
        return Ok(Exit::Done);
    }
    product.allowed(start, &args, &place)?;
    let (commit, tree) = match how {
        How::Merge if !args.merge => return Err(moved_on(&store, &product, &place, &command)?),
        How::Merge => (None, merged(&store, &product, &place)?),
        _ => (Some(product.commit), store.repo.read_commit(product.commit)?.tree),
    };
    place.refuse_at_risk(&store, tree, &command)?;
    let by_hand = product.by_hand(&store)?;
    if args.dry_run {
        let n = if product.audited == Some(tree) { 0 } else { product.due().len() };
        let tested = if n == 0 { "tested already".to_owned() } else { format!("{} to run on it first", count(n, "check")) };
        if !start.ui.is_json() {
            start.ui.say(&format!("nothing was done; the tree that {} would get is {tested}", place.short()))?;
        }
        tell(start, &product, &place, (how, commit, None), &[], by_hand)?;
        return Ok(Exit::Done);
    }
    store.repo.identity(start.world.clock.now())?;
    let lines = test(start, &store, &product, tree, &place)?;
    let commit = match commit {
        Some(commit) => commit,
        None => merge_commit(start, &store, &product, &place, tree)?,
    };
    let kept = place.go(&store, Kind::Deliver, &product.run, commit)?;
    drop(held);
    tell(start, &product, &place, (how, Some(commit), Some(kept.short())), &lines, by_hand)?;
    Ok(Exit::Done)
}

impl Args {
    /// The command as it was typed, for hints.
    fn command(&self, run: &RunId) -> String {
        let name = self.name.clone().unwrap_or_else(|| run.spec().to_string());
        let mut out = format!("git otto deliver {}", one_line(&name, 120));
        for (flag, set) in [(" --merge", self.merge), (" --partial", self.partial)] {
            out += if set { flag } else { "" };
        }
        if let Some(branch) = &self.into {
            out += &format!(" --into {}", one_line(branch, 120));
        }
        out
    }
}

impl Product {
    fn load(store: &Store, run: RunId) -> Result<Product, Failure> {
        let (at, anchor) = run::load(&store.repo, &run)?;
        if let Owner::Elsewhere(by) = lease::owner(store, &run)? {
            let text = format!("the run {run} is worked on by {by}");
            return Err(Failure::new(Exit::Locked, text).hint(format!("git otto status {run}")));
        }
        let state = journal::read(&store.repo, &run, at)?.state;
        let Some(end) = state.finished.clone() else {
            let text = format!("the run {run} has not come to its end: nothing is delivered half built");
            return Err(Failure::new(Exit::Refused, text).hint(format!("git otto resume {run}")));
        };
        let version = Version::load(store, state.spec().unwrap_or(anchor.spec_commit), anchor.limits.clone())?;
        let audited = state.audit.as_ref().filter(|a| a.verdict.is_some()).map(|a| store.repo.read_commit(a.commit));
        let audited = audited.transpose()?.map(|commit| commit.tree);
        let (verdict, why, commit) = (end.verdict, end.why, end.target);
        Ok(Product { run, anchor, version, state, verdict, why, commit, audited })
    }

    /// Refuses a product that has not passed, unless the user wants it as it is.
    fn allowed(&self, start: &Start, args: &Args, place: &Place) -> Result<(), Failure> {
        if self.verdict == Verdict::Passed || args.partial {
            return Ok(());
        }
        let word = words::verdict(self.verdict);
        if start.ui.can_ask() && !args.dry_run {
            for why in &self.why {
                start.ui.say(&format!("  {}", one_line(why, 300)))?;
            }
            let question = format!("{} is {word}: bring what is there into {}? [y]es, [n]o: ", self.run, place.short());
            if matches!(start.ui.ask(&question)?.to_lowercase().as_str(), "y" | "yes") {
                return Ok(());
            }
        }
        let causes = self.why.iter().map(|w| one_line(w, 300)).collect();
        let hint = format!(
            "to take what is there: {} --partial\nto see what is missing: git otto status {}",
            args.command(&self.run),
            self.run
        );
        let text = format!("the run {} ended {word}, and was not delivered", self.run);
        Err(Failure { causes, ..Failure::new(Exit::Refused, text).hint(hint) })
    }

    /// What a tree must pass that the run did not test: the cross-slice checks, and the checks of every slice that is done.
    fn due(&self) -> Vec<(Option<&SliceId>, &Check)> {
        let plan = &self.version.plan;
        let done = |slice: &SliceId| current(plan, &self.state, slice).is_done();
        let due = plan.spec.checks().filter(|(slice, _)| slice.is_none_or(|s| done(&s.id)));
        due.map(|(slice, check)| (slice.map(|s| &s.id), check)).collect()
    }

    /// How many commits on the way to what is delivered are no landings.
    fn by_hand(&self, store: &Store) -> Result<usize, Failure> {
        let way = store.repo.first_parents(self.commit, 10_000)?;
        let way = way.into_iter().take_while(|c| *c != self.anchor.base);
        Ok(way.filter(|c| self.state.landings.iter().all(|(_, landing)| landing != c)).count())
    }

    /// How many commits the target branch has beyond what is delivered.
    fn beyond(&self, store: &Store) -> Result<usize, Failure> {
        match store.repo.refs().read(&self.anchor.target)? {
            Some(tip) if tip != self.commit && store.repo.is_ancestor(self.commit, tip)? => {
                own(store, tip, self.commit)
            }
            _ => Ok(0),
        }
    }
}

/// How many commits a tip reaches that another one does not: exactly, unless they are very many.
fn own(store: &Store, tip: Oid, other: Oid) -> Result<usize, Failure> {
    let found = store.repo.new_commits(&[tip], &[other])?;
    let mut sum = found.len();
    // Of commits of one second it is not known which came first, so that some may be common to both.
    for link in found.iter().filter(|_| found.len() <= 100) {
        sum -= usize::from(store.repo.is_ancestor(link.commit, other)?);
    }
    Ok(sum)
}

/// That a branch has commits which the run did not build on.
fn moved_on(store: &Store, product: &Product, place: &Place, command: &str) -> Result<Failure, Failure> {
    let own = place.at.map(|at| own(store, at, product.commit)).transpose()?.unwrap_or_default();
    let (branch, n) = (place.short(), count(own, "commit"));
    let text = format!("{branch} has {n} that {} was not built on: it cannot be fast-forwarded", product.run);
    let hint = format!("{command} --merge    (tests the merged tree before {branch} moves)");
    Ok(Failure::new(Exit::Refused, text).hint(hint))
}

/// The tree of both together.
fn merged(store: &Store, product: &Product, place: &Place) -> Result<Oid, Failure> {
    let at = place.at.unwrap_or(product.commit);
    match store.repo.merge(at, product.commit)? {
        Merged::Clean(tree) => Ok(tree),
        Merged::Conflict(paths) => {
            let text = format!("{} and {} conflict: nothing was moved", place.short(), product.run);
            let causes = paths.iter().map(|p| one_line(&p.to_string(), 200)).collect();
            let spec = product.run.spec();
            let hint = format!("git merge {}    (and solve it), then: git otto check {spec}", product.commit.short());
            Err(Failure { causes, ..Failure::new(Exit::Refused, text).hint(hint) })
        }
    }
}

/// Runs what is due on a tree that the run itself did not test; anything red refuses it.
fn test(start: &Start, store: &Store, product: &Product, tree: Oid, place: &Place) -> Result<Vec<Line>, Failure> {
    if product.audited == Some(tree) {
        return Ok(Vec::new());
    }
    let due = product.due();
    start.ui.say(&format!("running {} on the merged tree", count(due.len(), "check")))?;
    let version = Version::load(store, product.version.plan.spec_commit, product.anchor.limits.clone())?;
    let lines = Bench::open(start, store, version, tree)?.run(&due)?;
    let red: Vec<String> = lines.iter().filter(|l| !l.passed()).map(Line::clause).collect();
    if red.is_empty() {
        return Ok(lines);
    }
    let text = format!("merged into {}, {} not green: nothing was moved", place.short(), are(red.len()));
    let hint = format!(
        "to mend it by hand: git merge {}, then: git otto check {}\nto have it built anew on {}: git otto run --target <branch> {}",
        product.commit.short(),
        product.run.spec(),
        place.short(),
        product.run.spec()
    );
    Err(Failure { causes: red, ..Failure::new(Exit::Refused, text).hint(hint) })
}

fn are(n: usize) -> String {
    format!("{} {}", count(n, "check"), if n == 1 { "is" } else { "are" })
}

fn merge_commit(start: &Start, store: &Store, product: &Product, place: &Place, tree: Oid) -> Result<Oid, Failure> {
    let (author, committer) = store.repo.identity(start.world.clock.now())?;
    let spec = &product.version.plan.spec;
    let slices: Vec<&str> = product.state.landings.iter().map(|(slice, _)| slice.as_str()).collect();
    let mut message = format!(
        "Deliver {}: {}\n\nThe run {} {}: {}.\n",
        spec.id,
        one_line(&spec.title, 60),
        product.run,
        words::verdict(product.verdict),
        slices.join(", ")
    );
    if store.repo.config_bool("format.signOff")?.unwrap_or(false) {
        message += &format!("\nSigned-off-by: {} <{}>\n", committer.name, committer.email);
    }
    let parents = place.at.into_iter().chain([product.commit]).collect();
    let commit = NewCommit { tree, parents, author: &author, committer: &committer, message };
    Ok(store.repo.write_signed_commit(&commit)?)
}

fn tell(
    start: &Start,
    product: &Product,
    place: &Place,
    (how, after, undo): (How, Option<Oid>, Option<&str>),
    checks: &[Line],
    by_hand: usize,
) -> Result<(), Failure> {
    let (ui, run, before) = (&*start.ui, &product.run, place.at);
    if ui.is_json() {
        let (verdict, branch) = (product.verdict, place.branch.as_str());
        let answer =
            Answer { schema: "otto.deliver/1", run, verdict, branch, how, before, after, undo, by_hand, checks };
        return Ok(ui.answer_json(&answer)?);
    }
    let branch = place.short();
    let id = |at: Option<Oid>| at.map_or("nothing".to_owned(), |at| at.short());
    if how == How::Nothing {
        ui.answer(&format!("{branch} contains {run} already: nothing to deliver\n"))?;
        return Ok(());
    }
    by_hand::tell(start, checks)?;
    let verb = if undo.is_some() { "delivered" } else { "would be delivered" };
    let into = match how {
        How::Merge => format!("merged into {branch} (was {})", id(before)),
        _ => format!("into {branch} ({} to {}, fast-forward)", id(before), id(after)),
    };
    ui.answer(&format!("{verb}: {run} {into}\n"))?;
    if by_hand > 0 {
        ui.say(&format!("with {} on {} that no run has made: by hand, no receipt", count(by_hand, "commit"), short(&product.anchor.target)))?;
    }
    let beyond = product.beyond(&start.store()?)?;
    if beyond > 0 {
        let target = short(&product.anchor.target);
        ui.say(&format!("not delivered: {} on {target} since the run ended, which nobody tested; git merge {target} takes them", count(beyond, "commit")))?;
    }
    if undo.is_some() {
        ui.say(&format!("to go back: git otto undo\nto archive the spec: git otto close {}", run.spec()))?;
    }
    Ok(())
}
