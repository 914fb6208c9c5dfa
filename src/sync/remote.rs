//! Which remote is meant, and what git itself fetches from it.

use super::Options;
use crate::{
    base::{Exit, Failure, text::one_line},
    git::{Head, Repo},
    store::{Store, names},
};

/// What setting up a remote changed.
#[derive(Debug)]
pub struct Added {
    /// Whether the remote is new.
    pub new: bool,
    /// The refspecs that were added to what git fetches from it.
    pub refspecs: Vec<String>,
}

/// Has git fetch what travels from a remote, into tracking refs, whenever it fetches; makes the remote if it is new.
pub fn add(repo: &Repo, name: &str, url: Option<&str>, dry_run: bool) -> Result<Added, Failure> {
    let known = repo.config(&format!("remote.{name}.url"));
    check(repo, name)?;
    match (&known, url) {
        (None, None) => {
            let text = format!("there is no remote {name:?}, and no URL is given");
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto remote add {name} <url>")));
        }
        (Some(known), Some(url)) if known != url => {
            let text = format!("the remote {name} exists already, at {}", one_line(known, 200));
            return Err(
                Failure::new(Exit::Usage, text).hint(format!("git remote set-url {name} {}", one_line(url, 200)))
            );
        }
        _ => {}
    }
    let have = repo.config_all(&format!("remote.{name}.fetch"));
    let missing: Vec<String> = names::fetch_refspecs(name, false).into_iter().filter(|s| !have.contains(s)).collect();
    let new = known.is_none();
    if !dry_run {
        if let (true, Some(url)) = (new, url) {
            repo.git(&["remote", "add", "--", name, url], None)?.ok()?;
        }
        for refspec in &missing {
            repo.add_config(&format!("remote.{name}.fetch"), refspec)?;
        }
    }
    Ok(Added { new, refspecs: missing })
}

/// The remote that is meant: the one that is named, that of the current branch, the only one, `origin`.
pub fn chosen(repo: &Repo, name: Option<&str>) -> Result<String, Failure> {
    let out = repo.git(&["remote"], None)?.ok()?;
    let all: Vec<String> = String::from_utf8_lossy(&out).lines().map(str::to_owned).collect();
    if let Some(name) = name {
        check(repo, name)?;
        return match all.iter().any(|r| r == name) {
            true => Ok(name.to_owned()),
            false => {
                let text = format!("there is no remote {:?}", one_line(name, 200));
                Err(Failure::new(Exit::Usage, text).hint("git otto remote add <name> <url>"))
            }
        };
    }
    let upstream = match repo.head()? {
        Head::Branch(branch, _) => {
            branch.strip_prefix("refs/heads/").and_then(|b| repo.config(&format!("branch.{b}.remote")))
        }
        Head::Detached(_) => None,
    };
    let pick = [upstream.as_deref(), Some("origin")].into_iter().flatten().find(|n| all.iter().any(|r| r == n));
    match (pick, all.as_slice()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [one]) => Ok(one.clone()),
        (None, []) => {
            Err(Failure::new(Exit::Usage, "this repository has no remote").hint("git otto remote add origin <url>"))
        }
        (None, many) => {
            let text = format!("there are {} remotes: say which", many.len());
            Err(Failure::new(Exit::Usage, text).hint(many.join("\n")))
        }
    }
}

/// A name that can stand in a ref, and is no option.
fn check(repo: &Repo, name: &str) -> Result<(), Failure> {
    let refname = format!("{}x", names::tracking_prefix(name));
    let valid = !name.is_empty() && !name.starts_with('-');
    if valid && repo.git(&["check-ref-format", &refname], None)?.code == Some(0) {
        return Ok(());
    }
    let text = format!("{:?} cannot be the name of a remote", one_line(name, 200));
    Err(Failure::new(Exit::Usage, text).hint("git otto remote add <name> <url>"))
}

impl Options {
    /// Whether a spec is meant.
    pub(super) fn covers(&self, spec: &crate::base::SpecId) -> bool {
        self.specs.is_empty() || self.specs.contains(spec)
    }
}

/// Everything that is here and travels.
pub(super) fn ours(store: &Store, wip: bool) -> Result<super::View, Failure> {
    let mut out = super::View::new();
    for prefix in names::shared_prefixes(wip) {
        out.extend(store.repo.refs().list(prefix)?);
    }
    Ok(out)
}
