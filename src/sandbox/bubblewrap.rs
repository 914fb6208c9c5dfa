//! The command line of bubblewrap for a set of rules.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use super::{
    rules::{Access, Resolved, TMP},
    unpack,
};

/// Puts bubblewrap around a command that runs in `cwd`; `env` is what bubblewrap itself is started with.
pub(super) fn around(
    bwrap: &Path,
    rules: &Resolved,
    cwd: &Path,
    env: &[(OsString, OsString)],
    command: &[OsString],
) -> io::Result<Vec<OsString>> {
    if command.first().is_some_and(|program| program.as_encoded_bytes().contains(&b'=')) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a program with = in its name cannot be confined"));
    }
    let mut out = Args(vec![bwrap.into()]);
    // As root bubblewrap keeps capabilities, and with those of its own namespace all that follows could be undone.
    out.add(["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    if rules.network {
        out.add(["--share-net"]);
    }
    out.add(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
    if rustix::process::geteuid().is_root() {
        // The kernel's own settings belong to root, whatever its capabilities: whoever writes them rules the machine.
        out.add(["--remount-ro", "/proc"]);
    }
    for place in &rules.places {
        let path = place.path.as_os_str();
        match place.access {
            Access::Hidden if path == TMP => out.add([OsStr::new("--bind"), rules.tmp.as_os_str(), path]),
            Access::Hidden if place.path.is_dir() => out.add([OsStr::new("--tmpfs"), path]),
            Access::Hidden => out.add([OsStr::new("--ro-bind"), OsStr::new("/dev/null"), path]),
            Access::Read => out.add([OsStr::new("--ro-bind-try"), path, path]),
            Access::Write => out.add([OsStr::new("--bind-try"), path, path]),
        }
    }
    for link in &rules.links {
        out.add([OsStr::new("--symlink"), link.to.as_os_str(), link.at.as_os_str()]);
    }
    out.add([OsStr::new("--chdir"), cwd.as_os_str()]);
    out.add(["--", "env"]);
    out.add(corrections(env));
    out.add(command);
    Ok(out.0)
}

/// What `env` is told, so that the program's environment is the given one: variables that were carried past the loader get
/// their names back, and `PWD`, which bubblewrap sets, gets its value back.
fn corrections(env: &[(OsString, OsString)]) -> Vec<OsString> {
    let assign = |name: &OsStr, value: &OsStr| [name, value].join(OsStr::new("="));
    let (mut unset, mut set) = (Vec::new(), Vec::new());
    for (name, value) in env {
        if let Some(real) = unpack(name) {
            unset.extend(["-u".into(), name.clone()]);
            set.push(assign(&real, value));
        }
    }
    match env.iter().find(|(name, _)| name == "PWD") {
        Some((name, value)) => set.push(assign(name, value)),
        None => unset.extend(["-u".into(), "PWD".into()]),
    }
    unset.into_iter().chain(set).collect()
}

struct Args(Vec<OsString>);

impl Args {
    fn add<S: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::rules::Place;

    fn line(network: bool, env: &[(&str, &str)]) -> String {
        let place = |path: &str, access| Place { path: path.into(), access };
        let places =
            vec![place("/tmp", Access::Hidden), place("/usr", Access::Hidden), place("/usr/ws", Access::Write)];
        let rules = Resolved { places, links: Vec::new(), tmp: "/own".into(), network };
        let env: Vec<(OsString, OsString)> = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let out = around(Path::new("/b"), &rules, Path::new("/usr/ws"), &env, &["prog".into(), "-x".into()]).unwrap();
        out.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn places_follow_the_system_in_their_order() {
        let line = line(false, &[]);
        let order = ["--ro-bind / /", "--dev", "--proc", "--bind /own /tmp", "--tmpfs /usr", "--bind-try /usr/ws"];
        let at: Vec<Option<usize>> = order.iter().map(|part| line.find(part)).collect();
        assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{line}");
        assert!(line.contains("--cap-drop ALL") && line.ends_with("-- env -u PWD prog -x"), "{line}");
    }

    #[test]
    fn the_network_is_shared_only_where_it_is_allowed() {
        assert_eq!([false, true].map(|allowed| line(allowed, &[]).contains("--share-net")), [false, true]);
    }

    #[test]
    fn the_environment_is_put_right() {
        let line = line(false, &[("PWD", "/x"), ("OTTO_CONFINED_LD_PRELOAD", "a b"), ("LANG", "C")]);
        assert!(line.ends_with("-- env -u OTTO_CONFINED_LD_PRELOAD LD_PRELOAD=a b PWD=/x prog -x"), "{line}");
        let rules = Resolved { places: Vec::new(), links: Vec::new(), tmp: "/own".into(), network: false };
        assert!(around(Path::new("/b"), &rules, Path::new("/"), &[], &["a=b".into()]).is_err());
    }
}
