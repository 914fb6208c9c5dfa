//! How a person changes a spec: shared by `edit` and `amend`. Read what they give, judge it, show what it changes, store it.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId, json},
    baseline::take_along,
    cli::{
        Start,
        difference::{self, Effect},
        editor::{self, Kept},
        source, version,
        working_copy::{self, Copy, When},
    },
    spec::{
        amend::{self, Author, Fit, Judged, Wish},
        model::{Spec, change::changes, retire, tier::Tier},
    },
    store::{
        Store,
        record::{self, Kind, StoredSpec},
    },
};

/// The ways to say what a spec is to become; without one of them the editor is opened.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Input {
    /// Take the new version from FILE, in Markdown or JSON (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["set", "patch"])]
    file: Option<String>,
    /// Set one value by its JSON pointer, such as /title=Notes; a word that is no JSON is a text. May be repeated
    #[arg(long, value_name = "POINTER=JSON", conflicts_with = "patch")]
    set: Vec<String>,
    /// Apply a JSON Patch (RFC 6902) from FILE (- for standard input)
    #[arg(long, value_name = "FILE")]
    patch: Option<String>,
    /// What the editor shows [default: markdown]
    #[arg(long = "as", value_enum, value_name = "VIEW", conflicts_with_all = ["file", "set", "patch"])]
    pub(super) view: Option<View>,
    /// The version that the change was made from [default: what FILE says, else the newest one]
    #[arg(long, value_name = "VERSION")]
    base: Option<String>,
    /// Why
    #[arg(long, short = 'm', value_name = "REASON")]
    pub(super) reason: Option<String>,
    /// Show what would change; write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Write the checked-in copy of the spec, also where there is none yet
    #[arg(long)]
    write: bool,
}

/// What the editor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// The spec as an intent, with the code that its slices carry.
    Markdown,
    /// The spec as it is stored.
    Json,
}

/// What kind of change it is.
pub struct Manner {
    /// An edit, an amendment or a retirement.
    pub kind: Kind,
    /// Requirements to be retired.
    pub retire: Vec<String>,
    /// Whether the intent is changed on purpose.
    pub override_intent: bool,
    /// Whether it is part of an approval, which asks again by itself.
    pub is_asked: bool,
}

/// What a person wants a spec to be.
pub struct Proposal {
    /// The spec.
    pub after: Spec,
    /// Contents that it names.
    pub files: BTreeMap<Sha256, Vec<u8>>,
    /// The version that they read.
    pub base: Oid,
    /// Why.
    pub reason: String,
    /// The checked-in copy that it was read from.
    pub copy: Option<Vec<u8>>,
}

/// The spec that is changed, and how.
pub struct Task<'a> {
    /// The store.
    pub store: &'a Store,
    /// Which spec.
    pub id: &'a SpecId,
    /// The version that the person reads.
    pub base: Oid,
    /// That version.
    pub before: Spec,
    /// The same as it is stored.
    pub stored: StoredSpec,
    /// What kind of change it is.
    pub manner: &'a Manner,
    /// How it is given.
    pub input: &'a Input,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    kind: &'static str,
    /// The record that holds it now; none of a dry run.
    commit: Option<Oid>,
    /// Whether that record is new.
    new: bool,
    tier: Option<u8>,
    changes: Vec<difference::Line>,
    next_run: Option<Effect>,
    working_copy: Copy,
}

/// Changes a spec as a person says.
pub fn revise(start: &Start, id: &SpecId, input: &Input, manner: &Manner) -> Result<Exit, Failure> {
    let store = start.store()?;
    if !input.dry_run {
        store.repo.identity(start.world.clock.now())?;
    }
    working_copy::place(&store.repo, When::asked(input.write))?;
    let base = match &input.base {
        Some(name) => {
            let found = version::find(&store.repo, Some(name))?;
            if found.spec != *id {
                let text = format!("{name} is a version of {}, not of {id}", found.spec);
                return Err(Failure::new(Exit::Usage, text).hint(format!("git otto log {id}")));
            }
            found.commit
        }
        None => version::find(&store.repo, Some(id.as_str()))?.commit,
    };
    let (before, stored) = version::load(&store.repo, base)?;
    let task = Task { store: &store, id, base, before, stored, manner, input };
    match task.proposal(start)? {
        Some(proposal) => task.finish(start, proposal, None),
        None => editor::change(start, &task),
    }
}

