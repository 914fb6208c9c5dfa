//! From the journals of all writers to the state of a run: the union of their good lines, each event once, in the order
//! (lamport, writer, seq), through the state machine. The same lines give the same state, in whatever order they are read.

use std::{cmp::Ordering, collections::BTreeMap};

use crate::journal::{
    event::{Event, Kind},
    segment::Fault,
    state::RunState,
};

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
    /// Those of the events by which writers said something of the run after another one had taken it up, before they knew:
    /// they count for nothing, and are no fault.
    pub overtaken: Vec<Event>,
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
    let until = until(&events);
    let late = |e: &Event| {
        let asks = matches!(e.fact.kind, Kind::ControlRequested { .. });
        !asks && until.get(writer(e)).is_some_and(|end| e.lamport >= *end)
    };
    let (overtaken, counts): (Vec<&Event>, Vec<&Event>) = events.iter().partition(|e| late(e));
    counts.into_iter().for_each(|event| state.apply(event));
    let overtaken = overtaken.into_iter().cloned().collect();
    Replayed { events, state, faults, receipts, overtaken }
}

/// The logical time at which another writer took the run up, of each writer that had it before. A process that owns a run
/// begins with saying so.
fn until(events: &[Event]) -> BTreeMap<String, u64> {
    // Who took it up later had more owners before it; its logical time may be less, where it had not heard of the other.
    let term = |e: &Event| match e.fact.kind {
        Kind::RunStarted { .. } => Some(0),
        Kind::RunResumed { term, .. } => Some(term),
        _ => None,
    };
    let mut taken: Vec<(u64, &Event)> = events.iter().filter_map(|e| Some((term(e)?, e))).collect();
    taken.sort_by_key(|(term, _)| *term);
    let taken: Vec<(&str, u64)> = taken.into_iter().map(|(_, e)| (writer(e), e.lamport)).collect();
    let mut out = BTreeMap::new();
    for pair in taken.windows(2) {
        if let [(before, _), (after, at)] = pair
            && before != after
        {
            out.insert((*before).to_owned(), *at);
        }
    }
    // Who took it up again later has it again.
    if let Some((last, _)) = taken.last() {
        out.remove(*last);
    }
    out
}

/// The writer of an event.
fn writer(e: &Event) -> &str {
    e.id.rfind('-').and_then(|end| e.id.get(..end)).unwrap_or(&e.id)
}

/// By logical time, then by writer, then by place. Events of one id and unlike content are ordered by their lines.
fn order(a: &Event, b: &Event) -> Ordering {
    (a.lamport.cmp(&b.lamport))
        .then_with(|| writer(a).cmp(writer(b)))
        .then_with(|| a.seq.cmp(&b.seq))
        .then_with(|| a.id.cmp(&b.id))
        .then_with(|| if a == b { Ordering::Equal } else { format!("{a:?}").cmp(&format!("{b:?}")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::Timestamp, journal::event::Fact};

    fn event(writer: &str, seq: u64, lamport: u64, kind: Kind) -> Event {
        let (id, ts) = (format!("{writer}-{seq}"), Timestamp::from_millis(0));
        Event { v: 1, id, seq, lamport, ts, prev: String::new(), fact: Fact::run(kind) }
    }

    fn takes(writer: &str, lamport: u64, term: u64) -> Event {
        event(writer, 1, lamport, Kind::RunResumed { reason: "x".into(), term })
    }

    #[test]
    fn who_followed_counts_and_what_the_one_before_says_later_does_not() {
        let says = |writer: &str, lamport| event(writer, 2, lamport, Kind::RunPaused { reason: "x".into() });
        // Both took it up at one logical time, or the one that followed even earlier: neither had heard of the other.
        for (first, second) in [("a", "b"), ("b", "a")] {
            for follows in [3, 7] {
                let asks = Kind::ControlRequested { action: "skip".into(), by: None, hint: None };
                let asks = event(first, 3, 9, asks);
                let all = vec![takes(first, 7, 1), says(first, 8), asks, takes(second, follows, 2), says(second, 8)];
                let read = replay(all, Vec::new(), Vec::new());
                assert_eq!(read.events.len(), 5, "nothing is left out");
                assert_eq!((read.state.resumes, read.state.owners(), read.state.requests.len()), (1, 3, 1));
                let ids: Vec<&str> = read.overtaken.iter().map(|e| e.id.as_str()).collect();
                assert_eq!(ids, [format!("{first}-1"), format!("{first}-2")]);
            }
        }
    }
}
