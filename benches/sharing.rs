//! What sharing costs: a run pushed and fetched beside git's own push and fetch of one ref that holds the same objects, and
//! what asking costs where nothing is new.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use std::{fs, time::Duration};

use support::{EXAMPLE, Sandbox};

/// The ref of the rival.
const ONE: &str = "refs/heads/all";

/// What a round measures.
#[derive(Default)]
struct Samples {
    unit: Vec<Duration>,
    push: Vec<Duration>,
    push_one: Vec<Duration>,
    fetch: Vec<Duration>,
    fetch_one: Vec<Duration>,
    /// With nothing new: push, fetch, sync, and `git fetch` of one ref.
    nothing: [Vec<Duration>; 4],
}

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["run", "--yes", "-q", "../jot.md"]).exits(0);
    // One ref with everything that the run is made of.
    let tips = s.git(&["for-each-ref", "--format=%(objectname)", "refs/otto", "refs/notes/otto", "refs/heads"]);
    let mut args = vec!["commit-tree", "HEAD^{tree}", "-m", "All"];
    let commits: Vec<&str> = tips.lines().collect();
    for tip in &commits {
        args.extend(["-p", tip]);
    }
    let all = s.git(&args);
    s.git(&["update-ref", "refs/rival/all", &all]);
    let refs = s.git(&["for-each-ref", "refs/otto", "refs/notes/otto"]).lines().count();
    let mut samples = Samples::default();
    for round in 0..=rounds {
        let took = measure(&s);
        // The first round only warms the caches.
        if round > 0 {
            samples.add(took);
        }
    }
    samples.tell(&format!(
        "A run of four slices ({refs} refs), medians of {rounds} rounds, remotes are bare repositories on disk"
    ));
}

/// One round: fresh remotes and fresh clones.
fn measure(s: &Sandbox) -> Samples {
    for dir in ["run.git", "one.git", "run", "one"] {
        let _ = fs::remove_dir_all(s.path(dir));
    }
    for dir in ["run", "one"] {
        s.git_in(".", &["init", "-q", "--bare", "-b", "main", &format!("{dir}.git")]);
        s.git(&["push", "-q", &format!("../{dir}.git"), "main"]);
        s.git_in(".", &["clone", "-q", &format!("{dir}.git"), dir]);
        let _ = s.try_git("repo", &["remote", "remove", dir]);
        s.git(&["remote", "add", dir, &format!("../{dir}.git")]);
    }
    let git = |dir: &str, args: &[&str]| bench::timed(s.command("git", dir).args(args));
    let otto = |dir: &str, args: &[&str]| bench::timed(&mut s.otto_command(dir, args));
    let one = format!("refs/rival/all:{ONE}");
    let mut took = Samples::default();
    took.unit.push(git("repo", &["rev-parse", "HEAD"]));
    took.push.push(otto("repo", &["push", "-q", "run"]));
    took.push_one.push(git("repo", &["push", "-q", "one", &one]));
    took.fetch.push(otto("run", &["fetch", "-q", "origin"]));
    took.fetch_one.push(git("one", &["fetch", "-q", "origin", &format!("{ONE}:{ONE}")]));
    took.nothing = [
        vec![otto("repo", &["push", "-q", "run"])],
        vec![otto("run", &["fetch", "-q", "origin"])],
        vec![otto("run", &["sync", "-q", "origin"])],
        vec![git("one", &["fetch", "-q", "origin", &format!("{ONE}:{ONE}")])],
    ];
    took
}

impl Samples {
    fn add(&mut self, other: Samples) {
        self.unit.extend(other.unit);
        self.push.extend(other.push);
        self.push_one.extend(other.push_one);
        self.fetch.extend(other.fetch);
        self.fetch_one.extend(other.fetch_one);
        for (mine, more) in self.nothing.iter_mut().zip(other.nothing) {
            mine.extend(more);
        }
    }

    fn tell(self, title: &str) {
        let unit = bench::median(self.unit);
        let [push, push_one] = [self.push, self.push_one].map(bench::median);
        let [fetch, fetch_one] = [self.fetch, self.fetch_one].map(bench::median);
        bench::head(title);
        bench::row("git rev-parse HEAD", unit, unit, "U", None);
        bench::row("git push of one ref with the same objects", push_one, unit, "U", None);
        bench::row("git otto push of the run", push, push_one, "git push", None);
        bench::row("git fetch of that ref", fetch_one, unit, "U", None);
        bench::row("git otto fetch of the run", fetch, fetch_one, "git fetch", None);
        bench::row("both", push + fetch, push_one + fetch_one, "both", Some(1.3));
        let [push, fetch, sync, git] = self.nothing.map(bench::median);
        bench::row("nothing new: git fetch of one ref", git, unit, "U", None);
        bench::row("nothing new: git otto push", push, unit, "U", Some(10.0));
        bench::row("nothing new: git otto fetch", fetch, unit, "U", Some(10.0));
        bench::row("nothing new: git otto sync", sync, unit, "U", Some(10.0));
    }
}
