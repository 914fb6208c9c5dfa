//! `git otto import`: a specification of another tool becomes a draft spec.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId, json,
        text::{count, one_line}},
    cli::{
        Start,
        prose::{self, Wish},
        session::Choices,
        source::{self, Draft},
        team::Whom,
    },
    intent::{
        self,
        import::{self, Lost, NoImport, Tool, Wanted},
    },
    spec::{self, model::Spec},
    store::{
        Store,
        record::{By, Phase},
    },
};

mod folder;

/// Read a specification of another tool into a draft spec, and tell what could not be carried.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose specification it is
    #[arg(long, value_enum, value_name = "TOOL")]
    from: From,
    /// Its folder: a feature of spec-kit, a capability or a change of OpenSpec; or its file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Have an agent compile it, as prose, instead of reading it: an agent writes the checks that the words ask for
    #[arg(long)]
    compile: bool,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    whom: Whom,
    /// Read it and print the spec; write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// GitHub's spec-kit: specs/<feature>/
    SpecKit,
    /// OpenSpec: openspec/specs/<capability>/, openspec/specs/, openspec/changes/<change>/
    #[value(name = "openspec")]
    OpenSpec,
    /// A spec of git otto: spec.json, a folder with it and `files/`, or what `show --json` printed
    OttoJson,
}

impl From {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
    }
}

/// A draft with what is told of it.
struct Read {
    draft: Draft,
    lost: Vec<Lost>,
}

/// A check that waits to be written.
#[derive(Serialize)]
struct Unproven<'a> {
    check: &'a str,
    proves: &'a [String],
    what: &'a str,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    from: String,
    digest: Sha256,
    /// None where nothing was written.
    commit: Option<Oid>,
    new: bool,
    guessed: &'a [String],
    unproven: Vec<Unproven<'a>>,
    not_carried: &'a [Lost],
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_json: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    if !args.dry_run {
        store.repo.identity(start.world.clock.now())?;
    }
    if args.wish.trials.is_some() && !args.compile {
        return Err(Failure::new(Exit::Usage, "--trials is for --compile").hint("leave it out, or add --compile"));
    }
    let path = start.world.env.cwd.join(&args.path);
    let Read { draft, lost } = match args.from {
        From::OttoJson => of_otto(start, &args, &path)?,
        From::SpecKit => of_tool(start, &store, &args, Tool::SpecKit, &path)?,
        From::OpenSpec => of_tool(start, &store, &args, Tool::OpenSpec, &path)?,
    };
    let digest = spec::digest(&draft.spec);
    let (commit, new, phase) = if args.dry_run {
        (None, false, Phase::Draft)
    } else {
        let reason = format!("Imported from {}: {}.", args.from.name(), one_line(&args.path.display().to_string(), 200));
        let (appended, phase) = source::record_as(&store, &draft, &reason).map_err(|e| taken(e, &draft.spec.id))?;
        (Some(appended.commit), appended.new, phase)
    };
    let id = &draft.spec.id;
    if start.ui.is_json() {
        let spec_json = args.dry_run.then(|| String::from_utf8_lossy(&spec::write(&draft.spec)).into_owned());
        start.ui.answer_json(&Answer {
            schema: "otto.import/1",
            spec: id,
            from: args.from.name(),
            digest,
            commit,
            new,
            guessed: &draft.guessed,
            unproven: unproven(&draft.spec),
            not_carried: &lost,
            spec_json,
        })?;
        return Ok(Exit::Done);
    }
    tell(start, &draft, &lost)?;
    let Some(commit) = commit else {
        start.ui.answer_bytes(&spec::write(&draft.spec))?;
        return Ok(Exit::Done);
    };
    let what = if new { "imported" } else { "unchanged" };
    let open = unproven(&draft.spec).len();
    let counts = [
        count(draft.spec.requirements.len(), "requirement"),
        count(draft.spec.slices.len(), "slice"),
        count(draft.spec.checks().count(), "check"),
        format!("{open} of them not written yet"),
    ]
    .join(", ");
    start.ui.answer(&format!("{what}: spec {id} at {}, {counts}\n", commit.short()))?;
    let next = match (phase, open) {
        (Phase::Draft, 0) => format!("next: git otto approve {id}"),
        (Phase::Draft, _) => format!("next: git otto edit {id}    (write those checks; until then it cannot be approved)"),
        _ => format!("next: git otto run {id}"),
    };
    start.ui.say(&next)?;
    Ok(Exit::Done)
}

/// Says what was guessed, what nothing proves, and what was not carried.
fn tell(start: &Start, draft: &Draft, lost: &[Lost]) -> Result<(), Failure> {
    for guess in &draft.guessed {
        start.ui.say(&format!("guessed: {guess}"))?;
    }
    for open in unproven(&draft.spec) {
        let proves = if open.proves.is_empty() { String::new() } else { format!(" ({})", open.proves.join(", ")) };
        start.ui.say(&format!("not proven: `{}`{proves}: {}", open.check, one_line(open.what, 160)))?;
    }
    for lost in lost {
        start.ui.say(&format!("not carried: {}: {} ({}); {}", lost.at, lost.what, lost.why, lost.advice))?;
    }
    Ok(())
}

