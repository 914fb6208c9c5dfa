//! The sentences that state a check, and transcripts.

use std::{collections::BTreeMap, ops::Range};

use crate::checks::model::{CheckKind, Gate};

use super::cursor::{Cursor, Mismatch, Read};

/// A check's sentence, read.
#[derive(Debug)]
pub(super) struct Stated {
    pub id: Option<(String, Range<usize>)>,
    pub gate: Gate,
    pub timeout_s: Option<u32>,
    pub body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Is(Box<CheckKind>),
    /// A console block follows.
    Transcript,
    /// A block with the check as JSON follows.
    InFull,
}

/// Reads a sentence that begins with one of the words for checks.
pub(super) fn stated(word: &str, c: &mut Cursor<'_>) -> Read<Stated> {
    c.text(word)?;
    let gate = if word.starts_with("Keeps") { Gate::Keeps } else { Gate::New };
    let mut out = Stated { id: None, gate, timeout_s: None, body: Body::Transcript };
    if word == "Check" && c.try_text(", in full:") && c.is_at_end() {
        out.body = Body::InFull;
        return Ok(out);
    }
    if c.try_text(" ") {
        out.id = Some(c.code()?);
    }
    c.text(":")?;
    if matches!(word, "Check" | "Keeps") && c.is_at_end() {
        return Ok(out);
    }
    c.text(" ")?;
    let kind = match word.trim_start_matches("Keeps ").to_ascii_lowercase().as_str() {
        "test" => test(c)?,
        "pytest" => CheckKind::Pytest { selector: c.code()?.0 },
        "request" => request(c)?,
        "invariant" => {
            let expression = c.code()?.0;
            c.text(": ")?;
            let description = c.rest()?.0;
            out.body = Body::Is(Box::new(CheckKind::StateInvariant { description, expression }));
            return Ok(out);
        }
        _ => probe(c)?,
    };
    if c.try_text(", within ") {
        out.timeout_s = Some(c.number()?);
        c.text(" s")?;
    }
    c.stop()?;
    out.body = Body::Is(Box::new(kind));
    Ok(out)
}

/// What a program is expected to do.
#[derive(Default)]
struct Expected {
    exit: Option<i32>,
    stdout: Option<String>,
    contains: Vec<String>,
    matches: Option<String>,
    errors: Vec<String>,
}

fn texts(c: &mut Cursor<'_>) -> Read<Vec<String>> {
    Ok(c.codes()?.into_iter().map(|(t, _)| t).collect())
}

