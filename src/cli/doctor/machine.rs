//! What the machine offers, found out by using it.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Finding, Level};
use crate::{
    base::{Failure, procs, text::one_line},
    checks,
    cli::{Start, session},
    gate,
    sandbox::{self, Available, Mode, Network},
    store::Store,
};

/// The oldest git that can do all that is asked of it: 2.38 brought `merge-tree --write-tree`.
const OLDEST_GIT: (u32, u32) = (2, 38);

/// Looks at the machine, and at how runs in a repository will use it.
pub(super) fn look(start: &Start, store: Option<&Store>) -> Result<Vec<Finding>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let mut found = vec![
            git(tried(start, &["git", "--version"]).await),
            Finding::new("git otto", Level::Good, format!("version {}, gix {}", env!("CARGO_PKG_VERSION"), gix_version())),
            state_dir(start),
            packages(start),
        ];
        let available = Arc::new(sandbox::probe(&start.world).await);
        found.extend(levels(&available));
        let used = match store {
            Some(store) => session::sandbox_of(start, store, available.clone()).map(|s| (s.level, s.network)),
            None => sandbox::choose(Mode::Auto, &available).map(|level| (level, Network::All)),
        };
        found.push(confinement(used, &available));
        found
    }))
}

/// The version of gix that this program was built with, as its manifest asks for it.
fn gix_version() -> &'static str {
    let line = include_str!("../../../Cargo.toml").lines().find(|l| l.starts_with("gix = "));
    line.and_then(|l| l.split('"').nth(1)).unwrap_or("unknown")
}

/// What a program printed if it ended well, else why not.
async fn tried(start: &Start, argv: &[&str]) -> Result<String, String> {
    let spec = procs::Spec {
        argv: argv.iter().map(Into::into).collect(),
        cwd: "/".into(),
        env: start.world.env.vars.clone().into_iter().collect(),
        ..Default::default()
    };
    let bounds = procs::Bounds { wall: Duration::from_secs(10), idle: None, keep: 4096 };
    let done = procs::run(&*start.world.procs, &spec, bounds).await.map_err(|e| e.to_string())?;
    match done.ended {
        procs::Ended::Exit(0) => Ok(String::from_utf8_lossy(&done.stdout.bytes()).into_owned()),
        _ => Err(one_line(&String::from_utf8_lossy(&done.stderr.bytes()), 200)),
    }
}

fn git(said: Result<String, String>) -> Finding {
    let upgrade = format!("install git {}.{} or newer: https://git-scm.com/downloads", OLDEST_GIT.0, OLDEST_GIT.1);
    let said = match said {
        Ok(said) => one_line(&said, 80),
        Err(why) => return Finding::new("git", Level::Broken, format!("git cannot be run: {why}")).mend(upgrade),
    };
    match version(&said) {
        Some(found) if found >= OLDEST_GIT => Finding::new("git", Level::Good, said),
        Some(_) => Finding::new("git", Level::Broken, format!("{said} is too old to check merges")).mend(upgrade),
        None => Finding::new("git", Level::Warning, format!("{said:?} tells no version")).mend(upgrade),
    }
}

/// Major and minor version in what `git --version` prints.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("git version ")?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn state_dir(start: &Start) -> Finding {
    let Some(dir) = start.world.env.state_dir() else {
        return Finding::new("state", Level::Broken, "neither XDG_STATE_HOME nor HOME says where workspaces may live")
            .mend("export XDG_STATE_HOME=/path/with/room");
    };
    // Nothing is left behind: where the folder does not exist yet, the nearest one above it is tried.
    let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("/"));
    match tempfile::tempdir_in(there) {
        Ok(_) => Finding::new("state", Level::Good, format!("workspaces live in {}", dir.display())),
        Err(e) => Finding::new("state", Level::Broken, format!("{} cannot be written: {e}", there.display()))
            .mend("export XDG_STATE_HOME=/path/with/room"),
    }
}

/// Who installs what lock files name.
fn packages(start: &Start) -> Finding {
    let path = checks::path_of(&start.world.env);
    let (there, missing): (Vec<_>, Vec<_>) =
        gate::PROGRAMS.into_iter().partition(|(program, _)| checks::on_path(program, &path).is_some());
    let list = |of: &[(&str, &str)]| of.iter().map(|(p, lock)| format!("{p} ({lock})")).collect::<Vec<_>>().join(", ");
    let text = match (there.is_empty(), missing.is_empty()) {
        (true, _) => format!("nothing here installs what lock files name: {}", list(&missing)),
        (_, true) => format!("installed where there is a lock file: {}", list(&there)),
        _ => format!("installed where there is a lock file: {}; not here: {}", list(&there), list(&missing)),
    };
    Finding::new("packages", Level::Note, text)
}

/// What each level of confinement does here.
fn levels(available: &Available) -> Vec<Finding> {
    let bubblewrap = match &available.bubblewrap {
        Ok(path) => {
            let text = format!("{} was tried and works: hides what is the user's, and the network where it is off", path.display());
            Finding::new("bubblewrap", Level::Good, text)
        }
        Err(why) => {
            Finding::new("bubblewrap", Level::Note, format!("it was tried and does not work: {why}")).mend(sandbox::INSTALL)
        }
    };
    let landlock = match &available.landlock {
        Ok(kernel) => {
            let open = kernel.open(false).join("; ");
            Finding::new("landlock", Level::Good, format!("interface {} was tried and works; open stay {open}", kernel.abi))
        }
        Err(why) => Finding::new("landlock", Level::Note, format!("it was tried and does not work: {why}")),
    };
    vec![bubblewrap, landlock]
}

/// What runs use of them, as the configuration has it.
fn confinement(used: Result<(sandbox::Level, Network), Failure>, available: &Available) -> Finding {
    let (level, network) = match used {
        Err(failure) => return Finding::failed("confinement", failure),
        Ok((sandbox::Level::None, _)) => {
            let nothing = available.bubblewrap.is_err() && available.landlock.is_err();
            let (why, mend) = match nothing {
                true => ("nothing confines agents and checks here", sandbox::INSTALL),
                false => ("otto.sandbox is off", "git config otto.sandbox auto"),
            };
            let text = format!("{why}: they can read and write whatever the user can, and use the network");
            return Finding::new("confinement", Level::Warning, text).mend(mend);
        }
        Ok(used) => used,
    };
    // What this kernel leaves open is said where Landlock is.
    let but = if level == sandbox::Level::Landlock { ", but for what stays open" } else { "" };
    let text = match network {
        Network::All => format!("runs use {level}, the best that works here; everybody has the network"),
        Network::Agents => format!("runs use {level}, the best that works here; checks have no network{but}"),
        Network::None => format!("runs use {level}, the best that works here; nobody has the network{but}"),
    };
    Finding::new("confinement", Level::Good, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_git_is_told_from_a_new_one() {
        for (said, level) in [
            ("git version 2.47.3\n", Level::Good),
            ("git version 2.38.0-rc1\n", Level::Good),
            ("git version 3.0\n", Level::Good),
            ("git version 2.37.9 (Apple Git-145)\n", Level::Broken),
            ("git version 1.99\n", Level::Broken),
            ("something else\n", Level::Warning),
        ] {
            assert_eq!(git(Ok(said.into())).level, level, "{said}");
        }
        let missing = git(Err("git is not on PATH".into()));
        assert_eq!(missing.level, Level::Broken);
        assert!(missing.mend.is_some());
    }

    #[test]
    fn the_version_of_gix_is_the_manifests() {
        assert!(gix_version().starts_with(|c: char| c.is_ascii_digit()), "{}", gix_version());
    }
}
