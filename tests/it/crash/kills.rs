//! Deaths at any moment: of the whole process group at random, of one process at one of its system calls, and calls that
//! fail as on a bad or a full disk. How many is a matter of time: `OTTO_TEST_KILLS`, `OTTO_TEST_SYSCALLS` and
//! `OTTO_TEST_ERRORS` say.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    KILLED,
    oracle::{Scene, WORDS},
};
use crate::support::Rng;

fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Two threads make so many trials, each in a scene of its own.
fn trials(n: usize, trial: impl Fn(&Scene, &mut Rng) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while next.fetch_add(1, Ordering::Relaxed) < n {
            let scene = Scene::of(WORDS, &[]);
            let mut rng = scene.s.rng();
            trial(&scene, &mut rng);
        }
    };
    std::thread::scope(|threads| {
        let both = [(); 2].map(|()| threads.spawn(work));
        both.into_iter().for_each(|thread| thread.join().expect("a trial"));
    });
}

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

/// Where there is no strace this says so and passes, unless `GIT_OTTO_REQUIRE_STRACE` is set. It must be allowed to trace,
/// too.
fn strace() -> bool {
    let traces = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = traces.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("GIT_OTTO_REQUIRE_STRACE").is_none(), "there is no strace that may trace");
    if !works {
        eprintln!("not tried: there is no strace that may trace");
    }
    works
}

/// How often the threads of a run do each of these calls, the busiest twelve.
fn usage(calls: &[&'static str]) -> BTreeMap<&'static str, Vec<u64>> {
    let scene = Scene::of(WORDS, &[]);
    let log = scene.s.path("calls");
    let only = format!("trace={}", calls.join(","));
    traced(&scene, &["-o", log.to_str().unwrap(), "-e", &only]).exits(0);
    let mut threads: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for line in String::from_utf8_lossy(&fs::read(log).unwrap()).lines() {
        let (thread, rest) = line.trim_start().split_once(' ').unwrap();
        if let Some(call) =
            calls.iter().find(|c| rest.trim_start().strip_prefix(**c).is_some_and(|r| r.starts_with('(')))
        {
            *threads.entry((call, thread.to_owned())).or_default() += 1;
        }
    }
    let mut out: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for ((call, _), n) in threads {
        out.entry(call).or_default().push(n);
    }
    for counts in out.values_mut() {
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.truncate(12);
    }
    out
}

/// The next command of a scene under strace.
fn traced(scene: &Scene, how: &[&str]) -> crate::support::Output {
    let program = Path::new(env!("CARGO_BIN_EXE_git-otto"));
    let mut command = scene.s.command("strace", "repo");
    command.args(["-f", "-qq"]).args(how).arg(program).args(scene.next());
    let out = scene.s.spawn(&mut command, None).wait();
    scene.look(&out);
    out
}

/// Has one call of a thread go wrong. Answers which, as strace is told, and what came of it.
fn inject(
    scene: &Scene,
    rng: &mut Rng,
    usage: &BTreeMap<&str, Vec<u64>>,
    how: &[&str],
) -> (String, String, crate::support::Output) {
    let calls: Vec<_> = usage.iter().collect();
    let (call, counts) = calls[rng.below(calls.len() as u64) as usize];
    let most = counts[rng.below(counts.len() as u64) as usize];
    let how = how[rng.below(how.len() as u64) as usize];
    let when = rng.below(most) + 1;
    let injected = format!("inject={call}:{how}:when={when}");
    let out = traced(scene, &["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &injected]);
    ((*call).to_owned(), injected, out)
}

/// How often which call was struck, and how the run ended then.
type Tally = Mutex<BTreeMap<(String, i32), usize>>;

fn told(what: &str, n: usize, tally: Tally) {
    let words: Vec<_> =
        tally.into_inner().unwrap().iter().map(|((c, code), n)| format!("{c} exit {code}: {n}")).collect();
    eprintln!("{n} {what}: {}", words.join(", "));
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
        // Where an agent died each time that it began, its slice is blocked, and a new run does better.
        assert!([0, 1, 5, KILLED].contains(&out.code), "{injected}: {out}");
        assert!(!out.stderr.contains("panicked at src"), "{injected}: {out}");
        *tally.lock().unwrap().entry((call, out.code)).or_default() += 1;
        if out.code == 5 {
            scene.run(None).exits(0);
            return;
        }
        scene.heal();
        scene.hold();
    });
    told("deaths at system calls were healed", n, tally);
}

#[test]
fn calls_that_fail_as_on_a_bad_disk_are_told_and_healed() {
    if !strace() {
        return;
    }
    let (usage, tally) = (usage(&["openat", "rename", "fsync", "mkdir", "ftruncate"]), Tally::default());
    let n = count("OTTO_TEST_ERRORS", 6);
    trials(n, |scene, rng| {
        let (call, injected, out) = inject(scene, rng, &usage, &["error=EIO", "error=ENOSPC"]);
        assert!(!out.stderr.contains("panicked"), "{injected}: {out}");
        // Loading the program's own libraries may fail, too; an agent that cannot work may block its slice.
        assert!([0, 1, 2, 5, 127].contains(&out.code), "{injected}: {out}");
        assert!(![1, 2].contains(&out.code) || out.stderr.contains("\"hint\":\"git "), "{injected}: {out}");
        *tally.lock().unwrap().entry((call, out.code)).or_default() += 1;
        if out.code == 5 {
            scene.run(None).exits(0);
            return;
        }
        scene.heal();
        scene.hold();
    });
    told("calls failed", n, tally);
}
