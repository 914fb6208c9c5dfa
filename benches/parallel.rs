//! What several slices at a time save, and what many slices cost: wall time with one job and with four on agents that sleep;
//! time and memory of the program itself for 8, 64 and 256 slices; 64 slices that need each other through a queue that tests
//! 1, 2, 4 and 8 candidates at a time; what it takes to say where a run of 200 slices stands. Parts are chosen by their names:
//! `cargo bench --bench parallel -- jobs many queue status`.
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

use git_otto::base::Timestamp;
use support::Sandbox;

/// An agent that writes one file, after what is put in the place of `@`.
const AGENT: &str =
    "cat > /dev/null; @ echo $OTTO_SLICE > $OTTO_SLICE.txt; echo '{\"ok\":true,\"summary\":\"done\"}'\n";
/// Files of the repository.
const FILES: usize = 1000;
/// What a run may keep in memory, in MB, beside what it reads.
const MEMORY: u64 = 60;

/// Slices that go through the queue.
const QUEUED: u32 = 64;
/// A check that passes after so many seconds. Slices that have a file in `k/` know the others that were there when they were
/// built; two of which neither knows the other do not go together. Where all is there it takes no time: the whole is judged one
/// check after the other, whatever the queue does.
const CHECK: &str = "test -e $1.txt || exit 1
for other in $(test -e k/$1 && ls k); do test $other = $1 || grep -qx $other k/$1 || grep -qx $1 k/$other || exit 1; done
test $(ls s*.txt | wc -l) = 64 || sleep @
echo ok\n";

/// A run to measure.
struct Job<'a> {
    intent: String,
    agent: &'a str,
    check: &'a str,
    config: &'a [(&'a str, &'a str)],
}

/// A run that ended well, in its repository.
struct Ran {
    s: Sandbox,
    wall: Duration,
    /// From its start to its last landing.
    landed: Duration,
    /// What it says that agents and checks took, added up.
    theirs: Duration,
    /// How often the queue gave a slice back.
    repairs: usize,
    /// The most memory that the program itself had at a time, in bytes.
    memory: u64,
    /// The time of processors that the program itself took.
    own: Duration,
    /// What `git rev-parse HEAD` took before and after.
    unit: Vec<Duration>,
}

/// Measures in so many rounds, and prints.
type Part = fn(usize);

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, Part); 4] = [("jobs", jobs), ("many", many), ("queue", queue), ("status", status)];
    for (name, part) in parts {
        if chosen.is_empty() || chosen.iter().any(|c| c == name) {
            part(rounds);
        }
    }
}

fn jobs(rounds: usize) {
    bench::head(&format!("Eight slices, an agent that sleeps a second, {FILES} files, medians of {rounds} runs"));
    let second = AGENT.replace('@', "sleep 1;");
    for jobs in [1, 4] {
        let (agent, number) = (&second, jobs.to_string());
        let config = [("otto.jobs", number.as_str())];
        let ran = || run(&Job { intent: bench::intent(8), agent, check: "", config: &config }).wall;
        let least = Duration::from_secs(8 / jobs);
        let wall = bench::median((0..rounds).map(|_| ran()).collect());
        bench::row(&format!("otto.jobs = {jobs}: wall"), wall, least, &format!("of {} s", least.as_secs()), None);
    }
}

fn many(rounds: usize) {
    bench::head(&format!("Many slices, one at a time, {FILES} files, medians of {rounds} runs: ours, a slice"));
    let agent = &AGENT.replace('@', "");
    let mut memories = Vec::new();
    for slices in [8, 64, 256] {
        let job = || Job { intent: bench::intent(slices), agent, check: "", config: &[("otto.jobs", "1")] };
        let runs: Vec<Ran> = (0..rounds).map(|_| run(&job())).collect();
        let unit = bench::median(runs.iter().flat_map(|r| r.unit.clone()).collect());
        let ours = bench::median(runs.iter().map(|r| r.wall.saturating_sub(r.theirs) / slices).collect());
        bench::row(&format!("{slices} slices"), ours, unit, "U", Some(60.0));
        memories.push((format!("{slices} slices"), runs.iter().map(|r| r.memory).max().unwrap_or(0)));
    }
    most_memory(rounds, &memories);
}

fn most_memory(rounds: usize, memories: &[(String, u64)]) {
    println!("\nThe most memory that the program had at a time (VmHWM), of {rounds} runs");
    for (what, bytes) in memories {
        let mb = bytes / 1_000_000;
        let verdict = if mb <= MEMORY { "reached" } else { "missed" };
        println!("{what:<52} {mb:>10} MB {:>22} ≤ {MEMORY:<6} {verdict}", "");
    }
}

