//! How a confined program lives and ends, at every level, and that nothing outlives it.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use git_otto::{
    base::procs::{self, Bounds, Child, Ended, Limit, Procs, Recorded, Spec, SystemProcs},
    sandbox::{Available, Level, Mode, choose, supervise},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Place, confining, levels, runs, runtime, words};

/// A daemon leaves its group, its session and its parent; `$WORD` tells it from others.
const DAEMON: &str = r#"setsid sh -c 'setsid sleep "$WORD" >/dev/null 2>&1 </dev/null & exit' & wait; "#;
/// Some that do not end when they are asked.
const STUBBORN: &str = r#"for i in 1 2 3; do sh -c 'trap "" TERM HUP INT; sleep "$WORD"; sleep "$WORD"' & done; "#;

/// A place in which programs can be told from those of other tests.
fn place() -> (Place, String) {
    let mut p = Place::new();
    let word = format!("9{:011}", p.s.seed);
    p.env.push(("WORD".into(), word.clone().into()));
    (p, word)
}

/// Waits until something holds; what was killed by somebody else takes its time.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A program with a daemon and with stubborn children, all of them there.
fn started(procs: &dyn Procs, p: &Place, word: &str) -> Child {
    let child = procs.spawn(&p.spec(&["sh", "-c", &format!("{DAEMON}{STUBBORN} wait")])).unwrap();
    eventually("it does not start", || runs(word));
    child
}

#[test]
fn a_program_ends_as_it_ended() {
    let p = Place::new();
    for level in levels() {
        for code in [0, 1, 7, 126, 127, 255] {
            assert_eq!(p.sh(level, &format!("exit {code}")).ended, Ended::Exit(code), "{level}");
        }
        // What a shell starts in the background is deaf to interrupts, and so is what that starts.
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let deaf = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).unwrap().trim();
        let deaf = u64::from_str_radix(deaf, 16).unwrap();
        for signal in [1, 2, 3, 6, 9, 11, 15].into_iter().filter(|signal| deaf >> (signal - 1) & 1 == 0) {
            // bubblewrap tells of signals as a shell does.
            let ended = if level == Level::Bubblewrap { Ended::Exit(128 + signal) } else { Ended::Signal(signal) };
            let done = p.sh(level, &format!("kill -{signal} $$"));
            assert_eq!(done.ended, ended, "{level}: {}", words(&done));
        }
    }
}

#[test]
fn streams_pass_through() {
    let p = Place::new();
    let bounds = Bounds { wall: Duration::from_secs(120), idle: None, keep: 64 << 20 };
    for level in levels() {
        let input: Vec<u8> = (0..300_000_u32).flat_map(|n| n.to_be_bytes()).collect();
        let spec = Spec { stdin: input.clone(), ..p.spec(&["cat"]) };
        let done = runtime().block_on(procs::run(&p.confined(level), &spec, bounds)).unwrap();
        assert!(done.stdout.bytes() == input, "{level}: {}", words(&p.run(level, &spec)));
        let spec = p.spec(&["sh", "-c", "echo told >&2; head -c 50000000 /dev/zero"]);
        let done = runtime().block_on(procs::run(&p.confined(level), &spec, bounds)).unwrap();
        let out = done.stdout.bytes();
        assert!(out.len() == 50_000_000 && out.iter().all(|b| *b == 0), "{level}: {} bytes", out.len());
        assert_eq!(done.stderr.bytes(), b"told\n", "{level}");
        // Nothing is left on standard input where nothing was given.
        assert_eq!(p.says(level, "cat"), "", "{level}");
    }
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let mut p = Place::new();
    for with_pwd in [false, true] {
        p.env.extend(with_pwd.then(|| ("PWD".into(), "/somewhere".into())));
        p.env.extend([("ODD".into(), "a=b c\n'\"$".into()), ("LD_BIND_NOW".into(), "1".into())]);
        let given: BTreeSet<OsString> =
            p.env.iter().map(|(name, value)| [name, value].map(|s| s.to_owned()).join("=".as_ref())).collect();
        for level in levels() {
            let out = String::from_utf8(p.run(level, &p.spec(&["env", "-0"])).stdout.bytes()).unwrap();
            let got: BTreeSet<OsString> = out.split_terminator('\0').map(OsString::from).collect();
            let mut expected = given.clone();
            if level == Level::Landlock {
                expected.insert("GIT_CONFIG_GLOBAL=/dev/null".into());
            }
            assert_eq!(got, expected, "{level}");
        }
    }
}

#[test]
fn git_works_without_the_settings_of_the_user_and_with_those_that_were_given() {
    let mut p = Place::new();
    let config = p.s.write("state/git-otto/0123/ws-1/tree/config", "[user]\n\tname = Given\n");
    for level in confining() {
        assert_eq!(p.says(level, "git config user.name || echo nobody"), "nobody\n", "{level}");
    }
    p.env.push(("GIT_CONFIG_GLOBAL".into(), config.into()));
    for level in levels() {
        assert_eq!(p.says(level, "git config user.name"), "Given\n", "{level}");
    }
}