impl Task<'_> {
    /// What the person wants, as far as they said it on the command line.
    fn proposal(&self, start: &Start) -> Result<Option<Proposal>, Failure> {
        let input = self.input;
        let reason = input.reason.clone().unwrap_or_default();
        let given = |after: Spec| {
            let (files, reason) = (BTreeMap::new(), reason.clone());
            Proposal { after, files, base: self.base, reason, copy: None }
        };
        if !self.manner.retire.is_empty() {
            let after = retire::retire(&self.before, &self.manner.retire).map_err(|why| {
                let message = format!("{} cannot be retired as the spec stands", self.manner.retire.join(" and "));
                let hint = format!("git otto show {}", self.id);
                Failure { exit: Exit::Invalid, message, causes: why, hint: Some(hint) }
            })?;
            return Ok(Some(given(after)));
        }
        if !input.set.is_empty() {
            let mut value = self.value()?;
            input.set.iter().try_for_each(|one| set(&mut value, one))?;
            return Ok(Some(given(self.read_value(start, &value)?)));
        }
        if let Some(name) = &input.patch {
            let (bytes, _) = source::read_named(start, name)?;
            let patch: json_patch::Patch = json::read(&bytes, json::Limits::RECORD).map_err(|e| {
                Failure::new(Exit::Invalid, format!("{name} is no JSON Patch: {e}"))
                    .hint(r#"RFC 6902, such as [{"op":"replace","path":"/title","value":"Notes"}]"#)
            })?;
            let mut value = self.value()?;
            json_patch::patch(&mut value, &patch).map_err(|e| {
                Failure::new(Exit::Invalid, format!("{name} cannot be applied: {e}"))
                    .hint(format!("git otto show {} --json", self.id))
            })?;
            return Ok(Some(given(self.read_value(start, &value)?)));
        }
        let Some(name) = &input.file else { return Ok(None) };
        let (bytes, folder) = source::read_named(start, name)?;
        let mut proposal = self.read(start, &bytes, name, folder.as_deref())?;
        if working_copy::is_meant(start, &self.store.repo, self.id, name) {
            if input.base.is_none() && proposal.base == self.base {
                proposal.base = working_copy::base(&self.store.repo, self.id, self.base)?.unwrap_or(self.base);
            }
            proposal.copy = Some(bytes);
        }
        Ok(Some(proposal))
    }

    /// The spec as a value that pointers lead into.
    fn value(&self) -> Result<Value, Failure> {
        Ok(json::parse(&self.stored.spec_bytes, json::Limits::RECORD)?)
    }

    fn read_value(&self, start: &Start, value: &Value) -> Result<Spec, Failure> {
        let bytes = serde_json::to_vec(value).map_err(json::Error::from)?;
        source::parse(start, &bytes, "what comes out")
    }

    /// Reads a new version of the spec, with what [`editor`] wrote above it where that is there.
    pub fn read(&self, start: &Start, bytes: &[u8], name: &str, folder: Option<&Path>) -> Result<Proposal, Failure> {
        let head = editor::Head::of(bytes);
        let base = match head.base {
            Some(base) if self.input.base.is_none() => base,
            _ => self.base,
        };
        let is_json = head.body.trim_ascii_start().starts_with(b"{");
        let mut draft = match is_json {
            true => source::read_spec(start, &head.body, name, folder, &self.stored.files)?,
            false => source::compile(start, self.store, &head.body, name, Some(self.id))?,
        };
        // A view of the spec shows what it keeps of the base, and who takes that out there means it; an intent has none of it.
        if !is_json && head.base.is_none() {
            take_along(&self.before, &mut draft.spec);
        }
        for guess in &draft.guessed {
            start.ui.say(&format!("guessed: {guess}"))?;
        }
        let reason = self.input.reason.clone().filter(|_| head.reason.is_empty()).unwrap_or(head.reason);
        Ok(Proposal { after: draft.spec, files: draft.files, base, reason, copy: None })
    }

    /// Judges what a person wants and stores it; `kept` is the file that they wrote it in.
    pub fn finish(&self, start: &Start, mut proposal: Proposal, kept: Option<&Kept>) -> Result<Exit, Failure> {
        let (repo, input) = (&self.store.repo, self.input);
        let changes_something = record::tip(repo, self.id)? != Some(proposal.base) || proposal.after != self.before;
        if proposal.reason.trim().is_empty() && self.manner.kind != Kind::Edit && changes_something {
            if input.dry_run {
                proposal.reason = "Not yet given.".into();
            } else if kept.is_none() && start.ui.can_ask() {
                let found = changes(&self.before, &proposal.after);
                start.ui.say(difference::text(start, &found, "").trim_end())?;
                proposal.reason = start.ui.ask("why? ")?;
            }
        }
        let wish = Wish {
            spec: self.id,
            base: proposal.base,
            after: proposal.after,
            files: proposal.files,
            kind: self.manner.kind,
            author: Author::User { override_intent: self.manner.override_intent },
            reason: proposal.reason,
        };
        let (commit, fit) = match amend::judge(repo, wish)? {
            Judged::Unchanged(commit) => (Some(commit), None),
            Judged::Fit(fit) if input.dry_run => (None, Some(fit)),
            Judged::Fit(fit) => (Some(fit.append(self.store)?), Some(fit)),
        };
        if let Some(kept) = kept {
            kept.remove();
        }
        let copy = match commit {
            Some(commit) if !input.dry_run && self.manner.kind != Kind::Edit => {
                let when = When::asked(input.write);
                let stored = record::load(repo, commit)?;
                working_copy::update(start, repo, self.id, &stored, proposal.copy.as_deref(), when)?
            }
            _ => Copy::None,
        };
        self.tell(start, commit, fit.as_deref(), copy)
    }

    fn tell(&self, start: &Start, commit: Option<Oid>, fit: Option<&Fit<'_>>, copy: Copy) -> Result<Exit, Failure> {
        let (id, kind) = (self.id, self.manner.kind);
        let found = fit.map(|fit| changes(&fit.before, &fit.after)).unwrap_or_default();
        let effect = fit.map(|fit| Effect::of(&fit.before, &fit.after));
        let tier = fit.and_then(|fit| fit.tier).map(Tier::number);
        if start.ui.is_json() {
            start.ui.answer_json(&Answer {
                schema: if kind == Kind::Edit { "otto.edit/1" } else { "otto.amend/1" },
                spec: id,
                kind: kind.word(),
                commit,
                new: commit.is_some() && fit.is_some(),
                tier,
                changes: difference::lines(&found),
                next_run: effect,
                working_copy: copy,
            })?;
            return Ok(Exit::Done);
        }
        if let Some(joined) = fit.and_then(|fit| fit.joined) {
            let text = format!("the spec has moved on to {} since: both changes go together", joined.short());
            start.ui.say(&text)?;
        }
        start.ui.answer(&difference::text(start, &found, ""))?;
        let tier = tier.map(|t| format!(", tier {t}")).unwrap_or_default();
        let at = commit.as_ref().map(Oid::short).unwrap_or_default();
        let word = match kind {
            Kind::Edit => "edited",
            Kind::Retire => "retired",
            _ => "amended",
        };
        match (fit, commit) {
            (None, _) => start.ui.answer(&format!("unchanged: spec {id} says that already ({at})\n"))?,
            (_, None) => start.ui.answer(&format!("would be {word}: spec {id}{tier}; nothing was written\n"))?,
            _ => start.ui.answer(&format!("{word}: spec {id} at {at}{tier}\n"))?,
        }
        if kind != Kind::Edit
            && let Some(effect) = &effect
        {
            start.ui.say(&effect.sentence())?;
        }
        if let (Some(_), Some(_), false) = (fit, commit, self.manner.is_asked) {
            let next = if kind == Kind::Edit { "approve" } else { "run" };
            start.ui.say(&format!("next: git otto {next} {id}"))?;
        }
        Ok(Exit::Done)
    }
}