/// The same slices with the same checks, so many candidates at a time: all depths in turns, so that a busy moment strikes
/// all of them.
fn queue(rounds: usize) {
    let depths = [1, 2, 4, 8];
    let agent = &AGENT.replace('@', "sleep 0.3; test $OTTO_SLICE = ${OTTO_SLICE%0} || { mkdir -p k; l=$(ls k); echo $l | tr ' ' '\\n' > k/$OTTO_SLICE; };");
    for seconds in ["0.5", "2"] {
        let check = &CHECK.replace('@', seconds);
        let mut ran: Vec<Vec<Ran>> = depths.map(|_| Vec::new()).into_iter().collect();
        for _ in 0..rounds {
            for (depth, ran) in depths.iter().zip(&mut ran) {
                let depth = depth.to_string();
                let config = [("otto.jobs", "8"), ("otto.repairs", "10"), ("otto.queue.depth", &depth)];
                ran.push(run(&Job { intent: layered(), agent, check, config: &config }));
            }
        }
        bench::head(&format!(
            "{QUEUED} slices in four layers, eight agents at a time, checks of {seconds} s, medians of {rounds} runs"
        ));
        let landed = |ran: &[Ran]| bench::median(ran.iter().map(|r| r.landed).collect());
        let one = landed(&ran[0]);
        for (depth, ran) in depths.iter().zip(&ran) {
            let repairs: Vec<usize> = ran.iter().map(|r| r.repairs).collect();
            let what = format!("depth {depth}: until all have landed; given back {repairs:?}");
            bench::row(&what, landed(ran), one, "of depth 1", None);
        }
        for (depth, ran) in depths.iter().zip(&ran) {
            let unit = bench::median(ran.iter().flat_map(|r| r.unit.clone()).collect());
            let own = bench::median(ran.iter().map(|r| r.own / QUEUED).collect());
            bench::row(&format!("depth {depth}: processor time of ours, a slice"), own, unit, "U", None);
        }
        let most = |ran: &[Ran]| ran.iter().map(|r| r.memory).max().unwrap_or(0);
        let all: Vec<_> = depths.iter().zip(&ran).map(|(d, ran)| (format!("depth {d}"), most(ran))).collect();
        most_memory(rounds, &all);
    }
}

/// Four hubs, twenty slices that need one of them, twenty-four that need two of those, and sixteen that need a hub and one of
/// these. One in ten writes into a folder in which others are not expected.
fn layered() -> String {
    let mut intent = "# Layers\n\nFiles.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n".to_owned();
    for n in 1..=QUEUED {
        let needs = match n {
            1..=4 => vec![],
            5..=24 => vec![1 + n % 4],
            25..=48 => vec![5 + n % 20, 5 + n * 7 % 20],
            _ => vec![1 + n % 4, 25 + n % 24],
        };
        let mut needs: Vec<String> = needs.iter().map(|n| format!("`s{n}`")).collect();
        needs.dedup();
        let after = if needs.is_empty() { String::new() } else { format!(", after {}", needs.join(" and ")) };
        let owns = if n % 10 == 0 { format!("`s{n}.txt`, `k/s{n}`") } else { format!("`s{n}.txt`") };
        intent += &format!(
            "## Slice `s{n}`{after}\n\n**R{n}** It is there.\n\nOwns: {owns}.\n\nCheck: `sh check.sh s{n}` prints `ok`.\n\n"
        );
    }
    intent
}

/// What it takes to say where a run stands, side by side with `git rev-parse HEAD`.
fn status(rounds: usize) {
    let agent = &AGENT.replace('@', "");
    let Ran { s, .. } = run(&Job { intent: bench::intent(200), agent, check: "", config: &[("otto.jobs", "4")] });
    let mut git = s.command("git", "repo");
    git.args(["rev-parse", "HEAD"]);
    let ours = [vec!["status"], vec!["why", "s100"], vec!["queue"]];
    let mut all = vec![git];
    all.extend(ours.iter().map(|args| s.otto_command("repo", args)));
    let medians = bench::interleaved(rounds * 10, &mut all);
    bench::head(&format!("Where a run of 200 slices stands, medians of {} calls", rounds * 10));
    for (args, median) in ours.iter().zip(&medians[1..]) {
        bench::row(&args.join(" "), *median, medians[0], "U", Some(5.0));
    }
}

fn run(job: &Job<'_>) -> Ran {
    let s = Sandbox::new();
    s.write("words.md", &job.intent);
    for (path, content) in bench::files(FILES) {
        s.write(&format!("repo/{path}"), content);
    }
    s.git(&["add", "."]);
    for (key, value) in job.config {
        s.git(&["config", key, value]);
    }
    s.commit("Files, an agent, and a check", &[("agent.sh", job.agent), ("check.sh", job.check)]);
    let unit = || (0..15).map(|_| bench::timed(s.command("git", "repo").args(["rev-parse", "HEAD"])));
    let mut units: Vec<Duration> = unit().collect();
    // Into a file: a pipe would have to be read meanwhile.
    let events = s.path("events");
    let args = ["run", "--yes", "--json", "--agent", "command:sh agent.sh", "../words.md"];
    let mut command = s.otto_command("repo", &args);
    command.stdin(Stdio::null()).stdout(File::create(&events).unwrap()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let (mut memory, mut own) = (0, Duration::ZERO);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        memory = peak(child.id()).unwrap_or(memory);
        own = processor_time(child.id()).unwrap_or(own);
        thread::sleep(Duration::from_millis(5));
    };
    let wall = begun.elapsed();
    assert!(status.success(), "the run ends well: {status}");
    units.extend(unit());
    let events = fs::read_to_string(events).unwrap();
    let repairs = events.matches("\"slice.merge.repair\"").count();
    let at = |line: &str| -> Timestamp {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["ts"].as_str().unwrap().parse().unwrap()
    };
    let last = events.lines().rfind(|line| line.contains("\"slice.merge.landed\"")).map(at).unwrap();
    let first = events.lines().next().map(at).unwrap();
    let landed = Duration::from_millis((last.millis() - first.millis()).unsigned_abs());
    Ran { s, wall, landed, theirs: bench::theirs(&events), repairs, memory, own, unit: units }
}

/// The time of processors that a process took, without its children: counted in hundredths of a second.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// The most memory that a process had at a time.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