fn unproven(spec: &Spec) -> Vec<Unproven<'_>> {
    let open = spec.checks().filter_map(|(_, c)| Some((c, c.kind.is_unwritten()?)));
    open.map(|(c, what)| Unproven { check: &c.id, proves: &c.proves, what }).collect()
}

/// An approved spec is changed in another way.
fn taken(failure: Failure, id: &SpecId) -> Failure {
    if failure.exit != Exit::Refused {
        return failure;
    }
    let hint = format!("to import it as another spec: --id <id>\nto change what was approved: git otto amend {id}");
    Failure { hint: Some(hint), ..failure }
}

/// A spec of git otto, byte for byte where those are its own bytes.
fn of_otto(start: &Start, args: &Args, path: &Path) -> Result<Read, Failure> {
    if args.compile || args.wish.kind.is_some() {
        let text = "--compile and --kind are for other tools: this is a spec already";
        return Err(Failure::new(Exit::Usage, text).hint("leave them out"));
    }
    let path = if path.is_dir() { path.join("spec.json") } else { path.to_owned() };
    let name = path.display().to_string();
    let bytes = source::read(&path)?;
    // What `show --json` prints holds the spec's own bytes as a text.
    let shown = json::parse(&bytes, json::Limits::RECORD).ok();
    let inner = shown.as_ref().and_then(|v| v.get("spec_json")?.as_str()).map(|text| text.as_bytes().to_vec());
    let mut draft = source::read_spec(start, inner.as_deref().unwrap_or(&bytes), &name, path.parent(), &BTreeMap::new())?;
    if let Some(id) = args.wish.id.clone().filter(|id| *id != draft.spec.id) {
        draft.guessed.push(format!("the id `{id}`, as you said, instead of `{}`: the digest is another one", draft.spec.id));
        draft.spec.id = id;
    }
    Ok(Read { draft: Draft { by: By::User, ..draft }, lost: Vec::new() })
}

/// A specification of another tool: read, or given to an agent as prose.
fn of_tool(start: &Start, store: &Store, args: &Args, tool: Tool, path: &Path) -> Result<Read, Failure> {
    let found = folder::find(tool, path, &args.path)?;
    if args.compile {
        return compiled(start, store, args, &found);
    }
    let go = |id: Option<&SpecId>| {
        let wanted = Wanted { id, kind: args.wish.kind, name: &found.name };
        import::read(tool, &found.documents, wanted).map_err(|e| no_import(start, e, &args.path))
    };
    let mut read = go(args.wish.id.as_ref())?;
    if args.wish.id.is_none() {
        let title = read.spec.title.clone();
        let free = source::free_id(store, &read.spec.id, &|stored| source::has_title(stored, &title))?;
        if free != read.spec.id {
            read = go(Some(&free))?;
        }
    }
    let name = format!("what {} says", args.path.display());
    let spec = spec::parse(&spec::write(&read.spec)).map_err(|errors| source::spec_errors(&name, &errors))?;
    let (files, cost, calls) = (Default::default(), None, Vec::new());
    Ok(Read { draft: Draft { spec, files, guessed: read.guessed, by: By::User, cost, calls }, lost: read.lost })
}

/// Has an agent compile the documents: they are its prose.
fn compiled(start: &Start, store: &Store, args: &Args, found: &folder::Found) -> Result<Read, Failure> {
    let (mut prose, mut lost) = (Vec::new(), Vec::new());
    for document in &found.documents {
        let Some(bytes) = &document.bytes else {
            lost.push(Lost {
                what: format!("the document {}", document.path),
                at: document.shown.clone(),
                why: "it is no Markdown".into(),
                advice: "keep it in the repository, where the agent can read it".into(),
            });
            continue;
        };
        let text = intent::prose_text(bytes, &document.shown);
        let text = text.map_err(|errors| source::intent_errors(start, &document.shown, &errors))?;
        prose.push(format!("File {}\n\n{text}", document.path));
    }
    let choices = Choices { whom: args.whom.clone(), ..Choices::default() };
    let draft = prose::compile(start, store, &prose.join("\n\n"), None, &args.wish, &choices)?;
    Ok(Read { draft, lost })
}

fn no_import(start: &Start, why: NoImport, path: &Path) -> Failure {
    let shown = path.display();
    match why {
        NoImport::Document(errors) => source::intent_errors(start, &errors.file_name.clone(), &errors),
        NoImport::Nothing => Failure::new(Exit::Invalid, format!("{shown} states no requirement and no task"))
            .hint("name the folder of one feature, capability or change; or: git otto import --compile …"),
        NoImport::NoId => Failure::new(Exit::Usage, format!("no id can be made of the name of {shown}")).hint("--id <id>"),
    }
}
