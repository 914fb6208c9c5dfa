//! What this machine can enforce, found out by doing it: an installed program proves nothing, nor does a kernel's word.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Confined, Level, Rules};
use crate::base::{
    World,
    procs::{self, Bounds, Ended, Spec, find_on_path},
    scratch,
    text::one_line,
};

/// How to get a level that confines.
pub const INSTALL: &str = "apt install bubblewrap    (or: dnf install bubblewrap, pacman -S bubblewrap)";

/// Longer than any start takes.
const WALL: Duration = Duration::from_secs(10);

/// What this machine offers, and why not where it does not.
#[derive(Clone, Debug)]
pub struct Available {
    /// The program that works.
    pub bubblewrap: Result<PathBuf, String>,
    /// What the kernel enforces.
    pub landlock: Result<Landlock, String>,
    /// This program, which supervises what is confined.
    pub(super) supervisor: PathBuf,
}

/// A kernel with Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landlock {
    /// The version of its interface.
    pub abi: i32,
}

impl Landlock {
    /// What it cannot keep a program from, in words; `network` says whether the network is allowed.
    pub fn open(self, network: bool) -> Vec<&'static str> {
        let mut open = vec!["names, owners, modes and times of all files"];
        let gaps = [
            (3, "cutting files short"),
            (4, if network { "" } else { "TCP" }),
            (5, "device commands"),
            (6, "signals to other processes and abstract sockets"),
            (9, "sockets of services"),
            (10, if network { "" } else { "UDP" }),
        ];
        open.extend(gaps.iter().filter(|(since, _)| self.abi < *since).map(|(_, what)| *what));
        open.retain(|what| !what.is_empty());
        open
    }
}

/// Tries each level once, with this program as the supervisor; some ten milliseconds. To be kept as long as the process
/// lives.
pub async fn probe(world: &World) -> Available {
    let supervisor = world.program.clone();
    if cfg!(not(target_os = "linux")) {
        let why = "this system has none: it is for Linux";
        return Available { bubblewrap: Err(why.into()), landlock: Err(why.into()), supervisor };
    }
    let trial = match Trial::new() {
        Ok(trial) => trial,
        Err(e) => {
            let why = format!("it could not be tried: {e}");
            return Available { bubblewrap: Err(why.clone()), landlock: Err(why), supervisor };
        }
    };
    let bubblewrap = bubblewrap(world, &supervisor, &trial).await;
    Available { bubblewrap, landlock: trial.landlock(), supervisor }
}

async fn bubblewrap(world: &World, supervisor: &Path, trial: &Trial) -> Result<PathBuf, String> {
    let path = world.env.vars.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
    // A relative folder of the PATH may be the repository's.
    let absolute = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    let bwrap = find_on_path("bwrap".as_ref(), absolute).ok_or("bwrap is not on PATH")?;
    let assumed =
        Available { bubblewrap: Ok(bwrap.clone()), landlock: Err(String::new()), supervisor: supervisor.to_owned() };
    let confined = Confined::new(world.procs.clone(), Arc::new(assumed), Level::Bubblewrap, trial.rules());
    // Ends well only where it starts and where the secret is not there.
    let argv = ["sh", "-c", "! test -e \"$0\""].map(Into::into).into_iter().chain([trial.secret().into()]).collect();
    let spec = Spec { argv, cwd: "/".into(), env: vec![("PATH".into(), path)], ..Spec::default() };
    let done = procs::run(&confined, &spec, Bounds { wall: WALL, idle: None, keep: 4096 }).await;
    let done = done.map_err(|e| e.to_string())?;
    match done.ended {
        Ended::Exit(0) => Ok(bwrap),
        _ => Err(match one_line(&String::from_utf8_lossy(&done.stderr.bytes()), 200) {
            why if why.is_empty() => "it does not hide what it should".into(),
            why => why,
        }),
    }
}

/// A folder with something to hide.
struct Trial(scratch::Folder);

impl Trial {
    fn new() -> std::io::Result<Trial> {
        let trial = Trial(scratch::folder()?);
        std::fs::create_dir(trial.0.path().join("tmp"))?;
        std::fs::write(trial.secret(), "")?;
        Ok(trial)
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn rules(&self) -> Rules {
        Rules { hide: vec![self.0.path().to_owned()], tmp: self.0.path().join("tmp"), ..Rules::default() }
    }

    /// In a thread of its own, which stays confined and ends.
    #[cfg(target_os = "linux")]
    fn landlock(&self) -> Result<Landlock, String> {
        let rules = self.rules().resolve().map_err(|e| e.to_string())?;
        let secret = self.secret();
        let tried = std::thread::spawn(move || {
            let abi = super::landlock::restrict(&rules).map_err(|e| e.to_string())?;
            match std::fs::File::open(secret) {
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(Landlock { abi }),
                _ => Err("it does not hide what it should".to_owned()),
            }
        });
        tried.join().unwrap_or_else(|_| Err("it could not be tried".into()))
    }

    #[cfg(not(target_os = "linux"))]
    fn landlock(&self) -> Result<Landlock, String> {
        Err("it is for Linux".into())
    }
}
