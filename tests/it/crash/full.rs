//! A disk that is full, wherever in a run that happens: a real one, small, in a name space of mounts of the test's own.
//! `OTTO_TEST_FULL` says how many sizes are tried.

use std::{path::Path, process::Command};

use super::{
    inject::count,
    oracle::{Scene, WORDS},
};

/// Says that the test runs where it may mount.
const INSIDE: &str = "OTTO_TEST_INSIDE";

/// Runs the test named again where it may mount. False where this is there. Where nobody may, it says so and passes, unless
/// `GIT_OTTO_REQUIRE_UNSHARE` is set.
fn goes_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let works = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("GIT_OTTO_REQUIRE_UNSHARE").is_none(), "nobody may unshare mounts here");
    if !works {
        eprintln!("not tried: nobody may unshare mounts here");
        return true;
    }
    let mut command = Command::new("unshare");
    command.arg("-rm").arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    assert!(command.env(INSIDE, "1").status().unwrap().success(), "inside");
    true
}

fn mount(args: &[&str], dir: &Path) {
    let status = Command::new("mount").args(args).arg(dir).status().unwrap();
    assert!(status.success(), "mount {args:?}");
}

/// Bytes of a file system that are in use.
fn used(dir: &Path) -> u64 {
    let stat = rustix::fs::statvfs(dir).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

#[test]
fn a_run_on_a_disk_that_fills_up_says_so_and_goes_on_when_there_is_room() {
    if goes_inside("crash::full::a_run_on_a_disk_that_fills_up_says_so_and_goes_on_when_there_is_room") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=64m", "none"], disk.path());
    let resize = |size: u64| mount(&["-o", &format!("remount,size={size}")], disk.path());
    let begin = || Scene::below(disk.path(), WORDS);
    let needs = {
        let scene = begin();
        let before = used(disk.path());
        scene.run(None).exits(0);
        used(disk.path()) - before
    };
    let (n, mut ends) = (count("OTTO_TEST_FULL", 5), Vec::new());
    for i in 0..n {
        let scene = begin();
        // Also a little more than it needs in the end: it needs more meanwhile.
        let room = needs * 3 / 2 * i as u64 / n as u64;
        resize(used(disk.path()) + room);
        let out = scene.begin().wait();
        resize(64 << 20);
        scene.look(&out);
        assert!(!out.stderr.contains("panicked"), "{room} bytes: {out}");
        match out.code {
            // An agent or a check that could not write may end its slice.
            0 | 4 | 5 => {}
            1 => assert!(out.stderr.contains("space") && out.stderr.contains("\"hint\":\"git "), "{room} bytes: {out}"),
            _ => panic!("{room} bytes: {out}"),
        }
        ends.push(format!("{} KiB exit {}", room >> 10, out.code));
        scene.heal();
        scene.hold();
    }
    eprintln!("a run that needs {} KiB was given {}", needs >> 10, ends.join(", "));
    Command::new("umount").arg(disk.path()).status().unwrap();
}
