//! Checks as sentences and transcripts.

use serde_json::Value;

use crate::checks::model::{Check, CheckKind, Gate};

use super::{fence, is_line, joined, span};
use crate::intent::checks::is_plain;

/// The blocks that state a check (its own files aside), or none where no sentence does.
pub(super) fn blocks(check: &Check, default_id: &str) -> Option<Vec<String>> {
    let id = if check.id == default_id { String::new() } else { format!(" {}", span(&check.id)?) };
    if let Some(text) = sentence(check, &id) {
        return Some(vec![text]);
    }
    let text = transcript(check)?;
    let announced = match check.gate {
        Gate::Keeps => Some(format!("Keeps{id}:")),
        Gate::New if !id.is_empty() => Some(format!("Check{id}:")),
        Gate::New => None,
    };
    Some(announced.into_iter().chain([text]).collect())
}

fn sentence(check: &Check, id: &str) -> Option<String> {
    let (word, keeps, said) = match &check.kind {
        CheckKind::Pytest { selector } => ("Pytest", "Keeps pytest", span(selector)?),
        CheckKind::RepoTest { command, expect_exit, stdout_contains } => {
            let mut clauses = Vec::new();
            clauses.extend(listed("prints a line with", stdout_contains)?);
            clauses.extend((*expect_exit != 0).then(|| format!("exits {expect_exit}")));
            exit_fits(*expect_exit)?;
            let blank = if clauses.is_empty() { "" } else { " " };
            ("Test", "Keeps test", format!("{}{blank}{}", argv(command)?, joined(&clauses)))
        }
        CheckKind::CliProbe { .. } => ("Check", "Keeps", probe(&check.kind)?),
        CheckKind::ApiProbe { .. } => ("Request", "Keeps request", request(&check.kind)?),
        CheckKind::StateInvariant { description, expression } => {
            if check.timeout_s.is_some() || !is_line(description) {
                return None;
            }
            let word = if check.gate == Gate::Keeps { "Keeps invariant" } else { "Invariant" };
            return Some(format!("{word}{id}: {}: {description}", span(expression)?));
        }
        CheckKind::BrowserJourney { .. } => return None,
    };
    let word = if check.gate == Gate::Keeps { keeps } else { word };
    let limit = match check.timeout_s {
        Some(s) if s > 999_999 => return None,
        Some(s) => format!(", within {s} s"),
        None => String::new(),
    };
    Some(format!("{word}{id}: {said}{limit}."))
}

fn exit_fits(code: i32) -> Option<()> {
    (0..=255).contains(&code).then_some(())
}

/// One clause for a list of texts; nothing for none.
fn listed(before: &str, texts: &[String]) -> Option<Option<String>> {
    if texts.is_empty() {
        return Some(None);
    }
    let spans = texts.iter().map(|t| span(t)).collect::<Option<Vec<_>>>()?;
    Some(Some(format!("{before} {}", joined(&spans))))
}

/// A text of one line with its line end, as the span of the line.
fn line(text: &str) -> Option<String> {
    span(text.strip_suffix('\n')?)
}

fn probe(kind: &CheckKind) -> Option<String> {
    let CheckKind::CliProbe {
        command,
        shell,
        stdin,
        expect_exit,
        stdout,
        stdout_contains,
        stdout_matches,
        stderr_contains,
    } = kind
    else {
        return None;
    };
    let what = match (shell, command.as_slice()) {
        (Some(script), []) => span(script)?,
        (None, [_, _, ..]) => command.iter().map(|w| span(w)).collect::<Option<Vec<_>>>()?.join(" "),
        _ => return None,
    };
    let given = match stdin {
        Some(text) => format!(" given {}", line(text)?),
        None => String::new(),
    };
    exit_fits(*expect_exit)?;
    let mut clauses = Vec::new();
    match stdout.as_deref() {
        Some("") => clauses.push("prints nothing".to_owned()),
        Some(text) => clauses.push(format!("prints {}", line(text)?)),
        None => {}
    }
    clauses.extend(listed("prints a line with", stdout_contains)?);
    if let Some(pattern) = stdout_matches {
        regex::Regex::new(pattern).ok()?;
        clauses.push(format!("prints a match of {}", span(pattern)?));
    }
    clauses.extend(listed("prints an error with", stderr_contains)?);
    if *expect_exit != 0 || clauses.is_empty() {
        clauses.push(format!("exits {expect_exit}"));
    }
    Some(format!("{what}{given} {}", joined(&clauses)))
}

/// A script and exactly what it prints.
fn transcript(check: &Check) -> Option<String> {
    let CheckKind::CliProbe {
        command,
        shell: Some(script),
        stdin: None,
        expect_exit: 0,
        stdout: Some(stdout),
        stdout_contains,
        stdout_matches: None,
        stderr_contains,
    } = &check.kind
    else {
        return None;
    };
    let only = command.is_empty() && stdout_contains.is_empty() && stderr_contains.is_empty();
    let shown = stdout.is_empty() || stdout.ends_with('\n');
    let clear = !stdout.lines().any(|l| l.starts_with("$ ") || l == "$") && !script.trim().is_empty();
    let text = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if check.timeout_s.is_some() || !only || !shown || !clear || !script.chars().chain(stdout.chars()).all(text) {
        return None;
    }
    let commands: String = script.split('\n').map(|l| format!("$ {l}\n")).collect();
    Some(fence("console", &format!("{commands}{stdout}")))
}

/// An argument vector as one span where no word needs one of its own.
pub(super) fn argv(command: &[String]) -> Option<String> {
    if !command.is_empty() && command.iter().all(|w| is_plain(w)) {
        return span(&command.join(" "));
    }
    if command.len() < 2 {
        return None;
    }
    Some(command.iter().map(|w| span(w)).collect::<Option<Vec<_>>>()?.join(" "))
}

fn request(kind: &CheckKind) -> Option<String> {
    let CheckKind::ApiProbe { service, method, path, headers, body, expect_status, expect_body_contains, expect_json } =
        kind
    else {
        return None;
    };
    let capitals = !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase());
    if !headers.is_empty() || !path.starts_with('/') || !capitals {
        return None;
    }
    let json = |v: &Value| span(&v.to_string());
    let with = match body {
        Some(body) => format!(" with {}", json(body)?),
        None => String::new(),
    };
    let mut clauses = vec![format!("answers {expect_status}")];
    if let Some(text) = expect_body_contains {
        clauses.push(format!("contains {}", span(text)?));
    }
    for (path, value) in expect_json {
        clauses.push(format!("has {} as {}", span(path)?, json(value)?));
    }
    Some(format!("{} to {}{with} {}", span(&format!("{method} {path}"))?, span(service)?, joined(&clauses)))
}
