//! Why a check is red. Whatever is in doubt counts as less than an assertion: only an assertion says that the check can
//! fail for its own reason.

use std::{ffi::OsStr, path::Path};

use super::{environ, model::Cause};
use crate::base::{
    procs::{Ended, Finished, Limit},
    text,
};

/// What was run, as far as the reason depends on it.
pub struct Ran<'a> {
    /// The program and its arguments; none for a script of `sh -c`.
    pub argv: Option<&'a [String]>,
    /// The script.
    pub shell: Option<&'a str>,
    /// The exit code that the check states.
    pub expect_exit: i32,
    /// Where it ran.
    pub dir: &'a Path,
    /// The PATH that it saw.
    pub path: &'a OsStr,
}

/// The cause of a check whose statements do not all hold, and what to add to its detail.
pub fn cause(ran: &Ran<'_>, done: &Finished) -> (Cause, Option<String>) {
    if let Some(limit) = done.limit {
        let what = if limit == Limit::Wall { "it ran for too long" } else { "it was silent for too long" };
        return (Cause::Timeout, Some(format!("{what}: ended after {:.1} s", done.took.as_secs_f64())));
    }
    let code = match done.ended {
        Ended::Signal(_) => return (Cause::Error, None),
        Ended::Exit(code) => code,
    };
    if code == ran.expect_exit {
        return (Cause::Assertion, None);
    }
    let stderr = done.stderr.bytes();
    if matches!(code, 126 | 127) {
        return match ran.argv {
            Some(argv) => not_started(ran, argv),
            None => not_found_by_shell(ran, &stderr),
        };
    }
    if ran.shell.is_some() && (129..=159).contains(&code) {
        return (Cause::Error, Some(format!("a program of the script ended by signal {}", code - 128)));
    }
    if let Some(file) = ran.argv.and_then(|argv| missing_file(argv, ran.dir)) {
        return (Cause::Missing, Some(format!("{file} does not exist")));
    }
    match nothing_there(&stderr).or_else(|| nothing_there(&done.stdout.bytes())) {
        Some(sign) => (Cause::Missing, Some(format!("it says {sign:?}"))),
        None => (Cause::Assertion, None),
    }
}

/// The cause where a program could not be started at all.
pub fn spawn_failed(argv0: &str, dir: &Path, path: &OsStr, error: &std::io::Error) -> (Cause, String) {
    let file = dir.join(argv0);
    if !argv0.contains('/') {
        return (Cause::Unknown, format!("{argv0} is not on PATH, so the check could not run"));
    }
    if Path::new(argv0).is_absolute() {
        return (Cause::Unknown, format!("{argv0} could not be started: {error}"));
    }
    match std::fs::metadata(&file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (Cause::Missing, format!("{argv0} does not exist")),
        Err(e) => (Cause::Unknown, format!("{argv0} could not be started: {e}")),
        Ok(meta) if !meta.is_file() => (Cause::Missing, format!("{argv0} is not a file")),
        Ok(_) if rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_err() => {
            (Cause::Missing, format!("{argv0} is not executable"))
        }
        Ok(_) => match absent_interpreter(&file, path) {
            Some(name) => (Cause::Unknown, format!("{argv0} wants {name}, which is not on this machine")),
            None => (Cause::Error, format!("{argv0} could not be started: {error}")),
        },
    }
}

/// A program ended with 126 or 127: it exists, so something that it starts does not.
fn not_started(ran: &Ran<'_>, argv: &[String]) -> (Cause, Option<String>) {
    let program = argv.first().map_or("", String::as_str);
    let interpreter = program.contains('/').then(|| absent_interpreter(&ran.dir.join(program), ran.path)).flatten();
    match interpreter {
        Some(name) => (Cause::Unknown, Some(format!("{program} wants {name}, which is not on this machine"))),
        None => (Cause::Missing, Some(format!("{program} could not start what it needs"))),
    }
}

/// A shell ended with 126 or 127. A bare name that it did not find is a runner that this machine lacks, unless the
/// script sets its own PATH; everything else is a program that the tree lacks.
fn not_found_by_shell(ran: &Ran<'_>, stderr: &[u8]) -> (Cause, Option<String>) {
    let Some(name) = name_in_shell_error(stderr) else { return (Cause::Missing, None) };
    let own_path = ran.shell.is_some_and(|script| script.contains("PATH="));
    if name.contains('/') {
        if let Some(interpreter) = absent_interpreter(&ran.dir.join(&name), ran.path) {
            return (Cause::Unknown, Some(format!("{name} wants {interpreter}, which is not on this machine")));
        }
        return (Cause::Missing, Some(format!("{name} does not exist or cannot be executed")));
    }
    if own_path || environ::on_path(&name, ran.path).is_some() {
        return (Cause::Missing, Some(format!("{name} could not be started")));
    }
    (Cause::Unknown, Some(format!("{name} is not on PATH, so the check could not run")))
}

