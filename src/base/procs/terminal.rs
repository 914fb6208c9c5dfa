//! A program that has this process's own terminal for a while, as an editor and a pager do.

use std::{ffi::OsString, fs::File, io, process::Child, thread};

use rustix::{
    process::{WaitOptions, waitpid},
    stdio::dup2_stdout,
};
use tokio::signal::unix::{SignalKind, signal};

use super::{Ended, die_by, start_here, start_reading};

/// Runs a program with the streams of this process and waits for its end. Until then interrupts are that program's;
/// afterwards they end this process again.
pub fn on_terminal(argv: &[OsString], env: &[(OsString, OsString)]) -> io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ended = runtime.block_on(async {
        let (_interrupt, _quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
        let pid = start_here(argv, env, false)?;
        let waited = tokio::task::spawn_blocking(move || waitpid(Some(pid), WaitOptions::empty()));
        let (_, status) = waited.await.map_err(io::Error::other)??.ok_or_else(|| io::Error::other("nobody ended"))?;
        Ok(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ended::Exit(code),
            (None, signal) => Ended::Signal(signal.unwrap_or(0)),
        })
    });
    // Who listened once hears signals for ever: what they did before is done by hand.
    thread::spawn(move || {
        let heard = runtime.block_on(async {
            let (mut interrupt, mut quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
            tokio::select! {
                _ = interrupt.recv() => Ok::<_, io::Error>(SignalKind::interrupt()),
                _ = quit.recv() => Ok(SignalKind::quit()),
            }
        });
        if let Ok(kind) = heard {
            die_by(kind.as_raw_value());
        }
    });
    ended
}

/// A program that shows what this process writes to standard output.
pub struct Pager {
    child: Child,
}

impl Pager {
    /// Starts it between this process and the terminal. From now on interrupts are the pager's.
    pub fn start(argv: &[OsString], env: &[(OsString, OsString)]) -> io::Result<Pager> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // Who listened once does not die of it any more.
            signal(SignalKind::interrupt()).and_then(|_| signal(SignalKind::quit())).map(drop)
        })?;
        let (reader, writer) = io::pipe()?;
        let child = start_reading(argv, env, reader)?;
        dup2_stdout(&writer)?;
        Ok(Pager { child })
    }

    /// Lets it come to the end of what was written, and waits until its reader is done.
    pub fn finish(mut self) -> io::Result<()> {
        dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        self.child.wait().map(drop)
    }
}
