//! What several slices at a time save, and what many slices cost: wall time with one job and with four on agents that sleep,
//! then time and memory of the program itself for 8, 64 and 256 slices.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use std::{
    fs::{self, File},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use support::Sandbox;

/// An agent that writes one file, after what is put in the place of `@`.
const AGENT: &str =
    "cat > /dev/null; @ echo $OTTO_SLICE > $OTTO_SLICE.txt; echo '{\"ok\":true,\"summary\":\"done\"}'\n";
/// Files of the repository.
const FILES: usize = 1000;
/// What a run may keep in memory, in MB, beside what it reads.
const MEMORY: u64 = 60;

/// A run that ended well.
struct Ran {
    wall: Duration,
    /// What it says that agents and checks took, added up.
    theirs: Duration,
    /// The most memory that the program itself had at a time, in bytes.
    memory: u64,
    /// What `git rev-parse HEAD` took before and after.
    unit: Vec<Duration>,
}

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    bench::head(&format!("Eight slices, an agent that sleeps a second, {FILES} files, medians of {rounds} runs"));
    let second = AGENT.replace('@', "sleep 1;");
    for jobs in [1, 4] {
        let runs: Vec<Ran> = (0..rounds).map(|_| run(8, jobs, &second)).collect();
        let least = Duration::from_secs(8 / u64::from(jobs));
        let wall = bench::median(runs.iter().map(|r| r.wall).collect());
        bench::row(&format!("otto.jobs = {jobs}: wall"), wall, least, &format!("of {} s", least.as_secs()), None);
    }
    bench::head(&format!("Many slices, one at a time, {FILES} files, medians of {rounds} runs: ours, a slice"));
    let at_once = AGENT.replace('@', "");
    let mut memories = Vec::new();
    for slices in [8, 64, 256] {
        let runs: Vec<Ran> = (0..rounds).map(|_| run(slices, 1, &at_once)).collect();
        let unit = bench::median(runs.iter().flat_map(|r| r.unit.clone()).collect());
        let ours = bench::median(runs.iter().map(|r| r.wall.saturating_sub(r.theirs) / slices).collect());
        bench::row(&format!("{slices} slices"), ours, unit, "U", Some(60.0));
        memories.push((slices, runs.iter().map(|r| r.memory).max().unwrap_or(0)));
    }
    println!("\nThe most memory that the program had at a time (VmHWM), of {rounds} runs");
    for (slices, bytes) in memories {
        let mb = bytes / 1_000_000;
        let verdict = if mb <= MEMORY { "reached" } else { "missed" };
        println!("{:<52} {mb:>10} MB {:>22} ≤ {MEMORY:<6} {verdict}", format!("{slices} slices"), "");
    }
}

fn run(slices: u32, jobs: u32, agent: &str) -> Ran {
    let s = Sandbox::new();
    s.write("words.md", bench::intent(slices));
    for (path, content) in bench::files(FILES) {
        s.write(&format!("repo/{path}"), content);
    }
    s.git(&["add", "."]);
    s.git(&["config", "otto.jobs", &jobs.to_string()]);
    s.commit("Files, and an agent", &[("agent.sh", agent)]);
    let unit = || (0..15).map(|_| bench::timed(s.command("git", "repo").args(["rev-parse", "HEAD"])));
    let mut units: Vec<Duration> = unit().collect();
    // Into a file: a pipe would have to be read meanwhile.
    let events = s.path("events");
    let args = ["run", "--yes", "--json", "--agent", "command:sh agent.sh", "../words.md"];
    let mut command = s.otto_command("repo", &args);
    command.stdin(Stdio::null()).stdout(File::create(&events).unwrap()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut memory = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        memory = peak(child.id()).unwrap_or(memory);
        thread::sleep(Duration::from_millis(5));
    };
    let wall = begun.elapsed();
    assert!(status.success(), "the run ends well: {status}");
    units.extend(unit());
    Ran { wall, theirs: bench::theirs(&fs::read_to_string(events).unwrap()), memory, unit: units }
}

/// The most memory that a process had at a time.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
