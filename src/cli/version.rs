//! How a person names one version of a spec: `<spec>`, `<spec>@{n}`, or a commit of its history.

use crate::{
    base::{Exit, Failure, Oid, SpecId, text},
    cli::show::{Named, named},
    git::Repo,
    spec::{self, model::Spec},
    store::record::{self, Step, StoredSpec},
};

/// One version of a spec.
pub struct Version {
    /// Of which spec.
    pub spec: SpecId,
    /// How many records came later.
    pub back: usize,
    /// Its commit.
    pub commit: Oid,
    /// The commits that it came from.
    pub parents: Vec<Oid>,
}

/// Finds a version; without a name the newest one of the only spec.
pub fn find(repo: &Repo, name: Option<&str>) -> Result<Version, Failure> {
    let by_commit = |name: &str| {
        let commit = commit(repo, name)?;
        let stored = record::load(repo, commit).ok()?;
        let id = spec::parse(&stored.spec_bytes).ok()?.id;
        at(repo, &id, |_, step| step.commit == commit).ok().flatten()
    };
    match named(repo, name) {
        Ok(Named::Spec { id, back }) => {
            let (tip, name) = (steps(repo, &id)?.len(), format!("{id}@{{{back}}}"));
            let text = format!("{id} has {tip} {}, so there is no {name}", if tip == 1 { "record" } else { "records" });
            let none = || Failure::new(Exit::Usage, text).hint(format!("git otto log {id}"));
            at(repo, &id, |n, _| n == back)?.ok_or_else(none)
        }
        Ok(Named::Run(run)) => Err(Failure::new(Exit::Usage, format!("{run} is a run, no version of a spec"))
            .hint(format!("git otto diff {}", run.spec()))),
        Err(failure) => match name.and_then(by_commit) {
            Some(version) => Ok(version),
            None if name.is_none() => Err(failure),
            None => {
                let shown = text::one_line(name.unwrap_or_default(), 80);
                let text = format!("there is no spec {shown:?} here, and no version of one");
                Err(Failure::new(Exit::Usage, text)
                    .hint("git otto status    (lists the specs)\ngit otto log <spec>    (lists its versions)"))
            }
        },
    }
}

impl Version {
    /// What it holds.
    pub fn load(&self, repo: &Repo) -> Result<(Spec, StoredSpec), Failure> {
        load(repo, self.commit)
    }

    /// Its name for a person.
    pub fn name(&self) -> String {
        format!("{}@{{{}}} ({})", self.spec, self.back, self.commit.short())
    }
}

/// The spec in a record.
pub fn load(repo: &Repo, commit: Oid) -> Result<(Spec, StoredSpec), Failure> {
    let stored = record::load(repo, commit)?;
    let spec = spec::parse(&stored.spec_bytes).map_err(|e| super::source::spec_errors(&commit.short(), &e))?;
    Ok((spec, stored))
}

fn steps(repo: &Repo, id: &SpecId) -> Result<Vec<Step>, Failure> {
    let gone = || Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status");
    Ok(record::history(repo, record::tip(repo, id)?.ok_or_else(gone)?)?)
}

fn at(repo: &Repo, id: &SpecId, is: impl Fn(usize, &Step) -> bool) -> Result<Option<Version>, Failure> {
    let found = steps(repo, id)?.into_iter().enumerate().find(|(n, step)| is(*n, step));
    Ok(found.map(|(back, Step { commit, parents, .. })| Version { spec: id.clone(), back, commit, parents }))
}

/// The commit that git knows by that name.
fn commit(repo: &Repo, name: &str) -> Option<Oid> {
    let name = format!("{name}^{{commit}}");
    let out = repo.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name], None).ok()?.ok().ok()?;
    String::from_utf8(out).ok()?.trim().parse().ok()
}
