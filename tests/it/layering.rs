//! Holds the source to the table of modules in `ARCHITECTURE.md`: who may import whom, who may name `gix`, start
//! programs, print, spell ref names or ask for the time, and how long a file may be.
//!
//! It reads tokens, not lines: comments are skipped, `use` trees are unfolded, `super` is resolved, and what stands under
//! `#[cfg(test)]` or in a file of tests is left out.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What everything may stand on. Stages, recover and the command line may import all of them.
const SERVICES: [&str; 9] = ["base", "git", "store", "journal", "agent", "checks", "sandbox", "workspace", "gate"];
/// The stages, in the order in which data flows.
const STAGES: [&str; 7] = ["intent", "spec", "plan", "build", "queue", "audit", "report"];
/// A file longer than this has more than one meaning.
const MAX_LINES: usize = 600;

/// Whether module `from` may name `crate::<to>…`.
fn allowed(from: &str, to: &[&str]) -> bool {
    let (module, rest) = (to[0], &to[1..]);
    let model = rest.first() == Some(&"model");
    let stage = |name: &str| STAGES.iter().position(|s| *s == name);
    if from == module {
        return true;
    }
    match from {
        "base" => false,
        "git" | "agent" | "checks" | "sandbox" | "output" => module == "base",
        "store" => ["base", "git"].contains(&module),
        "journal" => ["base", "git", "store"].contains(&module) || (module == "checks" && model),
        "workspace" => ["base", "git"].contains(&module),
        "gate" => ["base", "git", "store", "journal", "checks", "sandbox", "workspace"].contains(&module),
        // The intent and the base's own commands are read into a spec: they know what a spec is.
        "intent" | "baseline" => SERVICES.contains(&module) || (module == "spec" && model),
        "mend" => SERVICES.contains(&module),
        "recover" => SERVICES.contains(&module) || model,
        // What a spec and a receipt are is what they judge, and what they bring together.
        "verify" | "hook" | "sync" => {
            let judged = module == "spec" || (module == "queue" && rest.first() == Some(&"receipt"));
            SERVICES.contains(&module) || model || judged || (module == "verify" && from != "verify")
        }
        "cli" | "main" | "lib" => true,
        _ => match (stage(from), stage(module)) {
            (Some(own), Some(other)) => other < own && model,
            (Some(_), None) => SERVICES.contains(&module),
            // A module that the table does not know.
            (None, _) => false,
        },
    }
}

/// One thing that the rules forbid.
#[derive(Debug, PartialEq)]
struct Breach {
    line: usize,
    what: String,
}

/// Everything that is forbidden in one file; `path` is relative to `src/`.
fn breaches(path: &str, source: &str) -> Vec<Breach> {
    let tokens = production(tokens(source));
    let here = module_of(path);
    let from = here.first().map_or_else(|| path.trim_end_matches(".rs").to_owned(), Clone::clone);
    let mut out = Vec::new();
    let mut breach = |line: usize, what: String| out.push(Breach { line, what });

    for (line, path) in paths(&tokens, &here) {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["crate", rest @ ..] if !rest.is_empty() && !allowed(&from, rest) => {
                breach(line, format!("{from} must not import {}", rest.join("::")));
            }
            // Plain parts of gix that need no repository: ids, texts and globs are built from them; a workspace writes
            // an index and reads ignore rules without trusting the repository that lies there.
            ["gix", "ObjectId" | "hash" | "bstr" | "glob" | "validate", ..] if from == "base" => {}
            ["gix", "bstr" | "glob" | "ignore" | "index" | "objs", ..] if from == "workspace" => {}
            ["gix", ..] if from != "git" => breach(line, format!("{from} must not name {}", segments.join("::"))),
            [.., "SystemTime"] | ["SystemTime", ..] if from != "base" => {
                breach(line, "time comes from World".to_owned());
            }
            ["std", "process", "Command", ..] | ["tokio", "process", ..]
                if !["base/procs.rs", "git/cmd.rs"].contains(&path_of(&here).as_str()) =>
            {
                breach(line, "programs are started in base/procs.rs and git/cmd.rs only".to_owned());
            }
            _ => {}
        }
    }
    for at in tokens.windows(5) {
        let [a, b, c, d, e] = at else { unreachable!() };
        let text = [&a.text, &b.text, &c.text, &d.text].map(String::as_str);
        if text == ["Command", "::", "new", "("] && e.kind == Kind::Text && e.text == "git" && path != "git/cmd.rs" {
            breach(a.line, "git is started in git/cmd.rs only".to_owned());
        }
    }
    for (i, at) in tokens.windows(2).enumerate().filter(|(_, at)| at[0].kind == Kind::Word && from != "output") {
        let (name, next) = (at[0].text.as_str(), at[1].text.as_str());
        if ["print", "println", "eprint", "eprintln", "dbg"].contains(&name) && next == "!" {
            breach(at[0].line, format!("{name}! outside output"));
        }
        // A child's `stdout(…)` is a method; the process's own is a function.
        let method = i > 0 && [".", "fn"].contains(&tokens[i - 1].text.as_str());
        if ["stdout", "stderr"].contains(&name) && next == "(" && !method {
            breach(at[0].line, format!("{name}() outside output"));
        }
    }
    for t in tokens.iter().filter(|t| t.kind == Kind::Text) {
        if (t.text.starts_with("refs/otto") || t.text.starts_with("refs/notes/otto")) && path != "store/names.rs" {
            breach(t.line, format!("the ref name {:?} is spelled outside store/names.rs", t.text));
        }
    }
    let lines = tokens.iter().map(|t| t.line).collect::<BTreeSet<_>>().len();
    if lines > MAX_LINES {
        breach(0, format!("{lines} lines of code, at most {MAX_LINES}"));
    }
    out
}

