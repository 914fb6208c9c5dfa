//! Every point at its first, second and third visit, and then, in the recovery from that, every point again. How many of all
//! these is a matter of time: `OTTO_TEST_PAIRS` says, and `OTTO_TEST_PAIRS=all` tries each.

use std::sync::atomic::{AtomicUsize, Ordering};

use git_otto::base::Point;

use super::{GROUPS, KILLED, ONCE, fault, inject::spread, oracle::Scene};
use crate::support::Sandbox;

/// A death: at which visit of a point.
type Death = (Point, u32);

/// Points that a run passes.
fn passed() -> impl Iterator<Item = Point> {
    let of_run = |p: &Point| GROUPS.iter().flat_map(|group| group.iter()).any(|prefix| p.name().starts_with(prefix));
    Point::ALL.iter().copied().filter(of_run)
}

/// A death of a run, and one of its recovery.
fn all() -> Vec<(Death, Death)> {
    let visits = |p: &Point| if ONCE.contains(p) { 1..=1 } else { 1..=3 };
    let first = || passed().flat_map(|p| visits(&p).map(move |visit| (p, visit)));
    let again: Vec<Death> = passed().chain([Point::RecoverBeforeEvent]).map(|p| (p, 1)).collect();
    first().flat_map(|one| again.iter().map(move |two| (one, *two))).collect()
}

#[test]
fn a_death_and_another_in_the_recovery_are_healed_wherever_they_are() {
    let mut all = all();
    let n = match std::env::var("OTTO_TEST_PAIRS").ok().as_deref() {
        Some("all") => all.len(),
        Some(n) => n.parse().expect("OTTO_TEST_PAIRS is a number, or all"),
        None => 4,
    };
    let mut rng = Sandbox::without_identity().rng();
    for i in 0..n.min(all.len()) {
        let other = i + rng.below((all.len() - i) as u64) as usize;
        all.swap(i, other);
    }
    all.truncate(n);
    let (died, died_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    spread(all.len(), |i| {
        let ((one, visit), (two, again)) = all[i];
        let scene = Scene::new();
        let deaths = [(fault(one, visit, "abort"), &died), (fault(two, again, "abort"), &died_again)];
        for (fault, counted) in &deaths {
            let out = scene.go_on(Some(fault));
            // Not every point is passed so often, and not every one again.
            assert!([0, KILLED].contains(&out.code), "{deaths:?}: {out}");
            counted.fetch_add(usize::from(out.code == KILLED), Ordering::Relaxed);
        }
        scene.heal();
        scene.hold();
    });
    let (one, two) = (died.into_inner(), died_again.into_inner());
    eprintln!("{} pairs: {one} runs died, {two} recoveries as well, and all were healed", all.len());
}
