//! Checks against real programs.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::base::Env;

struct Room {
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
    world: World,
}

fn room() -> Room {
    let mut env = Env::default();
    env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    env.vars.insert("MY_SECRET".into(), "leaks".into());
    let world = World::real(env).unwrap();
    Room { dir: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap(), world }
}

impl Room {
    fn file(&self, name: &str, text: &str, mode: u32) -> &Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn run(&self, kind: &str, mut check: Value) -> Outcome {
        check["id"] = json!("c");
        check["kind"] = json!(kind);
        let check: Check = serde_json::from_value(check).unwrap();
        let tree = "0123456789012345678901234567890123456789".parse().unwrap();
        let extra = [("EXTRA".to_owned(), "given".to_owned())];
        let on = On { dir: self.dir.path(), tree, scratch: self.scratch.path(), extra_env: &extra, supplied: None };
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = rt.block_on(run(&self.world, &check, on));
        assert_eq!(outcome.evidence.passed, outcome.evidence.cause == Cause::Holds);
        assert_eq!(std::fs::read_dir(self.scratch.path()).map_or(0, |d| d.count()), 0, "the check's folder is gone");
        outcome
    }

    fn probe(&self, check: Value) -> Outcome {
        self.run("cli_probe", check)
    }
}

fn cause(outcome: &Outcome) -> Cause {
    outcome.evidence.cause
}

#[test]
fn what_holds_is_green_and_every_failure_is_told() {
    let r = room();
    r.file("notes", "#!/bin/sh\necho one; echo two; echo bad >&2; exit 2\n", 0o755);
    let good = json!({"command":["./notes"],"expect_exit":2,"stdout":"one\ntwo\n","stdout_contains":["two"],"stdout_matches":"t.o","stderr_contains":["bad"]});
    let o = r.probe(good);
    assert_eq!((cause(&o), o.evidence.exit), (Cause::Holds, Some(2)), "{}", o.evidence.detail);
    assert_eq!((o.stdout.as_slice(), o.stderr.as_slice()), (&b"one\ntwo\n"[..], &b"bad\n"[..]));
    assert_eq!(o.evidence.sandbox, "none");
    let o = r.probe(json!({"command":["./notes"],"stdout":"one\n","stdout_contains":["three"]}));
    // The exit code is wrong too, and nothing says that something was missing.
    assert_eq!(cause(&o), Cause::Assertion);
    for part in ["exit code 2, expected 0", "expected empty", "lacks \"three\"", "standard error ends with \"bad\""] {
        assert!(o.evidence.detail.contains(part), "{part}: {}", o.evidence.detail);
    }
    let o = r.run("repo_test", json!({"command":["./notes"],"expect_exit":2,"stdout_contains":["two"]}));
    assert_eq!(cause(&o), Cause::Holds);
}

