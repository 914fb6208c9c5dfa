//! Parts that all benches share: samples taken side by side, medians, a table of figure, ratio and target.
//!
//! Absolute times drift from machine to machine, so that everything is said as a ratio to a rival in the same run: U is the
//! median of `git rev-parse HEAD`.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Runs git in a folder with a HOME of its own: what it prints, without the last line's end.
pub fn git(dir: &Path, args: &[&str], input: Option<&str>) -> String {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a PATH"))
        .env("HOME", dir);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@b");
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git can be started");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    stdin.write_all(input.unwrap_or_default().as_bytes()).expect("git reads it");
    drop(stdin);
    let out = child.wait_with_output().expect("git ends");
    assert!(out.status.success(), "git {args:?}");
    String::from_utf8(out.stdout).expect("git prints UTF-8").trim().to_owned()
}

/// How long a program takes; it must succeed.
pub fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the program can be started");
    let took = begun.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// The median.
pub fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Medians of programs that are run in turns, so that a busy moment strikes all of them.
pub fn interleaved(rounds: usize, programs: &mut [Command]) -> Vec<Duration> {
    let mut samples = vec![Vec::new(); programs.len()];
    for round in 0..=rounds {
        for (program, samples) in programs.iter_mut().zip(&mut samples) {
            let took = timed(program);
            // The first round only warms the caches.
            if round > 0 {
                samples.push(took);
            }
        }
    }
    samples.into_iter().map(median).collect()
}

/// One line of the table: what, how long, its ratio to the rival, and the target where there is one.
pub fn row(what: &str, figure: Duration, rival: Duration, unit: &str, target: Option<f64>) {
    let ratio = figure.as_secs_f64() / rival.as_secs_f64();
    let verdict =
        target.map_or(String::new(), |t| format!("≤ {t:<6} {}", if ratio <= t { "reached" } else { "missed" }));
    println!("{what:<52} {:>10.3} ms {ratio:>9.3} {unit:<10} {verdict}", figure.as_secs_f64() * 1e3);
}

/// The head of the table.
pub fn head(title: &str) {
    println!("\n{title}\n{:<52} {:>13} {:>9} {:<10} target", "", "median", "ratio", "to");
}

/// An intent of so many slices of one file each, which need nothing of each other.
pub fn intent(slices: u32) -> String {
    let mut intent = "# Words\n\nFiles.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n".to_owned();
    for n in 1..=slices {
        intent += &format!(
            "## Slice `s{n}`\n\n**R{n}** It is there.\n\nOwns: `s{n}.txt`.\n\nCheck: `cat s{n}.txt` prints `s{n}`.\n\n"
        );
    }
    intent
}

/// Paths and contents of so many files.
pub fn files(number: usize) -> impl Iterator<Item = (String, String)> {
    (0..number).map(|i| (format!("src/d{}/f{i}.txt", i % 40), format!("{i}\n").repeat(i % 60 + 1)))
}

/// What a run says that its agents and checks took, added up.
pub fn theirs(events: &str) -> Duration {
    let duration = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let kind = event["kind"].as_str()?;
        ["agent.finished", "agent.failed", "slice.check.finished"]
            .contains(&kind)
            .then(|| event["data"]["duration_ms"].as_u64())?
    };
    Duration::from_millis(events.lines().filter_map(duration).sum())
}
