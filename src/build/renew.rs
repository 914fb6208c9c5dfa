//! Snapshots while an agent works: what it has written is kept at each of its events, on a thread of its own.

use std::{
    sync::mpsc::{self, RecvTimeoutError, SyncSender},
    thread::JoinHandle,
    time::Instant,
};

use crate::agent::Event;

/// How many times as long as a snapshot took none is made after it, so that snapshots take a fifth of one processor at most.
const REST: u32 = 4;

/// Renews something whenever an agent may have changed files. Ends when dropped, with the snapshot that is being made.
#[derive(Debug)]
pub(super) struct Renewal {
    tell: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Has `renew` called, never by two at a time.
    pub(super) fn start(mut renew: impl FnMut() + Send + 'static) -> std::io::Result<Renewal> {
        // One waiting event stands for all that come meanwhile.
        let (tell, told) = mpsc::sync_channel(1);
        let work = move || {
            let mut due = told.recv().is_ok();
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
                due = due || told.recv().is_ok();
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
