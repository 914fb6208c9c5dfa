//! Malformed specs and intents through the built program: exit 3, the place named, no panic, no ref written.

use std::{fs, path::Path};

use git_otto::{intent, spec};

use crate::support::{Output, Sandbox};

/// The rows of a corpus: a file's name without its ending, where, and what is said.
fn table(corpus: &str, split: impl Fn(&str) -> Option<(String, String, String)>) -> Vec<(String, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed").join(corpus).join("TABLE");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<_> =
        text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).map(|l| split(l).unwrap()).collect();
    assert!(rows.len() >= 60, "{corpus}: {} rows", rows.len());
    rows
}

fn file(corpus: &str, name: &str, ending: &str) -> String {
    format!("{}/tests/malformed/{corpus}/{name}.{ending}", env!("CARGO_MANIFEST_DIR"))
}

/// Exit 3 in words and as JSON, no panic, and a repository without any ref of ours.
fn refused(s: &Sandbox, args: &[&str], input: Option<&[u8]>, what: &str) -> Output {
    let out = s.otto_with(args, &[], input);
    assert_eq!(out.code, 3, "{what}: {out:?}");
    assert!(!out.stderr.contains("panicked"), "{what}: {}", out.stderr);
    assert_eq!(out.stdout, "", "{what}");
    assert!(out.stderr.contains("hint:") || out.stderr.contains("\"hint\":"), "{what}: {}", out.stderr);
    out
}

fn no_ref_written(s: &Sandbox) {
    assert_eq!(s.git(&["for-each-ref", "--format=%(refname)"]).trim(), "refs/heads/main");
    assert_eq!(s.git(&["status", "--porcelain"]), "");
}

#[test]
fn every_malformed_spec_is_refused_at_its_place() {
    let s = Sandbox::new();
    let cells = |l: &str| {
        let mut cells = l.splitn(3, '|').map(|c| c.trim().to_owned());
        Some((cells.next()?, cells.next()?, cells.next()?))
    };
    for (name, pointer, message) in table("specs", cells) {
        let path = file("specs", &name, "json");
        let out = refused(&s, &["compile", "--json", "--spec", &path], None, &name);
        let error: serde_json::Value =
            serde_json::from_str(&out.stderr).unwrap_or_else(|e| panic!("{name}: {e}: {}", out.stderr));
        assert_eq!(error["error"]["code"], "invalid", "{name}");
        let causes: Vec<&str> =
            error["error"]["causes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
        let place = if pointer == "-" { String::new() } else { format!("{pointer}: ") };
        let told = causes.iter().any(|c| c.starts_with(&place) && c.contains(&message));
        assert!(told, "{name}: no {pointer} with {message:?} in {causes:#?}");
    }
    no_ref_written(&s);
}

/// The edits of an intent: what is wrong, the lines that go, those that come, and what is told.
fn edits(text: &str) -> Vec<[String; 4]> {
    let body = &text[text.find("== ").unwrap()..];
    let each = body.split("\n== ").map(|case| {
        let (name, lines) = case.trim_start_matches("== ").split_once('\n').unwrap();
        let marked = |mark: &str| -> String {
            let own = lines.lines().filter_map(|l| l.strip_prefix(mark));
            own.map(|l| format!("{}\n", l.strip_prefix(' ').unwrap_or(l))).collect()
        };
        [name.to_owned(), marked("-"), marked("+"), marked("@")]
    });
    each.collect()
}

/// A text with its `\u{…}` read.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        let (hex, rest) = part.split_once('}').unwrap();
        format!("{out}{}{rest}", char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap())
    })
}

/// Everything that is told of an intent, as the program does before it writes anything.
fn told_of_intent(source: &str) -> String {
    let compiled = intent::compile(source.as_bytes(), "x.md", None);
    let checked = compiled.and_then(|c| match spec::parse(&spec::write(&c.spec)) {
        Ok(_) => Ok(()),
        Err(errors) => Err(c.refuse(errors.into_iter().map(|e| (e.pointer, e.message)))),
    });
    let errors = checked.err().map(|e| e.list).unwrap_or_default();
    errors.iter().map(|e| format!("{}:{} {}\n", e.line, e.column, e.message)).collect()
}

