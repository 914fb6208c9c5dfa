//! What the sharing commands have in common: whom and what they mean, and how they tell what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    base::{Exit, Failure, SpecId, text::one_line},
    cli::Start,
    output::Style,
    store::{
        Store,
        names::{self, Named},
    },
    sync::{self, Decision, How, Moved, Options, Report},
};

/// With whom, and what.
#[derive(Debug, clap::Args)]
pub struct Whom {
    /// The remote [default: that of the branch, the only one, or origin], then the specs that are meant, with their runs
    /// [default: all]
    #[arg(value_name = "REMOTE|SPEC")]
    names: Vec<String>,
    /// Snapshots of workspaces, too
    #[arg(long)]
    wip: bool,
    /// Look and say what would move; only what is remembered of the remote changes
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Whom {
    /// The same in full.
    pub fn options(&self, start: &Start, store: &Store, decision: Option<Decision>) -> Result<Options, Failure> {
        let first = self.names.first().filter(|n| store.repo.config(&format!("remote.{n}.url")).is_some());
        let specs = self.names.iter().skip(usize::from(first.is_some()));
        let specs = specs.map(|name| {
            name.parse::<SpecId>().map_err(|_| {
                let text = format!("{:?} is neither a remote nor the id of a spec", one_line(name, 100));
                Failure::new(Exit::Usage, text).hint("git otto remote add <name> <url>")
            })
        });
        let specs: Vec<SpecId> = specs.collect::<Result<_, _>>()?;
        let remote = sync::chosen(&store.repo, first.map(String::as_str))?;
        for id in &specs {
            let known = store.repo.refs().read(&names::spec(id))?.is_some();
            if !known && names::fetched_specs(store.repo.refs(), id)?.is_empty() && !self.names.contains(&remote) {
                let text = format!("there is no remote and no spec {id} here");
                return Err(Failure::new(Exit::Usage, text).hint(format!("git otto sync {remote} {id}")));
            }
        }
        Ok(Options {
            remote,
            specs,
            wip: self.wip,
            branches: true,
            dry_run: self.dry_run,
            asks: start.ui.can_ask(),
            decision,
        })
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: String,
    dry_run: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Tells what came of a command of that name.
pub fn tell(start: &Start, command: &str, report: &Report, dry_run: bool) -> Result<Exit, Failure> {
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: format!("otto.{command}/1"), dry_run, report })?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        moved(start, &report.fetched, &format!("{would}fetched"), &report.remote)?;
        moved(start, &report.pushed, &format!("{would}pushed"), &report.remote)?;
        if report.fetched.is_empty() && report.pushed.is_empty() && report.is_clean() {
            start.ui.answer(&format!("nothing new: {} and this repository have the same\n", report.remote))?;
        }
        for open in &report.open {
            let head = format!("spec {}: {}\n", open.spec, open.message);
            start.ui.answer(&start.ui.paint_answer(Style::Bad, &head))?;
            for d in &open.disputes {
                start.ui.answer(&format!("  {}\n", d.place))?;
                for (side, lines) in [("ours", &d.ours), ("theirs", &d.theirs)] {
                    for line in lines {
                        start.ui.answer(&format!("    {side:<7} {line}\n"))?;
                    }
                }
            }
        }
    }
    let open = report.open.iter().map(|o| (format!("the spec {}: {}", o.spec, o.message), o.hint.clone()));
    let kept = report.kept.iter().map(|k| (format!("{}: {}", k.name, k.message), k.hint.clone()));
    let mut all = open.chain(kept);
    let Some((message, hint)) = all.next() else { return Ok(Exit::Done) };
    let causes = all.map(|(message, hint)| format!("also {message} ({})", one_line(&hint, 200))).collect();
    Err(Failure { exit: Exit::Refused, message, causes, hint: Some(hint) })
}

/// One line a spec, a run, a branch.
fn moved(start: &Start, all: &[Moved], what: &str, remote: &str) -> Result<(), Failure> {
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for m in all {
        let at = m.new.map(|n| format!(", now {}", n.short())).unwrap_or_default();
        let line = match names::what(&m.name) {
            Named::Spec(id) => match (m.how, m.old) {
                (How::Merged, _) => format!("spec {id}: both sides are merged{at}"),
                (How::Replaced, Some(old)) => {
                    format!(
                        "spec {id}: that of {remote} counts{at}; {} is kept: git log {}",
                        old.short(),
                        names::rescue_spec(&id, old)
                    )
                }
                _ => format!("spec {id}: {what}{at}"),
            },
            Named::Target(run) if m.how == How::Replaced => {
                let kept = m.old.map(|old| names::rescue(&run, old)).unwrap_or_default();
                format!("run {run}: the target of {remote} counts{at}; what landed here is kept as {kept}")
            }
            Named::Run(run) | Named::Attempt(run) | Named::Target(run) | Named::Evidence(run) => {
                *runs.entry(run.to_string()).or_default() += 1;
                continue;
            }
            Named::Journal(run, _) | Named::Lease(run) | Named::Wip(run) => {
                *runs.entry(run.to_string()).or_default() += 1;
                continue;
            }
            _ => format!(
                "{}: {what}{at}",
                m.name.strip_prefix("refs/heads/").map_or(m.name.clone(), |b| format!("branch {b}"))
            ),
        };
        start.ui.answer(&format!("{line}\n"))?;
    }
    for (run, n) in runs {
        start.ui.answer(&format!("run {run}: {what}, {n} {}\n", if n == 1 { "ref" } else { "refs" }))?;
    }
    Ok(())
}
