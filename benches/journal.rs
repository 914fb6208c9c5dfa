//! The journal beside its rivals, in one run: `cargo bench --bench journal`. Appends one event a call (durable) against
//! `git notes append` on distinct commits, and replays against `git log --format=%B` of as many commits.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops where anything fails")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;

use std::{path::Path, time::Instant};

use bench::git;
use git_otto::{
    base::{Env, Oid, RunId, World},
    git::Repo,
    journal::{
        Writer,
        event::{Fact, Kind},
        read,
    },
    store::Store,
};

/// How many appends are timed at each size, and how many of git's.
const TIMED: usize = 100;

fn main() {
    println!(
        "{:>8} {:>12} {:>12} {:>8} {:>12} {:>12} {:>8}",
        "events", "append ms", "git notes ms", "ratio", "replay ms", "git log ms", "ratio"
    );
    for events in [100, 1_000, 10_000] {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "main", "."], None);
        commits(dir.path(), events);
        let anchor: Oid = git(dir.path(), &["rev-parse", "main"], None).parse().unwrap();
        let repo = Repo::open(dir.path()).unwrap();
        let store = Store::new(repo.clone(), World::real(Env::default()).unwrap());
        let run: RunId = "bench-20240102t030405z-0a1b2c".parse().unwrap();
        let mut writer = Writer::open(&store, &run, anchor, 0).unwrap();
        let facts: Vec<Fact> = (0..events - TIMED.min(events / 2)).map(fact).collect();
        for batch in facts.chunks(256) {
            writer.append(batch).unwrap();
        }
        let append = each(events - facts.len(), |n| drop(writer.append(&[fact(n)]).unwrap()));
        let replay = best(|| assert_eq!(read(&repo, &run, anchor).unwrap().events.len(), events));
        let log = best(|| drop(git(dir.path(), &["log", "--format=%B"], None)));
        let ids = git(dir.path(), &["rev-list", "-n", "20", "main"], None);
        let ids: Vec<&str> = ids.lines().collect();
        let notes = each(ids.len(), |n| {
            let args = ["notes", "--ref", "rival", "append", "-m", "an event", ids.get(n).unwrap()];
            git(dir.path(), &args, None);
        });
        let (a, r) = (append / notes, replay / log);
        println!("{events:>8} {append:>12.2} {notes:>12.2} {a:>8.2} {replay:>12.2} {log:>12.2} {r:>8.2}");
    }
}

fn fact(n: usize) -> Fact {
    Fact::run(Kind::RecoveryPerformed { actions: vec![format!("number {n}: removed a stale lock of a dead process")] })
}

/// Mean milliseconds of one call.
fn each(times: usize, mut call: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..times).for_each(&mut call);
    start.elapsed().as_secs_f64() * 1000.0 / times.max(1) as f64
}

/// The best of five, milliseconds.
fn best(mut call: impl FnMut()) -> f64 {
    (0..5).map(|_| each(1, |_| call())).fold(f64::INFINITY, f64::min)
}

/// As many commits as there are events, with messages of a line's length.
fn commits(dir: &Path, n: usize) {
    let text = "x".repeat(300);
    let script: String =
        (0..n).map(|n| format!("commit refs/heads/main\ncommitter a <a@b> {n} +0000\ndata 300\n{text}\n")).collect();
    git(dir, &["fast-import", "--quiet"], Some(&script));
}
