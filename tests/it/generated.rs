//! What is generated and checked in is current: `UPDATE_GENERATED=1 cargo test --all-features generated` writes it anew.

use std::{collections::BTreeSet, fs, path::Path};

use clap_mangen::Man;
use git_otto::{base::Exit, cli};

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

/// The manual page: the command line as clap knows it, then the notes.
fn page() -> String {
    let command = cli::command().after_help(None::<&str>).after_long_help(None::<&str>);
    let man = Man::new(command.clone().name("git-otto"))
        .section("1")
        .manual("Manual of git otto")
        .source(format!("git-otto {}", env!("CARGO_PKG_VERSION")));
    let mut out = Vec::new();
    man.render_title(&mut out).unwrap();
    man.render_name_section(&mut out).unwrap();
    let mut text = String::from_utf8(out).unwrap();
    text += &format!(".SH SYNOPSIS\n{}", usage(command.clone()));
    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options).unwrap();
    text += &String::from_utf8(options).unwrap();
    text += ".SH COMMANDS\n";
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        let name = format!("git otto {}", sub.get_name());
        let sub = sub.clone().bin_name(&name).disable_help_flag(true);
        text += &format!(".SS \"{name}\"\n{}", usage(sub.clone()));
        let man = Man::new(sub);
        let mut part = Vec::new();
        man.render_description_section(&mut part).unwrap();
        man.render_options_section(&mut part).unwrap();
        // Sections of a page of their own become parts of this one.
        for line in String::from_utf8(part).unwrap().lines() {
            match line.strip_prefix(".SH ") {
                Some("DESCRIPTION") => text += ".PP\n",
                Some(_) => {}
                // The prelude of a page stands at its head already.
                None if line.starts_with(".ie ") || line.starts_with(".el ") => {}
                None => text += &format!("{line}\n"),
            }
        }
    }
    text + NOTES
}

/// How a command is called.
fn usage(mut command: clap::Command) -> String {
    let usage = command.render_usage().to_string();
    let call = usage.strip_prefix("Usage: ").unwrap_or(&usage).replace('-', "\\-");
    format!("{call}\n")
}

#[test]
fn the_manual_page_is_current() {
    check("man/git-otto.1", &page());
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

/// Configuration keys are documented, and what is documented is a key.
#[test]
fn every_configuration_key_is_documented() {
    let mut used = BTreeSet::new();
    for (_, source) in super::layering::sources() {
        used.extend(super::layering::texts(&source).filter(|t| is_key(t)));
    }
    let named: BTreeSet<String> =
        NOTES.lines().filter_map(|l| l.strip_prefix(".B otto.")).map(|l| format!("otto.{l}")).collect();
    assert!(used.len() > 5, "only {used:?} were found");
    assert_eq!(used, named, "keys in the source and keys in man/notes.roff");
}

fn is_key(text: &str) -> bool {
    text.strip_prefix("otto.").is_some_and(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphabetic() || c == '.'))
}
