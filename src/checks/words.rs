//! Checks in words, and who judges whom.

use super::{
    model::{Cause, Check, CheckKind, Step},
    red,
};
use crate::base::text;

/// One plain sentence that says what a check runs and what must hold.
pub fn sentence(check: &Check) -> String {
    match &check.kind {
        CheckKind::Pytest { selector } => format!("pytest on {} passes.", code(selector)),
        CheckKind::RepoTest { command, expect_exit, stdout_contains } => {
            let mut parts = vec![exits(*expect_exit)];
            parts.extend(stdout_contains.iter().map(|t| format!("prints {}", quote(t))));
            format!("{} {}.", code(&line(command)), list(&parts))
        }
        CheckKind::CliProbe {
            command,
            shell,
            stdin,
            expect_exit,
            stdout,
            stdout_contains,
            stdout_matches,
            stderr_contains,
        } => {
            let mut parts = vec![exits(*expect_exit)];
            parts.extend(stdout.as_ref().map(|t| match t.as_str() {
                "" => "prints nothing".into(),
                t => format!("prints exactly {}", quote(t)),
            }));
            parts.extend(stdout_contains.iter().map(|t| format!("prints {}", quote(t))));
            parts.extend(stdout_matches.iter().map(|p| format!("prints something that matches {}", code(p))));
            parts.extend(stderr_contains.iter().map(|t| format!("says {} on standard error", quote(t))));
            let given = stdin.as_ref().map(|t| format!("Given {}, ", quote(t))).unwrap_or_default();
            let what = shell.clone().unwrap_or_else(|| line(command));
            format!("{given}{} {}.", code(&what), list(&parts))
        }
        CheckKind::ApiProbe { service, method, path, expect_status, expect_body_contains, expect_json, .. } => {
            let mut parts = vec![format!("answers {expect_status}")];
            parts.extend(expect_body_contains.iter().map(|t| format!("contains {}", quote(t))));
            parts.extend(expect_json.iter().map(|(at, v)| format!("has {} at {}", code(&v.to_string()), code(at))));
            format!("{} on service {} {}.", code(&format!("{method} {path}")), code(service), list(&parts))
        }
        CheckKind::BrowserJourney { command, evidence_globs, service, steps } => match service {
            Some(service) => {
                let steps: Vec<String> = steps.iter().map(step).collect();
                format!("In a browser on service {}: {}.", code(service), steps.join(", "))
            }
            None => {
                let globs: Vec<String> = evidence_globs.iter().map(|g| code(g)).collect();
                format!("{} exits 0 and leaves {}.", code(&line(command)), list(&globs))
            }
        },
        CheckKind::StateInvariant { description, .. } => {
            let description = text::one_line(description, 200);
            let says =
                if check.kind.is_unwritten().is_some() { "Not written yet, can only fail:" } else { "It holds that" };
            format!("{says} {}.", description.trim_end_matches('.'))
        }
    }
}

/// What a cause on the base says about a `new` check.
pub fn red_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Holds => "green already",
        Cause::Assertion => "falsifiable",
        Cause::Missing => "red only because nothing existed",
        Cause::Error => "red by an error, not by what it states",
        Cause::Timeout => "red because it took too long",
        Cause::Unknown => "could not be evaluated",
    }
}

/// The tests that a check runs, that its own slice writes and that the spec does not carry: who builds the slice also
/// judges it. `owned` says whether the slice owns a path.
pub fn self_written(check: &Check, owned: impl Fn(&str) -> bool) -> Vec<String> {
    let words: &[String] = match &check.kind {
        CheckKind::Pytest { selector } => std::slice::from_ref(selector),
        CheckKind::RepoTest { command, .. } => command,
        _ => return Vec::new(),
    };
    let mut out = Vec::new();
    for word in words {
        let word = if word.starts_with('-') { word.split_once('=').map_or("", |(_, value)| value) } else { word };
        let found = candidates(word).into_iter().find(|path| owned(path) || owned(&format!("{path}/_")));
        if let Some(path) = found.filter(|path| !check.files.contains_key(path) && !out.contains(path)) {
            out.push(path);
        }
    }
    out
}

/// The paths that a word of a test command may mean: itself, or the file of a dotted module.
fn candidates(word: &str) -> Vec<String> {
    let path = word.split("::").next().unwrap_or(word).trim_start_matches("./").trim_end_matches('/');
    let mut out = Vec::new();
    if !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != "..") {
        out.push(path.to_owned());
    }
    let dotted = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if red::file_in(word).is_none() && path.contains('.') && path.chars().all(dotted) {
        let names: Vec<&str> = path.split('.').collect();
        out.extend((1..=names.len()).rev().map(|n| format!("{}.py", names[..n].join("/"))));
    }
    out
}

fn exits(code: i32) -> String {
    format!("exits {code}")
}

fn step(step: &Step) -> String {
    match step {
        Step::Goto { path } => format!("go to {}", code(path)),
        Step::Click { target } => format!("click {}", quote(target)),
        Step::Fill { target, value } => format!("fill {} with {}", quote(target), quote(value)),
        Step::Press { key } => format!("press {}", code(key)),
        Step::Select { target, value } => format!("select {} in {}", quote(value), quote(target)),
        Step::ExpectText { text } => format!("see {}", quote(text)),
        Step::ExpectVisible { target } => format!("see {}", quote(target)),
        Step::ExpectUrl { url } => format!("be at {}", code(url)),
        Step::Screenshot { name } => format!("take the picture {}", code(name)),
    }
}

