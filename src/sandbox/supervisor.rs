//! The process between otto and a confined program.
//!
//! It must end whatever the program leaves behind, also what left the process group, and must be ended itself by whoever
//! started it. Every descendant stays below it, since it adopts orphans; where it is killed by force, another supervisor
//! above it (the guard) or bubblewrap itself ends the rest. All that it is told comes by its command line, which the
//! program cannot change: it has not started yet.

use std::{
    ffi::OsString,
    io,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::{COMMAND, Level, Policy, bubblewrap, landlock, unpack};
use crate::base::{
    Exit, Failure, json,
    procs::{self, Ended},
};

/// The largest file that a program may write, bytes.
const MAX_FILE: u64 = 8 << 30;
/// How many files one process may have open at once.
const MAX_OPEN: u64 = 65_536;
/// How long descendants that were killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the program to its end, and ends what it left behind.
pub(super) fn run(args: &[OsString]) -> Result<Ended, Failure> {
    let [parent, policy, program @ ..] = args else { return Err(misused("it needs a parent, a policy and a program")) };
    let parent = parent.to_str().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let parent = parent.ok_or_else(|| misused("its first argument is no process id"))?;
    let policy: Policy = json::read(policy.as_encoded_bytes(), json::Limits::LINE)
        .map_err(|e| misused(&format!("its policy is unreadable: {e}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // In this thread and no other: Landlock and the signal at a parent's death are matters of threads.
    runtime.block_on(supervise(parent, policy, program))
}

fn misused(why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`git otto {COMMAND}` is for otto itself: {why}")).hint("git otto -h")
}

async fn supervise(parent: Pid, policy: Policy, program: &[OsString]) -> Result<Ended, Failure> {
    let mut changed = signal(SignalKind::child())?;
    let mut asked = signal(SignalKind::terminate())?;
    let mut orphaned = signal(SignalKind::hangup())?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(io::Error::from)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::HUP)).map_err(io::Error::from)?;
    let orphan = || rustix::process::getppid() != Some(parent);
    if orphan() {
        return Ok(Ended::Signal(Signal::KILL.as_raw()));
    }
    let mut family = Family { main: start(policy, program)?, ended: None };
    while !family.reap()? && family.ended.is_none() {
        tokio::select! {
            _ = changed.recv() => {}
            _ = asked.recv() => break,
            // Also sent where only the thread that started this process is gone.
            _ = orphaned.recv() => if orphan() { break },
        }
    }
    family.end()
}

/// Limits this process for good and starts what the policy says.
fn start(policy: Policy, program: &[OsString]) -> Result<Pid, Failure> {
    limit();
    // Nothing that it starts can be out of reach of a signal by belonging to somebody else.
    rustix::thread::set_no_new_privs(true).map_err(io::Error::from)?;
    let own: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let env: Vec<_> = own.iter().cloned().map(|(name, value)| (unpack(&name).unwrap_or(name), value)).collect();
    if policy.guard {
        let policy = serde_json::to_string(&Policy { guard: false, ..policy }).map_err(io::Error::from)?;
        let me = rustix::process::getpid().as_raw_nonzero().to_string();
        let head = [std::env::current_exe()?.into(), COMMAND.into(), me.into(), policy.into()];
        let argv: Vec<OsString> = head.into_iter().chain(program.iter().cloned()).collect();
        return Ok(procs::start_here(&argv, &own, false)?);
    }
    if policy.level != Level::Bubblewrap {
        // Away from the group that otto kills, so that one supervisor is left, and from the user's terminal, into which a
        // program could type. bubblewrap does that itself, and there is one supervisor only.
        rustix::process::setsid().map_err(io::Error::from)?;
    }
    let started = match policy.level {
        Level::Bubblewrap => {
            let cwd = std::env::current_dir()?;
            let argv = bubblewrap::around(&policy.bwrap, &policy.rules, &cwd, &own, program)?;
            procs::start_here(&argv, &own, true)
        }
        Level::Landlock => {
            landlock::restrict(&policy.rules)?;
            procs::start_here(program, &env, true)
        }
        Level::None => procs::start_here(program, &env, true),
    };
    started.map_err(|e| {
        let name = program.first().map(|name| name.display().to_string()).unwrap_or_default();
        Failure::new(Exit::Internal, format!("{name} cannot be started ({}): {e}", policy.level))
    })
}

/// Bounds on what one process may use. None on memory, since some runtimes reserve far more than they use, and none on
/// the number of processes, since that counts all of the user's.
fn limit() {
    for (resource, most) in [(Resource::Core, 0), (Resource::Fsize, MAX_FILE), (Resource::Nofile, MAX_OPEN)] {
        let now = rustix::process::getrlimit(resource);
        let bound = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        let new = Rlimit { current: bound(now.current), maximum: bound(now.maximum) };
        // A limit is only ever lowered, which is always allowed.
        let _ = rustix::process::setrlimit(resource, new);
    }
}

/// The program and everything below it.
struct Family {
    main: Pid,
    ended: Option<Ended>,
}

impl Family {
    /// Takes note of those that ended. Whether nobody is left.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.main => {
                    let signal = status.terminating_signal().map(Ended::Signal);
                    self.ended = signal.or(status.exit_status().map(Ended::Exit));
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return Ok(false),
                Err(rustix::io::Errno::CHILD) => return Ok(true),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Ends all that are left.
    fn end(mut self) -> Result<Ended, Failure> {
        let begun = Instant::now();
        while !self.reap()? {
            for pid in procs::descendants() {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new(Exit::Internal, "processes that the program left behind do not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.ended.unwrap_or(Ended::Signal(Signal::KILL.as_raw())))
    }
}
