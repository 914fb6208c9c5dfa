//! Confinement: programs of others run with what they need and little else, by bubblewrap, else by Landlock, else
//! unconfined where that is allowed. What a machine can enforce is found out by trying.
//!
//! At every level, also unconfined, a program runs below a supervisor (`supervisor`): this program again, started as
//! `git-otto confine`. It sets limits, confines, and ends with the program everything that the program left behind.
//! [`Confined`] puts all this around programs: whoever starts them need not know.

mod around;
#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod landlock;
mod probe;
mod rules;
#[cfg(target_os = "linux")]
mod supervisor;
mod tools;

#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use around::{Network, Sandbox, Whose};
pub use probe::{Available, INSTALL, Landlock, probe};
pub use rules::Rules;
pub use tools::tool_paths;

use crate::base::{
    Exit, Failure,
    procs::{Child, Ended, Procs, Spec, find_program},
};

/// The word after the program's name that makes it a supervisor.
pub const COMMAND: &str = "confine";

/// What the user wants (`otto.sandbox`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The best level that the machine has.
    #[default]
    Auto,
    /// A level that confines, or nothing runs.
    Require,
    /// No confinement.
    Off,
}

impl FromStr for Mode {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Mode, Failure> {
        match text {
            "auto" => Ok(Mode::Auto),
            "require" => Ok(Mode::Require),
            "off" => Ok(Mode::Off),
            _ => {
                let text = format!("otto.sandbox is {text:?}; there are auto, require and off");
                Err(Failure::new(Exit::Usage, text).hint("git config otto.sandbox auto"))
            }
        }
    }
}

/// How programs are confined, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Namespaces of their own.
    Bubblewrap,
    /// An allow-list that the kernel holds them to.
    Landlock,
    /// Not at all; what they leave behind is ended all the same.
    None,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Bubblewrap => "bubblewrap",
            Level::Landlock => "landlock",
            Level::None => "none",
        })
    }
}

/// The level to use. Where one that confines is required and there is none, what is missing and how to get it.
pub fn choose(mode: Mode, available: &Available) -> Result<Level, Failure> {
    match (mode, &available.bubblewrap, &available.landlock) {
        (Mode::Off, ..) => Ok(Level::None),
        (_, Ok(_), _) => Ok(Level::Bubblewrap),
        (_, _, Ok(_)) => Ok(Level::Landlock),
        (Mode::Auto, ..) => Ok(Level::None),
        (Mode::Require, Err(bubblewrap), Err(landlock)) => Err(Failure {
            exit: Exit::Refused,
            message: "otto.sandbox is require, and this machine offers no confinement".into(),
            causes: vec![format!("bubblewrap: {bubblewrap}"), format!("landlock: {landlock}")],
            hint: Some(probe::INSTALL.into()),
        }),
    }
}

/// What the supervisor is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    level: Level,
    /// Whether to start a second supervisor below this one, so that either ends everything where the other is killed.
    guard: bool,
    bwrap: PathBuf,
    rules: rules::Resolved,
}

/// Starts programs as another does, each confined.
pub struct Confined {
    inner: Arc<dyn Procs>,
    available: Arc<Available>,
    level: Level,
    rules: Rules,
}

impl Confined {
    /// Confines at a level that is available. Outside of Linux there is none, and no supervisor either.
    pub fn new(inner: Arc<dyn Procs>, available: Arc<Available>, level: Level, rules: Rules) -> Confined {
        Confined { inner, available, level, rules }
    }

    /// The command line of the supervisor.
    fn wrapped(&self, spec: &Spec) -> io::Result<Vec<OsString>> {
        let bwrap = match (self.level, &self.available.bubblewrap) {
            (Level::Bubblewrap, Ok(bwrap)) => bwrap.clone(),
            (Level::Bubblewrap, Err(why)) => return Err(io::Error::other(format!("bubblewrap: {why}"))),
            _ => PathBuf::new(),
        };
        // bubblewrap ends what it started when it is killed; the other levels need somebody who is left to do it.
        let guard = self.level != Level::Bubblewrap;
        let policy = Policy { level: self.level, guard, bwrap, rules: self.rules.resolve()? };
        let head = [
            self.available.supervisor.clone().into_os_string(),
            COMMAND.into(),
            self.inner.me().pid.to_string().into(),
            serde_json::to_string(&policy)?.into(),
        ];
        Ok(head.into_iter().chain(spec.argv.iter().cloned()).collect())
    }
}

/// The dynamic loader acts on variables whose names begin so. Those of the program must not lead a supervisor, so they are
/// carried past it under another name.
const LOADER: [&str; 2] = ["LD_", "GLIBC_"];
const CARRIED: &str = "OTTO_CONFINED_";

/// Where git looks for the user's settings, instead of in their HOME.
const GIT_SETTINGS: &str = "GIT_CONFIG_GLOBAL";

fn pack(name: &OsStr) -> OsString {
    let loads = LOADER.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()));
    let mut packed = OsString::from(if loads { CARRIED } else { "" });
    packed.push(name);
    packed
}

/// The real name of a variable that was carried.
#[cfg(target_os = "linux")]
fn unpack(name: &OsStr) -> Option<OsString> {
    let real = name.as_bytes().strip_prefix(CARRIED.as_bytes())?;
    Some(OsStr::from_bytes(real).to_owned())
}

impl Procs for Confined {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        // Whoever starts what is not there learns it here, as without a supervisor.
        find_program(spec)?;
        if cfg!(not(target_os = "linux")) {
            return self.inner.spawn(spec);
        }
        let mut env: Vec<_> = spec.env.iter().map(|(name, value)| (pack(name), value.clone())).collect();
        // Under Landlock a hidden HOME is there and cannot be read, and git gives up on settings that it may not read.
        if self.level == Level::Landlock && env.iter().all(|(name, _)| name != GIT_SETTINGS) {
            env.push((GIT_SETTINGS.into(), "/dev/null".into()));
        }
        let spec = Spec { argv: self.wrapped(spec)?, env, ..spec.clone() };
        Ok(self.inner.spawn(&spec)?.supervised())
    }

    fn inner(&self) -> Option<&dyn Procs> {
        Some(self.inner.as_ref())
    }

    fn confinement(&self) -> String {
        if cfg!(target_os = "linux") { self.level.to_string() } else { self.inner.confinement() }
    }
}

/// The supervisor itself, if that is what the program's arguments ask for: how the confined program ended. With words of
/// its own only where it could not do its work.
pub fn supervise(args: &[OsString]) -> Option<Result<Ended, Failure>> {
    let [_, command, args @ ..] = args else { return None };
    if command != COMMAND {
        return None;
    }
    #[cfg(target_os = "linux")]
    return Some(supervisor::run(args));
    #[cfg(not(target_os = "linux"))]
    return Some(Err(Failure::new(
        Exit::Usage,
        format!("{COMMAND} with {} arguments works on Linux only", args.len()),
    )));
}
