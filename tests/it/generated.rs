//! What is generated and checked in is current: `UPDATE_GENERATED=1 cargo test --all-features generated` writes it anew.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use git_otto::{
    base::{Exit, keys::KEYS},
    cli,
};

/// Sections of the manual page that are written by hand, after those that come from the command line.
const NOTES: &str = include_str!("../../man/notes.roff");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default()
}

/// Compares a checked-in file with what it has to be, or writes it.
fn check(name: &str, content: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), content).unwrap();
    }
    assert!(read(name) == content, "{name} is stale: UPDATE_GENERATED=1 cargo test --all-features generated");
}

#[test]
fn the_manual_pages_are_current() {
    let pages = cli::man::pages().unwrap();
    for (name, text) in &pages {
        check(&format!("man/{name}"), text);
    }
    let named: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("man")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "notes.roff" || named.contains(name.as_str()), "man/{name} is the page of no command");
    }
}

/// The formatter finds nothing to warn of, where there is one.
#[test]
fn the_manual_pages_are_well_formed() {
    for (name, text) in cli::man::pages().unwrap() {
        assert!(text.contains("\n.SH SYNOPSIS\ngit otto") && text.contains("\n.SH NAME\n"), "{name}");
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]).stdin(Stdio::piped());
        let Ok(mut child) = groff.stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            eprintln!("groff is not installed: the pages were not formatted");
            return;
        };
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap().stderr;
        assert_eq!(String::from_utf8_lossy(&said), "", "{name}");
    }
}

#[test]
fn every_exit_code_is_documented() {
    use Exit::{Agent, Blocked, Done, Internal, Interrupted, Invalid, Locked, NeedsRecovery, Partial, Refused, Usage};
    let all = [Done, Internal, Usage, Invalid, Partial, Blocked, Locked, Agent, Refused, NeedsRecovery, Interrupted];
    let readme = read("README.md");
    for exit in all {
        let code = exit as u8;
        assert!(readme.contains(&format!("\n| {code} | ")), "README.md says nothing of exit code {code}");
        assert!(NOTES.contains(&format!("\n.B {code}\n")), "the manual page says nothing of exit code {code}");
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = read("README.md");
    for sub in cli::command().get_subcommands().filter(|s| !s.is_hide_set()) {
        let name = sub.get_name();
        let named = readme.lines().filter(|l| l.starts_with("| `")).any(|l| {
            let cell = l.split('|').nth(1).unwrap_or_default();
            cell.split(['`', ',']).any(|part| part.split_whitespace().next() == Some(name))
        });
        assert!(named, "README.md has no line for `{name}`");
    }
}

/// Every key that the source reads is in the table of keys, every key of the table is read, and each is documented.
#[test]
fn every_configuration_key_is_documented() {
    let mut used = BTreeSet::new();
    for (path, source) in super::layering::sources() {
        if path != "base/keys.rs" {
            used.extend(super::layering::texts(&source).filter(|t| is_key(t)));
        }
    }
    let table: BTreeSet<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    let named: BTreeSet<String> =
        NOTES.lines().filter_map(|l| l.strip_prefix(".B otto.")).map(|l| format!("otto.{l}")).collect();
    assert!(used.len() > 5, "only {used:?} were found");
    assert_eq!(used, table, "keys in the source and keys in base/keys.rs");
    assert_eq!(table, named, "keys in base/keys.rs and keys in man/notes.roff");
}

fn is_key(text: &str) -> bool {
    text.strip_prefix("otto.").is_some_and(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphabetic() || c == '.'))
}
