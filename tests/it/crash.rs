//! Runs that die at every place where they can, and what `git otto resume` makes of them.
//!
//! Whatever happened before: the product is the one of a run that nobody disturbed, each slice is on the target exactly
//! once with one landing in the journal and one receipt, everything verifies, the user's checkout is untouched, and
//! nothing of otto is left lying about (`oracle`).

mod agents;
mod commands;
mod errors;
mod full;
mod inject;
mod kills;
mod oracle;
mod pairs;
mod seen;

use git_otto::base::Point;
use oracle::Scene;

/// How a process ends that a failpoint kills.
const KILLED: i32 = 128 + 9;

/// Points that a process passes once at most.
const ONCE: [Point; 6] = [
    Point::RunStartAfterAnchor,
    Point::RunStartAfterTarget,
    Point::LeaseTaken,
    Point::AuditAfterChecks,
    Point::AuditAfterEvent,
    Point::RunFinishBeforeRelease,
];

/// Points that only a run passes whose spec is amended.
const AMENDED: [Point; 2] = [Point::RunAmendBefore, Point::RunAmendAfter];

/// Points that only a run passes in which a slice needs another one's contract changed (`flows::contracts`).
const CONTRACTS: [Point; 3] = [Point::ContractBlockBefore, Point::ContractAskBefore, Point::ContractSettleBefore];

/// Points that a first run of a spec does not pass (`commands`).
const OTHERS: [Point; 9] = [
    Point::RecoverBeforeEvent,
    Point::ControlAfterRequest,
    Point::DeliverBeforeMove,
    Point::DeliverAfterMove,
    Point::SyncAfterFetch,
    Point::SyncAfterPush,
    Point::HooksBeforeFile,
    Point::DiscardBefore,
    Point::DiscardBeforeRefs,
];

/// Points that a recovery passes, and the visit at which it is to die there too.
const RECOVERY: [(Point, u32); 9] = [
    (Point::StoreSwapBefore, 1),
    (Point::LeaseTaken, 1),
    (Point::StoreSwapAfter, 2),
    (Point::RunStartAfterTarget, 1),
    (Point::JournalAppendBeforeSwap, 1),
    (Point::JournalAppendAfterSwap, 1),
    (Point::StorePutBeforeSync, 3),
    (Point::WorkspaceRemoveBefore, 1),
    (Point::StoreSwapAfter, 1),
];

fn fault(point: Point, visit: u32, how: &str) -> String {
    format!("{}:{visit}:{how}", point.name())
}

/// For every point whose name begins so: a run dies at its first visit, its recovery dies as well, the next one heals it.
/// Answers the points.
fn die_at(prefixes: &[&str]) -> Vec<Point> {
    let of_group = |p: &&Point| prefixes.iter().any(|prefix| p.name().starts_with(prefix));
    let points: Vec<Point> = Point::ALL.iter().filter(of_group).copied().collect();
    for (i, point) in points.iter().enumerate() {
        let scene = Scene::new();
        scene.run(Some(&fault(*point, 1, "abort"))).exits(KILLED);
        let (again, visit) = RECOVERY[(i + prefixes[0].len()) % RECOVERY.len()];
        let finished = *point == Point::RunFinishBeforeRelease;
        let second = scene.go_on(Some(&fault(again, visit, "abort")));
        if !finished && again != Point::WorkspaceRemoveBefore {
            second.exits(KILLED);
        } else {
            assert!([0, KILLED].contains(&second.code), "{second}");
        }
        scene.heal();
        scene.hold();
    }
    points
}

const GROUPS: [&[&str]; 6] = [
    &["store.", "spec."],
    &["run.", "lease."],
    &["journal.", "audit."],
    &["workspace.", "evidence."],
    &["build."],
    &["queue."],
];

#[test]
fn a_death_while_something_is_stored_is_healed() {
    assert_eq!(die_at(GROUPS[0]).len(), 4);
}

#[test]
fn a_death_at_the_start_or_the_end_of_a_run_is_healed() {
    assert_eq!(die_at(GROUPS[1]).len(), 4);
}

