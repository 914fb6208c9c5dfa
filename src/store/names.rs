//! The only spelling of ref names, and back: every name that is written here is read here.
//!
//! Ids are checked types, so a name built from them is a valid ref. Each kind has its own folder and a fixed depth,
//! so no name is a path prefix of another, which git's file backend could not store.

use crate::{
    base::{Oid, RunId, SliceId, SpecId},
    git::Refs,
    store::{Error, Result},
};

const SPECS: &str = "refs/otto/specs/";
const RUNS: &str = "refs/otto/runs/";
const SLICES: &str = "refs/otto/slices/";
const TARGETS: &str = "refs/otto/targets/";
const EVIDENCE: &str = "refs/otto/evidence/";
const LEASES: &str = "refs/otto/lease/";
const WIP: &str = "refs/otto/wip/";
const PINS: &str = "refs/otto/pin/";
const RESCUES: &str = "refs/otto/rescue/";
const UNDOS: &str = "refs/otto/undo/";
const REMOTES: &str = "refs/otto-remote/";
const NOTES: &str = "refs/notes/otto/";
const BRANCHES: &str = "refs/heads/otto/";

/// What a ref's name says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// [`spec`].
    Spec(SpecId),
    /// [`run`].
    Run(RunId),
    /// [`slice_attempt`].
    Attempt(RunId),
    /// [`target`].
    Target(RunId),
    /// [`evidence`].
    Evidence(RunId),
    /// [`journal`], with its writer.
    Journal(RunId, String),
    /// [`lease`].
    Lease(RunId),
    /// [`wip`].
    Wip(RunId),
    /// What never leaves a repository: pins, rescues, ways back, what was fetched.
    Private,
    /// Nothing that this program names so, though it is, or could pass for, a name of its own.
    Unknown,
    /// Somebody else's: a branch, a tag, anything.
    Theirs,
}

/// Tells what a full ref name says.
pub fn what(name: &str) -> Named {
    let found = (parse_spec(name).map(Named::Spec))
        .or_else(|| parse_run(name).map(Named::Run))
        .or_else(|| parse_slice_attempt(name).map(|(run, ..)| Named::Attempt(run)))
        .or_else(|| parse_target(name).map(Named::Target))
        .or_else(|| parse_evidence(name).map(|(run, _)| Named::Evidence(run)))
        .or_else(|| parse_journal(name).map(|(run, writer)| Named::Journal(run, writer)))
        .or_else(|| parse_lease(name).map(Named::Lease))
        .or_else(|| parse_wip(name).map(|(run, _)| Named::Wip(run)));
    // A file system that ignores case would take one for the other.
    let folded = format!("{}/", name.to_lowercase());
    let ours = ["refs/otto/", REMOTES, NOTES].iter().any(|p| folded.starts_with(p));
    match found {
        Some(found) => found,
        None if [PINS, RESCUES, UNDOS, REMOTES].iter().any(|p| name.starts_with(p)) => Named::Private,
        None if ours => Named::Unknown,
        None => Named::Theirs,
    }
}

/// The history of a spec.
pub fn spec(id: &SpecId) -> String {
    format!("{SPECS}{id}")
}
/// What the histories of all specs start with.
pub fn spec_prefix() -> &'static str {
    SPECS
}
/// The spec of a [`spec`] name.
pub fn parse_spec(name: &str) -> Option<SpecId> {
    name.strip_prefix(SPECS)?.parse().ok()
}

/// The folder of the checked-in copies of specs, from the root of a checkout.
pub const COPIES: &str = ".otto/specs";
/// The checked-in copy of a spec.
pub fn working_copy(id: &SpecId) -> String {
    format!("{COPIES}/{id}.json")
}

/// The anchor of a run.
pub fn run(id: &RunId) -> String {
    format!("{RUNS}{id}")
}
/// What the anchors of all runs start with.
pub fn run_prefix() -> &'static str {
    RUNS
}
/// The run of a [`run`] name.
pub fn parse_run(name: &str) -> Option<RunId> {
    name.strip_prefix(RUNS)?.parse().ok()
}

