//! From what a person typed to a draft spec: an intent file, standard input, a spec as JSON, the id of a spec, or prose.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    agent::Recorded,
    base::{Cost, Exit, Failure, RunId, Sha256, SpecId, text::one_line},
    cli::{Start, expressions},
    intent,
    spec::{self, model::Spec},
    store::{
        Store,
        record::{self, Appended, By, Content, Kind, NewRecord, Phase, StoredSpec},
        run,
    },
};

/// The largest intent or spec that is read.
const MAX: u64 = 16 << 20;

/// What a person named.
pub enum Source {
    /// A text with the name to show for it, and the folder that its files are in.
    Text(Vec<u8>, String, Option<PathBuf>),
    /// What is wanted, in a person's own words.
    Prose(String),
    /// A spec of this repository.
    Spec(SpecId),
}

/// A spec, not yet in the repository.
pub struct Draft {
    /// The spec.
    pub spec: Spec,
    /// The contents that it names.
    pub files: BTreeMap<Sha256, Vec<u8>>,
    /// What the compiler guessed.
    pub guessed: Vec<String>,
    /// Who wrote it.
    pub by: By,
    /// What that cost, where an agent did.
    pub cost: Option<Cost>,
    /// The calls of that agent.
    pub calls: Vec<Recorded>,
}

/// Finds out what `name` is: `-` for standard input, the id of a spec, an existing file, else prose. A product is often
/// named like its spec: then the bare word is the spec, and `./<name>` the file.
pub fn resolve(start: &Start, store: &Store, name: &str, prose: bool) -> Result<Source, Failure> {
    if name == "-" {
        let bytes = read_input()?;
        return match prose {
            true => prose_of(start, &bytes, "<stdin>"),
            false => Ok(Source::Text(bytes, "<stdin>".into(), None)),
        };
    }
    if prose {
        return prose_of(start, name.as_bytes(), "<argument>");
    }
    if let Ok(id) = name.parse::<SpecId>()
        && record::tip(&store.repo, &id)?.is_some()
    {
        return Ok(Source::Spec(id));
    }
    let path = start.world.env.cwd.join(name);
    if path.is_file() {
        let folder = path.parent().map(Path::to_owned);
        return Ok(Source::Text(read(&path)?, name.to_owned(), folder));
    }
    let looks_like_path = !name.contains(char::is_whitespace) && (name.contains('/') || name.contains('.'));
    if looks_like_path || name.parse::<SpecId>().is_ok() {
        return Err(nothing(store, &path, name)?);
    }
    prose_of(start, name.as_bytes(), "<argument>")
}

/// What a word is that names nothing to run, and what may have been meant.
fn nothing(store: &Store, path: &Path, name: &str) -> Result<Failure, Failure> {
    let shown = one_line(name, 200);
    if path.is_dir() {
        let text = format!("{shown:?} is a folder, and an intent is a file");
        return Ok(Failure::new(Exit::Usage, text).hint("git otto run <file in it>"));
    }
    if let Ok(run) = name.parse::<RunId>()
        && run::list(&store.repo, Some(run.spec()))?.contains(&run)
    {
        let text = format!("{shown} is a run, and what is run is an intent or a spec");
        return Ok(Failure::new(Exit::Usage, text)
            .hint(format!("git otto resume {run}    (goes on with it)\ngit otto run {}    (its spec)", run.spec())));
    }
    let text = format!("{shown:?} is neither a file nor a spec of this repository");
    let specs = record::list(&store.repo)?;
    let alike = |id: &SpecId| strsim::damerau_levenshtein(id.as_str(), name);
    let meant = specs.iter().map(|(id, _)| id).min_by_key(|id| alike(id)).filter(|id| alike(id) <= 2);
    let hint = match meant {
        Some(id) => format!("git otto run {id}"),
        None => "git otto status    (lists the specs)".to_owned(),
    };
    Ok(Failure::new(Exit::Usage, text).hint(hint))
}

/// Takes a text for prose where it has no sentence of an intent.
pub fn settle(start: &Start, source: Source) -> Result<Source, Failure> {
    match source {
        Source::Text(text, name, _) if !is_json(&name) && intent::is_prose(&text) => prose_of(start, &text, &name),
        other => Ok(other),
    }
}

fn prose_of(start: &Start, text: &[u8], name: &str) -> Result<Source, Failure> {
    let prose = intent::prose_text(text, name).map_err(|errors| intent_errors(start, name, &errors))?;
    if prose.is_empty() {
        let text = format!("{name} is empty, and an intent says what is wanted");
        return Err(Failure::new(Exit::Invalid, text).hint("git otto new    (writes an intent to start from)"));
    }
    Ok(Source::Prose(prose))
}

