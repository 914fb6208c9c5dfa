//! What one confined program may do, and what that means for the places of this machine.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::tools;
use crate::base::Env;

/// What one confined program may do. Everything can be read but what is hidden; nothing can be written but what is named.
/// Of two places of which one lies in the other, the inner one decides for what is in it; of two rules for one place, the
/// one that allows more. A place that does not exist is left out: nothing can be made there but inside one of `write`.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Files and folders that it may write. Never one inside a place that a program of others has written: it could be a
    /// link to anywhere, and links are followed.
    pub write: Vec<PathBuf>,
    /// What it may read although it lies in a hidden place.
    pub read: Vec<PathBuf>,
    /// What it must not see.
    pub hide: Vec<PathBuf>,
    /// The folder that is its `/tmp`; where that cannot be (Landlock), it reaches the folder by its own path only.
    pub tmp: PathBuf,
    /// Whether it may use the network.
    pub network: bool,
}

/// What every user may write and every program knows: each program gets one of its own.
pub(super) const TMP: &str = "/tmp";
/// Where sockets of services are that would act for the program: container engines, agents of keys, message buses.
const SERVICES: &str = "/run";
/// What is read in [`SERVICES`] where it exists: the programs of a system that keeps them there.
const SYSTEM: &str = "/run/current-system";
/// Which servers know names; on some systems it is kept in [`SERVICES`].
const RESOLVER: &str = "/etc/resolv.conf";

impl Rules {
    /// What every program gets: its own `/tmp`, the tools of the user; no HOME, no credentials, no workspaces of others,
    /// no sockets, no network.
    pub fn new(env: &Env, tmp: &Path) -> Rules {
        let tools = tools::tool_paths(env);
        let mut hide: Vec<PathBuf> = [SERVICES, "/var/tmp"].map(PathBuf::from).to_vec();
        let runtime = env.var("XDG_RUNTIME_DIR").map(PathBuf::from);
        // A HOME that is the root would hide the system.
        hide.extend(env.home.iter().cloned().chain(runtime).filter(|dir| dir.is_absolute() && dir.parent().is_some()));
        hide.extend(env.state_dir());
        hide.extend(tools::secrets(&tools));
        let read = tools.into_iter().chain([SYSTEM.into()]).collect();
        Rules { write: Vec::new(), read, hide, tmp: tmp.to_owned(), network: false }
    }

    /// The places by their real names.
    pub(super) fn resolve(&self) -> io::Result<Resolved> {
        let tmp = self.tmp.canonicalize()?;
        let resolver = self.network.then(|| PathBuf::from(RESOLVER));
        let shared = PathBuf::from(TMP);
        let given = self.hide.iter().chain([&shared]).map(|p| (p, Access::Hidden));
        let given = given.chain(self.read.iter().chain(&resolver).map(|p| (p, Access::Read)));
        let given = given.chain(self.write.iter().chain([&self.tmp]).map(|p| (p, Access::Write)));
        let (mut places, mut links) = (Vec::new(), Vec::new());
        // Most of what is hidden or shown would lie in folders that are not there: each of those is looked for once.
        let mut known = BTreeMap::new();
        for (path, access) in given {
            let folder = path.parent().unwrap_or(path);
            if !*known.entry(folder).or_insert_with(|| folder.exists()) || !path.exists() {
                continue;
            }
            let Ok(real) = path.canonicalize() else { continue };
            if real.to_str().is_none() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not UTF-8", real.display())));
            }
            // Hiding takes a link away together with the folder that it is in.
            if let (Some(parent), Some(name), true) = (path.parent(), path.file_name(), path.is_symlink())
                && access != Access::Hidden
                && let Ok(parent) = parent.canonicalize()
            {
                links.push(Link { at: parent.join(name), to: real.clone() });
            }
            places.push(Place { path: real, access });
        }
        // A folder before what is in it, and the weakest rule for one place first.
        places.sort();
        places.reverse();
        places.dedup_by(|weaker, stronger| weaker.path == stronger.path);
        places.reverse();
        let resolved = Resolved { places, links: Vec::new(), tmp, network: self.network };
        links.retain(|link| resolved.access(&link.at) == Access::Hidden);
        Ok(Resolved { links, ..resolved })
    }
}

