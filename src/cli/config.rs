//! `git otto config`: every key with its type, its default, its value and where that is set.

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure,
        keys::{self, KEYS, Key, Takes},
        text::one_line,
    },
    cli::Start,
    git::{Repo, Setting},
    output::Style,
};

/// List every key of the configuration, say one, or set one in this repository.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which key [default: all]
    #[arg(value_name = "KEY", conflicts_with = "list")]
    key: Option<String>,
    /// What to set it to, in this repository; for all of them: git config --global
    #[arg(value_name = "VALUE", requires = "key")]
    value: Option<String>,
    /// List all keys
    #[arg(long, short)]
    list: bool,
    /// Say what would be set; write nothing
    #[arg(long, short = 'n', requires = "value")]
    dry_run: bool,
}

/// A key as it stands here.
#[derive(Serialize)]
struct Line {
    key: &'static str,
    #[serde(rename = "type")]
    takes: String,
    default: Option<&'static str>,
    /// What counts; several where each counts.
    values: Vec<String>,
    /// Where that is set; none of a default.
    scope: Option<String>,
    origin: Option<String>,
    says: &'static str,
}

/// Something that is set and does not count.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What is wrong, with the place.
    pub text: String,
    /// The command that mends it.
    pub mend: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    keys: &'a [Line],
    notes: &'a [Note],
    /// Whether a value was written.
    written: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let Some(name) = &args.key else {
        let settings = repo.settings("otto")?;
        let lines: Vec<Line> = KEYS.iter().map(|key| line(key, &settings)).collect();
        return list(start, &lines, &notes_on(&settings));
    };
    let key = keys::find(name).ok_or_else(|| Failure::new(Exit::Usage, keys::unknown(name)).hint("git otto config"))?;
    if let Some(value) = &args.value {
        return set(start, &repo, key, value, args.dry_run);
    }
    let line = line(key, &repo.settings("otto")?);
    if start.ui.is_json() {
        let keys = &[line];
        start.ui.answer_json(&Answer { schema: "otto.config/1", keys, notes: &[], written: false })?;
        return Ok(Exit::Done);
    }
    for value in &line.values {
        start.ui.answer(&format!("{}\n", one_line(value, 1000)))?;
    }
    let from = match (&line.scope, &line.origin) {
        (Some(scope), Some(origin)) => format!("{scope}, {}", one_line(origin, 200)),
        _ if line.values.is_empty() => "not set, and there is no default".into(),
        _ => "the default".into(),
    };
    start.ui.say(&format!("{}: {}, {} ({from})", key.name, key.takes.words(), key.says))?;
    Ok(Exit::Done)
}

/// What is set in the section and does not count: no such key, or not for a repository to say.
pub fn notes(repo: &Repo) -> Result<Vec<Note>, Failure> {
    Ok(notes_on(&repo.settings("otto")?))
}

fn notes_on(settings: &[Setting]) -> Vec<Note> {
    let mut notes = Vec::new();
    for s in settings {
        let (place, mend) = match s.scope.as_str() {
            "tracked" => (s.origin.clone(), format!("remove it from {}", s.origin.trim_start_matches("HEAD:"))),
            "command" => (s.origin.clone(), "leave it out".to_owned()),
            scope => (s.origin.clone(), format!("git config --{scope} --unset-all {}", s.key)),
        };
        let place = one_line(&place, 200);
        let note = match keys::find(&s.key) {
            None => Note { text: format!("{} ({place})", keys::unknown(&s.key)), mend },
            Some(key) if s.scope == "tracked" && !key.is_shared => Note {
                text: format!("{} is not for a repository to set, and does not count in {place}", key.name),
                mend: format!("git config {} {}    (if you want it yourself)", key.name, quoted(&s.value)),
            },
            Some(key) if !key.takes.allows(&s.value) => Note {
                text: format!("{} is {:?} in {place}, and takes {}", key.name, one_line(&s.value, 80), key.takes.words()),
                mend,
            },
            Some(_) => continue,
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn quoted(value: &str) -> String {
    shlex::try_quote(value).map(|q| q.into_owned()).unwrap_or_else(|_| "…".into())
}

fn line(key: &'static Key, settings: &[Setting]) -> Line {
    let is_it = |s: &&Setting| s.key.eq_ignore_ascii_case(key.name) && (s.scope != "tracked" || key.is_shared);
    let found: Vec<&Setting> = settings.iter().filter(is_it).collect();
    let default = Some(key.default).filter(|d| !d.is_empty());
    let counts: &[&Setting] = match (key.takes, found.len()) {
        (_, 0) => &[],
        (Takes::Many, _) => &found,
        (_, n) => &found[n - 1..],
    };
    let values = match counts {
        [] => default.map(str::to_owned).into_iter().collect(),
        some => some.iter().map(|s| s.value.clone()).collect(),
    };
    let last = counts.last();
    let (scope, origin) = (last.map(|s| s.scope.clone()), last.map(|s| s.origin.clone()));
    Line { key: key.name, takes: key.takes.words(), default, values, scope, origin, says: key.says }
}

fn list(start: &Start, lines: &[Line], notes: &[Note]) -> Result<Exit, Failure> {
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.config/1", keys: lines, notes, written: false })?;
        return Ok(Exit::Done);
    }
    let width = lines.iter().map(|l| l.key.len()).max().unwrap_or(0);
    for l in lines {
        let value = if l.values.is_empty() { "-".to_owned() } else { one_line(&l.values.join(", "), 60) };
        let from = match (&l.scope, &l.origin) {
            (Some(scope), Some(origin)) => {
                let set = format!("{scope}: {}", one_line(origin.trim_start_matches("file:"), 120));
                match l.default {
                    Some(default) => format!("{set}; default {default}"),
                    None => set,
                }
            }
            _ if l.values.is_empty() => "not set".to_owned(),
            _ => "default".to_owned(),
        };
        let value = start.ui.paint_answer(if l.scope.is_some() { Style::Bold } else { Style::Dim }, &format!("{value:8}"));
        start.ui.answer(&format!("{:width$}  {value}  {}  ({from})\n", l.key, l.takes))?;
    }
    tell(start, notes)?;
    Ok(Exit::Done)
}

/// Says what is set in vain. An answer in JSON has the notes inside, and an error is the only thing on standard error.
pub fn tell(start: &Start, notes: &[Note]) -> Result<(), Failure> {
    if start.ui.is_json() {
        return Ok(());
    }
    for note in notes {
        start.ui.say(&format!("{} {}", start.ui.paint(Style::Warn, "warning:"), note.text))?;
        start.ui.say(&format!("{} {}", start.ui.paint(Style::Warn, "hint:"), note.mend))?;
    }
    Ok(())
}

fn set(start: &Start, repo: &Repo, key: &'static Key, value: &str, dry_run: bool) -> Result<Exit, Failure> {
    if !key.takes.allows(value) {
        let text = format!("{} takes {}, and not {:?}", key.name, key.takes.words(), one_line(value, 80));
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto config {}", key.name)));
    }
    if !dry_run {
        match key.takes {
            Takes::Many => repo.add_config(key.name, value)?,
            _ => repo.set_config(key.name, value)?,
        }
    }
    if start.ui.is_json() {
        let keys = &[line(key, &repo.settings("otto")?)];
        start.ui.answer_json(&Answer { schema: "otto.config/1", keys, notes: &[], written: !dry_run })?;
        return Ok(Exit::Done);
    }
    let what = if dry_run { "would be set" } else { "set" };
    start.ui.answer(&format!("{what}: {} = {}, in this repository\n", key.name, one_line(value, 200)))?;
    Ok(Exit::Done)
}