/// The module that a file below `src/` holds, as a path of names; empty for the roots.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let mut names: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|n| n == "mod") {
        names.pop();
    }
    if matches!(names.as_slice(), [only] if only == "lib" || only == "main") {
        names.clear();
    }
    names
}

/// A module's usual file.
fn path_of(module: &[String]) -> String {
    format!("{}.rs", module.join("/"))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Word,
    Text,
    Other,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    text: String,
    line: usize,
}

/// Splits source into words, texts and signs; comments are dropped, numbers count as words.
fn tokens(source: &str) -> Vec<Token> {
    let s: Vec<char> = source.chars().collect();
    let at = |i: usize| s.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < s.len() {
        let (c, start, first) = (s[i], i, line);
        let mut push = |kind, text: String| out.push(Token { kind, text, line: first });
        if c == '/' && at(i + 1) == '/' {
            while i < s.len() && s[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= s.len() {
                    break;
                }
            }
            line += s[start..i.min(s.len())].iter().filter(|c| **c == '\n').count();
        } else if let Some((open, hashes)) = raw_text(&s, i) {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            i = open;
            while i < s.len() && !s[i..].starts_with(&close) {
                i += 1;
            }
            push(Kind::Text, s[open..i].iter().collect());
            line += s[start..i].iter().filter(|c| **c == '\n').count();
            i += close.len();
        } else if c == '"' || (c == 'b' && at(i + 1) == '"') {
            i += if c == 'b' { 2 } else { 1 };
            let open = i;
            while i < s.len() && s[i] != '"' {
                i += if s[i] == '\\' { 2 } else { 1 };
            }
            let end = i.min(s.len());
            push(Kind::Text, s[open..end].iter().collect());
            line += s[start..end].iter().filter(|c| **c == '\n').count();
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < s.len() && s[i] != '\'' {
                i += 1;
            }
            i += 1;
        } else if word(c) {
            while i < s.len() && word(s[i]) {
                i += 1;
            }
            push(Kind::Word, s[start..i].iter().collect());
        } else if c == ':' && at(i + 1) == ':' {
            push(Kind::Other, "::".to_owned());
            i += 2;
        } else {
            if c == '\n' {
                line += 1;
            } else if !c.is_whitespace() {
                push(Kind::Other, c.to_string());
            }
            i += 1;
        }
    }
    out
}

/// Where the content of a raw text that begins at `i` begins, and how many `#` close it.
fn raw_text(s: &[char], i: usize) -> Option<(usize, usize)> {
    let at = |i: usize| s.get(i).copied().unwrap_or('\0');
    let mut j = if at(i) == 'b' && at(i + 1) == 'r' { i + 1 } else { i };
    if at(j) != 'r' || (i > 0 && (s[i - 1].is_alphanumeric() || s[i - 1] == '_')) {
        return None;
    }
    j += 1;
    let hashes = s[j.min(s.len())..].iter().take_while(|c| **c == '#').count();
    (at(j + hashes) == '"').then_some((j + hashes + 1, hashes))
}

/// What is left without the items under `#[cfg(test)]`.
fn production(tokens: Vec<Token>) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut out, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if tokens.len() - i < mark.len() || !tokens[i..].iter().zip(mark).all(|(t, m)| t.text == m) {
            out.push(tokens[i].clone());
            i += 1;
            continue;
        }
        // The item ends with its first `;` outside of brackets or with the brace that closes its first one.
        let mut depth = 0_i32;
        i += mark.len();
        while i < tokens.len() {
            let sign = (tokens[i].kind == Kind::Other).then_some(tokens[i].text.as_str());
            i += 1;
            match sign {
                Some("{" | "(" | "[") => depth += 1,
                Some("}") if depth == 1 => break,
                Some("}" | ")" | "]") => depth -= 1,
                Some(";") if depth == 0 => break,
                _ => {}
            }
        }
    }
    out
}