/// What may be done with a place, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    /// Nothing: it is not there.
    Hidden,
    /// Reading and starting.
    Read,
    /// Everything.
    Write,
}

/// A file or a folder that exists, by its real name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub path: PathBuf,
    pub access: Access,
}

/// A symbolic link in a hidden place by which a visible one is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub at: PathBuf,
    pub to: PathBuf,
}

/// Rules that hold for places that exist, a folder before what is in it, one rule a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolved {
    pub places: Vec<Place>,
    pub links: Vec<Link>,
    pub tmp: PathBuf,
    pub network: bool,
}

impl Resolved {
    /// What may be done at a path: the innermost place around it decides.
    fn access(&self, path: &Path) -> Access {
        let around = self.places.iter().rfind(|place| path.starts_with(&place.path));
        around.map_or(Access::Read, |place| place.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        names.iter().for_each(|name| std::fs::create_dir_all(root.join(name)).unwrap());
        (dir, root)
    }

    #[test]
    fn the_outer_place_comes_first_and_the_stronger_rule_stays() {
        let (_dir, root) = folders(&["home/tool/secret", "home/login", "tmp"]);
        let at = |name: &str| root.join(name);
        let rules = Rules {
            write: vec![at("home/login"), at("missing")],
            read: vec![at("home/login"), at("home/tool")],
            hide: vec![at("home/tool/secret"), at("home/login"), at("home")],
            tmp: at("tmp"),
            network: false,
        };
        let resolved = rules.resolve().unwrap();
        let below: Vec<(PathBuf, Access)> =
            resolved.places.iter().filter(|p| p.path.starts_with(&root)).map(|p| (p.path.clone(), p.access)).collect();
        let expected = [
            (at("home"), Access::Hidden),
            (at("home/login"), Access::Write),
            (at("home/tool"), Access::Read),
            (at("home/tool/secret"), Access::Hidden),
            (at("tmp"), Access::Write),
        ];
        assert_eq!(below, expected);
        assert!(resolved.places.iter().any(|p| p.path == Path::new(TMP) && p.access == Access::Hidden));
        for (name, access) in [
            ("home/x", Access::Hidden),
            ("home/login/x/y", Access::Write),
            ("home/tool/x", Access::Read),
            ("home/tool/secret/x", Access::Hidden),
        ] {
            assert_eq!(resolved.access(&at(name)), access, "{name}");
        }
        assert_eq!(resolved.access(Path::new("/usr")), Access::Read);
    }

    #[test]
    fn links_are_followed_and_stay_where_they_would_be_hidden() {
        let (_dir, root) = folders(&["home", "elsewhere/tool", "tmp"]);
        std::os::unix::fs::symlink(root.join("elsewhere/tool"), root.join("home/tool")).unwrap();
        let hide = vec![root.join("home")];
        let rules = Rules { read: vec![root.join("home/tool")], hide, tmp: root.join("tmp"), ..Rules::default() };
        let resolved = rules.resolve().unwrap();
        assert!(resolved.places.contains(&Place { path: root.join("elsewhere/tool"), access: Access::Read }));
        assert_eq!(resolved.links, [Link { at: root.join("home/tool"), to: root.join("elsewhere/tool") }]);
    }

    #[test]
    fn everybody_is_denied_home_workspaces_and_sockets() {
        let vars = [("HOME", "/home/u"), ("PATH", "/home/u/.cargo/bin:/usr/bin"), ("XDG_RUNTIME_DIR", "/odd/runtime")];
        let vars = vars.map(|(name, value)| (name.into(), value.into())).into_iter().collect();
        let mut env = Env { vars, home: Some("/home/u".into()), ..Env::default() };
        let rules = Rules::new(&env, Path::new("/t"));
        for hidden in [
            "/home/u",
            "/home/u/.local/state/git-otto",
            "/run",
            "/odd/runtime",
            "/home/u/.cargo/credentials.toml",
            "/home/u/.cargo/credentials",
        ] {
            assert!(rules.hide.contains(&hidden.into()), "{hidden}: {rules:?}");
        }
        assert!(rules.write.is_empty() && !rules.network);
        env.home = Some("/".into());
        assert!(!Rules::new(&env, Path::new("/t")).hide.contains(&"/".into()));
    }
}
