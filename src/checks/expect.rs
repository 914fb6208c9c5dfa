//! What a check states about a program, compared with what the program did. Pure.

use crate::base::{
    procs::{Captured, Ended},
    text,
};

/// What must hold of an exit code and of two streams.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The exit code.
    pub exit: i32,
    /// Standard output, exactly, byte by byte.
    pub stdout: Option<String>,
    /// Texts in standard output.
    pub stdout_contains: Vec<String>,
    /// A pattern that standard output matches, unanchored.
    pub stdout_matches: Option<regex::bytes::Regex>,
    /// Texts in standard error.
    pub stderr_contains: Vec<String>,
}

/// Everything that does not hold, one line each: what was expected, what was there instead.
pub fn failures(expect: &Expect, ended: Ended, stdout: &Captured, stderr: &Captured) -> Vec<String> {
    let mut out = Vec::new();
    match ended {
        Ended::Exit(code) if code == expect.exit => {}
        Ended::Exit(code) => out.push(format!("exit code {code}, expected {}", expect.exit)),
        Ended::Signal(n) => out.push(format!("ended by signal {n}, expected exit code {}", expect.exit)),
    }
    let bytes = stdout.bytes();
    if let Some(exact) = &expect.stdout {
        if !stdout.is_whole() {
            out.push("standard output is too long to be compared exactly".into());
        } else if bytes != exact.as_bytes() {
            out.push(difference(&bytes, exact.as_bytes()));
        }
    }
    for wanted in expect.stdout_contains.iter().filter(|w| !stdout.contains(w.as_bytes())) {
        out.push(format!("standard output lacks {}; it is {}", excerpt(wanted.as_bytes()), excerpt(&bytes)));
    }
    if let Some(pattern) = &expect.stdout_matches {
        if !stdout.is_whole() {
            out.push("standard output is too long to be matched against a pattern".into());
        } else if !pattern.is_match(&bytes) {
            let pattern = excerpt(pattern.as_str().as_bytes());
            out.push(format!("standard output does not match {pattern}; it is {}", excerpt(&bytes)));
        }
    }
    for wanted in expect.stderr_contains.iter().filter(|w| !stderr.contains(w.as_bytes())) {
        let is = excerpt(&stderr.bytes());
        out.push(format!("standard error lacks {}; it is {is}", excerpt(wanted.as_bytes())));
    }
    out
}

/// Two texts that differ, shown from the line of the first difference on.
fn difference(actual: &[u8], expected: &[u8]) -> String {
    let same = actual.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let head = &expected[..same];
    let start = head.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let line = head.iter().filter(|b| **b == b'\n').count() + 1;
    let from = if line > 1 { format!(" from line {line} on") } else { String::new() };
    let (actual, expected) = (excerpt(&actual[start..]), excerpt(&expected[start..]));
    format!("standard output is {actual}{from}, expected {expected}")
}

/// A text as one line: redacted, escaped, cut to what a person reads.
pub fn excerpt(bytes: &[u8]) -> String {
    const MAX: usize = 160;
    if bytes.is_empty() {
        return "empty".into();
    }
    // A secret may end beyond the cut: redaction sees more than is shown.
    let near = &bytes[..bytes.len().min(8 * 1024)];
    let redacted = text::redact(near);
    let text = String::from_utf8_lossy(&redacted);
    let shown: String = text.chars().take(MAX).collect();
    let more = if shown.len() < text.len() || near.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{more}", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(text: &str, bound: usize) -> Captured {
        let mut c = Captured::new(bound);
        c.push(text.as_bytes());
        c
    }

    fn check(expect: &Expect, exit: i32, stdout: &str) -> Vec<String> {
        failures(expect, Ended::Exit(exit), &captured(stdout, 100), &captured("oops\n", 100))
    }

    #[test]
    fn every_failure_is_told_with_both_sides() {
        let expect = Expect {
            exit: 0,
            stdout: Some("1\n2\nthree\n".into()),
            stdout_contains: vec!["2".into(), "four".into()],
            stdout_matches: Some(regex::bytes::Regex::new("^5$").unwrap()),
            stderr_contains: vec!["oops".into(), "dear".into()],
        };
        let told = check(&expect, 3, "1\n2\nthree!\n");
        assert_eq!(
            told,
            [
                "exit code 3, expected 0",
                "standard output is \"three!\\n\" from line 3 on, expected \"three\\n\"",
                "standard output lacks \"four\"; it is \"1\\n2\\nthree!\\n\"",
                "standard output does not match \"^5$\"; it is \"1\\n2\\nthree!\\n\"",
                "standard error lacks \"dear\"; it is \"oops\\n\"",
            ]
        );
    }

    #[test]
    fn exact_means_every_byte() {
        let expect = Expect { stdout: Some("a\n".into()), ..Expect::default() };
        assert!(check(&expect, 0, "a\n").is_empty());
        for other in ["a", "a\r\n", "a\n\n", " a\n", ""] {
            assert_eq!(check(&expect, 0, other).len(), 1, "{other:?}");
        }
        let nothing = Expect { stdout: Some(String::new()), ..Expect::default() };
        assert!(check(&nothing, 0, "").is_empty());
        assert_eq!(check(&nothing, 0, "x").len(), 1);
    }

    #[test]
    fn a_cut_output_is_never_exact_and_never_matches() {
        let long = "x".repeat(50);
        let cut = captured(&long, 10);
        let exact = String::from_utf8(cut.bytes()).unwrap();
        let pattern = Some(regex::bytes::Regex::new("x").unwrap());
        let expect = Expect { stdout: Some(exact), stdout_matches: pattern, ..Expect::default() };
        let told = failures(&expect, Ended::Exit(0), &cut, &captured("", 1));
        assert_eq!(told.len(), 2, "{told:?}");
        let contains = Expect { stdout_contains: vec!["left out".into(), "xxx".into()], ..Expect::default() };
        let told = failures(&contains, Ended::Exit(0), &cut, &captured("", 1));
        assert!(told.len() == 1 && told[0].contains("left out"), "{told:?}");
    }

    #[test]
    fn a_signal_is_no_exit_code() {
        let told = failures(&Expect::default(), Ended::Signal(0), &captured("", 1), &captured("", 1));
        assert_eq!(told, ["ended by signal 0, expected exit code 0"]);
    }

    #[test]
    fn excerpts_are_one_line_without_secrets_and_control_characters() {
        let e = excerpt("\u{1b}[31mred\u{202e}\nAPI_KEY=abcdefghijklmnopqrst".as_bytes());
        assert_eq!(e, "\"\\u{1b}[31mred\\u{202e}\\nAPI_KEY=[redacted]\"");
        let long = excerpt(&[b'y'; 100_000]);
        assert!(long.ends_with("y\"…") && long.chars().count() < 200, "{long}");
    }
}
