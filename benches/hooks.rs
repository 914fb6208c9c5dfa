//! What hooks add to a commit and to the move of a ref, beside no hook, an empty script, prek and lefthook in the same run.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;
#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "of the sandbox of the tests only a part is needed")]
mod support;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use support::Sandbox;

const INTENT: &str = "# Word\n\nA word.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n## Slice `word`\n\n\
                      **R1** It is there.\n\nOwns: `word.txt`.\n\nCheck: `cat word.txt` prints `word`.\n";

/// The least that a hook can cost: a static program of C.
const NOTHING: &str = "a program that does nothing";

/// Which hooks git finds.
struct Rival {
    name: &'static str,
    folder: PathBuf,
}

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok());
    for files in [10_000, 100_000] {
        let s = repository(files);
        let path = search_path();
        let rivals = rivals(&s, &path);
        commits(rounds.unwrap_or(15), files, &s, &path, &rivals);
        moves(rounds.unwrap_or(1000), files, &s, &path, &rivals);
    }
}

/// What a hook adds to a commit.
fn commits(rounds: usize, files: usize, s: &Sandbox, path: &str, rivals: &[Rival]) {
    let git = |args: &[&str], hooks: &Path| {
        let mut command = s.command("git", "repo");
        command.arg("-c").arg(format!("core.hooksPath={}", hooks.display())).args(args).env("PATH", path);
        command
    };
    let none = Path::new("/dev/null");

    let mut commits = vec![Vec::new(); rivals.len()];
    let mut bodies = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (i, rival) in rivals.iter().enumerate() {
            s.write("repo/d0/f0.txt", format!("{round} {i}\n"));
            bench::timed(&mut git(&["add", "d0/f0.txt"], none));
            let commit = bench::timed(&mut git(&["commit", "-q", "-m", "x"], &rival.folder));
            // The first round only warms the caches.
            if round > 0 {
                commits[i].push(commit);
            }
        }
        let mut body: [Command; 3] = [
            git(&["rev-parse", "HEAD"], none),
            git(&["diff", "--cached", "--quiet", "--", ".otto/specs"], none),
            s.otto_command("repo", &["hook", "pre-commit"]),
        ];
        for (samples, command) in bodies.iter_mut().zip(&mut body) {
            let took = bench::timed(command);
            if round > 0 {
                samples.push(took);
            }
        }
    }
    let commits: Vec<Duration> = commits.into_iter().map(bench::median).collect();
    let [unit, diff, body] = bodies.map(bench::median);

    let place = |name: &str| rivals.iter().position(|r| r.name == name);
    bench::head(&format!("Commits in {files} files, medians of {rounds} interleaved runs: what a hook adds"));
    bench::row("a commit without hooks", commits[0], unit, "U", None);
    for (i, rival) in rivals.iter().enumerate().skip(1) {
        let to = place("prek").unwrap_or(1);
        let (unit, target) = if rivals[to].name == "prek" { ("of prek", Some(0.15)) } else { ("of empty", None) };
        let target = target.filter(|_| rival.name == "git otto: pre-commit");
        bench::row(&format!("+ {}", rival.name), added(&commits, i), added(&commits, to), unit, target);
    }
    bench::row("git diff --cached --quiet -- .otto/specs", diff, unit, "U", None);
    let target = (files >= 100_000).then_some(0.6);
    bench::row("git-otto hook pre-commit, by itself", body, diff, "of git diff", target);
}

/// What a hook adds to the move of a ref: little, so that there are many rounds, each of which begins with another one.
fn moves(rounds: usize, files: usize, s: &Sandbox, path: &str, rivals: &[Rival]) {
    let named = |name: &str| rivals.iter().find(|r| r.name == name).unwrap();
    let shown =
        ["no hook", NOTHING, "an empty script", "git otto: all four, all scripts", "git otto: all four"].map(named);
    let mut samples = vec![Vec::new(); shown.len()];
    let mut unit = Vec::new();
    for round in 0..=rounds {
        let to = ["HEAD", "HEAD~1"][round % 2];
        for i in (0..shown.len()).map(|i| (i + round) % shown.len()) {
            let mut command = s.command("git", "repo");
            command.arg("-c").arg(format!("core.hooksPath={}", shown[i].folder.display())).env("PATH", path);
            let took = bench::timed(command.args(["update-ref", &format!("refs/heads/moved-{i}"), to]));
            if round > 0 {
                samples[i].push(took);
            }
        }
        unit.push(bench::timed(s.command("git", "repo").args(["rev-parse", "HEAD"])));
    }
    let all: Vec<Duration> = samples.into_iter().map(bench::median).collect();
    bench::head(&format!(
        "A ref moved in {files} files, medians of {rounds} interleaved runs: what a reference-transaction adds"
    ));
    bench::row("update-ref without hooks", all[0], bench::median(unit), "U", None);
    for (i, rival) in shown.iter().enumerate().skip(1) {
        let target = (rival.name == "git otto: all four").then_some(1.3);
        bench::row(&format!("+ {}", rival.name), added(&all, i), added(&all, 1), "of it", target);
    }
}

