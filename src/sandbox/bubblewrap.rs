//! The command line of bubblewrap for a set of rules.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use super::rules::{Access, Resolved, TMP};

/// Puts bubblewrap around a command that runs in `cwd` with `env` as its environment.
///
/// bubblewrap sets `PWD` and gives the rest of its own environment on, so `env` is what it gets with what must be undone:
/// variables to set (`Some`) or to remove (`None`) in front of the program.
pub(super) fn around(
    bwrap: &Path,
    rules: &Resolved,
    cwd: &Path,
    undo: &[(OsString, Option<OsString>)],
    command: &[OsString],
) -> io::Result<Vec<OsString>> {
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
    for (name, value) in undo {
        if value.is_none() {
            out.add([OsStr::new("-u"), name]);
        }
    }
    for (name, value) in undo {
        if let Some(value) = value {
            let mut set = name.clone();
            set.push("=");
            set.push(value);
            out.add([&set]);
        }
    }
    if command.first().is_some_and(|program| program.as_encoded_bytes().contains(&b'=')) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a program with = in its name cannot be confined"));
    }
    out.add(command);
    Ok(out.0)
}

struct Args(Vec<OsString>);

impl Args {
    fn add<S: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }
}