/// Every path of the tokens with its line, `use` trees unfolded, `self` and `super` resolved against the module.
fn paths(tokens: &[Token], here: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let begins = tokens[i].kind == Kind::Word && (i == 0 || !["::", "."].contains(&tokens[i - 1].text.as_str()));
        if begins && tokens.get(i + 1).is_some_and(|t| t.text == "::") {
            i = unfold(tokens, i, &mut Vec::new(), &mut out);
        } else {
            i += 1;
        }
    }
    for (_, path) in &mut out {
        if path[0] == "self" || path[0] == "super" {
            let ups = path.iter().take_while(|s| *s == "super").count();
            let keep = here.len().saturating_sub(ups);
            let own = usize::from(path[0] == "self").max(ups);
            let rest = path.split_off(own);
            *path = std::iter::once("crate".to_owned()).chain(here[..keep].iter().cloned()).chain(rest).collect();
        }
    }
    out
}

/// Reads one path or `use` tree from `i`; answers where it ends.
fn unfold(tokens: &[Token], mut i: usize, prefix: &mut Vec<String>, out: &mut Vec<(usize, Vec<String>)>) -> usize {
    let (deep, line) = (prefix.len(), tokens.get(i).map_or(0, |t| t.line));
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    while tokens.get(i).is_some_and(|t| t.kind == Kind::Word) {
        if text(i) != "self" || prefix.is_empty() {
            prefix.push(text(i).to_owned());
        }
        i += 1;
        if text(i) != "::" {
            break;
        }
        i += 1;
        if text(i) == "{" {
            i += 1;
            while i < tokens.len() && text(i) != "}" {
                let next = unfold(tokens, i, prefix, out);
                // `as name`, commas and `*` lie between the branches.
                i = next.max(i + 1);
                while i < tokens.len() && ![",", "}"].contains(&text(i)) {
                    i += 1;
                }
                if text(i) == "," {
                    i += 1;
                }
            }
            prefix.truncate(deep);
            return i + 1;
        }
    }
    if prefix.len() > deep || deep > 0 {
        out.push((line, prefix.clone()));
    }
    prefix.truncate(deep);
    i
}

/// All source files that are not tests, relative to `src/`.
pub fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if !is_test(&path, &root) {
            out.push((path, fs::read_to_string(file).unwrap()));
        }
    }
    out
}

/// The texts of a source file's production code, as they are written.
pub fn texts(source: &str) -> impl Iterator<Item = String> {
    production(tokens(source)).into_iter().filter(|t| t.kind == Kind::Text).map(|t| t.text)
}

/// Whether a file is a module of tests: its parent says `#[cfg(test)] mod name;`, or that of a folder above it.
fn is_test(path: &str, root: &Path) -> bool {
    let module = module_of(path);
    (1..=module.len()).any(|n| {
        let (parent, name) = (&module[..n - 1], &module[n - 1]);
        let files = match parent {
            [] => vec![root.join("lib.rs"), root.join("main.rs")],
            _ => vec![root.join(path_of(parent)), root.join(parent.join("/")).join("mod.rs")],
        };
        let declares = |t: &[Token]| t.windows(3).any(|w| w[0].text == "mod" && w[1].text == *name && w[2].text == ";");
        files.iter().filter_map(|f| fs::read_to_string(f).ok()).any(|source| {
            let all = tokens(&source);
            declares(&all) && !declares(&production(all))
        })
    })
}

#[test]
fn every_module_keeps_to_the_table() {
    let sources = sources();
    assert!(sources.len() > 30, "only {} files were read", sources.len());
    let mut found = Vec::new();
    for (path, source) in &sources {
        found.extend(breaches(path, source).into_iter().map(|b| format!("src/{path}:{}: {}", b.line, b.what)));
    }
    assert!(found.is_empty(), "the table of ARCHITECTURE.md does not allow:\n{}", found.join("\n"));
}

#[test]
fn every_module_of_the_library_is_in_the_table() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for module in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(table.contains(&format!("`{module}`")), "ARCHITECTURE.md does not say what lives in {module}");
    }
}

