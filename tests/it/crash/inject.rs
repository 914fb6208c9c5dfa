//! What tests stand on that have a run's system calls go wrong: `strace`, and many trials of the same.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::oracle::{Scene, WORDS};
use crate::support::{Output, Rng};

/// How many, where a variable says so.
pub fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Two threads make so many trials, each in a scene of its own.
pub fn trials(n: usize, trial: impl Fn(&Scene, &mut Rng) + Sync) {
    spread(n, |_| {
        let scene = Scene::of(WORDS, &[]);
        let mut rng = scene.s.rng();
        trial(&scene, &mut rng);
    });
}

/// Two threads do something so many times. What goes wrong is told together, at the end.
pub fn spread(n: usize, one: impl Fn(usize) + Sync) {
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            // It has said what is wrong, and with which seed.
            wrong.fetch_add(usize::from(catch_unwind(AssertUnwindSafe(|| one(i))).is_err()), Ordering::Relaxed);
        }
    };
    std::thread::scope(|threads| {
        (0..2).for_each(|_| drop(threads.spawn(work)));
    });
    assert_eq!(wrong.into_inner(), 0, "so many of {n} trials went wrong");
}

/// Where there is no strace this says so and passes, unless `GIT_OTTO_REQUIRE_STRACE` is set. It must be allowed to trace,
/// too.
pub fn strace() -> bool {
    let traces = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = traces.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("GIT_OTTO_REQUIRE_STRACE").is_none(), "there is no strace that may trace");
    if !works {
        eprintln!("not tried: there is no strace that may trace");
    }
    works
}

/// How often the threads of a run do each of these calls, the busiest twelve.
pub fn usage(calls: &[&'static str]) -> BTreeMap<&'static str, Vec<u64>> {
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
fn traced(scene: &Scene, how: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_git-otto"));
    let mut command = scene.s.command("strace", "repo");
    command.args(["-f", "-qq"]).args(how).arg(program).args(scene.next());
    let out = scene.s.spawn(&mut command, None).wait();
    scene.look(&out);
    out
}

/// Has one call of a thread go wrong. Answers which, as strace is told, and what came of it.
pub fn inject(
    scene: &Scene,
    rng: &mut Rng,
    usage: &BTreeMap<&str, Vec<u64>>,
    how: &[&str],
) -> (String, String, Output) {
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
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<(String, i32), usize>>);

impl Tally {
    pub fn add(&self, call: String, code: i32) {
        *self.0.lock().unwrap().entry((call, code)).or_default() += 1;
    }

    /// What there is to say.
    pub fn tell(self, what: &str) {
        let all = self.0.into_inner().unwrap();
        let words: Vec<_> = all.iter().map(|((call, code), n)| format!("{call} exit {code}: {n}")).collect();
        eprintln!("{} {what}: {}", all.values().sum::<usize>(), words.join(", "));
    }
}