fn read_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX + 1).read_to_end(&mut bytes)?;
    bounded(bytes, "standard input")
}

/// Reads what a person names: a file, with the folder that it is in, or `-` for standard input.
pub fn read_named(start: &Start, name: &str) -> Result<(Vec<u8>, Option<PathBuf>), Failure> {
    if name == "-" {
        return Ok((read_input()?, None));
    }
    let path = start.world.env.cwd.join(name);
    Ok((read(&path)?, path.parent().map(Path::to_owned)))
}

/// Reads a file of bounded size.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |e: std::io::Error| {
        use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
        // The user named another file than they meant, or the disk failed.
        let is_theirs = matches!(e.kind(), NotFound | NotADirectory | IsADirectory | PermissionDenied);
        let exit = if is_theirs { Exit::Usage } else { Exit::Internal };
        Failure::new(exit, format!("cannot read {}: {e}", path.display()))
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(MAX + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    bounded(bytes, &path.display().to_string())
}

fn bounded(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Failure> {
    if bytes.len() as u64 > MAX {
        let text = format!("{what} is larger than {} MiB", MAX >> 20);
        return Err(Failure::new(Exit::Invalid, text).hint("split it: one spec a product, large files outside of it"));
    }
    Ok(bytes)
}

/// Reads a spec as JSON where the name says so, and compiles an intent in Markdown otherwise.
pub fn draft(
    start: &Start,
    store: &Store,
    text: &[u8],
    name: &str,
    folder: Option<&Path>,
    id: Option<&SpecId>,
) -> Result<Draft, Failure> {
    match is_json(name) {
        true => read_spec(start, text, name, folder, &BTreeMap::new()),
        false => compile(start, store, text, name, id),
    }
}

/// Whether what has that name is a spec as JSON.
pub fn is_json(name: &str) -> bool {
    name.ends_with(".json")
}

/// Compiles an intent in Markdown. The id is the one given, else that of the spec of the same title, else the slug of
/// the title, numbered where another spec has it.
pub fn compile(start: &Start, store: &Store, text: &[u8], name: &str, id: Option<&SpecId>) -> Result<Draft, Failure> {
    let go = |id: Option<&SpecId>| -> Result<intent::Compiled, Failure> {
        let told = |errors| intent_errors(start, name, &errors);
        let compiled = intent::compile(text, name, id).map_err(told)?;
        let errors = match spec::parse(&spec::write(&compiled.spec)) {
            Ok(spec) => expressions::faults(&start.world, &spec)?,
            Err(errors) => errors,
        };
        if errors.is_empty() {
            return Ok(compiled);
        }
        Err(told(compiled.refuse(errors.into_iter().map(|e| (e.pointer, e.message)))))
    };
    let mut compiled = go(id)?;
    if id.is_none() {
        let slug = compiled.spec.id.clone();
        let title = &compiled.spec.title;
        let free = free_id(store, &slug, &|stored| has_title(stored, title))?;
        if free != slug {
            compiled = go(Some(&free))?;
        }
    }
    Ok(Draft {
        spec: compiled.spec,
        files: compiled.files,
        guessed: compiled.guessed,
        by: By::Otto,
        cost: None,
        calls: Vec::new(),
    })
}

/// What is wrong with an intent: shown at its places, or in one value.
pub fn intent_errors(start: &Start, name: &str, errors: &intent::IntentErrors) -> Failure {
    let n = errors.list.len() + errors.more;
    let message = format!("{name} has {n} error{}", if n == 1 { "" } else { "s" });
    if !start.ui.is_json() {
        let _ = start.ui.say(&errors.render(start.ui.is_colored()));
    }
    let causes = match start.ui.is_json() {
        true => errors.list.iter().map(|e| format!("{}:{}: {}", e.line, e.column, e.message)).collect(),
        false => Vec::new(),
    };
    Failure { exit: Exit::Invalid, message, causes, hint: Some("the format: docs/intent.md".into()) }
}

/// Whether a stored spec has that title.
pub fn has_title(stored: &StoredSpec, title: &str) -> bool {
    spec::parse(&stored.spec_bytes).is_ok_and(|s| s.title == title)
}

/// The first id of a slug that is free, or whose spec is meant.
pub fn free_id(store: &Store, slug: &SpecId, is_meant: &dyn Fn(&StoredSpec) -> bool) -> Result<SpecId, Failure> {
    let mut id = slug.clone();
    for n in 2..1000 {
        let Some(tip) = record::tip(&store.repo, &id)? else { return Ok(id) };
        let stored = record::load(&store.repo, tip)?;
        if is_meant(&stored) {
            return Ok(id);
        }
        id = slug.numbered(n);
    }
    let text = format!("a thousand specs are named {slug}");
    Err(Failure::new(Exit::Usage, text).hint("name it: --id <id>"))
}

/// Reads a spec as JSON; the contents that it names are known, or looked for in `files/<sha256>` beside it.
pub fn read_spec(
    start: &Start,
    bytes: &[u8],
    name: &str,
    folder: Option<&Path>,
    known: &BTreeMap<Sha256, Vec<u8>>,
) -> Result<Draft, Failure> {
    let spec = parse(start, bytes, name)?;
    let mut files = BTreeMap::new();
    for digest in spec.contents() {
        let path = folder.map(|f| f.join("files").join(digest.to_string()));
        let beside = || path.filter(|p| p.is_file()).map(|p| read(&p)).transpose();
        let content = known.get(&digest).cloned().map_or_else(beside, |known| Ok(Some(known)))?;
        let content = content.filter(|c| Sha256::of(c) == digest).ok_or_else(|| {
            let text = format!("{name} names the content {digest}, and files/{digest} beside it does not hold it");
            Failure::new(Exit::Invalid, text)
        })?;
        files.insert(digest, content);
    }
    Ok(Draft { spec, files, guessed: Vec::new(), by: By::Otto, cost: None, calls: Vec::new() })
}

/// Reads a spec of which every expression is one.
pub fn parse(start: &Start, bytes: &[u8], name: &str) -> Result<Spec, Failure> {
    let spec = spec::parse(bytes).map_err(|errors| spec_errors(name, &errors))?;
    match expressions::faults(&start.world, &spec)? {
        faults if faults.is_empty() => Ok(spec),
        faults => Err(spec_errors(name, &faults)),
    }
}

/// What is wrong with a spec, all of it.
pub fn spec_errors(name: &str, errors: &[spec::SpecError]) -> Failure {
    let n = errors.len();
    let message = format!("{name} is no valid spec: {n} error{}", if n == 1 { "" } else { "s" });
    let causes = errors.iter().map(|e| e.to_string()).collect();
    Failure { exit: Exit::Invalid, message, causes, hint: Some("git otto schema spec".into()) }
}

/// Records a draft in the history of its spec, unless that says the same already.
pub fn record(store: &Store, draft: &Draft) -> Result<(Appended, Phase), Failure> {
    let reason = match &draft.by {
        By::Agent { provider, .. } => format!("Compiled from prose by {provider}."),
        _ => "Compiled from the intent.".to_owned(),
    };
    record_as(store, draft, &reason)
}

/// The same, with a reason of one's own.
pub fn record_as(store: &Store, draft: &Draft, reason: &str) -> Result<(Appended, Phase), Failure> {
    let id = &draft.spec.id;
    let bytes = spec::write(&draft.spec);
    let tip = record::tip(&store.repo, id)?;
    if let Some(tip) = tip {
        let stored = record::load(&store.repo, tip)?;
        let phase = stored.record.kind.phase();
        let same = stored.spec_bytes == bytes && stored.files == draft.files;
        if same {
            return Ok((Appended { commit: tip, new: false }, phase));
        }
        if phase == Phase::Closed {
            let text = format!("the spec {id} is closed: it is finished, and does not change any more");
            return Err(Failure::new(Exit::Refused, text).hint("git otto run --id <another id> <intent>"));
        }
        if phase != Phase::Draft {
            let text = format!("the spec {id} is approved, and this is not what was approved");
            let hint = format!(
                "to change what was approved: git otto run <intent> -m <reason>\n\
                 to build what was approved: git otto run {id}\nto start another spec: git otto run --id <id> …"
            );
            return Err(Failure::new(Exit::Refused, text).hint(hint));
        }
    }
    let content = Content { spec: &bytes, files: &draft.files };
    let new = NewRecord {
        kind: Kind::Compile,
        by: draft.by.clone(),
        title: &draft.spec.title,
        reason,
        trigger: None,
        tier: None,
        content: Some(content),
        cost: draft.cost,
        merges: None,
    };
    Ok((record::append(store, id, new, tip)?, Phase::Draft))
}
