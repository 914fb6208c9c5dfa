use super::*;
use crate::plan::schedule::tests::{at, plan};

mod flaw;
mod people;
mod world;
use flaw::{Flaw, Seen};
use world::World;

fn commit(n: u8) -> Oid {
    format!("{n:02x}").repeat(20).parse().unwrap()
}

/// Three candidates that need nothing, and what is in the lane.
struct Lane {
    plan: Plan,
    state: RunState,
    tip: Oid,
    entries: Entries,
}

impl Lane {
    fn new() -> Lane {
        let (plan, mut state) = (plan(&[vec![], vec![], vec![]], 1), RunState::default());
        for n in 0..3 {
            let slice = at(&plan, &mut state, n);
            (slice.phase, slice.candidate) = (Phase::Eligible, Some(commit(100 + n as u8)));
        }
        Lane { plan, state, tip: commit(1), entries: Entries::default() }
    }
    fn id(&self, n: usize) -> SliceId {
        self.plan.spec.slices[n].id.clone()
    }
    fn next(&self, depth: usize) -> Vec<Move> {
        next(&self.plan, &self.state, self.tip, &self.entries, depth)
    }
    /// Begins to try what is to be tried now, which is this slice, on that commit.
    #[track_caller]
    fn tries(&mut self, depth: usize, n: usize, on: Oid) {
        match self.next(depth).pop() {
            Some(Move::Try(entry, _)) if entry.slice == self.id(n) && entry.on == on => self.entries.push(entry),
            other => panic!("{other:?}"),
        }
    }
    fn set(&mut self, n: usize, stage: Stage) {
        self.entries.set(&self.id(n), stage);
    }
    fn fails(&mut self, n: usize) {
        self.set(n, Stage::Failed(AttemptFailure::Integration, "red".into()));
    }
    fn lands(&mut self, n: usize, as_: Oid) {
        let id = self.id(n);
        assert!(self.next(3).contains(&Move::Land(id.clone())));
        self.entries.remove(&id);
        at(&self.plan, &mut self.state, n).phase = Phase::Landed;
        self.tip = as_;
    }
    /// All three under test, each on the one before it: as commits 10, 11 and 12.
    fn full() -> Lane {
        let mut lane = Lane::new();
        lane.tries(3, 0, commit(1));
        assert_eq!(lane.next(3), [], "nobody can stand on what is being merged");
        lane.set(0, Stage::Testing(commit(10)));
        lane.tries(3, 1, commit(10));
        lane.set(1, Stage::Testing(commit(11)));
        lane.tries(3, 2, commit(11));
        lane.set(2, Stage::Testing(commit(12)));
        assert_eq!(lane.next(3), []);
        lane
    }
}

#[test]
fn one_at_a_time_is_what_a_depth_of_one_means() {
    let mut lane = Lane::new();
    lane.tries(1, 0, commit(1));
    lane.set(0, Stage::Testing(commit(10)));
    assert_eq!(lane.next(1), []);
    lane.set(0, Stage::Passed(commit(10)));
    assert_eq!(lane.next(1), [Move::Land(lane.id(0))]);
    lane.lands(0, commit(10));
    lane.tries(1, 1, commit(10));
}

#[test]
fn what_passed_behind_waits_for_those_before_it() {
    let mut lane = Lane::full();
    lane.set(1, Stage::Passed(commit(11)));
    lane.set(2, Stage::Passed(commit(12)));
    assert_eq!(lane.next(3), []);
    lane.set(0, Stage::Passed(commit(10)));
    for (n, as_) in [(0, 10), (1, 11), (2, 12)] {
        assert_eq!(lane.next(3), [Move::Land(lane.id(n))]);
        lane.lands(n, commit(as_));
    }
    assert!(is_idle(&lane.plan, &lane.state, &lane.entries));
}

#[test]
fn a_failure_behind_is_a_verdict_once_those_before_it_have_landed() {
    let mut lane = Lane::full();
    lane.fails(1);
    assert_eq!(lane.next(3), [Move::Drop(lane.id(2))], "the last one stood on it");
    lane.entries.remove(&lane.id(2));
    lane.tries(3, 2, commit(10));
    lane.set(2, Stage::Testing(commit(13)));
    lane.set(0, Stage::Passed(commit(10)));
    lane.lands(0, commit(10));
    assert_eq!(lane.next(3), [Move::GiveBack(lane.id(1))], "and the last one stays where it is");
}

#[test]
fn a_failure_behind_one_that_fails_is_none() {
    let mut lane = Lane::full();
    lane.fails(1);
    lane.entries.remove(&lane.id(2));
    lane.fails(0);
    assert_eq!(lane.next(3), [Move::GiveBack(lane.id(0)), Move::Drop(lane.id(1))]);
    lane.entries = Entries::default();
    at(&lane.plan, &mut lane.state, 0).phase = Phase::Building;
    lane.tries(3, 1, commit(1));
}

#[test]
fn a_target_that_others_move_and_a_newer_spec_take_everything_out() {
    let mut lane = Lane::full();
    let all: Vec<Move> = (0..3).map(|n| Move::Drop(lane.id(n))).collect();
    lane.tip = commit(2);
    assert_eq!(lane.next(3), all);
    lane.tip = commit(1);
    lane.plan.spec_commit = commit(3);
    assert_eq!(lane.next(3), all);
}

#[test]
fn what_must_not_land_any_more_is_taken_out_with_those_behind_it() {
    let mut lane = Lane::full();
    at(&lane.plan, &mut lane.state, 1).phase = Phase::Blocked;
    assert_eq!(lane.next(3), [Move::Drop(lane.id(1)), Move::Drop(lane.id(2))]);
    at(&lane.plan, &mut lane.state, 1).phase = Phase::Merging;
    at(&lane.plan, &mut lane.state, 1).candidate = Some(commit(99));
    assert_eq!(lane.next(3), [Move::Drop(lane.id(1)), Move::Drop(lane.id(2))]);
}

/// How many histories are played.
fn histories() -> u64 {
    std::env::var("OTTO_TEST_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(5000)
}

#[test]
fn in_no_history_lands_what_was_not_tested_and_in_none_waits_anything_for_ever() {
    let mut seen = Seen::default();
    for seed in 0..histories() {
        let mut world = World::new(seed, None);
        if let Err(why) = world.play() {
            panic!("history {seed}: {why}\n{}", world.story());
        }
        seen.add(world.seen);
    }
    // Every kind of disturbance is among them.
    assert!(seen.all(), "{seen:?}");
}

#[test]
fn the_depth_changes_nothing_about_what_lands() {
    for seed in 0..histories() / 5 {
        let landed = [1, 4].map(|depth| World::steady(seed, depth));
        assert_eq!(landed[0], landed[1], "history {seed}");
    }
}

#[test]
fn a_lane_with_a_flaw_is_found_out() {
    for (flaw, why) in Flaw::ALL {
        let found = (0..500).find_map(|seed| World::new(seed, Some(flaw)).play().err());
        let found = found.unwrap_or_else(|| panic!("{flaw:?} goes unnoticed"));
        assert!(found.contains(why), "{flaw:?}: {found}");
    }
}
