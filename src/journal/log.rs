//! The journal of a running run: one writer, the state that its events make, and who watches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    base::Oid,
    journal::{
        Error, Writer,
        event::{Event, Fact, Kind},
        state::RunState,
    },
};

/// Who is told of every event once it is durable.
pub type Watch = Box<dyn Fn(&Event, &RunState) + Send + Sync>;

/// The journal of a running run. Facts are durable, applied and told in one order, whoever records them.
pub struct Log {
    inner: Mutex<(Writer, RunState)>,
    watch: Watch,
}

impl Log {
    /// Goes on from a replayed state with a fresh writer.
    pub fn new(writer: Writer, state: RunState, watch: Watch) -> Log {
        Log { inner: Mutex::new((writer, state)), watch }
    }

    /// Records facts as one durable batch.
    pub fn record(&self, facts: &[Fact]) -> Result<(), Error> {
        self.record_with_note(facts, None)
    }

    /// Records facts, and a note for people on a commit, as one durable batch: either both are there or none.
    pub fn record_with_note(&self, facts: &[Fact], note: Option<(Oid, &str)>) -> Result<(), Error> {
        let mut inner = self.lock();
        let (writer, state) = &mut *inner;
        for event in writer.append_with_note(facts, note)? {
            state.apply(&event);
            (self.watch)(&event, state);
        }
        Ok(())
    }

    /// Takes in what another process asked for, in the order of its journal; what is known already changes nothing. What
    /// is recorded from now on is later.
    pub fn hear(&self, events: &[Event]) {
        let mut inner = self.lock();
        let (writer, state) = &mut *inner;
        for event in events {
            let asks = matches!(event.fact.kind, Kind::ControlRequested { .. });
            if asks && state.requests.iter().all(|r| r.id != event.id) {
                writer.saw(event.lamport);
                state.apply(event);
            }
        }
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        look(&self.lock().1)
    }

    /// The name of the writer, which the evidence ref shares.
    pub fn writer(&self) -> String {
        self.lock().0.id().to_owned()
    }

    fn lock(&self) -> MutexGuard<'_, (Writer, RunState)> {
        // A watcher that panicked cannot have left the state half changed: it is changed before it is shown.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