#[test]
fn the_programs_variables_do_not_lead_the_supervisor() {
    let mut p = Place::new();
    p.env.push(("LD_DEBUG".into(), "files".into()));
    for level in levels() {
        let told = String::from_utf8(p.run(level, &p.spec(&["true"])).stderr.bytes()).unwrap();
        assert!(told.contains("initialize program: true"), "{level}: {told}");
        assert!(!told.contains("git-otto") && !told.contains("bwrap"), "{level}: {told}");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_once() {
    let p = Place::new();
    for level in levels() {
        let runtime = runtime();
        let _inside = runtime.enter();
        let kinds = ["otto-test-no-such-program", "./no-such-program", "./own", "/etc"]
            .map(|program| p.confined(level).spawn(&p.spec(&[program])).unwrap_err().kind());
        let (missing, forbidden) = (io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied);
        assert_eq!(kinds, [missing, missing, forbidden, forbidden], "{level}");
        // What only shows when it starts.
        p.s.script("state/git-otto/0123/ws-1/tree/broken", "#!/no/such/interpreter\n");
        let broken = p.run(level, &p.spec(&["./broken"]));
        assert!(matches!(broken.ended, Ended::Exit(126 | 127)), "{level}: {:?} {}", broken.ended, words(&broken));
    }
}

#[test]
fn limits_hold() {
    let p = Place::new();
    for level in levels() {
        assert_eq!(p.says(level, "ulimit -c; ulimit -Hc"), "0\n0\n", "{level}");
        let open: u64 = p.says(level, "ulimit -Hn").trim().parse().unwrap();
        assert!(open <= 65_536, "{level}: {open}");
        p.says(level, "truncate -s 1G sparse && rm sparse");
        let big = p.sh(level, "truncate -s 9G sparse");
        assert_ne!(big.ended, Ended::Exit(0), "{level}");
        assert_eq!(p.says(level, "grep NoNewPrivs /proc/self/status | tr -d '[:blank:]'"), "NoNewPrivs:1\n", "{level}");
        p.says(level, "rm -f sparse");
        // Not of the session that the user's terminal belongs to: a program could type there. A session that began outside
        // of the namespace of processes, which may be true of this test as well, is numbered 0.
        let session = p.says(level, "cut -d ' ' -f 6 /proc/self/stat");
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        let own = own.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
        assert!(session.trim() != "0" && session.trim() != own, "{level}: {session}");
    }
}

#[test]
fn nothing_outlives_the_program() {
    for level in levels() {
        for script in [DAEMON, STUBBORN] {
            let (p, word) = place();
            // It has to be there first, or its end would prove nothing.
            let wait = r#"until grep -qs "$WORD" /proc/[0-9]*/cmdline; do :; done; exit 5"#;
            let done = p.sh(level, &format!("{script}{wait}"));
            assert_eq!(done.ended, Ended::Exit(5), "{level}: {}", words(&done));
            assert!(!runs(&word), "{level}: {script}");
        }
    }
}

#[test]
fn a_limit_ends_everything() {
    for level in levels() {
        for script in [DAEMON, STUBBORN] {
            let (p, word) = place();
            let spec = p.spec(&["sh", "-c", &format!("{script} sleep \"$WORD\"")]);
            let bounds = Bounds { wall: Duration::from_secs(2), idle: None, keep: 1024 };
            let done = runtime().block_on(procs::run(&p.confined(level), &spec, bounds)).unwrap();
            assert_eq!((done.limit, done.ended), (Some(Limit::Wall), Ended::Signal(9)), "{level}: {}", words(&done));
            assert!(!runs(&word), "{level}: {script}");
        }
    }
}

#[test]
fn dropping_ends_everything() {
    for level in levels() {
        let (p, word) = place();
        let runtime = runtime();
        let _inside = runtime.enter();
        let child = started(&p.confined(level), &p, &word);
        drop(child);
        assert!(!runs(&word), "{level}");
    }
}

/// The supervisor's process, or its whole group, is killed by force.
#[test]
fn killing_the_supervisor_ends_everything() {
    for level in levels() {
        for whole_group in [false, true] {
            let (p, word) = place();
            let runtime = runtime();
            let _inside = runtime.enter();
            let child = started(&p.confined(level), &p, &word);
            let pid = Pid::from_raw(child.id.pid).unwrap();
            match whole_group {
                true => kill_process_group(pid, Signal::KILL).unwrap(),
                false => kill_process(pid, Signal::KILL).unwrap(),
            }
            eventually("something lives on", || !runs(&word));
            drop(child);
        }
    }
}

/// Where there are two supervisors, the inner one may die too.
#[test]
fn killing_what_is_right_below_the_supervisor_ends_everything() {
    for level in levels() {
        let (p, word) = place();
        let runtime = runtime();
        let _inside = runtime.enter();
        let child = started(&p.confined(level), &p, &word);
        for inner in children(child.id.pid) {
            kill_process(Pid::from_raw(inner).unwrap(), Signal::KILL).unwrap();
        }
        eventually("something lives on", || !runs(&word));
        drop(child);
    }
}

/// The live children of a process.
fn children(parent: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let parent_of = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<i32>().ok()
    };
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// Remembers what it should start.
#[derive(Default)]
struct Remember(Mutex<Option<Spec>>);

impl Procs for Remember {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        *self.0.lock().unwrap() = Some(spec.clone());
        Err(io::Error::other("only remembered"))
    }
    fn inner(&self) -> Option<&dyn Procs> {
        Some(&SystemProcs)
    }
}

/// A shell in the place of otto starts the supervisor and is killed: `kill -9` of otto itself.
#[test]
fn killing_whoever_started_it_ends_everything() {
    for level in levels() {
        let (p, word) = place();
        let remember = Arc::new(Remember::default());
        let spec = p.spec(&["sh", "-c", &format!("{DAEMON}{STUBBORN} wait")]);
        p.confined_around(remember.clone(), level).spawn(&spec).unwrap_err();
        let spec = remember.0.lock().unwrap().take().unwrap();
        let [program, command, _, rest @ ..] = spec.argv.as_slice() else { panic!("{:?}", spec.argv) };
        // The supervisor must be told the shell's id as its parent's.
        let script = r#"program=$1; shift; set -m; "$program" "$0" $$ "$@" & wait"#;
        let mut starter = Command::new("bash");
        starter.args(["-c", script]).arg(command).arg(program).args(rest).current_dir(&spec.cwd);
        starter.env_clear().envs(spec.env.iter().cloned()).stdin(Stdio::null()).process_group(0);
        let mut starter = starter.spawn().unwrap();
        eventually("it does not start", || runs(&word));
        starter.kill().unwrap();
        assert_eq!(starter.wait().unwrap().signal(), Some(9), "{level}");
        eventually("something lives on", || !runs(&word));
        // Whoever comes too late to have a parent does not start anything.
        let marker = p.workspace().join("started");
        let mut late = Command::new(program);
        late.arg(command).arg("1").arg(&rest[0]).args(["touch", "started"]).current_dir(&spec.cwd);
        assert_eq!(late.env_clear().envs(spec.env.iter().cloned()).status().unwrap().signal(), Some(9), "{level}");
        assert!(!marker.exists(), "{level}");
    }
}

/// A thread that starts a program and ends is not a process that ends.
#[test]
fn a_program_outlives_the_thread_that_started_it() {
    for level in levels() {
        let (p, word) = place();
        let runtime = runtime();
        let confined = p.confined(level);
        let spec = p.spec(&["sh", "-c", "sleep \"$WORD\" & until test -e go; do :; done"]);
        let handle = runtime.handle().clone();
        let mut child = std::thread::spawn(move || {
            let _inside = handle.enter();
            let child = confined.spawn(&spec).unwrap();
            eventually("it does not start", || runs(&word));
            child
        })
        .join()
        .unwrap();
        fs::write(p.workspace().join("go"), "").unwrap();
        assert_eq!(runtime.block_on(child.wait()).unwrap(), Ended::Exit(0), "{level}");
        fs::remove_file(p.workspace().join("go")).unwrap();
    }
}

#[test]
fn what_a_dead_process_left_is_found_and_ended() {
    for level in levels() {
        let (p, word) = place();
        let runtime = runtime();
        let _inside = runtime.enter();
        let dir = p.s.path("state/git-otto/0123");
        let recorded = Recorded::new(Arc::new(p.confined(level)), &dir);
        let child = started(&recorded, &p, &word);
        let orphans = procs::orphans(&dir).unwrap();
        assert_eq!(orphans, std::slice::from_ref(&child.id), "{level}");
        procs::end(&orphans[0], &dir).unwrap();
        assert!(!runs(&word), "{level}");
        assert_eq!(procs::orphans(&dir).unwrap(), [], "{level}");
        drop(child);
    }
}

#[test]
fn what_is_required_and_missing_is_refused() {
    let mut none = Available::clone(&super::available());
    none.bubblewrap = Err("bwrap is not on PATH".into());
    let landlock = std::mem::replace(&mut none.landlock, Err("the kernel has no Landlock".into()));
    let refused = choose(Mode::Require, &none).unwrap_err();
    assert_eq!(refused.exit, git_otto::base::Exit::Refused);
    assert_eq!(refused.causes, ["bubblewrap: bwrap is not on PATH", "landlock: the kernel has no Landlock"]);
    assert!(refused.hint.unwrap().contains("install bubblewrap"));
    assert_eq!(choose(Mode::Auto, &none).unwrap(), Level::None);
    if landlock.is_ok() {
        none.landlock = landlock;
        assert_eq!(choose(Mode::Require, &none).unwrap(), Level::Landlock);
        assert_eq!(choose(Mode::Off, &none).unwrap(), Level::None);
    }
}

#[test]
fn only_otto_itself_starts_a_supervisor() {
    let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    assert!(supervise(&args(&["git-otto", "run", "confine"])).is_none());
    for bad in [
        &["git-otto", "confine"][..],
        &["git-otto", "confine", "x", "{}", "true"],
        &["git-otto", "confine", "1", "{}", "true"],
    ] {
        let failure = supervise(&args(bad)).unwrap().unwrap_err();
        assert_eq!(failure.exit, git_otto::base::Exit::Usage, "{failure}");
    }
}