#[test]
fn a_death_while_the_journal_is_written_is_healed() {
    assert_eq!(die_at(GROUPS[2]).len(), 4);
}

#[test]
fn a_death_around_a_workspace_is_healed() {
    assert_eq!(die_at(GROUPS[3]).len(), 5);
}

#[test]
fn a_death_while_a_slice_is_built_is_healed() {
    assert_eq!(die_at(GROUPS[4]).len(), 5);
}

#[test]
fn a_death_while_a_slice_lands_is_healed() {
    assert_eq!(die_at(GROUPS[5]).len(), 5);
}

#[test]
fn every_point_is_died_at() {
    for point in Point::ALL {
        let groups = GROUPS.iter().filter(|g| g.iter().any(|prefix| point.name().starts_with(prefix)));
        let elsewhere = AMENDED.contains(point) || OTHERS.contains(point) || CONTRACTS.contains(point);
        if elsewhere || point.name().starts_with("mend.") {
            assert_eq!(groups.count(), 0, "{} has a test of its own", point.name());
            continue;
        }
        assert_eq!(groups.count(), 1, "{}", point.name());
        let later = LATER.iter().flat_map(|chain| chain.iter()).any(|(p, _)| p == point);
        assert!(later != ONCE.contains(point), "{} is died at later too, or cannot be", point.name());
        let failed = IN_ORDER.iter().filter(|p| *p == point).count();
        assert_eq!(failed, 1, "{} fails once", point.name());
    }
}

#[test]
fn a_death_while_an_amendment_is_taken_up_is_healed() {
    // Left with the first slice on the target and the last one not begun, then amended.
    let amended = || {
        let scene = Scene::new();
        scene.run(Some(&fault(Point::BuildCommitAfter, 4, "abort"))).exits(KILLED);
        scene.amend();
        scene
    };
    let undisturbed = amended();
    undisturbed.heal();
    let product = undisturbed.hold_but_the_product();
    for (point, again) in [(AMENDED[0], AMENDED[0]), (AMENDED[0], AMENDED[1]), (AMENDED[1], Point::LeaseTaken)] {
        let scene = amended();
        scene.go_on(Some(&fault(point, 1, "abort"))).exits(KILLED);
        scene.go_on(Some(&fault(again, 1, "abort"))).exits(KILLED);
        scene.heal();
        assert_eq!(scene.hold_but_the_product(), product);
        assert_eq!(scene.told("run.amended"), 1);
        assert_eq!(scene.told("slice.invalidated"), 2);
    }
    for how in ["eio", "enospc"] {
        let scene = amended();
        for point in AMENDED {
            let out = scene.go_on(Some(&fault(point, 1, how))).exits(1);
            assert!(out.stderr.contains(point.name()) && out.stderr.contains("hint: git otto resume"), "{out}");
        }
        scene.heal();
        assert_eq!(scene.hold_but_the_product(), product);
    }
}

/// Later visits, a death after the other in one repository each.
const LATER: [&[(Point, u32)]; 6] = [
    &[
        (Point::StoreSwapAfter, 12),
        (Point::WorkspaceCreateMid, 2),
        (Point::BuildCommitAfter, 2),
        (Point::QueueChecksAfter, 2),
    ],
    &[
        (Point::StorePutBeforeSync, 12),
        (Point::WorkspaceCreateAfter, 2),
        (Point::BuildSnapshotAfter, 2),
        (Point::QueueMergeAfter, 2),
    ],
    &[
        (Point::JournalAppendBeforeSwap, 12),
        (Point::BuildBaseAfter, 2),
        (Point::BuildAgentAfter, 2),
        (Point::QueueLandBeforeSwap, 2),
    ],
    &[
        (Point::StoreSwapBefore, 12),
        (Point::JournalAppendAfterSwap, 12),
        (Point::BuildChecksAfter, 2),
        (Point::QueueLandAfterSwap, 2),
        (Point::EvidenceAfter, 3),
    ],
    &[(Point::SpecAppendBeforeSwap, 2), (Point::WorkspaceRemoveBefore, 2), (Point::QueueLandAfterReceipt, 3)],
    &[(Point::WorkspaceRemoveMid, 2)],
];

