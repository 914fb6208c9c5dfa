//! `scripts/install`, and what it puts in place: the program, its manual pages, completions.

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::support::{Output, Sandbox};

const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install");

fn install(s: &Sandbox, args: &[&str], vars: &[(&str, &str)]) -> Output {
    let mut command = s.command(INSTALL, "repo");
    s.spawn(command.args(args).envs(vars.iter().copied()), None).wait()
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
    let found = found.unwrap().success();
    if !found {
        eprintln!("{program} is not installed: that part was not tried");
    }
    found
}

/// Everything below a folder of the sandbox.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => todo.push(entry.path()),
                false => drop(out.insert(entry.path().strip_prefix(dir).unwrap().display().to_string())),
            }
        }
    }
    out
}

#[test]
fn what_is_installed_is_found_by_git_and_goes_away_again() {
    let s = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_git-otto");
    let prefix = s.path("home/.local");
    s.write("home/.local/share/man/man1/other.1", "somebody else's");
    s.write("home/.local/share/man/man1/git-otto-gone.1", "a page of an older version");
    s.write("home/.local/share/git-otto/installed", "share/man/man1/git-otto-gone.1\n");
    let out = install(&s, &["--binary", binary], &[]).exits(0);
    assert!(out.stdout.contains(&format!("below {}\nadd it to PATH: ", prefix.display())), "{}", out.stdout);
    let there = files(&prefix);
    for name in [
        "bin/git-otto",
        "share/man/man1/git-otto.1",
        "share/man/man1/git-otto-run.1",
        "share/bash-completion/completions/git-otto",
        "share/zsh/site-functions/_git-otto",
        "share/fish/vendor_completions.d/git-otto.fish",
    ] {
        assert!(there.contains(name), "{name} is not in {there:?}");
    }
    assert!(!there.contains("share/man/man1/git-otto-gone.1"));

    // A man finds pages beside a bin that is on PATH.
    let path = format!("{}:{}", prefix.join("bin").display(), std::env::var("PATH").unwrap());
    let run = |program: &str, args: &[&str]| {
        let mut command = s.command(program, "repo");
        command.args(args).env("PATH", &path).env("MANPAGER", "cat").env("PAGER", "cat").env("MANWIDTH", "100");
        s.spawn(&mut command, None).wait()
    };
    assert!(run("git", &["otto", "--version"]).exits(0).stdout.starts_with("git otto "));
    if is_there("man") && is_there("groff") {
        let page = prefix.join("share/man/man1/git-otto-run.1").display().to_string();
        assert_eq!(run("man", &["-w", "git-otto-run"]).exits(0).stdout.trim_end(), page);
        for args in [&["help", "otto"][..], &["otto", "--help"]] {
            let out = run("git", args).exits(0).stdout;
            assert!(out.contains("EXIT STATUS") && out.contains("otto.sandbox"), "{out}");
        }
    }

    let out = install(&s, &["--uninstall"], &[]).exits(0);
    assert_eq!(out.stdout, format!("removed git-otto from {}\n", prefix.display()));
    assert_eq!(files(&prefix), ["share/man/man1/other.1".to_owned()].into());
    install(&s, &["--uninstall"], &[]).exits(2);

    // For a package: below DESTDIR, as if below the prefix.
    let root = s.path("root").display().to_string();
    install(&s, &["--prefix", "/usr", "--binary", binary], &[("DESTDIR", &root)]).exits(0);
    assert!(s.path("root/usr/bin/git-otto").is_file());
    install(&s, &["--prefix"], &[]).exits(2);
}

/// A shell completes after `git otto` what the program offers.
#[test]
fn bash_completes_below_git() {
    let s = Sandbox::new();
    if !is_there("bash") {
        return;
    }
    let script = s.otto(&["completions", "bash"]).exits(0).stdout;
    s.write("otto.bash", script);
    // What git's own completion hands over, and, as bash itself calls it, what `git-otto` gets.
    let below = r#"
        . ../otto.bash
        try() { local words=("$@") cword=$(( $# - 1 )) __git_cmd_idx=$at COMPREPLY=()
            local cur=${words[cword]} prev=${words[cword - 1]}
            _git_otto; echo "${COMPREPLY[*]}"; }
        at=1; try git otto re; try git otto export --for; try git otto export --format ''; try git otto bundle ''
        at=3; try git -C .. otto sho
        COMP_WORDS=(git-otto com) COMP_CWORD=1; _git__otto git-otto com git-otto; echo "${COMPREPLY[*]}"
    "#;
    let mut bash = s.command("bash", "repo");
    let out = s.spawn(bash.args(["--norc", "-c", below]), None).wait().exits(0);
    let lines: Vec<&str> = out.stdout.lines().collect();
    let [re, flag, formats, bundle, below_c, direct] = lines[..] else { panic!("{out:?}") };
    assert!(
        re.split(' ').any(|w| w == "resume") && re.split(' ').any(|w| w == "remote") && !re.contains("run"),
        "{re}"
    );
    assert_eq!((flag, formats, below_c), ("--format", "markdown json", "show"));
    assert!(bundle.contains("create") && direct.split(' ').any(|w| w == "compile"), "{bundle} {direct}");

    // Through git's own completion, where it is installed.
    let git = "/usr/share/bash-completion/completions/git";
    if Path::new(git).is_file() {
        let through = format!(
            ". {git}; . ../otto.bash; COMP_WORDS=(git otto stat) COMP_CWORD=2 COMP_LINE='git otto stat' COMP_POINT=13
             __git_func_wrap __git_main; echo \"${{COMPREPLY[*]}}\""
        );
        let mut bash = s.command("bash", "repo");
        let out = s.spawn(bash.args(["--norc", "-c", &through]), None).wait().exits(0);
        assert_eq!(out.stdout.trim(), "status");
    }
}

#[test]
fn the_scripts_of_other_shells_are_read_by_them() {
    let s = Sandbox::new();
    for (shell, check) in [("zsh", "zsh -n"), ("fish", "fish --no-execute")] {
        let script = s.otto(&["completions", shell]).exits(0).stdout;
        assert!(script.contains("git-otto") && script.contains("resume"), "{shell}");
        s.write("script", script);
        if is_there(shell) {
            let mut command = s.command("sh", "repo");
            s.spawn(command.args(["-c", &format!("{check} ../script")]), None).wait().exits(0);
        }
    }
    s.otto(&["completions", "csh"]).exits(2);
}
