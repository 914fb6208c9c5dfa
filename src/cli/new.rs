//! `git otto new`: an intent to start from.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use serde::Serialize;

use crate::{
    base::{Exit, Failure, SpecId, text::one_line},
    cli::Start,
    spec::model::ProjectKind,
};

/// Write an intent to start from: a small one that compiles, with comments that say what stands where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What it is called, or the file to write; - for standard output [default: the name of this folder]
    #[arg(value_name = "NAME|FILE")]
    name: Option<String>,
    /// What is to be built: webapp, cli, library, api or service
    #[arg(long, value_name = "KIND", value_parser = super::prose::kind, default_value = "cli")]
    kind: ProjectKind,
    /// Say what would be written; write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    kind: &'static str,
    /// None where the text goes to standard output.
    file: Option<&'a str>,
    written: bool,
    text: &'a str,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let cwd = &start.world.env.cwd;
    let folder = || cwd.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "intent".into());
    let (name, file) = match args.name.as_deref() {
        Some("-") => (folder(), None),
        Some(named) => {
            let path = Path::new(named);
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let is_file = path.extension().is_some() || path.components().count() > 1;
            let title = if is_file { stem } else { named.to_owned() };
            let file = if is_file { named.to_owned() } else { format!("{}.md", slug(named)?) };
            (title, Some(file))
        }
        None => (folder(), Some("intent.md".to_owned())),
    };
    let text = skeleton(args.kind, &name)?;
    let written = file.is_some() && !args.dry_run;
    if let Some(file) = file.as_deref().filter(|file| !args.dry_run || cwd.join(file).exists()) {
        write(&cwd.join(file), file, &text)?;
    }
    if start.ui.is_json() {
        let kind = args.kind.name();
        start.ui.answer_json(&Answer { schema: "otto.new/1", kind, file: file.as_deref(), written, text: &text })?;
        return Ok(Exit::Done);
    }
    let Some(file) = &file else {
        start.ui.answer(&text)?;
        return Ok(Exit::Done);
    };
    let what = if written { "written" } else { "would be written" };
    start.ui.answer(&format!("{what}: {file}, an intent of kind {}\n", args.kind.name()))?;
    if written {
        // A bare word would be the spec of that name, once there is one.
        let path = shlex::try_quote(file).unwrap_or(file.as_str().into());
        start.ui.say(&format!("next: change it, then git otto run {path}"))?;
    }
    Ok(Exit::Done)
}

fn slug(name: &str) -> Result<SpecId, Failure> {
    SpecId::slug(name).ok_or_else(|| {
        let text = format!("{:?} has no letter that an id could begin with", one_line(name, 80));
        Failure::new(Exit::Usage, text).hint("git otto new notes.md")
    })
}

/// The intent of a kind, under a name.
fn skeleton(kind: ProjectKind, name: &str) -> Result<String, Failure> {
    let text = match kind {
        ProjectKind::Webapp => include_str!("new/webapp.md"),
        ProjectKind::Cli => include_str!("new/cli.md"),
        ProjectKind::Library => include_str!("new/library.md"),
        ProjectKind::Api => include_str!("new/api.md"),
        ProjectKind::Service => include_str!("new/service.md"),
    };
    let slug = slug(name)?;
    // A title is one line of text: what Markdown would read otherwise gives way to the id.
    let plain = |c: char| c.is_alphanumeric() || " -.,'".contains(c);
    let title = if name.trim() == name && name.chars().all(plain) { name } else { slug.as_str() };
    Ok(text.replace("{name}", title).replace("{slug}", slug.as_str()))
}

/// Writes a file that is not there yet.
fn write(path: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Failure::new(Exit::Refused, format!("{name} is there already and stays as it is"))
            .hint(format!("git otto run {name}\nto start another one: git otto new <another name>")),
        _ => Failure::new(Exit::Usage, format!("cannot write {}: {e}", path.display())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{intent, spec};

    #[test]
    fn every_skeleton_is_an_intent_whose_checks_can_run() {
        for kind in ProjectKind::ALL {
            for name in ["notes", "Ann's *notes*", "7 samurai & 1 \u{1b}[31m"] {
                let text = skeleton(kind, name).expect(name);
                let compiled = intent::compile(text.as_bytes(), "x.md", None).unwrap_or_else(|e| panic!("{}", e.render(false)));
                spec::parse(&spec::write(&compiled.spec)).unwrap_or_else(|e| panic!("{e:?}"));
                assert_eq!(compiled.spec.project_kind, kind);
                assert_eq!(Some(&compiled.spec.id), SpecId::slug(name).as_ref());
                assert!(compiled.spec.checks().all(|(_, c)| c.kind.is_runnable()));
                let said = |g: &String| g.contains("id") || g.contains("command `greet`") || g.contains("component");
                assert!(compiled.guessed.iter().all(said), "{:?}", compiled.guessed);
                assert!(!compiled.spec.intent.contains("<!--"), "{}", compiled.spec.intent);
            }
        }
    }
}
