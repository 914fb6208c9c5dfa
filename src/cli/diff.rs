//! `git otto diff`: in what two versions of a spec differ.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, SpecId},
    cli::{
        Start,
        difference::{self, Effect},
        version::{self, Version},
    },
    spec::model::{change::changes, tier::Tier},
};

/// Show in what two versions of a spec differ, by requirement, slice and check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A version: `<spec>`, `<spec>@{2}` for the one before the last two records, or a commit. Alone it is compared with the
    /// one before it; `<a>..<b>` names both [default: the newest one of the only spec]
    #[arg(value_name = "VERSION")]
    a: Option<String>,
    /// The version to compare it with
    #[arg(value_name = "VERSION")]
    b: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    from: Option<Place>,
    to: Place,
    /// The tier that an amendment with these differences has.
    tier: Option<u8>,
    changes: Vec<difference::Line>,
    next_run: Option<Effect>,
}

#[derive(Serialize)]
struct Place {
    commit: Oid,
    back: usize,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let (from, to) = match (args.a.as_deref().map(|a| (a, a.split_once(".."))), args.b.as_deref()) {
        (Some((_, Some((a, b)))), None) => (Some(a), Some(b)),
        (Some((a, None)), Some(b)) => (Some(a), Some(b)),
        (Some((a, None)), None) => (None, Some(a)),
        (None, _) => (None, None),
        (Some((range, Some(_))), Some(_)) => {
            let text = format!("{range} names two versions already");
            return Err(Failure::new(Exit::Usage, text).hint("git otto diff <version> <version>"));
        }
    };
    let from = from.map(|from| version::find(&repo, Some(from))).transpose()?;
    // The second may leave the spec to the first: `jot@{2}..@{1}`, `jot@{2}..`.
    let to = match (&from, to) {
        (Some(from), Some(to)) if to.is_empty() || to.starts_with("@{") => {
            version::find(&repo, Some(&format!("{}{to}", from.spec)))?
        }
        (_, to) => version::find(&repo, to)?,
    };
    let from = match (from, to.parents.first()) {
        (Some(from), _) => Some(from),
        (None, Some(parent)) => Some(version::find(&repo, Some(&parent.to_string()))?),
        (None, None) => None,
    };
    if let Some(from) = from.as_ref().filter(|from| from.spec != to.spec) {
        let text = format!("{} and {} are two specs, and only versions of one are compared", from.spec, to.spec);
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto log {}", to.spec)));
    }
    let (after, _) = to.load(&repo)?;
    let before = from.as_ref().map(|from| from.load(&repo)).transpose()?.map(|(spec, _)| spec);
    let found = before.as_ref().map(|before| changes(before, &after)).unwrap_or_default();
    if start.ui.is_json() {
        let place = |v: &Version| Place { commit: v.commit, back: v.back };
        start.ui.answer_json(&Answer {
            schema: "otto.diff/1",
            spec: &to.spec,
            from: from.as_ref().map(place),
            to: place(&to),
            tier: found.iter().map(Tier::of).min().map(Tier::number),
            changes: difference::lines(&found),
            next_run: before.as_ref().map(|before| Effect::of(before, &after)),
        })?;
        return Ok(Exit::Done);
    }
    match from {
        None => start.ui.answer(&format!("{} is the first version: there is nothing before it\n", to.name()))?,
        Some(from) if found.is_empty() => start.ui.answer(&format!("{} and {} say the same\n", from.name(), to.name()))?,
        Some(from) => {
            start.ui.say(&format!("from {} to {}", from.name(), to.name()))?;
            start.ui.answer(&difference::text(start, &found, ""))?;
        }
    }
    Ok(Exit::Done)
}