/// One attempt at a slice, counted from 1.
pub fn slice_attempt(run: &RunId, slice: &SliceId, attempt: u32) -> String {
    format!("{SLICES}{run}/{slice}/{attempt}")
}
/// What all attempts of a run start with.
pub fn slice_prefix(run: &RunId) -> String {
    format!("{SLICES}{run}/")
}
/// What all attempts at a slice start with.
pub fn attempts_prefix(run: &RunId, slice: &SliceId) -> String {
    format!("{SLICES}{run}/{slice}/")
}
/// What a [`slice_attempt`] name says.
pub fn parse_slice_attempt(name: &str) -> Option<(RunId, SliceId, u32)> {
    let mut parts = name.strip_prefix(SLICES)?.split('/');
    let (run, slice, n) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    let attempt: u32 = n.parse().ok()?;
    // One spelling a number: `01` and `+1` are no attempts.
    (parts.next().is_none() && attempt > 0 && attempt.to_string() == n).then_some((run, slice, attempt))
}

/// The last landing of a run.
pub fn target(run: &RunId) -> String {
    format!("{TARGETS}{run}")
}
/// The run of a [`target`] name.
pub fn parse_target(name: &str) -> Option<RunId> {
    name.strip_prefix(TARGETS)?.parse().ok()
}

/// The evidence that one writer stored of a run; see [`is_writer`].
pub fn evidence(run: &RunId, writer: &str) -> String {
    format!("{EVIDENCE}{run}/{writer}")
}
/// What the evidence of a run starts with.
pub fn evidence_prefix(run: &RunId) -> String {
    format!("{EVIDENCE}{run}/")
}
/// The run and the writer of an [`evidence`] name.
pub fn parse_evidence(name: &str) -> Option<(RunId, String)> {
    run_and_writer(name.strip_prefix(EVIDENCE)?)
}

/// The journal that one writer keeps of a run; see [`is_writer`].
pub fn journal(run: &RunId, writer: &str) -> String {
    format!("{NOTES}{run}/{writer}")
}
/// What the journals of a run start with.
pub fn journal_prefix(run: &RunId) -> String {
    format!("{NOTES}{run}/")
}
/// The run and the writer of a [`journal`] name.
pub fn parse_journal(name: &str) -> Option<(RunId, String)> {
    run_and_writer(name.strip_prefix(NOTES)?)
}

/// Who runs a run now.
pub fn lease(run: &RunId) -> String {
    format!("{LEASES}{run}")
}
/// What all leases start with.
pub fn lease_prefix() -> &'static str {
    LEASES
}
/// The run of a [`lease`] name.
pub fn parse_lease(name: &str) -> Option<RunId> {
    name.strip_prefix(LEASES)?.parse().ok()
}

/// Snapshots of a slice's workspace.
pub fn wip(run: &RunId, slice: &SliceId) -> String {
    format!("{WIP}{run}/{slice}")
}
/// What all snapshots of a run start with.
pub fn wip_prefix(run: &RunId) -> String {
    format!("{WIP}{run}/")
}
/// The run and the slice of a [`wip`] name.
pub fn parse_wip(name: &str) -> Option<(RunId, SliceId)> {
    let (run, slice) = name.strip_prefix(WIP)?.split_once('/')?;
    Some((run.parse().ok()?, slice.parse().ok()?))
}

/// Keeps an object of a run alive while an operation is in flight.
pub fn pin(run: &RunId, object: Oid) -> String {
    format!("{PINS}{run}/{object}")
}
/// What the pins of a run start with.
pub fn pin_prefix(run: &RunId) -> String {
    format!("{PINS}{run}/")
}
/// Where recovery `n` of a run keeps an object before it touches anything.
pub fn rescue(run: &RunId, object: Oid) -> String {
    format!("{RESCUES}{run}/{object}")
}
/// What everything that recoveries keep starts with.
pub fn rescues_prefix() -> &'static str {
    RESCUES
}
/// What everything that recoveries of a run keep starts with.
pub fn rescue_prefix(run: &RunId) -> String {
    format!("{RESCUES}{run}/")
}
/// The `n`th way back of a run's deliveries, counted from 1.
pub fn undo(run: &RunId, n: u32) -> String {
    format!("{UNDOS}{run}/{n}")
}
/// What the ways back of a run's deliveries start with.
pub fn undo_prefix(run: &RunId) -> String {
    format!("{UNDOS}{run}/")
}
/// What the ways back of all deliveries start with.
pub fn undos_prefix() -> &'static str {
    UNDOS
}
/// The run and the number of an [`undo`] name.
pub fn parse_undo(name: &str) -> Option<(RunId, u32)> {
    let (run, n) = name.strip_prefix(UNDOS)?.split_once('/')?;
    let parsed = n.parse().ok().filter(|n: &u32| *n > 0)?;
    (parsed.to_string() == n).then_some((run.parse().ok()?, parsed))
}

