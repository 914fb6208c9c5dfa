//! The hook `reference-transaction` as a program: what `reference-transaction.sh` does where it calls no other hook. git
//! calls it at every step of every move of a ref, so that it may cost next to nothing.
//!
//! `build.rs` compiles it into one static file, by itself and with nothing but the standard library.
#![forbid(unsafe_code)]

use std::{
    env,
    ffi::OsString,
    io::{self, ErrorKind, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode, ExitStatus, Stdio},
};

fn main() -> ExitCode {
    // git asks at every step, and only here can it be told no.
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    if args.first().is_none_or(|step| step != "prepared") {
        return ExitCode::SUCCESS;
    }
    let mut lines = Vec::new();
    if let Err(e) = io::stdin().lock().read_to_end(&mut lines) {
        return said(&format!("cannot read what git says of its refs: {e}"), 1);
    }
    if !names_ours(&lines) {
        return ExitCode::SUCCESS;
    }
    match ask(&args, &lines) {
        Ok(status) => code(status),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            said("git-otto is not on PATH: specs were not checked", 0)
        }
        Err(e) => said(&format!("git-otto cannot be run: {e}"), 1),
    }
}

/// Whether a ref of git otto moves, in whatever case a file system takes its name.
fn names_ours(lines: &[u8]) -> bool {
    let begins = |word: &[u8], prefix: &str| {
        word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let mut words = lines.split(|byte| *byte == b' ').skip(1);
    words.any(|word| begins(word, "refs/otto/") || begins(word, "refs/notes/otto/"))
}

/// Has the program judge what git says.
fn ask(args: &[OsString], lines: &[u8]) -> io::Result<ExitStatus> {
    let mut program = Command::new("git-otto");
    program.args(["hook", "reference-transaction"]).args(args).stdin(Stdio::piped());
    let mut child = program.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // It may answer before it has read everything.
        let _ = input.write_all(lines);
    }
    child.wait()
}

/// The code of a program that ended, in the words of a shell where a signal ended it.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Says a line, whether or not anybody listens, and answers a code.
fn said(line: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{line}");
    ExitCode::from(code)
}
