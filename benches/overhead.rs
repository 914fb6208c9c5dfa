//! What orchestration costs: the wall time of a run of the example without the time of agent, setup and checks; and what
//! confinement adds to it.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use git_otto::{
    base::{
        Env, World,
        procs::{self, Bounds, Ended, Spec, SystemProcs},
    },
    sandbox::{Confined, Level, Rules, probe},
};
use support::Sandbox;

/// Slices of the example.
const SLICES: u32 = 6;

/// An agent that writes one file.
const AGENT: &str = "cat > /dev/null; echo $OTTO_SLICE > $OTTO_SLICE.txt; echo '{\"ok\":true,\"summary\":\"done\"}'\n";

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
    bench::head(&format!(
        "Confinement: an agent that writes one file, and a start of `true`, medians of {rounds} runs"
    ));
    confinement(rounds);
}

/// What each level of confinement that the machine has costs: wall time for a slice, and the start of one program.
fn confinement(rounds: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World { program: env!("CARGO_BIN_EXE_git-otto").into(), ..World::real(Env::read().unwrap()).unwrap() };
    let available = Arc::new(runtime.block_on(probe(&world)));
    for level in [Level::None, Level::Landlock, Level::Bubblewrap] {
        let missing = match level {
            Level::None => None,
            Level::Landlock => available.landlock.as_ref().err(),
            Level::Bubblewrap => available.bubblewrap.as_ref().err(),
        };
        if let Some(why) = missing {
            println!("{level}: not measured: {why}");
            continue;
        }
        let (mut unit, mut walls, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let s = Sandbox::outside_of_tmp();
            let path = s.confine(level);
            s.git(&["config", "otto.jobs", "1"]);
            s.git(&["config", "otto.fsync", "false"]);
            s.write("intent.md", bench::intent(SLICES));
            s.commit("An agent", &[("agent.sh", AGENT)]);
            let mut git = s.command("git", "repo");
            git.args(["rev-parse", "HEAD"]);
            unit.extend((0..15).map(|_| bench::timed(&mut git)));
            let args = ["run", "--yes", "-q", "--agent", "command:sh agent.sh", "../intent.md"];
            let begun = Instant::now();
            s.otto_with(&args, &[("PATH", &path)], None).exits(0);
            walls.push(begun.elapsed() / SLICES);
            // What a check may do.
            let rules = Rules::new(&world.env, &s.path("tmp"));
            let confined = Confined::new(Arc::new(SystemProcs), available.clone(), level, rules);
            let vars = world.env.vars.clone().into_iter().collect();
            let spec = Spec { argv: vec!["true".into()], cwd: s.repo(), env: vars, ..Spec::default() };
            let bounds = Bounds { wall: Duration::from_secs(60), idle: None, keep: 1024 };
            starts.extend((0..15).map(|_| {
                let begun = Instant::now();
                let done = runtime.block_on(procs::run(&confined, &spec, bounds)).unwrap();
                assert_eq!(done.ended, Ended::Exit(0));
                begun.elapsed()
            }));
            unit.extend((0..15).map(|_| bench::timed(&mut git)));
        }
        let unit = bench::median(unit);
        bench::row(&format!("{level}: wall, a slice"), bench::median(walls), unit, "U", None);
        bench::row(&format!("{level}: start of one check"), bench::median(starts), unit, "U", None);
    }
}

fn measure(rounds: usize, files: usize, durable: &str) {
    let (mut unit, mut walls, mut ours, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let s = Sandbox::new();
        s.write("jot.md", include_str!("../examples/jot.md"));
        for (path, content) in bench::files(files - 1) {
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
        let theirs = bench::theirs(&out.stdout);
        let checks = out.stdout.matches("\"slice.check.finished\"").count();
        assert!(checks > SLICES as usize, "the run says what its checks took");
        walls.push(wall);
        ours.push(wall.saturating_sub(theirs));
        parts.push(theirs);
    }
    let unit = bench::median(unit);
    let what = format!("{files} files, fsync {durable}");
    bench::row(&format!("{what}: wall"), bench::median(walls), unit, "U", None);
    bench::row(&format!("{what}: agent and checks"), bench::median(parts), unit, "U", None);
    bench::row(&format!("{what}: ours, a slice"), bench::median(ours) / SLICES, unit, "U", Some(60.0));
}