/// Sets one value: what is there is replaced, what is not is added.
fn set(spec: &mut Value, one: &str) -> Result<(), Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("--set {one:?}: {why}"))
            .hint("--set <pointer>=<json>, such as --set '/slices/0/tasks/-=Keep it short.'")
    };
    let (pointer, value) = one.split_once('=').ok_or_else(|| wrong("there is no =".into()))?;
    let value = match json::parse(value.as_bytes(), json::Limits::RECORD) {
        Ok(value) => value,
        // What was meant as JSON is not silently a text.
        Err(e) if value.trim_start().starts_with(['{', '[', '"']) => return Err(wrong(format!("no JSON: {e}"))),
        Err(_) => Value::from(value),
    };
    let (pointer, value) = match pointer.strip_suffix("/-") {
        // What is empty is left out of a spec: its first entry makes it.
        Some(list) if spec.pointer(list).is_none() => (list, Value::from(vec![value])),
        _ => (pointer, value),
    };
    let op = if spec.pointer(pointer).is_some() { "replace" } else { "add" };
    let patch = serde_json::json!([{"op": op, "path": pointer, "value": value}]);
    let patch: json_patch::Patch = serde_json::from_value(patch)
        .map_err(|_| wrong(format!("{pointer:?} is no JSON pointer: one begins with / and has ~ only as ~0 and ~1")))?;
    json_patch::patch(spec, &patch).map_err(|_| {
        let above = pointer.rsplit_once('/').map_or("", |(above, _)| above);
        wrong(format!("there is no {}", if spec.pointer(above).is_none() { above } else { pointer }))
    })
}
