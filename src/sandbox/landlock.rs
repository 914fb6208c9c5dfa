//! Landlock: an allow-list that holds this thread, and what it starts, for ever.

use std::{
    io,
    path::{Path, PathBuf},
};

use ::landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, Scope, path_beneath_rules,
};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::rules::{Access, Place, Resolved};

/// The newest interface that is asked for; an older kernel gives what it has.
const NEWEST: ABI = ABI::V10;
/// The devices that programs need. The rest of `/dev` is left out: an administrator could read disks there.
const DEVICES: [&str; 8] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts"];

/// Confines this thread. Answers which version of the interface the kernel has.
pub(super) fn restrict(rules: &Resolved) -> io::Result<i32> {
    let all = AccessFs::from_all(NEWEST);
    // Nobody works with device nodes of his own making.
    let write = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let read = AccessFs::from_read(NEWEST);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    ruleset =
        ruleset.handle_access(all).and_then(|r| r.scope(Scope::AbstractUnixSocket | Scope::Signal)).map_err(failed)?;
    if !rules.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST)).map_err(failed)?;
    }
    let within = |outer: &Path, which: &dyn Fn(Access) -> bool| -> Vec<PathBuf> {
        let inner = rules.places.iter().filter(|p| which(p.access) && p.path != outer && p.path.starts_with(outer));
        inner.map(|p| p.path.clone()).collect()
    };
    let root = Path::new("/");
    let mut holes = within(root, &|access| access == Access::Hidden);
    holes.push("/dev".into());
    let devices = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let mut allowed = vec![(around(root, &holes), read), (DEVICES.map(PathBuf::from).to_vec(), devices)];
    for Place { path, access } in &rules.places {
        match access {
            Access::Hidden => {}
            Access::Read => allowed.push((around(path, &within(path, &|a| a == Access::Hidden)), read)),
            Access::Write => allowed.push((around(path, &within(path, &|a| a != Access::Write)), write)),
        }
    }
    let mut created = ruleset.create().map_err(failed)?;
    for (paths, access) in allowed {
        created = created.add_rules(path_beneath_rules(paths, access)).map_err(failed)?;
    }
    // An administrator's program keeps rights that no path limits unless they are given up.
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    let status = created.restrict_self().map_err(failed)?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => Ok(kernel_abi.unwrap_or(effective_abi as i32)),
        LandlockStatus::NotEnabled => Err(io::Error::other("the kernel has Landlock, but it is not switched on")),
        LandlockStatus::NotImplemented => Err(io::Error::other("the kernel has no Landlock")),
    }
}

fn failed(e: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(e)
}

/// Everything in a folder but the holes: the folder itself where there are none in it, else what is in it, one by one.
/// A rule of Landlock holds for all that is below its place and nothing can be taken out of it.
fn around(folder: &Path, holes: &[PathBuf]) -> Vec<PathBuf> {
    if holes.iter().any(|hole| hole == folder) {
        return Vec::new();
    }
    if !holes.iter().any(|hole| hole.starts_with(folder)) {
        return vec![folder.to_owned()];
    }
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    inside.filter(|e| !e.file_type().is_ok_and(|t| t.is_symlink())).flat_map(|e| around(&e.path(), holes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_left_out_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["a/b/secret", "a/c", "d"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink(at("a/b/secret"), at("a/link")).unwrap();
        let around = |holes: &[&str]| {
            let mut found = around(dir.path(), &holes.iter().map(|name| at(name)).collect::<Vec<_>>());
            found.sort();
            found
        };
        assert_eq!(around(&["a/b/secret"]), [at("a/b/file"), at("a/c"), at("d")]);
        assert_eq!(around(&["a", "a/b/secret"]), [at("d")]);
        assert_eq!(around(&[]), [dir.path()]);
        assert!(around(&[""]).is_empty());
    }
}