/// What everything that was fetched starts with.
pub fn fetched_prefix() -> &'static str {
    REMOTES
}

/// Whether a name, or what begins with it, is this program's.
pub fn touches(prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    [SPECS, NOTES].iter().any(|ours| ours.starts_with(prefix)) || what(prefix) != Named::Theirs
}

/// Where a part of a person's checkout is kept before something half done in it is ended. `stamp` begins with a digit, as no
/// run and no spec does.
pub fn rescue_checkout(stamp: &str, part: &str) -> String {
    format!("{RESCUES}{stamp}/{part}")
}

/// Where the tip of a spec's history is kept that was left behind.
pub fn rescue_spec(spec: &SpecId, object: Oid) -> String {
    format!("{RESCUES}{spec}/{object}")
}

/// What all that was left behind of a spec starts with.
pub fn rescue_spec_prefix(spec: &SpecId) -> String {
    format!("{RESCUES}{spec}/")
}

/// What travels between repositories, and where it stands below a remote's name.
const SHARED: [(&str, &str); 7] = [
    (SPECS, "specs/"),
    (RUNS, "runs/"),
    (SLICES, "slices/"),
    (TARGETS, "targets/"),
    (EVIDENCE, "evidence/"),
    (NOTES, "notes/"),
    (LEASES, "lease/"),
];
/// What travels only when it is asked for.
const ASKED: (&str, &str) = (WIP, "wip/");

/// What the names of everything start with that travels between repositories.
pub fn shared_prefixes(wip: bool) -> impl Iterator<Item = &'static str> {
    SHARED.into_iter().chain(wip.then_some(ASKED)).map(|(prefix, _)| prefix)
}

/// What everything starts with that a remote had.
pub fn tracking_prefix(remote: &str) -> String {
    format!("{REMOTES}{remote}/")
}

/// Where it is kept what a remote had under a name that travels.
pub fn tracking(remote: &str, name: &str) -> Option<String> {
    let all = SHARED.into_iter().chain([ASKED]);
    let found = all.filter_map(|(prefix, below)| Some((below, name.strip_prefix(prefix)?))).next();
    found.map(|(below, rest)| format!("{REMOTES}{remote}/{below}{rest}"))
}

/// The name at the remote of a [`tracking`] name.
pub fn tracked(remote: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(&tracking_prefix(remote))?;
    let all = SHARED.into_iter().chain([ASKED]);
    let found = all.filter_map(|(prefix, below)| Some((prefix, rest.strip_prefix(below)?))).next();
    found.map(|(prefix, rest)| format!("{prefix}{rest}"))
}

/// What to fetch, and where to: always into [`tracking`] names, so that nothing local is overwritten or pruned.
pub fn fetch_refspecs(remote: &str, wip: bool) -> Vec<String> {
    let all = SHARED.into_iter().chain(wip.then_some(ASKED));
    all.map(|(prefix, below)| format!("+{prefix}*:{REMOTES}{remote}/{below}*")).collect()
}

/// The histories of a spec in the repositories that were fetched from.
pub fn fetched_specs(refs: &dyn Refs, id: &SpecId) -> Result<Vec<(String, Oid)>> {
    let end = format!("/specs/{id}");
    Ok(refs.list(REMOTES)?.into_iter().filter(|(name, _)| name.ends_with(&end)).collect())
}

