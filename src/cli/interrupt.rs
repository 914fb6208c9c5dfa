//! What Ctrl-C does. Once, it stops what is under way in order; twice, at once: whatever was not journalled did not happen.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use crate::{
    base::{Exit, Failure, procs},
    output::Ui,
};

/// Listens for signals on a thread of its own, which nothing that is under way can hold up.
pub struct Interrupts {
    first: Notify,
    /// Whether somebody stops in order when told to.
    heeded: AtomicBool,
}

/// Ctrl-C, and being asked to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Interrupts {
    /// Listens from now on, to the end of the process.
    pub fn listen(ui: Arc<Ui>) -> io::Result<Arc<Interrupts>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        let all = Arc::new(Interrupts { first: Notify::new(), heeded: AtomicBool::new(true) });
        let told = all.clone();
        let listen = async move {
            loop {
                signals.next().await;
                if !told.heeded.swap(false, Ordering::SeqCst) {
                    at_once(&ui);
                }
                // A terminal that went away does not keep it from stopping.
                let _ = ui.say("stopping; Ctrl-C again stops at once");
                told.first.notify_one();
            }
        };
        std::thread::Builder::new().name("interrupts".into()).spawn(move || runtime.block_on(listen))?;
        Ok(all)
    }

    /// Waits for the first.
    pub async fn first(&self) {
        self.first.notified().await;
    }

    /// Nobody stops in order any more: the next one ends the process.
    pub fn no_longer_heeded(&self) {
        self.heeded.store(false, Ordering::SeqCst);
    }
}

/// Ends this process with everything that it started.
fn at_once(ui: &Ui) -> ! {
    ui.clear_below();
    procs::kill_descendants();
    std::process::exit(Exit::Interrupted as i32)
}

/// Waits for work that is no run yet; interrupted it is broken off, which ends what it started, and what was said of it
/// becomes a failure.
pub fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
    interrupted: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            done = work => done,
            () = signals.next() => Err(interrupted()),
        }
    })
}
