//! Snapshots while an agent works: what it has written is kept at each of its events, and now and then where it says
//! nothing, on a thread of its own.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::agent::Event;

/// How many times as long as a snapshot took none is made after it, so that snapshots take a fifth of one processor at most.
const REST: u32 = 4;

/// For how long an agent may say nothing before it is looked at what it has written.
pub(super) const SILENT: Duration = Duration::from_secs(30);

/// Renews something whenever an agent may have changed files. Ends when dropped, with the snapshot that is being made.
#[derive(Debug)]
pub(super) struct Renewal {
    tell: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Has `renew` called, never by two at a time, and wherever nothing is heard for as long as `silent`.
    pub(super) fn start(silent: Duration, mut renew: impl FnMut() + Send + 'static) -> std::io::Result<Renewal> {
        // One waiting event stands for all that come meanwhile.
        let (tell, told) = mpsc::sync_channel(1);
        let work = move || {
            let mut due = is_due(&told, silent);
            while due {
                let begun = Instant::now();
                renew();
                let until = Instant::now() + begun.elapsed() * REST;
                due = false;
                loop {
                    match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                        Ok(()) => due = true,
                        Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                due = due || is_due(&told, silent);
            }
        };
        let thread = std::thread::Builder::new().name("snapshots".into()).spawn(work)?;
        Ok(Renewal { tell: Some(tell), thread: Some(thread) })
    }

    /// What an agent did; it waits for nothing.
    pub(super) fn hear(&self, event: &Event) {
        if let (Some(tell), true) = (&self.tell, may_have_written(event)) {
            let _ = tell.try_send(());
        }
    }
}

/// Waits until it is time to look; false where there is nothing to look at any more.
fn is_due(told: &Receiver<()>, silent: Duration) -> bool {
    told.recv_timeout(silent) != Err(RecvTimeoutError::Disconnected)
}

/// Every sign of life comes after something that it did.
fn may_have_written(event: &Event) -> bool {
    match event {
        Event::Text(_) | Event::Tool(..) | Event::Denied(_) | Event::Stirred => true,
        Event::Session(_) | Event::Waiting(_) => false,
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_silent_agent_writes_is_kept_too() {
        let (seen, looks) = mpsc::channel();
        let renewal = Renewal::start(Duration::from_millis(1), move || seen.send(()).unwrap()).unwrap();
        for _ in 0..3 {
            looks.recv().unwrap();
        }
        drop(renewal);
        // It has ended: nobody is left who could send.
        looks.iter().for_each(drop);
    }
}