/// One clause; whether there was one.
fn clause(c: &mut Cursor<'_>, out: &mut Expected) -> Read<bool> {
    if c.try_text("prints nothing") {
        return once(&mut out.stdout, String::new()).map(|()| true);
    }
    if c.try_text("prints a line with ") {
        out.contains.append(&mut texts(c)?);
    } else if c.try_text("prints an error with ") {
        out.errors.append(&mut texts(c)?);
    } else if c.try_text("prints a match of ") {
        let (pattern, span) = c.code()?;
        if let Err(e) = regex::Regex::new(&pattern) {
            let why = e.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(Mismatch::told(&span, format!("this is no regular expression: {why}")));
        }
        once(&mut out.matches, pattern)?;
    } else if c.try_text("prints ") {
        let text = c.code()?.0;
        once(&mut out.stdout, format!("{text}\n"))?;
    } else if c.try_text("exits ") {
        let n = c.number()?;
        let code = i32::try_from(n).ok().filter(|n| *n <= 255).ok_or(Mismatch::plain())?;
        once(&mut out.exit, code)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn once<T>(place: &mut Option<T>, value: T) -> Read<()> {
    if place.replace(value).is_some() { Err(Mismatch::plain()) } else { Ok(()) }
}

/// Clauses joined by commas and `and`; a time limit after the last is left alone.
fn clauses(c: &mut Cursor<'_>, out: &mut Expected) -> Read<()> {
    loop {
        if !clause(c, out)? {
            return Err(Mismatch::plain());
        }
        let before = c.mark();
        if c.try_text(", within ") || !c.joint() {
            c.back(before);
            return Ok(());
        }
    }
}

/// Code spans with a blank between them.
fn spans(c: &mut Cursor<'_>) -> Read<Vec<(String, Range<usize>)>> {
    let mut out = vec![c.code()?];
    loop {
        let before = c.mark();
        match c.try_text(" ").then(|| c.try_code()).flatten() {
            Some(code) => out.push(code),
            None => {
                c.back(before);
                return Ok(out);
            }
        }
    }
}

/// An argument vector: one span whose words are plain, or a span for each word.
pub(super) fn argv(c: &mut Cursor<'_>) -> Read<Vec<String>> {
    let found = spans(c)?;
    if let [(one, span)] = found.as_slice() {
        let words: Vec<String> = one.split_whitespace().map(String::from).collect();
        if words.is_empty() || !words.iter().all(|w| is_plain(w)) {
            let told = "no shell reads this: write each word in a span of its own, as `sh` `-c` `a && b`";
            return Err(Mismatch::told(span, told));
        }
        return Ok(words);
    }
    Ok(found.into_iter().map(|(word, _)| word).collect())
}

/// Whether a word means the same with a shell and without one.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_./:=@%+,-^".contains(c))
}

fn probe(c: &mut Cursor<'_>) -> Read<CheckKind> {
    let found: Vec<String> = spans(c)?.into_iter().map(|(t, _)| t).collect();
    let (command, shell) = match <[String; 1]>::try_from(found) {
        Ok([script]) => (Vec::new(), Some(script)),
        Err(words) => (words, None),
    };
    let stdin = if c.try_text(" given ") { Some(format!("{}\n", c.code()?.0)) } else { None };
    c.text(" ")?;
    let mut e = Expected::default();
    clauses(c, &mut e)?;
    Ok(CheckKind::CliProbe {
        command,
        shell,
        stdin,
        expect_exit: e.exit.unwrap_or(0),
        stdout: e.stdout,
        stdout_contains: e.contains,
        stdout_matches: e.matches,
        stderr_contains: e.errors,
    })
}

fn test(c: &mut Cursor<'_>) -> Read<CheckKind> {
    let command = argv(c)?;
    let mut e = Expected::default();
    let before = c.mark();
    if c.try_text(" ") && !c.is_at_end() {
        clauses(c, &mut e)?;
    } else {
        c.back(before);
    }
    if e.stdout.is_some() || e.matches.is_some() || !e.errors.is_empty() {
        return Err(Mismatch::plain());
    }
    Ok(CheckKind::RepoTest { command, expect_exit: e.exit.unwrap_or(0), stdout_contains: e.contains })
}

fn request(c: &mut Cursor<'_>) -> Read<CheckKind> {
    let (line, span) = c.code()?;
    let (method, path) =
        line.split_once(' ').ok_or_else(|| Mismatch::told(&span, "a method, a blank and a path are wanted"))?;
    if !path.starts_with('/') || !method.chars().all(|c| c.is_ascii_uppercase()) || method.is_empty() {
        return Err(Mismatch::told(&span, "a method in capitals and a path from `/` are wanted"));
    }
    c.text(" to ")?;
    let service = c.code()?.0;
    let body = if c.try_text(" with ") { Some(json(c)?) } else { None };
    c.text(" answers ")?;
    let expect_status = u16::try_from(c.number()?).map_err(|_| Mismatch::plain())?;
    let (mut contains, mut has) = (None, BTreeMap::new());
    loop {
        let before = c.mark();
        if c.try_text(", within ") || !c.joint() {
            c.back(before);
            break;
        }
        if c.try_text("contains ") {
            once(&mut contains, c.code()?.0)?;
        } else {
            c.text("has ")?;
            let path = c.code()?.0;
            c.text(" as ")?;
            has.insert(path, json(c)?);
        }
    }
    Ok(CheckKind::ApiProbe {
        service,
        method: method.into(),
        path: path.into(),
        headers: BTreeMap::new(),
        body,
        expect_status,
        expect_body_contains: contains,
        expect_json: has,
    })
}

/// A span that holds JSON.
fn json(c: &mut Cursor<'_>) -> Read<serde_json::Value> {
    let (text, span) = c.code()?;
    crate::base::json::parse(text.as_bytes(), crate::base::json::Limits::LINE)
        .map_err(|e| Mismatch::told(&span, format!("this is no JSON: {e}")))
}

/// A transcript as a script and what it prints; or the line (from 0) that is no part of one.
pub(super) fn transcript(text: &str) -> Result<CheckKind, &'static str> {
    let (mut script, mut stdout) = (Vec::new(), String::new());
    for line in text.lines() {
        match line.strip_prefix("$ ").or((line == "$").then_some("")) {
            Some(command) => script.push(command),
            None if script.is_empty() => return Err("a transcript begins with a command after `$ `"),
            None => {
                stdout.push_str(line);
                stdout.push('\n');
            }
        }
    }
    if script.iter().all(|s| s.trim().is_empty()) {
        return Err("a transcript needs a command after `$ `");
    }
    Ok(shell(script.join("\n"), stdout))
}

fn shell(script: String, stdout: String) -> CheckKind {
    CheckKind::CliProbe {
        command: Vec::new(),
        shell: Some(script),
        stdin: None,
        expect_exit: 0,
        stdout: Some(stdout),
        stdout_contains: Vec::new(),
        stdout_matches: None,
        stderr_contains: Vec::new(),
    }
}
