//! `git otto man`: the manual pages, made from the command line as clap knows it and from notes written by hand.

use std::{fs, io, path::PathBuf};

use clap::Command;
use clap_mangen::Man;
use serde::Serialize;

use crate::{
    base::{Exit, Failure, text::count},
    cli::Start,
};

/// Write the manual pages into a folder, such as ~/.local/share/man/man1; then `git help otto` shows them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Say what would be written; write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    folder: String,
    pages: Vec<String>,
    written: bool,
}

/// Sections of the page of the program that are written by hand.
const NOTES: &str = include_str!("../../man/notes.roff");

/// What a page begins with: how an apostrophe is written, by formatter.
const PRELUDE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// What the pages of commands end with.
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR git\\-otto (1)\nhas the options that every command takes, exit codes and configuration.\n";

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let dir = start.world.env.cwd.join(&args.out);
    let pages = pages()?;
    if !args.dry_run {
        let cannot = |e| Failure::new(Exit::Usage, format!("cannot write into {}: {e}", dir.display()));
        fs::create_dir_all(&dir).map_err(cannot)?;
        pages.iter().try_for_each(|(name, text)| fs::write(dir.join(name), text)).map_err(cannot)?;
    }
    let (folder, written) = (dir.display().to_string(), !args.dry_run);
    if start.ui.is_json() {
        let pages = pages.into_iter().map(|(name, _)| name).collect();
        start.ui.answer_json(&Answer { schema: "otto.man/1", folder, pages, written })?;
        return Ok(Exit::Done);
    }
    let what = if written { "written" } else { "would be written" };
    start.ui.answer(&format!("{what}: {} into {folder}\n", count(pages.len(), "page")))?;
    Ok(Exit::Done)
}

/// All pages by file name: that of the program, and one for each command.
pub fn pages() -> io::Result<Vec<(String, String)>> {
    let command = super::command().after_help(None::<&str>).after_long_help(None::<&str>);
    let mut all = vec![("git-otto.1".to_owned(), program(&command)?)];
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        all.push((format!("git-otto-{}.1", sub.get_name()), page(sub)?));
    }
    Ok(all)
}

/// The page of the program: its options, its commands, then the notes.
fn program(command: &Command) -> io::Result<String> {
    let mut text = head(command.clone().display_name("git-otto"))?;
    text += &synopsis(command.clone());
    text += &rendered(|out| Man::new(command.clone()).render_options_section(out))?;
    text += ".SH COMMANDS\n";
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        text += &format!(".TP\n.BR git\\-otto\\-{} (1)\n{about}.\n", sub.get_name().replace('-', "\\-"));
    }
    Ok(text + NOTES)
}

/// The page of a command, and of the commands below it.
fn page(sub: &Command) -> io::Result<String> {
    let named = sub.clone().bin_name(format!("git otto {}", sub.get_name())).disable_help_flag(true);
    let mut text = head(sub.clone().display_name(format!("git-otto-{}", sub.get_name())))?;
    text += &synopsis(named.clone());
    text += &body(&named)?;
    for below in sub.get_subcommands() {
        let name = format!("git otto {} {}", sub.get_name(), below.get_name());
        let below = below.clone().bin_name(&name).disable_help_flag(true);
        text += &format!(".SH \"{}\"\n{}", name.to_uppercase(), usage(below.clone()));
        // Sections of a page of their own become parts of this one.
        for line in body(&below)?.lines() {
            match line.strip_prefix(".SH ") {
                Some("DESCRIPTION") => text += ".PP\n",
                Some(_) => {}
                None => text += &format!("{line}\n"),
            }
        }
    }
    Ok(text + SEE_ALSO)
}

fn head(command: Command) -> io::Result<String> {
    let man = Man::new(command)
        .section("1")
        .manual("Manual of git otto")
        .source(format!("git-otto {}", env!("CARGO_PKG_VERSION")));
    let text = rendered(|out| man.render_title(out).and_then(|()| man.render_name_section(out)))?;
    Ok(format!("{PRELUDE}{text}"))
}

/// What a command does, its options, and what is said after them.
fn body(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let text = rendered(|out| {
        man.render_description_section(out)?;
        man.render_options_section(out)
    })?;
    let after = command.get_after_help().map(|help| help.to_string().replace('-', "\\-"));
    Ok(text + &after.map(|help| format!(".SH NOTES\n.nf\n{help}\n.fi\n")).unwrap_or_default())
}

fn rendered(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut out = Vec::new();
    render(&mut out)?;
    let text = String::from_utf8(out).map_err(io::Error::other)?;
    // It stands above each part, and is wanted once a page.
    let kept = text.lines().filter(|line| !PRELUDE.lines().any(|first| first == *line));
    Ok(kept.map(|line| format!("{line}\n")).collect())
}

fn synopsis(command: Command) -> String {
    format!(".SH SYNOPSIS\n{}", usage(command))
}

/// How a command is called.
fn usage(mut command: Command) -> String {
    let usage = command.render_usage().to_string();
    let call = usage.strip_prefix("Usage: ").unwrap_or(&usage).replace('-', "\\-");
    format!("{call}\n")
}