#[test]
fn the_environment_is_built_and_not_inherited() {
    let r = room();
    let o = r.probe(
        json!({"shell":"env; ls -A \"$HOME\" \"$TMPDIR\" >&2; touch \"$HOME/x\" \"$TMPDIR/y\"; cat","stdin":"typed"}),
    );
    assert_eq!(cause(&o), Cause::Holds, "{}", o.evidence.detail);
    let text = String::from_utf8(o.stdout).unwrap();
    assert!(text.ends_with("typed") && text.contains("\nEXTRA=given\n") && text.contains("LANG=C.UTF-8"), "{text}");
    assert!(!text.contains("MY_SECRET") && !text.contains("leaks"), "{text}");
    let scratch = r.scratch.path().display().to_string();
    for name in ["HOME", "TMPDIR"] {
        assert!(text.lines().any(|l| l.starts_with(&format!("{name}={scratch}/check-"))), "{text}");
    }
    let mut known =
        vec!["PATH", "HOME", "TMPDIR", "LANG", "PYTHONDONTWRITEBYTECODE", "GIT_CEILING_DIRECTORIES", "EXTRA"];
    known.extend(["PWD", "OLDPWD", "_", "SHLVL"]); // the shell's own
    for name in text.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n) {
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn red_for_want_of_the_program_is_missing() {
    let r = room();
    r.file("plain", "echo hi\n", 0o644).file("calls", "#!/bin/sh\nexec ./absent\n", 0o755);
    for check in [
        json!({"command":["./notes","list"]}),
        json!({"command":["./plain"]}),
        json!({"command":["./calls"]}),
        json!({"shell":"./notes list"}),
        json!({"shell":"./plain"}),
        json!({"shell":"PATH=\"$PWD:$PATH\"; notes list"}),
        json!({"command":["sh","notes.sh"]}),
        json!({"command":["./notes"],"expect_exit":127}),
    ] {
        let o = r.probe(check.clone());
        assert_eq!(cause(&o), Cause::Missing, "{check}: {}", o.evidence.detail);
    }
    let o = r.run("repo_test", json!({"command":["sh","tests/run.sh"]}));
    assert_eq!(cause(&o), Cause::Missing, "{}", o.evidence.detail);
    assert!(o.evidence.detail.contains("tests/run.sh does not exist"), "{}", o.evidence.detail);
    // The author wants 127 and gets it: nothing to explain.
    assert_eq!(cause(&r.probe(json!({"shell":"exit 127","expect_exit":127}))), Cause::Holds);
    assert_eq!(cause(&r.probe(json!({"shell":"exit 127","expect_exit":127,"stdout":"x"}))), Cause::Assertion);
}

#[test]
fn a_program_that_judges_its_arguments_itself_is_not_missing() {
    let r = room();
    r.file("notes", "#!/bin/sh\nexit 1\n", 0o755);
    assert_eq!(cause(&r.probe(json!({"command":["./notes","import","absent.txt"]}))), Cause::Assertion);
}

#[test]
fn a_runner_that_the_machine_lacks_is_unknown() {
    let r = room();
    r.file("script", "#!/usr/bin/env no-such-runner\n", 0o755).file("direct", "#!/no/such/runner\n", 0o755);
    for check in [
        json!({"command":["no-such-runner","x"]}),
        json!({"command":["/no/such/runner"]}),
        json!({"shell":"no-such-runner x"}),
        json!({"command":["./script"]}),
        json!({"command":["./direct"]}),
        json!({"shell":"./script"}),
    ] {
        let o = r.probe(check.clone());
        assert_eq!(cause(&o), Cause::Unknown, "{check}: {}", o.evidence.detail);
        assert!(o.evidence.detail.contains("runner"), "{}", o.evidence.detail);
    }
}

#[test]
fn what_cannot_be_evaluated_is_never_passed() {
    let r = room();
    for check in [
        json!({}),
        json!({"command":["true"],"shell":"true"}),
        json!({"command":[""]}),
        json!({"shell":"true","stdout_matches":"("}),
        json!({"shell":"true","stdout_matches":"(a{1000}){1000}"}),
        json!({"command":["true","a\0b"]}),
    ] {
        let o = r.probe(check.clone());
        assert_eq!(cause(&o), Cause::Unknown, "{check}: {}", o.evidence.detail);
        assert!(!o.evidence.detail.is_empty());
    }
    let o = r.run("state_invariant", json!({"description":"d","expression":"true"}));
    assert_eq!(o.evidence.detail, "this version cannot run checks of kind state_invariant");
    std::fs::remove_dir_all(r.scratch.path()).unwrap();
    std::fs::write(r.scratch.path(), "a file is in the way").unwrap();
    let check: Check = serde_json::from_value(json!({"id":"c","kind":"cli_probe","shell":"true"})).unwrap();
    let tree = "0123456789012345678901234567890123456789".parse().unwrap();
    let on = On { dir: r.dir.path(), tree, scratch: r.scratch.path(), extra_env: &[], supplied: None };
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let o = rt.block_on(run(&r.world, &check, on));
    assert_eq!(cause(&o), Cause::Unknown);
    std::fs::remove_file(r.scratch.path()).unwrap();
}

#[test]
fn a_checkout_that_is_gone_is_unknown() {
    let r = room();
    std::fs::remove_dir(r.dir.path()).unwrap();
    let o = r.probe(json!({"command":["./notes"]}));
    assert_eq!(cause(&o), Cause::Unknown, "{}", o.evidence.detail);
}

#[test]
fn signals_and_time_are_told() {
    let r = room();
    let o = r.probe(json!({"command":["sh","-c","kill -SEGV $$"]}));
    assert_eq!((cause(&o), o.evidence.exit), (Cause::Error, None), "{}", o.evidence.detail);
    let o = r.probe(json!({"shell":"sh -c 'kill -SEGV $$'; exit $?"}));
    assert_eq!(cause(&o), Cause::Error, "{}", o.evidence.detail);
    let o = r.probe(json!({"shell":"sleep 1000 & sleep 1000; echo no","timeout_s":1}));
    assert_eq!(cause(&o), Cause::Timeout);
    assert!(o.evidence.detail.starts_with("it ran for too long"), "{}", o.evidence.detail);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_check_leaves_behind_ends_with_it() {
    let r = room();
    let o = r.probe(json!({"shell":"sleep 1000 & echo $!"}));
    assert_eq!(cause(&o), Cause::Holds);
    let pid: i32 = String::from_utf8(o.stdout).unwrap().trim().parse().unwrap();
    // Killed with the group; a zombie at most, until its new parent reaps it. The signal may need its time to act.
    let lives = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "));
    let start = std::time::Instant::now();
    while lives() {
        assert!(start.elapsed() < Duration::from_secs(30), "{pid} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_flood_is_bounded_and_never_exact() {
    let r = room();
    let o = r.probe(json!({"shell":"echo begin; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end","stdout_contains":["begin","end"]}));
    assert_eq!(cause(&o), Cause::Holds, "{}", o.evidence.detail);
    assert!(o.stdout.len() < 2 * KEEP + 100 && o.stdout.starts_with(b"begin") && o.stdout.ends_with(b"end\n"));
    let o = r.probe(json!({"shell":"head -c 5000000 /dev/zero","stdout_matches":"."}));
    assert_eq!(cause(&o), Cause::Assertion);
    assert!(o.evidence.detail.contains("too long"), "{}", o.evidence.detail);
}

#[test]
fn secrets_are_compared_but_not_kept() {
    let r = room();
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ0123";
    let o = r.probe(json!({"shell":format!("echo {secret}; echo {secret} >&2"),"stdout":format!("{secret}\n")}));
    assert_eq!(cause(&o), Cause::Holds);
    assert_eq!((o.stdout.as_slice(), o.stderr.as_slice()), (&b"[redacted]\n"[..], &b"[redacted]\n"[..]));
    let o = r.probe(json!({"shell":format!("echo {secret} | tee /dev/stderr; exit 1"),"stdout":"x"}));
    assert!(!o.evidence.detail.contains("0123456789abc"), "{}", o.evidence.detail);
    assert!(!serde_json::to_string(&o.evidence).unwrap().contains("0123456789abc"));
}

#[test]
fn import_errors_are_missing() {
    let r = room();
    for said in ["ModuleNotFoundError: No module named 'notes'", "Error: Cannot find module './x'", "NO TESTS RAN"] {
        let o = r.run("repo_test", json!({"command":["sh","-c",format!("echo \"{said}\" >&2; exit 1")]}));
        assert_eq!(cause(&o), Cause::Missing, "{}", o.evidence.detail);
    }
}

#[test]
fn the_fingerprint_follows_the_environment() {
    let mut r = room();
    let first = r.probe(json!({"shell":"true"})).evidence.environment;
    assert_eq!(first, r.probe(json!({"shell":"true"})).evidence.environment);
    let mut env = Env::clone(&r.world.env);
    env.vars.insert("PATH".into(), "/usr/bin:/bin:/elsewhere".into());
    r.world.env = Arc::new(env);
    assert_ne!(first, r.probe(json!({"shell":"true"})).evidence.environment);
}
