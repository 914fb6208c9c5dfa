//! Calls that fail as on a bad or a full disk. How many is a matter of time: `OTTO_TEST_ERRORS` says.

use std::path::Path;

use super::inject::{Tally, count, inject, strace, trials, usage};
use crate::support::{EXAMPLE, Output, Sandbox};

/// Calls that fail where the disk, or what leads to it, does.
const CALLS: [&str; 16] = [
    "openat",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "rename",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "fsync",
    "ftruncate",
    "pipe2",
    "socketpair",
];

#[test]
fn calls_that_fail_as_on_a_bad_disk_are_told_and_healed() {
    if !strace() {
        return;
    }
    let (usage, tally) = (usage(&CALLS), Tally::default());
    trials(count("OTTO_TEST_ERRORS", 6), |scene, rng| {
        let (call, injected, out) = inject(scene, rng, &usage, &["error=EIO", "error=ENOSPC"]);
        assert!(!out.stderr.contains("panicked"), "{injected}: {out}");
        match out.code {
            // An agent that cannot work may block its slice; loading the program's own libraries may fail, too.
            0 | 4 | 5 | 127 => {}
            // Nobody can be told where the words themselves cannot be written.
            1 if call == "write" && out.stderr.trim().is_empty() => {}
            1 => assert!(out.stderr.contains("\"hint\":\"git "), "{injected}: {out}"),
            // git takes a configuration that it cannot read to its end for a short one, and so does whoever asks it.
            2 if call == "read" && out.stderr.contains("does not know who you are") => {}
            _ => panic!("{injected}: {out}"),
        }
        tally.add(call, out.code);
        scene.heal();
        scene.hold();
    });
    tally.tell("calls failed");
}

/// A command of the program, of which one call fails.
fn failing(s: &Sandbox, injected: &str, args: &[&str]) -> Output {
    let (call, _) = injected.split_once(':').unwrap();
    let mut command = s.command("strace", "repo");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={injected}")]);
    s.spawn(command.arg(Path::new(env!("CARGO_BIN_EXE_git-otto"))).args(args), None).wait()
}

#[test]
fn what_the_programs_own_machinery_is_denied_is_told_as_any_failure() {
    if !strace() {
        return;
    }
    let s = Sandbox::new();
    let ends = |when: u32| failing(&s, &format!("socketpair:error=EMFILE:when={when}"), &["doctor"]);
    // One of them tells the runtime of signals; those of the standard library it can do without.
    let out = (1..=4).map(ends).find(|out| out.code == 1).expect("it cannot do without one");
    assert!(
        out.stderr.contains("error: git otto cannot go on: ") && out.stderr.contains("Too many open files"),
        "{out}"
    );
    assert!(out.stderr.contains("hint: git otto resume") && !out.stderr.contains("panicked"), "{out}");
}

#[test]
fn a_ref_that_could_not_move_is_not_told_to_have_moved() {
    if !strace() {
        return;
    }
    let mut failed = 0;
    for when in 1.. {
        let s = Sandbox::new();
        s.write("jot.md", EXAMPLE);
        let out = failing(&s, &format!("rename:error=EIO:when={when}"), &["compile", "../jot.md"]);
        let done = out.code == 0;
        assert!(done || out.code == 1, "{out}");
        s.otto(&["compile", "../jot.md"]).exits(0);
        s.otto(&["verify", "--all"]).exits(0);
        if done {
            break;
        }
        failed += 1;
    }
    assert!(failed > 2, "objects, the ref and more: {failed}");
}