/// What a rival adds to what there is without hooks.
fn added(all: &[Duration], i: usize) -> Duration {
    all[i].saturating_sub(all[0]).max(Duration::from_nanos(1))
}

/// A repository with a spec, its copy, and so many files.
fn repository(files: usize) -> Sandbox {
    let s = Sandbox::new();
    s.write("word.md", INTENT);
    s.otto(&["compile", "-q", "../word.md"]).exits(0);
    s.otto(&["approve", "-q", "--yes", "word"]).exits(0);
    let shown = s.otto(&["show", "--json", "word"]).exits(0).json();
    let mut stream =
        String::from("commit refs/heads/main\ncommitter Ann <ann@example.org> 1700000000 +0000\ndata 2\nx\n");
    stream += "from refs/heads/main^0\n";
    for i in 0..files {
        let content = format!("line {i}\n");
        let (folder, name) = (i % 997, i / 997);
        stream += &format!("M 100644 inline d{folder}/f{name}.txt\ndata {}\n{content}\n", content.len());
    }
    s.git_with_input(&["fast-import", "--quiet", "--force"], stream.as_bytes());
    s.git(&["reset", "-q", "--hard"]);
    s.git(&["config", "gc.auto", "0"]);
    let theirs = "repos:\n- repo: local\n  hooks:\n  - {id: t, name: t, language: system, entry: 'true'}\n";
    s.commit(
        "The spec",
        &[
            (".otto/specs/word.json", shown["spec_json"].as_str().unwrap()),
            (".pre-commit-config.yaml", theirs),
            ("lefthook.yml", "pre-commit:\n  jobs:\n    - run: 'true'\n"),
        ],
    );
    s
}

/// PATH with the program and the managers of hooks.
fn search_path() -> String {
    let managers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hook-managers");
    let managers = std::env::var_os("GIT_OTTO_TEST_HOOK_MANAGERS").map_or(managers, PathBuf::from);
    let program = Path::new(env!("CARGO_BIN_EXE_git-otto")).parent().unwrap();
    let first = [program.to_owned(), managers.join("node_modules/.bin"), managers.join("py/bin")];
    let rest = std::env::var_os("PATH").unwrap();
    std::env::join_paths(first.into_iter().chain(std::env::split_paths(&rest))).unwrap().into_string().unwrap()
}

/// Folders of hooks, the empty one first.
fn rivals(s: &Sandbox, path: &str) -> Vec<Rival> {
    let mut all = vec![Rival { name: "no hook", folder: s.path("hooks/none") }];
    std::fs::create_dir_all(s.path("hooks/none")).unwrap();
    let mut add = |name: &'static str, files: &[(&str, Vec<u8>)]| {
        let folder = format!("hooks/{}", name.replace([' ', ':'], "-"));
        for (file, bytes) in files {
            let file = s.write(&format!("{folder}/{file}"), bytes);
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        all.push(Rival { name, folder: s.path(folder) });
    };
    let both = |bytes: &[u8]| ["pre-commit", "reference-transaction"].map(|name| (name, bytes.to_owned()));
    add("an empty script", &both(b"#!/bin/sh\n"));
    let ours = |name: &str| {
        let mut command = s.otto_command("repo", &["hooks", "install", "--yes", "-q"]);
        s.spawn(command.env("PATH", path), None).wait().exits(0);
        let found = [".git/hooks", ".git/otto/hooks"].map(|f| s.repo().join(f).join(name));
        let bytes = found.iter().find_map(|file| std::fs::read(file).ok()).unwrap();
        s.spawn(s.otto_command("repo", &["hooks", "uninstall", "--yes", "-q"]).env("PATH", path), None).wait().exits(0);
        bytes
    };
    let four = ["pre-commit", "pre-merge-commit", "pre-push", "reference-transaction"];
    add("git otto: pre-commit", &[(four[0], ours(four[0]))]);
    let all_four = four.map(|name| (name, ours(name)));
    add("git otto: all four", &all_four);
    // What stands where it has another hook to call, or the program cannot be made.
    let script = include_str!("../hooks/reference-transaction.sh").replace("@NEXT@", ":").replace("@NAME@", four[3]);
    let [a, b, c, _] = all_four;
    add("git otto: all four, all scripts", &[a, b, c, (four[3], script.into_bytes())]);
    for manager in ["prek", "lefthook"] {
        let install = format!("{manager} install >/dev/null && cat .git/hooks/pre-commit && rm .git/hooks/pre-commit");
        let said = s.spawn(s.command("sh", "repo").args(["-c", &install]).env("PATH", path), None).wait();
        match said.code {
            0 => add(manager, &[("pre-commit", said.stdout.into_bytes())]),
            _ => println!("{manager}: not measured: scripts/hook-managers installs it"),
        }
    }
    let source = s.write("nothing.c", "int main(void) { return 0; }\n");
    let nothing = s.path("nothing");
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&nothing).arg(source).status();
    assert!(built.unwrap().success(), "no static program can be linked here");
    add(NOTHING, &both(&std::fs::read(nothing).unwrap()));
    all
}