/// The names of a run's refs, and what those start with of which it has several.
pub fn of_run(id: &RunId) -> ([String; 3], [String; 7]) {
    let of = [slice_prefix, evidence_prefix, journal_prefix, wip_prefix, pin_prefix, rescue_prefix, undo_prefix];
    ([run(id), target(id), lease(id)], of.map(|prefix| prefix(id)))
}

/// The branch that a spec lands on unless told otherwise.
pub fn default_branch(spec: &SpecId) -> String {
    format!("{BRANCHES}{spec}")
}

/// Whether a text can name a writer: 1 to 40 lower-case hex digits.
pub fn is_writer(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn run_and_writer(rest: &str) -> Option<(RunId, String)> {
    let (run, writer) = rest.split_once('/')?;
    is_writer(writer).then_some(())?;
    Some((run.parse().ok()?, writer.to_owned()))
}

/// Refuses a name that cannot be created because a ref stands in its way: a branch `otto` blocks every
/// `otto/<spec>`, and a branch `otto/jot/x` blocks `otto/jot`. gix would not notice once the ref is packed.
pub fn check_free(refs: &dyn Refs, name: &str) -> Result<()> {
    let blocked = |by: String| Error::Blocked { name: name.to_owned(), by };
    for (at, _) in name.match_indices('/').skip(1) {
        let above = &name[..at];
        if refs.read(above)?.is_some() {
            return Err(blocked(above.to_owned()));
        }
    }
    match refs.list(&format!("{name}/"))?.into_iter().next() {
        Some((below, _)) => Err(blocked(below)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Fixture;

    fn all(spec_id: &str, slice: &str, writer: &str) -> Vec<String> {
        let s: SpecId = spec_id.parse().unwrap();
        let r: RunId = format!("{spec_id}-20240102t030405z-0a1b2c").parse().unwrap();
        let (slice, object) = (slice.parse().unwrap(), "0123456789abcdef0123456789abcdef01234567".parse().unwrap());
        vec![
            spec(&s),
            run(&r),
            slice_attempt(&r, &slice, 1),
            slice_attempt(&r, &slice, 11),
            target(&r),
            evidence(&r, writer),
            journal(&r, writer),
            lease(&r),
            wip(&r, &slice),
            pin(&r, object),
            rescue(&r, object),
            rescue_spec(&s, object),
            rescue_checkout("20231114t221320z-0a1b2c", "index"),
            undo(&r, 1),
            undo(&r, 12),
            default_branch(&s),
        ]
    }

    #[test]
    fn no_name_is_a_folder_of_another() {
        let mut names = Vec::new();
        for spec in ["a", "otto", "specs", "a-20240102t030405z-0a1b2c"] {
            for (slice, writer) in [("a", "a"), ("slices", "0a1b2c"), ("a_1", "1")] {
                names.extend(all(spec, slice, writer));
            }
        }
        names.sort();
        names.dedup();
        for a in &names {
            for b in &names {
                assert!(!b.starts_with(&format!("{a}/")), "{a} {b}");
            }
        }
    }

    #[test]
    fn the_refs_of_a_run_are_all_but_those_of_its_spec() {
        let names = all("jot", "store", "0a");
        let run = parse_run(&names[1]).unwrap();
        let (single, several) = of_run(&run);
        let is_of_run = |name: &String| single.contains(name) || several.iter().any(|prefix| name.starts_with(prefix));
        let others: Vec<&String> = names.iter().filter(|name| !is_of_run(name)).collect();
        let rescued = names.iter().find(|name| name.starts_with("refs/otto/rescue/jot/")).unwrap();
        let checkout = rescue_checkout("20231114t221320z-0a1b2c", "index");
        assert_eq!(others, ["refs/otto/specs/jot", rescued, &checkout, "refs/heads/otto/jot"]);
    }

    #[test]
    fn every_name_is_read_back() {
        let r: RunId = "jot-20240102t030405z-0a1b2c".parse().unwrap();
        let slice: SliceId = "store".parse().unwrap();
        assert_eq!(parse_spec(&spec(r.spec())).as_ref(), Some(r.spec()));
        assert_eq!(parse_run(&run(&r)), Some(r.clone()));
        assert_eq!(parse_slice_attempt(&slice_attempt(&r, &slice, 12)), Some((r.clone(), slice.clone(), 12)));
        assert_eq!(parse_target(&target(&r)), Some(r.clone()));
        assert_eq!(parse_evidence(&evidence(&r, "0a")), Some((r.clone(), "0a".into())));
        assert_eq!(parse_journal(&journal(&r, "0a")), Some((r.clone(), "0a".into())));
        assert_eq!(parse_lease(&lease(&r)), Some(r.clone()));
        assert_eq!(parse_wip(&wip(&r, &slice)), Some((r.clone(), slice)));
        assert_eq!(parse_undo(&undo(&r, 12)), Some((r.clone(), 12)));
        for n in ["0", "01", "+1", "1/2", "", "x"] {
            assert_eq!(parse_undo(&format!("refs/otto/undo/{r}/{n}")), None, "{n}");
        }
        for bad in ["refs/otto/specs/A", "refs/otto/specs/a/b", "refs/otto/specs/", "refs/heads/a"] {
            assert_eq!(parse_spec(bad), None, "{bad}");
        }
        for n in ["0", "01", "+1", "1/2", "", "x", "99999999999"] {
            assert_eq!(parse_slice_attempt(&format!("refs/otto/slices/{r}/store/{n}")), None, "{n}");
        }
        assert_eq!(parse_journal(&format!("refs/notes/otto/{r}/a/b")), None);
    }

    #[test]
    fn what_travels_is_kept_below_its_remote_and_found_again() {
        let names = all("jot", "store", "0a");
        let travels: Vec<&String> = names.iter().filter(|n| tracking("origin", n).is_some()).collect();
        assert_eq!(travels.len(), 9, "{travels:#?}");
        for name in travels {
            for remote in ["origin", "team/one"] {
                let kept = tracking(remote, name).unwrap();
                assert_eq!(tracked(remote, &kept).as_ref(), Some(name));
                assert_eq!(what(&kept), Named::Private);
                let specs = fetch_refspecs(remote, true);
                let covers = |s: &String| {
                    let (from, to) = s.trim_start_matches('+').split_once(':').unwrap();
                    let rest = name.strip_prefix(from.trim_end_matches('*'));
                    rest.is_some_and(|rest| kept == format!("{}{rest}", to.trim_end_matches('*')))
                };
                assert_eq!(specs.iter().filter(|s| covers(s)).count(), 1, "{name}");
            }
        }
        assert!(fetch_refspecs("origin", false).iter().all(|s| !s.contains("wip")));
    }

    #[test]
    fn every_name_is_known_for_what_it_is() {
        for name in all("jot", "store", "0a") {
            let known = what(&name);
            assert_ne!(known, Named::Unknown, "{name}");
            assert_eq!(known == Named::Theirs, name.starts_with("refs/heads/"), "{name}");
        }
        for name in ["refs/otto/specs/A", "refs/otto/x", "refs/OTTO/specs/jot", "refs/notes/otto", "refs/otto/specs/-x"]
        {
            assert_eq!(what(name), Named::Unknown, "{name}");
        }
        assert_eq!(what("refs/otto-remote/origin/specs/jot"), Named::Private);
        assert_eq!(what("refs/ottos/x"), Named::Theirs);
    }

    #[test]
    fn a_branch_in_the_way_is_named_with_the_way_out() {
        let f = Fixture::new();
        let name = default_branch(&"jot".parse().unwrap());
        check_free(f.store.repo.refs(), &name).unwrap();
        f.git(&["branch", "otto"]);
        for packed in [false, true] {
            if packed {
                f.git(&["pack-refs", "--all"]);
            }
            let e = crate::base::Failure::from(check_free(f.store.repo.refs(), &name).unwrap_err());
            assert!(e.message.contains("refs/heads/otto/jot") && e.message.contains("refs/heads/otto "), "{e}");
            assert_eq!(e.hint.as_deref(), Some("git branch -m otto <new-name>"));
        }
        f.git(&["branch", "-m", "otto", "otto/jot/x"]);
        let e = crate::base::Failure::from(check_free(f.store.repo.refs(), &name).unwrap_err());
        assert_eq!(e.hint.as_deref(), Some("git branch -m otto/jot/x <new-name>"));
    }
}
