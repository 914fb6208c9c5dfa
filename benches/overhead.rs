//! What orchestration costs: the wall time of a run of the example without the time of agent, setup and checks.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use std::time::{Duration, Instant};

use support::Sandbox;

/// Slices of the example.
const SLICES: u32 = 6;

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    bench::head(&format!(
        "Orchestration of the example, medians of {rounds} runs, one slice at a time (otto.jobs = 1)"
    ));
    for files in [1, 1000] {
        for durable in ["true", "false"] {
            measure(rounds, files, durable);
        }
    }
}

fn measure(rounds: usize, files: usize, durable: &str) {
    let (mut unit, mut walls, mut ours, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let s = Sandbox::new();
        s.write("jot.md", include_str!("../examples/jot.md"));
        let many: Vec<(String, String)> =
            (1..files).map(|i| (format!("src/d{}/f{i}.txt", i % 40), format!("{i}\n").repeat(i % 60 + 1))).collect();
        for (path, content) in &many {
            s.write(&format!("repo/{path}"), content);
        }
        s.git(&["add", "."]);
        s.git(&["commit", "-q", "--allow-empty", "-m", "More files"]);
        s.git(&["config", "otto.jobs", "1"]);
        s.git(&["config", "otto.fsync", durable]);
        let mut git = s.command("git", "repo");
        git.args(["rev-parse", "HEAD"]);
        unit.extend((0..15).map(|_| bench::timed(&mut git)));
        let begun = Instant::now();
        let out = s.otto(&["run", "--yes", "--json", "../jot.md"]).exits(0);
        let wall = begun.elapsed();
        unit.extend((0..15).map(|_| bench::timed(&mut git)));
        let theirs: u64 = out.stdout.lines().filter_map(duration).sum();
        let checks = out.stdout.matches("\"slice.check.finished\"").count();
        assert!(checks > SLICES as usize, "the run says what its checks took");
        walls.push(wall);
        ours.push(wall.saturating_sub(Duration::from_millis(theirs)));
        parts.push(Duration::from_millis(theirs));
    }
    let unit = bench::median(unit);
    let what = format!("{files} files, fsync {durable}");
    bench::row(&format!("{what}: wall"), bench::median(walls), unit, "U", None);
    bench::row(&format!("{what}: agent and checks"), bench::median(parts), unit, "U", None);
    bench::row(&format!("{what}: ours, a slice"), bench::median(ours) / SLICES, unit, "U", Some(60.0));
}

/// What an event says that an agent or a check took.
fn duration(line: &str) -> Option<u64> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let kind = event["kind"].as_str()?;
    ["agent.finished", "agent.failed", "slice.check.finished"]
        .contains(&kind)
        .then(|| event["data"]["duration_ms"].as_u64())?
}
