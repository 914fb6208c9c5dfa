//! Whose turn it is: the slices that are still to land, in the order in which they come, with what keeps each. A pure
//! function of the plan and of the run's state.

use serde::Serialize;

use super::{
    model::{current, ordered},
    why::{Because, Sight, keeps, under_test},
};
use crate::{base::SliceId, journal::state::Phase, spec::model::Slice};

/// A slice that is still to land.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turn {
    /// Which.
    pub slice: SliceId,
    /// Where it stands.
    pub phase: Phase,
    /// What keeps it, as things are now; nothing where it is begun next.
    pub because: Vec<Because>,
}

/// The slices that are still to land, in the order in which they come as long as each goes well.
pub fn turns(seen: Sight<'_>) -> Vec<Turn> {
    let turn = |s: &Slice| {
        let phase = current(seen.plan, seen.state, &s.id).phase;
        Turn { slice: s.id.clone(), phase, because: keeps(seen, s) }
    };
    in_turn(seen).into_iter().map(turn).collect()
}

/// What is under test as it stands upon each other, then what has passed its own checks, what is at work, and what has not
/// begun; of each kind in the order in which they have their turn.
pub(super) fn in_turn<'a>(seen: Sight<'a>) -> Vec<&'a Slice> {
    let now = |s: &Slice| current(seen.plan, seen.state, &s.id);
    let mut open = ordered(seen.plan, seen.state);
    open.retain(|s| !now(s).phase.is_final());
    open.sort_by_cached_key(|s| match (now(s).phase, under_test(seen, now(s))) {
        (_, Some((_, after))) => (0, after.len()),
        (Phase::Eligible | Phase::Merging, None) => (1, 0),
        (Phase::Building | Phase::Checking, None) => (2, 0),
        (Phase::Pending | Phase::Landed | Phase::Redundant | Phase::Blocked, None) => (3, 0),
    });
    open
}