/// A command as a person would type it.
fn line(argv: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    let word = |w: &String| {
        if !w.is_empty() && w.chars().all(plain) { w.clone() } else { format!("'{}'", w.replace('\'', r"'\''")) }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A text inside back quotes, as one line.
fn code(text: &str) -> String {
    format!("`{}`", cut(text).replace('`', "'"))
}

/// A text inside quotation marks, as one line.
fn quote(text: &str) -> String {
    format!("\"{}\"", cut(text.trim_end_matches('\n')))
}

/// At most 100 characters, line ends shown as what they are.
fn cut(text: &str) -> String {
    const MAX: usize = 100;
    let escaped: String = text::printable(text)
        .chars()
        .take(MAX + 1)
        .flat_map(|c| match c {
            '\n' => vec!['\\', 'n'],
            '\t' => vec!['\\', 't'],
            c => vec![c],
        })
        .collect();
    if escaped.chars().count() <= MAX {
        return escaped;
    }
    escaped.chars().take(MAX - 1).chain(['…']).collect()
}

fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: serde_json::Value) -> Check {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn every_kind_has_its_sentence() {
        let j = |json| sentence(&check(json));
        for (json, said) in [
            (
                serde_json::json!({"id":"c","kind":"pytest","selector":"tests/test_a.py::b"}),
                "pytest on `tests/test_a.py::b` passes.",
            ),
            (
                serde_json::json!({"id":"c","kind":"repo_test","command":["make","test it"],"expect_exit":0,"stdout_contains":["ok\n"]}),
                "`make 'test it'` exits 0 and prints \"ok\".",
            ),
            (
                serde_json::json!({"id":"c","kind":"cli_probe","shell":"./notes add x\n./notes list","stdin":"y","expect_exit":2,"stdout":"","stderr_contains":["usage"]}),
                "Given \"y\", `./notes add x\\n./notes list` exits 2, prints nothing and says \"usage\" on standard error.",
            ),
            (
                serde_json::json!({"id":"c","kind":"cli_probe","command":["./notes","list"],"stdout":"a\nb\n","stdout_matches":"^a"}),
                "`./notes list` exits 0, prints exactly \"a\\nb\" and prints something that matches `^a`.",
            ),
            (
                serde_json::json!({"id":"c","kind":"api_probe","service":"web","path":"/x","expect_json":{"$.a":1}}),
                "`GET /x` on service `web` answers 200 and has `1` at `$.a`.",
            ),
            (
                serde_json::json!({"id":"c","kind":"browser_journey","command":["node","j.js"],"evidence_globs":["shots/*.png"]}),
                "`node j.js` exits 0 and leaves `shots/*.png`.",
            ),
            (
                serde_json::json!({"id":"c","kind":"browser_journey","service":"web","steps":[{"do":"goto","path":"/"},{"do":"click","target":"Save"}]}),
                "In a browser on service `web`: go to `/`, click \"Save\".",
            ),
            (
                serde_json::json!({"id":"c","kind":"state_invariant","description":"no file is larger than 1 MB.","expression":"true"}),
                "It holds that no file is larger than 1 MB.",
            ),
            (
                serde_json::json!({"id":"c","kind":"state_invariant","description":"when asked, then it answers","expression":"false"}),
                "Not written yet, can only fail: when asked, then it answers.",
            ),
        ] {
            assert_eq!(j(json), said);
        }
        let long = j(serde_json::json!({"id":"c","kind":"cli_probe","shell":"x\u{1b}[31m".repeat(500)}));
        assert!(long.len() < 200 && !long.contains('\u{1b}'), "{long}");
    }

    #[test]
    fn who_writes_the_tests_judges_itself_unless_the_spec_carries_them() {
        let owned = |path: &str| path == "tests/test_a.py" || path.starts_with("spec/");
        let of = |json| self_written(&check(json), owned);
        let command = |argv: &[&str]| serde_json::json!({"id":"c","kind":"repo_test","command":argv});
        for (argv, found) in [
            (&["python3", "tests/test_a.py"][..], &["tests/test_a.py"][..]),
            (&["python3", "-m", "unittest", "tests.test_a"], &["tests/test_a.py"]),
            (&["python3", "-m", "unittest", "tests.test_a.Case.test_x"], &["tests/test_a.py"]),
            (&["rspec", "spec/"], &["spec"]),
            (&["rspec", "--file=./spec/a.rb", "spec/a.rb"], &["spec/a.rb"]),
            (&["python3", "tests/test_b.py"], &[]),
            (&["make", "-k"], &[]),
            (&["sh", "/tests/test_a.py", "../tests/test_a.py"], &[]),
        ] {
            assert_eq!(of(command(argv)), found, "{argv:?}");
        }
        assert_eq!(
            of(serde_json::json!({"id":"c","kind":"pytest","selector":"tests/test_a.py::x"})),
            ["tests/test_a.py"]
        );
        let digest = crate::base::Sha256::of("x");
        let carried = serde_json::json!({"id":"c","kind":"pytest","selector":"tests/test_a.py","files":{"tests/test_a.py":digest}});
        assert!(of(carried).is_empty());
        assert!(of(serde_json::json!({"id":"c","kind":"cli_probe","command":["tests/test_a.py"]})).is_empty());
    }
}
