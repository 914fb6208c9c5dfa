//! Checks of pytest: how it is started, and what its report and its exit code say.

use std::{ffi::OsString, path::Path};

use super::model::Cause;
use crate::base::{
    procs::{Ended, Finished, Limit},
    text::one_line,
};

/// The file of the report.
pub const REPORT: &str = "report.xml";

/// The largest report that is read, bytes.
pub const MAX_REPORT: u64 = 16 << 20;

/// The command line for a selector. The report and pytest's cache go to `room`: nothing is left in the checkout.
pub fn command(selector: &str, room: &Path) -> Result<Vec<OsString>, String> {
    if selector.trim().is_empty() || selector.starts_with('-') {
        return Err(format!("{:?} names no test", one_line(selector, 80)));
    }
    let mut cache = OsString::from("cache_dir=");
    cache.push(room.join("pytest"));
    let mut report = OsString::from("--junit-xml=");
    report.push(room.join(REPORT));
    let words = ["python3", "-m", "pytest", "-o"].map(OsString::from);
    Ok(words.into_iter().chain([cache, report, selector.into()]).collect())
}

/// How many tests there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    tests: u64,
    failed: u64,
    broken: u64,
    skipped: u64,
}

impl Counts {
    /// What a report in the format of JUnit counts; none if it is no such report.
    fn of(report: &str) -> Option<Counts> {
        let document = roxmltree::Document::parse(report).ok()?;
        let mut all = None;
        for suite in document.descendants().filter(|n| n.has_tag_name("testsuite")) {
            let number = |name| suite.attribute(name).map_or(Some(0), |n| n.parse::<u32>().ok()).map(u64::from);
            let counts = all.get_or_insert_with(Counts::default);
            counts.tests += number("tests")?;
            counts.failed += number("failures")?;
            counts.broken += number("errors")?;
            counts.skipped += number("skipped")?;
        }
        all
    }

    fn passed(self) -> u64 {
        self.tests.saturating_sub(self.failed).saturating_sub(self.broken).saturating_sub(self.skipped)
    }

    /// In pytest's own words: `4 passed, 1 skipped`.
    fn words(self) -> String {
        let parts =
            [(self.failed, "failed"), (self.broken, "broken"), (self.passed(), "passed"), (self.skipped, "skipped")];
        let told: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if told.is_empty() { "no tests".into() } else { told.join(", ") }
    }
}

/// Why the check is green or red. Green is exit 0 with a report of at least one test that passed.
pub fn judge(done: &Finished, report: Option<&str>, selector: &str, dir: &Path) -> (Cause, String) {
    if let Some(limit) = done.limit {
        let what = if limit == Limit::Wall { "it ran for too long" } else { "it was silent for too long" };
        return (Cause::Timeout, format!("{what}: ended after {:.1} s", done.took.as_secs_f64()));
    }
    let code = match done.ended {
        Ended::Exit(code) => code,
        Ended::Signal(signal) => return (Cause::Error, format!("pytest was ended by signal {signal}")),
    };
    let (stdout, stderr) = (done.stdout.bytes(), done.stderr.bytes());
    if contains(&stderr, "No module named pytest") {
        return (Cause::Unknown, "pytest is not installed for the python3 on PATH, so the check could not run".into());
    }
    let counts = report.and_then(Counts::of);
    match (code, counts) {
        (0, Some(counts)) if counts.passed() > 0 => (Cause::Holds, counts.words()),
        (0, Some(counts)) => (Cause::Missing, format!("no test ran to its end: {}", counts.words())),
        (0, None) => (Cause::Error, "pytest exited with 0 and left no report".into()),
        (1, Some(counts)) if counts.failed > 0 => (Cause::Assertion, counts.words()),
        (5, _) => (Cause::Missing, "pytest collected no tests".into()),
        (4, _) if nothing_there(selector, dir) => (Cause::Missing, format!("{selector} does not exist")),
        (4, _) if contains(&stderr, "ERROR: not found:") => (Cause::Missing, format!("there is no test {selector}")),
        (4, _) => (Cause::Error, format!("pytest was not started right: {}", last(&stderr))),
        (1 | 2, counts) => {
            let broken = counts.map_or("pytest broke off".to_owned(), Counts::words);
            let import = ["ModuleNotFoundError", "ImportError"].into_iter().find(|e| contains(&stdout, e));
            match import {
                Some(error) => (Cause::Missing, format!("{broken}: {error}")),
                None => (Cause::Error, format!("{broken}: {}", last(&stdout))),
            }
        }
        (code, _) => (Cause::Error, format!("pytest exited with {code}: {}", last(&stderr))),
    }
}

/// Whether the file or folder of a selector is not there.
fn nothing_there(selector: &str, dir: &Path) -> bool {
    let file = selector.split("::").next().unwrap_or(selector);
    std::fs::symlink_metadata(dir.join(file)).is_err()
}

fn contains(output: &[u8], text: &str) -> bool {
    output.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The line that says what went wrong, else the last one.
fn last(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines = || text.lines().rev().filter(|line| !line.trim().is_empty());
    let error = lines().find(|line| line.contains("error: ")).or_else(|| lines().next());
    error.map_or("it said nothing".into(), |line| one_line(line, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tests: u32, failures: u32, errors: u32, skipped: u32) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites name=\"pytest tests\"><testsuite name=\"pytest\" \
             errors=\"{errors}\" failures=\"{failures}\" skipped=\"{skipped}\" tests=\"{tests}\" time=\"0.010\"/></testsuites>"
        )
    }

    #[test]
    fn reports_are_counted_and_no_other_text_is_one() {
        let counts = |text: &str| Counts::of(text).map(Counts::words);
        assert_eq!(counts(&report(5, 0, 0, 1)).as_deref(), Some("4 passed, 1 skipped"));
        assert_eq!(counts(&report(5, 1, 2, 0)).as_deref(), Some("1 failed, 2 broken, 2 passed"));
        assert_eq!(counts(&report(0, 0, 0, 0)).as_deref(), Some("no tests"));
        for other in ["", "<testsuites/>", "<testsuite tests=\"-1\"/>", "<testsuite tests=\"many\"/>", "<testsuite"] {
            assert_eq!(counts(other), None, "{other}");
        }
        let entities = "<!DOCTYPE x [<!ENTITY a \"aa\">]><testsuite tests=\"1\"/>";
        assert_eq!(counts(entities), None, "a report declares nothing");
    }

    #[test]
    fn a_selector_is_no_option() {
        for selector in ["-x", "--collect-only", "", " "] {
            assert!(command(selector, Path::new("/r")).is_err(), "{selector:?}");
        }
        let words = command("tests/a.py::b", Path::new("/r")).unwrap();
        assert_eq!(words.last(), Some(&"tests/a.py::b".into()));
    }
}