#[test]
fn every_edit_that_makes_an_intent_wrong_is_told_and_nothing_else() {
    let base = include_str!("../all-kinds.md").replace("third attempt", "second attempt");
    assert_eq!(told_of_intent(&base), "");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed/intents/EDITS");
    let text = fs::read_to_string(&path).unwrap();
    let mut now = text[..text.find("== ").unwrap()].to_owned();
    let (mut silent, mut ambiguous) = (Vec::new(), Vec::new());
    for [name, from, to, _] in edits(&text) {
        let at = if base.starts_with(&from) { Some(0) } else { base.find(&format!("\n{from}")).map(|at| at + 1) };
        let Some(at) = at.filter(|at| !base[at + 1..].contains(&format!("\n{from}"))) else {
            ambiguous.push(name);
            continue;
        };
        let told = told_of_intent(&format!("{}{}{}", &base[..at], unescaped(&to), &base[at + from.len()..]));
        if told.is_empty() {
            silent.push(name.clone());
        }
        let marked = |mark: &str, lines: &str| -> String {
            lines.lines().map(|l| format!("{mark} {l}").trim_end().to_owned() + "\n").collect()
        };
        now += &format!("== {name}\n{}{}{}", marked("-", &from), marked("+", &to), marked("@", &told));
    }
    assert!(silent.is_empty() && ambiguous.is_empty(), "accepted: {silent:?}; not there once: {ambiguous:?}");
    if std::env::var_os("UPDATE_MALFORMED").is_some() {
        fs::write(&path, &now).unwrap();
    } else {
        assert_eq!(now, text);
    }
}

#[test]
fn every_malformed_intent_is_refused_at_its_line_and_column() {
    let s = Sandbox::new();
    let cells = |l: &str| {
        let mut cells = l.splitn(3, ' ').map(str::to_owned);
        Some((cells.next()?, cells.next()?, cells.next()?))
    };
    for (name, place, message) in table("intents", cells) {
        let path = file("intents", &name, "md");
        let out = refused(&s, &["compile", "--json", &path], None, &name);
        let error: serde_json::Value = serde_json::from_str(&out.stderr).unwrap();
        let causes = error["error"]["causes"].to_string();
        let told = format!("{place}: ");
        assert!(causes.contains(&told), "{name}: no {told} in {causes}");
        let plain = refused(&s, &["run", "--yes", &path], None, &name);
        assert!(plain.stderr.contains(&place) && plain.stderr.contains("-->"), "{name}: {message}: {}", plain.stderr);
    }
    no_ref_written(&s);
}

#[test]
fn what_is_too_large_too_deep_or_no_text_is_refused_without_reading_it_all() {
    let s = Sandbox::new();
    let nested = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    let long = format!("{{\"title\": \"{}\"}}", "x".repeat(64 << 20));
    let wide = format!("[{}1]", "1,".repeat(2_000_000));
    let bombs: Vec<(&str, Vec<u8>)> = vec![
        ("a million opening brackets", "[".repeat(1_000_000).into_bytes()),
        ("a million nested objects", "{\"a\":".repeat(1_000_000).into_bytes()),
        ("deep and closed", nested("[", "]", 100_000).into_bytes()),
        ("a line of 64 MiB", long.into_bytes()),
        ("two million numbers", wide.into_bytes()),
        ("bad UTF-8", b"{\"schema\": \"otto.spec/1\xff\"}".to_vec()),
        ("NUL", b"{\"schema\": \"\0\"}".to_vec()),
        ("nothing", Vec::new()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", b"{\0\"\0a\0\"\0".to_vec()),
        ("a huge integer", b"{\"a\": 9007199254740993}".to_vec()),
        ("a key twice", b"{\"schema\": 1, \"schema\": 1}".to_vec()),
    ];
    for (what, bytes) in &bombs {
        let out = refused(&s, &["compile", "--spec", "-"], Some(bytes), what);
        assert!(out.stderr.len() < 100_000, "{what}: {} bytes of error", out.stderr.len());
    }
    let intents: Vec<(&str, Vec<u8>)> = vec![
        ("bad UTF-8", b"# x\n\n\xff\n".to_vec()),
        ("NUL", b"# x\n\n\0\n".to_vec()),
        ("nothing", Vec::new()),
        ("nested quotes", ">".repeat(100_000).into_bytes()),
        ("nested lists", "- ".repeat(50_000).into_bytes()),
        ("brackets", "[".repeat(500_000).into_bytes()),
        ("64 MiB", vec![b'x'; 64 << 20]),
        ("backticks", "`".repeat(300_000).into_bytes()),
    ];
    for (what, bytes) in &intents {
        let out = refused(&s, &["compile", "-"], Some(bytes), what);
        assert!(out.stderr.len() < 100_000, "{what}: {} bytes of error", out.stderr.len());
    }
    no_ref_written(&s);
}