#[test]
fn deaths_at_later_visits_add_up_to_nothing() {
    for chain in LATER {
        let scene = Scene::new();
        for (point, visit) in chain {
            scene.go_on(Some(&fault(*point, *visit, "abort"))).exits(KILLED);
        }
        scene.heal();
        scene.hold();
    }
}

/// Every point, in an order in which a run that is taken up each time still has each before it.
const IN_ORDER: [Point; 27] = [
    Point::StorePutBeforeSync,
    Point::StoreSwapBefore,
    Point::SpecAppendBeforeSwap,
    Point::StoreSwapAfter,
    Point::LeaseTaken,
    Point::RunStartAfterAnchor,
    Point::RunStartAfterTarget,
    Point::JournalAppendBeforeSwap,
    Point::JournalAppendAfterSwap,
    Point::BuildBaseAfter,
    Point::EvidenceAfter,
    Point::WorkspaceCreateMid,
    Point::WorkspaceCreateAfter,
    Point::BuildAgentAfter,
    Point::BuildSnapshotAfter,
    Point::WorkspaceRemoveBefore,
    Point::WorkspaceRemoveMid,
    Point::BuildCommitAfter,
    Point::BuildChecksAfter,
    Point::QueueMergeAfter,
    Point::QueueChecksAfter,
    Point::QueueLandBeforeSwap,
    Point::QueueLandAfterSwap,
    Point::QueueLandAfterReceipt,
    Point::AuditAfterChecks,
    Point::AuditAfterEvent,
    Point::RunFinishBeforeRelease,
];

/// The disk fails at every point, one after the other, and each time the user is told where and what to type.
fn fail_everywhere(how: &str, words: &str) {
    let scene = Scene::new();
    for point in IN_ORDER {
        let out = scene.go_on(Some(&fault(point, 1, how))).exits(1);
        assert!(out.stderr.contains(words) && out.stderr.contains(point.name()), "{out}");
        assert!(out.stderr.contains("hint: git otto resume") && !out.stderr.contains("panicked"), "{out}");
    }
    scene.heal();
    scene.hold();
}

#[test]
fn a_disk_that_fails_is_told_and_healed() {
    fail_everywhere("eio", "Input/output error");
}

#[test]
fn a_disk_that_is_full_is_told_and_healed() {
    fail_everywhere("enospc", "No space left on device");
}

#[test]
fn collecting_garbage_after_a_death_takes_nothing_that_counts() {
    let mut scene = Scene::new();
    let deaths = [
        Point::RunStartAfterAnchor,
        Point::EvidenceAfter,
        Point::BuildSnapshotAfter,
        Point::BuildCommitAfter,
        Point::QueueMergeAfter,
        Point::QueueChecksAfter,
        Point::QueueLandBeforeSwap,
        Point::QueueLandAfterSwap,
        Point::AuditAfterEvent,
    ];
    for (i, point) in deaths.into_iter().enumerate() {
        scene.go_on(Some(&fault(point, 1, "abort"))).exits(KILLED);
        scene.housekeeping(if i % 3 == 1 { &["pack-refs", "--all"] } else { &["gc", "-q", "--prune=now"] });
    }
    scene.heal();
    scene.housekeeping(&["gc", "-q", "--prune=now"]);
    scene.hold();
}

#[test]
fn a_repository_of_sha_256_is_as_good() {
    let scene = Scene::in_repository(&["--object-format=sha256"]);
    scene.run(Some(&fault(Point::QueueLandAfterSwap, 2, "abort"))).exits(KILLED);
    scene.heal();
    assert_eq!(scene.hold_but_the_product().len(), 64);
}

#[test]
fn a_repository_whose_refs_are_in_tables_is_as_good() {
    let scene = Scene::in_repository(&["--ref-format=reftable"]);
    scene.run(Some(&fault(Point::QueueLandAfterSwap, 2, "abort"))).exits(KILLED);
    scene.heal();
    scene.hold();
}
