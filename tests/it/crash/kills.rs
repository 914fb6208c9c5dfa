//! Deaths at any moment: of the whole process group at random, and of one process at one of its system calls. How many is a
//! matter of time: `OTTO_TEST_KILLS` and `OTTO_TEST_SYSCALLS` say.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{
    KILLED,
    inject::{Tally, count, inject, strace, trials, usage},
    oracle::{Scene, WORDS},
};

/// The median time of an undisturbed run.
fn usual() -> Duration {
    let mut times = [(); 3].map(|()| {
        let scene = Scene::of(WORDS, &[]);
        let begun = Instant::now();
        scene.run(None).exits(0);
        begun.elapsed()
    });
    times.sort();
    times[1]
}

#[test]
fn kills_at_random_moments_are_healed() {
    let (usual, died) = (usual(), AtomicUsize::new(0));
    let n = count("OTTO_TEST_KILLS", 12);
    trials(n, |scene, rng| {
        // Now and then the recovery dies as well, and the one after it.
        for _ in 0..=[0, 0, 1, 2][rng.below(4) as usize] {
            let after = usual.mul_f64(rng.below(1100) as f64 / 1000.0);
            let (begun, mut running) = (Instant::now(), scene.begin());
            running.wait_until(|| begun.elapsed() >= after);
            let out = running.kill();
            assert!([0, KILLED].contains(&out.code), "{out}");
            died.fetch_add(usize::from(out.code == KILLED), Ordering::Relaxed);
            scene.look(&out);
        }
        scene.heal();
        scene.hold();
    });
    eprintln!("{n} runs were killed {} times and healed", died.into_inner());
}

#[test]
fn deaths_at_system_calls_are_healed() {
    if !strace() {
        return;
    }
    let calls = [
        "openat",
        "write",
        "rename",
        "link",
        "linkat",
        "unlink",
        "unlinkat",
        "mkdir",
        "mkdirat",
        "fsync",
        "close",
        "ftruncate",
        "flock",
        "clone3",
        "execve",
        "wait4",
    ];
    let (usage, n, tally) = (usage(&calls), count("OTTO_TEST_SYSCALLS", 12), Tally::default());
    trials(n, |scene, rng| {
        let (call, injected, out) = inject(scene, rng, &usage, &["signal=KILL"]);
        // Where an agent died each time that it began, its slice is blocked.
        assert!([0, 1, 4, 5, KILLED].contains(&out.code), "{injected}: {out}");
        assert!(!out.stderr.contains("panicked at src"), "{injected}: {out}");
        tally.add(call, out.code);
        scene.heal();
        scene.hold();
    });
    tally.tell("deaths at system calls were healed");
}
