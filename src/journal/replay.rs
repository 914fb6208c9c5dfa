//! From the journals of all writers to the state of a run: the union of their good lines, each event once, in the order
//! (lamport, writer, seq), through the state machine. The same lines give the same state, in whatever order they are read.

use std::cmp::Ordering;

use crate::journal::{event::Event, segment::Fault, state::RunState};

/// Everything that the journals of a run say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replayed {
    /// The events, in order.
    pub events: Vec<Event>,
    /// What follows from them. Its `problems` begin with the bad places of the journals.
    pub state: RunState,
    /// Where journals are not what their writers wrote.
    pub faults: Vec<Fault>,
    /// Notes on landed commits.
    pub receipts: Vec<Receipt>,
}

/// A note on a landed commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt {
    /// The landed commit.
    pub commit: crate::base::Oid,
    /// Who wrote the note.
    pub writer: String,
    /// The blob of its text.
    pub blob: crate::base::Oid,
}

/// The state that events give, wherever they were read.
pub fn replay(mut events: Vec<Event>, faults: Vec<Fault>, receipts: Vec<Receipt>) -> Replayed {
    events.sort_by(order);
    let mut state = RunState::default();
    for fault in &faults {
        state.report(fault.to_string());
    }
    events.dedup_by(|later, first| {
        let twice = later.id == first.id;
        if twice && later != first {
            state.report(format!("two events have the id {}", first.id));
        }
        twice
    });
    for event in &events {
        state.apply(event);
    }
    Replayed { events, state, faults, receipts }
}

/// By logical time, then by writer, then by place. Events of one id and unlike content are ordered by their lines.
fn order(a: &Event, b: &Event) -> Ordering {
    let writer = |e: &Event| e.id.rfind('-').unwrap_or(e.id.len());
    (a.lamport.cmp(&b.lamport))
        .then_with(|| a.id.get(..writer(a)).cmp(&b.id.get(..writer(b))))
        .then_with(|| a.seq.cmp(&b.seq))
        .then_with(|| a.id.cmp(&b.id))
        .then_with(|| if a == b { Ordering::Equal } else { format!("{a:?}").cmp(&format!("{b:?}")) })
}
