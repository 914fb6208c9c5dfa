//! Checks that are run by hand, for no run: where, and how they are told.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, SliceId,
        files::remove_tree,
        lock::{Holder, Lock, Taken},
        procs,
        text::{count, one_line, printable},
    },
    checks::{
        self,
        model::{Cause, Check, Outcome},
    },
    cli::{Start, amended::Version, interrupt::until_interrupted, session, supply},
    gate::{self, Round, Site},
    output::Style,
    store::Store,
    workspace,
};

/// How many processes may run checks by hand at once.
const MOST: u32 = 64;

/// A place outside of the repository where checks are run; nothing of it stays.
pub struct Bench {
    site: Site,
    spec_commit: Oid,
    tree: Oid,
    root: PathBuf,
    /// Held as long as the place is used: whoever finds it free removes what a dead process left there.
    _lock: Lock,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way.
        let _ = remove_tree(&self.root);
    }
}

/// One check with what came of it.
#[derive(Serialize)]
pub struct Line {
    check: String,
    slice: Option<SliceId>,
    kind: &'static str,
    /// What it states, in words.
    says: String,
    passed: bool,
    cause: Cause,
    detail: String,
    duration_ms: u64,
    #[serde(skip)]
    streams: [Vec<u8>; 2],
}

impl Bench {
    /// A new one for a version of a spec, where a tree is to be checked.
    pub fn open(start: &Start, store: &Store, version: Version, tree: Oid) -> Result<Bench, Failure> {
        let (root, lock) = free(start, store)?;
        for orphan in procs::orphans(&root)? {
            procs::end(&orphan, &root)?;
        }
        if root.exists() {
            remove_tree(&root)?;
        }
        let Version { plan, contents, .. } = version;
        let supply = supply::supply(start, store, tree)?;
        let site = session::site(start, store, root.clone(), supply, plan.spec.setup.clone(), contents)?;
        let site = session::about(site, &plan.spec);
        Ok(Bench { site, spec_commit: plan.spec_commit, tree, root, _lock: lock })
    }

    /// Runs checks on the tree. Those that this version cannot run are told among the others, as not evaluated.
    pub fn run(&self, checks: &[(Option<&SliceId>, &Check)]) -> Result<Vec<Line>, Failure> {
        let able: Vec<&Check> = checks.iter().map(|(_, c)| *c).filter(|c| c.kind.is_runnable()).collect();
        let round = Round::of_run(self.spec_commit, "by-hand".into(), self.tree);
        let outcomes = until_interrupted(self.site.outcomes(&round, &able), || {
            Failure::new(Exit::Interrupted, "interrupted: nothing was changed")
        });
        let mut outcomes = outcomes?.into_iter();
        let line = |(slice, check): &(Option<&SliceId>, &Check)| {
            let outcome = check.kind.is_runnable().then(|| outcomes.next()).flatten();
            Line::new(*slice, check, outcome)
        };
        Ok(checks.iter().map(line).collect())
    }
}

/// A place that nobody uses now.
fn free(start: &Start, store: &Store) -> Result<(PathBuf, Lock), Failure> {
    let (all, procs) = (workspace::root(&start.world, &store.repo)?, &start.world.procs);
    let what = "checks by hand".to_owned();
    let me = Holder { proc: procs.me(), host: procs.host(), since: start.world.clock.now(), what };
    for n in 1..=MOST {
        let name = format!("by-hand-{n}");
        if let Taken::Mine(lock) = Lock::take(&store.repo.common_dir().join("otto/locks").join(&name), &me)? {
            return Ok((all.join(name), lock));
        }
    }
    Err(Failure::new(Exit::Locked, format!("{MOST} processes run checks by hand here")).hint("the same command later"))
}

impl Line {
    fn new(slice: Option<&SliceId>, check: &Check, outcome: Option<Outcome>) -> Line {
        let not_run = format!("not run: this version cannot run the kind `{}`", check.kind.name());
        let (cause, detail, duration_ms, streams) = match outcome {
            Some(Outcome { evidence: e, stdout, stderr, .. }) => (e.cause, e.detail, e.duration_ms, [stdout, stderr]),
            None => (Cause::Unknown, not_run, 0, Default::default()),
        };
        Line {
            check: check.id.clone(),
            slice: slice.cloned(),
            kind: check.kind.name(),
            says: checks::sentence(check),
            passed: cause.passed(),
            cause,
            detail,
            duration_ms,
            streams,
        }
    }

    /// Whether it is green.
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// What is not green about it, one clause.
    pub fn clause(&self) -> String {
        format!("`{}` {}: {}", self.check, gate::words(self.cause), one_line(&self.detail, 300))
    }
}

/// Tells checks as part of an answer: each with what it states, and, where it is not green, why; with `-v` what it printed.
pub fn tell(start: &Start, lines: &[Line]) -> Result<(), Failure> {
    let ui = &*start.ui;
    for line in lines {
        let (style, word) = if line.passed { (Style::Good, "green") } else { (Style::Bad, "red  ") };
        let (took, says) = (seconds(line.duration_ms), one_line(&line.says, 200));
        ui.answer(&format!("{}  {}: {says} ({took})\n", ui.paint_answer(style, word), line.check))?;
        if !line.passed {
            let detail = line.detail.lines().map(|l| one_line(l, 300)).collect::<Vec<_>>().join("\n       ");
            ui.answer(&format!("       {}: {detail}\n", gate::words(line.cause)))?;
        }
        for (name, bytes) in ["stdout", "stderr"].iter().zip(&line.streams).filter(|_| ui.is_verbose()) {
            for text in printable(&String::from_utf8_lossy(bytes)).lines() {
                ui.answer(&format!("       {name}: {text}\n"))?;
            }
        }
    }
    Ok(())
}

/// How many are green, in words.
pub fn sum(lines: &[Line]) -> String {
    let green = lines.iter().filter(|l| l.passed).count();
    let all = count(lines.len(), "check");
    match green {
        n if n == lines.len() => format!("all green: {all}"),
        0 => format!("none green of {all}"),
        n => format!("{n} green of {all}"),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