/// The program that a shell names as not found: `sh: 1: NAME: not found`, `sh: line 1: NAME: command not found`.
fn name_in_shell_error(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let ends = [": command not found", ": not found", ": No such file or directory", ": Permission denied"];
    let found = text.lines().rev().take(20).find_map(|line| {
        let head = ends.iter().find_map(|end| line.trim_end().strip_suffix(end))?;
        head.rsplit(": ").next().map(str::trim).filter(|n| !n.is_empty() && !n.contains(' '))
    })?;
    Some(found.chars().take(200).collect())
}

/// The interpreter that a script's first line names and that is not there.
fn absent_interpreter(file: &Path, path: &OsStr) -> Option<String> {
    use std::io::Read as _;
    let mut head = Vec::new();
    std::fs::File::open(file).ok()?.take(512).read_to_end(&mut head).ok()?;
    let line = String::from_utf8_lossy(head.strip_prefix(b"#!")?).into_owned();
    let mut words = line.lines().next()?.split_ascii_whitespace();
    let program = words.next()?;
    if !Path::new(program).is_absolute() {
        return None;
    }
    if !Path::new(program).exists() {
        return Some(program.to_owned());
    }
    if Path::new(program).file_name() != Some(OsStr::new("env")) {
        return None;
    }
    let wanted = words.find(|w| !w.starts_with('-') && !w.contains('='))?;
    environ::on_path(wanted, path).is_none().then(|| wanted.to_owned())
}

/// A file that an argument names and that the tree lacks: the runner had nothing to run. Only for a runner from PATH:
/// a program of the tree judges its arguments itself.
fn missing_file(argv: &[String], dir: &Path) -> Option<String> {
    let (program, args) = argv.split_first()?;
    if program.contains('/') {
        return None;
    }
    let named = args.iter().filter_map(|arg| file_in(arg));
    named.filter(|file| std::fs::symlink_metadata(dir.join(file)).is_err()).map(str::to_owned).next()
}

/// The file that an argument names, if it looks like one: `tests/test_a.py::test_b`, `./x`, `x.js`.
pub fn file_in(arg: &str) -> Option<&str> {
    let file = arg.split("::").next().unwrap_or(arg);
    let odd = |c: char| c.is_whitespace() || c.is_control() || "=*?'\"$(){}<>|;&,".contains(c);
    if file.is_empty() || file.starts_with(['-', '/']) || file.contains(odd) || file.contains("://") {
        return None;
    }
    let extension = Path::new(file).extension().and_then(OsStr::to_str).unwrap_or_default();
    let looks = file.contains('/')
        || (1..=5).contains(&extension.len())
            && extension.starts_with(|c: char| c.is_ascii_alphabetic())
            && extension.chars().all(|c| c.is_ascii_alphanumeric());
    looks.then(|| file.trim_end_matches('/').trim_start_matches("./")).filter(|f| !f.is_empty())
}

/// What well-known runners say when there was nothing to run or to import.
fn nothing_there(output: &[u8]) -> Option<&'static str> {
    const SIGNS: [&str; 9] = [
        "ModuleNotFoundError:",
        "ImportError:",
        "can't open file",
        "Cannot find module",
        "ERR_MODULE_NOT_FOUND",
        "NO TESTS RAN",
        "no tests ran",
        "No rule to make target",
        ": cannot open ",
    ];
    SIGNS.into_iter().find(|sign| text::holds(output, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_name_what_they_did_not_find() {
        for (stderr, name) in [
            ("sh: 1: ./notes: not found\n", Some("./notes")),
            ("/bin/sh: 1: notes: not found\n", Some("notes")),
            ("sh: line 1: ./notes: No such file or directory\n", Some("./notes")),
            ("bash: line 3: frob: command not found\nmore\n", Some("frob")),
            ("sh: 1: ./notes: Permission denied\n", Some("./notes")),
            ("it went wrong\n", None),
            ("", None),
        ] {
            assert_eq!(name_in_shell_error(stderr.as_bytes()).as_deref(), name, "{stderr}");
        }
    }

    #[test]
    fn arguments_that_name_files_are_told_from_others() {
        for (arg, file) in [
            ("tests/test_a.py::test_b", Some("tests/test_a.py")),
            ("./x/", Some("x")),
            ("main.js", Some("main.js")),
            ("tests.test_a", None),
            ("-x", None),
            ("--file=a.py", None),
            ("test", None),
            ("1.5", None),
            ("import a.b; print(1)", None),
            ("/etc/passwd", None),
            ("https://example.org/x.py", None),
            ("**/*.py", None),
        ] {
            assert_eq!(file_in(arg), file, "{arg}");
        }
    }
}
