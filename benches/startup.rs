//! How long the program takes to start, and to say where a run stands, beside git in the same run.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use support::Sandbox;

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let s = Sandbox::new();
    s.history(2000);
    let mut programs = vec![
        s.command("git", "repo"),
        s.command("git", "repo"),
        s.otto_command("repo", &["--version"]),
        s.otto_command("repo", &["status"]),
    ];
    programs[0].args(["rev-parse", "HEAD"]);
    programs[1].arg("status");
    // Other builds of the program, to compare them: paths, separated by colons.
    let others = std::env::var("OTTO_BENCH_PROGRAMS").unwrap_or_default();
    let others: Vec<&str> = others.split(':').filter(|p| !p.is_empty()).collect();
    for other in &others {
        programs.push(s.command(other, "repo"));
        programs.last_mut().unwrap().arg("--version");
    }
    let all = bench::interleaved(rounds, &mut programs);
    bench::head(&format!("Start-up, medians of {rounds} interleaved runs; U is `git rev-parse HEAD`"));
    bench::row("git rev-parse HEAD", all[0], all[0], "U", None);
    bench::row("git status (2,001 commits, 114 files)", all[1], all[0], "U", None);
    bench::row("git-otto --version", all[2], all[0], "U", Some(0.7));
    bench::row("git-otto status (no run)", all[3], all[0], "U", Some(5.0));
    for (other, figure) in others.iter().zip(&all[4..]) {
        bench::row(&format!("{other} --version"), *figure, all[0], "U", Some(0.7));
    }

    s.write("jot.md", include_str!("../examples/jot.md"));
    s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    let mut programs = vec![s.command("git", "repo"), s.command("git", "repo"), s.otto_command("repo", &["status"])];
    programs[0].args(["rev-parse", "HEAD"]);
    programs[1].arg("status");
    let all = bench::interleaved(rounds, &mut programs);
    bench::head("The same after a run of the example");
    bench::row("git rev-parse HEAD", all[0], all[0], "U", None);
    bench::row("git status", all[1], all[0], "U", None);
    bench::row("git-otto status (one run of 6 slices)", all[2], all[0], "U", Some(5.0));
}