#[test]
fn forbidden_lines_are_found() {
    // Each would pass unnoticed if the reader of tokens or the table had a hole.
    let bad = [
        ("base/x.rs", "use crate::git::Repo;", 1),
        ("git/x.rs", "\n\nuse crate::{\n  base::Oid,\n  store::{self, names},\n};", 5),
        ("store/x.rs", "fn f() { crate::journal::read(); }", 1),
        ("store/x.rs", "use super::super::journal;", 1),
        ("store/mod.rs", "use super::journal::read;", 1),
        ("journal/x.rs", "use crate::checks::run;", 1),
        ("checks/x.rs", "use crate::git::Oid as O;", 1),
        ("agent/x.rs", "use crate::{base::*, workspace::*};", 1),
        ("plan/x.rs", "use crate::queue::model::X;", 1),
        ("queue/x.rs", "use crate::build::{model::A, run};", 1),
        ("queue/x.rs", "use crate::plan::schedule;", 1),
        ("report/x.rs", "use crate::output::Ui;", 1),
        ("recover/x.rs", "use crate::audit::judge;", 1),
        ("gate/x.rs", "use crate::agent::run;", 1),
        ("novel/mod.rs", "use crate::base::Oid;", 1),
        ("store/x.rs", "fn f(id: gix::ObjectId) {}", 1),
        ("base/x.rs", "fn f() { gix::open(\".\"); }", 1),
        ("base/x.rs", "use gix::{ObjectId, Repository};", 1),
        ("workspace/x.rs", "use gix::{index::State, ThreadSafeRepository};", 1),
        ("queue/x.rs", "fn f() { std::process::Command::new(\"ls\"); }", 1),
        ("base/procs.rs", "fn f() { Command::new(\"git\"); }", 1),
        ("cli/x.rs", "fn f() { println!(\"hi\"); }", 1),
        ("cli/x.rs", "use std::io::stdout;\nfn f() { stdout().lock(); }", 2),
        ("cli/x.rs", "/* a\n /* b */ */ fn f() { io::stderr(); }", 2),
        ("queue/x.rs", "use std::time::SystemTime;", 1),
        ("queue/x.rs", "const R: &str = \"refs/otto/specs/\";", 1),
        ("queue/x.rs", "const R: &[u8] = br#\"refs/notes/otto\"#;", 1),
        ("base/x.rs", "#[cfg(test)]\nmod tests { fn f(a: [u8; 2]) {} }\nuse crate::git;", 3),
        ("base/x.rs", "#[cfg(test)]\nmod tests;\nuse crate::git;", 3),
        ("base/x.rs", "const C: char = '\"'; use crate::git; const D: char = '\"';", 1),
    ];
    for (path, source, line) in bad {
        let lines: BTreeSet<usize> = breaches(path, source).iter().map(|b| b.line).collect();
        assert_eq!(lines, BTreeSet::from([line]), "{path}: {source}");
    }
    let long = "fn f() {}\n".repeat(MAX_LINES + 1);
    assert_eq!(breaches("base/x.rs", &long).len(), 1);
}

#[test]
fn permitted_lines_are_let_through() {
    let good = [
        ("base/x.rs", "use crate::base::Oid; // use crate::git;\n/* crate::git::x */"),
        ("base/x.rs", "const T: &str = \"use crate::git;\"; const R: &str = r#\"\"crate::git::x\"#;"),
        ("base/x.rs", "use gix::{ObjectId, glob::wildmatch, bstr::ByteSlice};"),
        ("base/x.rs", "#[cfg(test)]\nmod tests { use crate::git::Repo; fn f() { if true { println!(); } } }"),
        ("base/x.rs", "struct S<'a>(&'a str); impl<'a> S<'a> { fn f(c: char) -> bool { c == '\\'' } }"),
        ("journal/x.rs", "use crate::{base::Oid, checks::model::{self, Cause}};"),
        ("plan/x.rs", "use crate::{spec::model::Spec, journal::state::RunState};"),
        ("intent/x.rs", "use crate::spec::model::Spec;"),
        ("audit/x.rs", "use crate::{plan::model::Plan, gate::Gate, checks};"),
        ("recover/x.rs", "use crate::{plan::model::Plan, workspace};"),
        ("store/record/read.rs", "use super::{super::names, write};"),
        ("git/cmd.rs", "use std::process::Command;\nfn f() { Command::new(\"git\").stdout(Stdio::piped()); }"),
        ("output/mod.rs", "fn f() { std::io::stdout().lock(); }"),
        ("cli/x.rs", "use crate::{queue::Queue, report::packet, output::Ui};"),
        ("store/names.rs", "const R: &str = \"refs/otto/\";"),
    ];
    for (path, source) in good {
        assert_eq!(breaches(path, source), [], "{path}: {source}");
    }
}
