//! `git otto export`: a spec, or one of its versions, as an intent or as JSON, to be compiled somewhere else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId, text::count},
    cli::{
        Start,
        version::{self, Version},
    },
    intent,
    spec::model::Spec,
    store::record::StoredSpec,
};

/// Write a spec as an intent in Markdown, or as JSON. Compiling what is written with its code gives the same digest.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A spec, `<spec>@{2}` for its version before the last two records, or a commit of its history [default: the only spec]
    #[arg(value_name = "VERSION")]
    name: Option<String>,
    /// In which form
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "markdown")]
    format: Format,
    /// With the code that the slices carry; as JSON, in the folder `files` beside FILE
    #[arg(long)]
    with_code: bool,
    /// Write FILE, whatever it holds [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// An intent.
    Markdown,
    /// `spec.json` as it is stored.
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    commit: Oid,
    digest: Sha256,
    format: Format,
    /// Whether compiling it gives that digest and all contents.
    whole: bool,
    /// Where it was written; none where it stands in `text`.
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let version = version::find(&repo, args.name.as_deref())?;
    let (spec, stored) = version.load(&repo)?;
    let (text, whole) = match args.format {
        Format::Markdown => markdown(start, &args, &version, &spec, &stored)?,
        Format::Json => json(start, &args, &stored)?,
    };
    let file = args.output.as_deref().map(|name| start.world.env.cwd.join(name));
    if let Some(file) = &file {
        let contents = stored.files.iter().filter(|_| args.with_code && args.format == Format::Json);
        write(file, text.as_bytes())?;
        for (digest, content) in contents {
            write(&file.with_file_name("files").join(digest.to_string()), content)?;
        }
    }
    if start.ui.is_json() {
        start.ui.answer_json(&Answer {
            schema: "otto.export/1",
            spec: &version.spec,
            commit: version.commit,
            digest: stored.record.after,
            format: args.format,
            whole,
            file: file.as_ref().map(|f| f.display().to_string()),
            text: file.is_none().then_some(&text),
        })?;
    } else if file.is_none() {
        start.ui.answer_bytes(text.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// The intent, and whether it carries everything; what it does not is said.
fn markdown(
    start: &Start,
    args: &Args,
    version: &Version,
    spec: &Spec,
    stored: &StoredSpec,
) -> Result<(String, bool), Failure> {
    let id = &version.spec;
    let full = intent::render(spec, &stored.files, true);
    let can = intent::carries(&full, spec, &stored.files);
    if args.with_code && !can {
        let text = format!("Markdown cannot carry all of {} unchanged", version.name());
        return Err(Failure::new(Exit::Refused, text)
            .hint(format!("git otto export {id} --format json --with-code -o {id}.json")));
    }
    let bare = intent::render(spec, &stored.files, false);
    let text = if args.with_code { full } else { bare };
    let whole = intent::carries(&text, spec, &stored.files);
    let left = spec.files.len();
    if !args.with_code && left > 0 {
        let files = count(left, "file");
        start.ui.say(&format!("without the {files} that its slices carry, so its digest is another; --with-code has them"))?;
    } else if !whole {
        start.ui.say("Markdown cannot carry all of it unchanged; --format json can")?;
    }
    // The id is made from the title unless it is named.
    if intent::compile(text.as_bytes(), "", None).is_ok_and(|c| c.spec.id != *id) {
        let name = args.output.as_deref().unwrap_or(Path::new("<file>")).display();
        start.ui.say(&format!("its id is not its title: git otto compile --id {id} {name}"))?;
    }
    Ok((text, whole))
}

/// The stored bytes, and whether what they name goes along.
fn json(start: &Start, args: &Args, stored: &StoredSpec) -> Result<(String, bool), Failure> {
    let text = String::from_utf8_lossy(&stored.spec_bytes).into_owned();
    if stored.files.is_empty() {
        return Ok((text, true));
    }
    let files = count(stored.files.len(), "content");
    match (args.with_code, &args.output) {
        (true, None) => {
            let text = format!("the {files} that the spec names need a place: the folder `files` beside a file");
            return Err(Failure::new(Exit::Usage, text).hint("git otto export --format json --with-code -o <file>"));
        }
        (true, Some(_)) => {}
        (false, _) => start.ui.say(&format!("without the {files} that it names; --with-code -o <file> has them"))?,
    }
    Ok((text, args.with_code))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let dir = path.parent().filter(|dir| !dir.exists());
    let cannot = |e| Failure::new(Exit::Usage, format!("cannot write {}: {e}", path.display()));
    dir.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, bytes)).map_err(cannot)
}
