//! Checks turned around: red while something is there, green once it is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::model::{Check, CheckKind, Gate};

/// What a program has to do for a check to pass, as far as a shell can judge it.
#[derive(Default)]
struct Expected<'a> {
    /// What is run, for `sh -c`.
    script: String,
    /// What it reads.
    stdin: Option<&'a String>,
    /// A program without which nothing can be said.
    needs: Option<&'a str>,
    exit: i32,
    stdout: Option<&'a String>,
    stdout_contains: &'a [String],
    stderr_contains: &'a [String],
}

/// The check that passes when this one would not; none where no shell can tell.
pub(super) fn opposite(check: &Check) -> Option<Check> {
    // What only had to stay as it was is not taken out.
    if check.gate == Gate::Keeps {
        return None;
    }
    let expected = match &check.kind {
        CheckKind::CliProbe {
            command,
            shell,
            stdin,
            expect_exit,
            stdout,
            stdout_contains,
            stdout_matches: _,
            stderr_contains,
        } => Expected {
            script: shell.clone().or_else(|| line(command))?,
            stdin: stdin.as_ref(),
            needs: shell.is_none().then(|| tool(command)).flatten(),
            exit: *expect_exit,
            stdout: stdout.as_ref(),
            stdout_contains,
            stderr_contains,
        },
        CheckKind::RepoTest { command, expect_exit, stdout_contains } => Expected {
            script: line(command)?,
            needs: tool(command),
            exit: *expect_exit,
            stdout_contains,
            ..Expected::default()
        },
        CheckKind::Pytest { selector } => Expected {
            script: line(&["pytest".to_owned(), selector.clone()])?,
            needs: Some("pytest"),
            ..Expected::default()
        },
        CheckKind::ApiProbe { .. } | CheckKind::BrowserJourney { .. } | CheckKind::StateInvariant { .. } => {
            return None;
        }
    };
    let probe = probe(expected.shell()?, expected.stdin.cloned());
    Some(Check { files: check.files.clone(), timeout_s: Some(check.timeout_s()), ..probe })
}

/// The check that none of these files is there.
pub(super) fn absence(paths: &BTreeSet<&str>) -> Option<Check> {
    let quoted: Option<Vec<String>> = paths.iter().map(|p| quote(p)).collect();
    let quoted = quoted.filter(|q| !q.is_empty())?.join(" ");
    let script = format!(
        "for path in {quoted}; do\n  test ! -e \"$path\" || {{ echo \"$path is still there\"; exit 1; }}\ndone"
    );
    Some(probe(script, None))
}

impl Expected<'_> {
    /// A script that exits 0 as soon as one expectation does not hold.
    fn shell(&self) -> Option<String> {
        let mut lines = Vec::new();
        if let Some(tool) = self.needs {
            lines.push(format!("command -v {} >/dev/null || exit 2", quote(tool)?));
        }
        let script = quote(&self.script)?;
        match self.stderr_contains {
            [] => lines.push(format!("out=$(sh -c {script} 2>/dev/null); code=$?")),
            _ => lines.push(format!("err=$(mktemp); out=$(sh -c {script} 2>\"$err\"); code=$?")),
        }
        lines.push(format!("test \"$code\" = {} || exit 0", self.exit));
        if let Some(stdout) = self.stdout {
            // As command substitution leaves it.
            lines.push(format!("test \"$out\" = {} || exit 0", quote(stdout.trim_end_matches('\n'))?));
        }
        let contains =
            |what: &str, text: &String| Some(format!("case {what} in *{}*) ;; *) exit 0 ;; esac", quote(text)?));
        for text in self.stdout_contains {
            lines.push(contains("\"$out\"", text)?);
        }
        for text in self.stderr_contains {
            lines.push(contains("\"$(cat \"$err\")\"", text)?);
        }
        lines.push("echo 'it still does that'; exit 1".into());
        Some(lines.join("\n"))
    }
}

fn probe(shell: String, stdin: Option<String>) -> Check {
    Check {
        id: String::new(),
        kind: CheckKind::CliProbe {
            command: Vec::new(),
            shell: Some(shell),
            stdin,
            expect_exit: 0,
            stdout: None,
            stdout_contains: Vec::new(),
            stdout_matches: None,
            stderr_contains: Vec::new(),
        },
        proves: Vec::new(),
        gate: Gate::New,
        files: BTreeMap::new(),
        timeout_s: None,
    }
}

fn line(argv: &[String]) -> Option<String> {
    shlex::try_join(argv.iter().map(String::as_str)).ok()
}

/// A program that is no part of the product: looked up on PATH.
fn tool(argv: &[String]) -> Option<&str> {
    argv.first().map(String::as_str).filter(|program| !program.contains('/'))
}

fn quote(text: &str) -> Option<String> {
    shlex::try_quote(text).ok().map(Into::into)
}
