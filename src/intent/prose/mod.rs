//! Prose: an agent turns it into a spec, and deterministic code judges what it wrote.
//!
//! What a spec is, is not known here: how one is read and how two differ comes in as functions.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    agent::{
        Agent, Bounds, Role,
        answer::{self, Listener, NoAnswer, Question},
        prompt::{self, Prompts},
    },
    base::{Cost, Exit, Failure, SpecId, World},
    spec::model::{ProjectKind, SCHEMA, Spec},
};

mod map;

pub use map::map;

/// A spec for another product, as an agent would answer it.
pub const EXAMPLE: &str = include_str!("example.json");

/// The tag that the answer may stand in.
const TAG: &str = "spec_json";

/// How often an answer that is not valid goes back.
const REPAIRS: u32 = 2;

/// Characters of prose; the schema of specs takes as many.
const LONGEST: usize = 200_000;

/// Reads a spec, or tells everything that is wrong with it, each with its place.
pub type Read<'a> = dyn Fn(&[u8]) -> Result<Spec, Vec<String>> + Send + Sync + 'a;

/// What two specs fix differently, one sentence each; the names say which is which.
pub type Differences<'a> = dyn Fn(&Spec, &Spec, (&str, &str)) -> Vec<String> + Send + Sync + 'a;

/// What is known of specs elsewhere.
pub struct Rules<'a> {
    /// The JSON Schema of the answer.
    pub schema: &'a Value,
    /// The kinds of check that can be run.
    pub check_kinds: &'a [&'a str],
    /// Reads a spec.
    pub read: &'a Read<'a>,
    /// Tells two specs apart.
    pub differences: &'a Differences<'a>,
}

/// What is to be compiled.
pub struct Ask<'a> {
    /// The user's prose; the spec keeps it word for word.
    pub prose: &'a str,
    /// The id of the spec, where the user named it.
    pub id: Option<&'a SpecId>,
    /// The kind of product, where the user named it.
    pub kind: Option<ProjectKind>,
    /// A spec that was written before, as JSON, and what the user says of it, where they want another one.
    pub again: Option<(&'a str, &'a str)>,
    /// An overview of the repository, where there is anything in it.
    pub map: Option<&'a str>,
    /// How many agents are asked, independently; they must agree.
    pub trials: u32,
}

/// Where the agent looks around, and what is kept of it.
pub struct Place<'a> {
    /// A clean checkout of the repository, or an empty folder.
    pub dir: &'a Path,
    /// A folder beside it.
    pub scratch: &'a Path,
    /// The folder for conversations that this program keeps itself.
    pub sessions: &'a Path,
    /// The file for what each call printed, by trial and call.
    pub transcript: &'a (dyn Fn(u32, u32) -> PathBuf + Send + Sync),
}

/// Who compiles, and by what rules.
pub struct Compiler<'a> {
    /// The outside world, confined.
    pub world: &'a World,
    /// Who writes the spec.
    pub agent: &'a Agent,
    /// What it is told.
    pub prompts: &'a Prompts,
    /// What a spec is.
    pub rules: Rules<'a>,
    /// Where it works.
    pub place: Place<'a>,
    /// What all calls together may cost, and each may take.
    pub bounds: Bounds,
    /// Who is told what it does.
    pub listener: &'a Listener<'a>,
}

/// A spec that an agent wrote.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The spec; it carries no files.
    pub spec: Spec,
    /// What the agent was not told and chose, a phrase each.
    pub guessed: Vec<String>,
    /// What all calls cost.
    pub cost: Cost,
}

impl Compiler<'_> {
    /// Has the agent write the spec. Several trials must fix the same, and the first one is taken.
    pub async fn compile(&self, ask: &Ask<'_>) -> Result<Compiled, Failure> {
        checked(ask.prose)?;
        let schema = serde_json::to_string(self.rules.schema).map_err(std::io::Error::from)?;
        let prompt = self.prompts.compile(&prompt::Compile {
            intent: ask.prose,
            kind: ask.kind.map(ProjectKind::name),
            draft: ask.again.map(|(draft, _)| draft),
            remark: ask.again.map(|(_, remark)| remark),
            map: ask.map,
            schema: &schema,
            example: EXAMPLE,
            check_kinds: self.rules.check_kinds,
        })?;
        let mut cost = Cost::default();
        let mut specs: Vec<Spec> = Vec::new();
        for trial in 1..=ask.trials.max(1) {
            specs.push(self.trial(ask, trial, &prompt, &mut cost).await?);
        }
        let differences: Vec<String> = specs
            .iter()
            .enumerate()
            .skip(1)
            .flat_map(|(i, other)| {
                let name = format!("trial {}", i + 1);
                specs
                    .first()
                    .map(|first| (self.rules.differences)(first, other, ("trial 1", &name)))
                    .unwrap_or_default()
            })
            .collect();
        if !differences.is_empty() {
            let message = format!("{} compiles of one intent differ in what is to be built", specs.len());
            let hint = "say in the intent what they differ in, or compile once: without --trials";
            return Err(Failure { exit: Exit::Invalid, message, causes: differences, hint: Some(hint.into()) });
        }
        let none = || Failure::new(Exit::Internal, "no spec was written");
        let spec = specs.into_iter().next().ok_or_else(none)?;
        Ok(Compiled { guessed: self.guessed(ask, &spec), spec, cost })
    }

    /// One compile in a conversation of its own.
    async fn trial(&self, ask: &Ask<'_>, trial: u32, prompt: &str, cost: &mut Cost) -> Result<Spec, Failure> {
        let left = self.bounds.usd_micros.map(|all| all.saturating_sub(cost.usd_micros));
        if left == Some(0) {
            return Err(Failure::new(Exit::Agent, "the budget is used up before a spec was written")
                .hint("git config otto.budget.usd <more>"));
        }
        let question = Question {
            role: Role::Compile,
            nth: (trial - 1) * (REPAIRS + 1) + 1,
            prompt,
            schema: self.rules.schema,
            tag: TAG,
            dir: self.place.dir,
            scratch: self.place.scratch,
            sessions: self.place.sessions,
            transcript: &|call| (self.place.transcript)(trial, call),
            bounds: Bounds { usd_micros: left, ..self.bounds },
            repairs: REPAIRS,
        };
        let read = |value: Value| {
            let spec = fill(value, ask)?;
            (self.rules.read)(spec.to_string().as_bytes())
        };
        let reply = answer::ask(self.world, self.agent, self.prompts, &question, self.listener, &read).await?;
        *cost += reply.cost;
        let provider = self.agent.provider.family();
        reply.result.map_err(|none| match none {
            NoAnswer::Failed(outcome) => {
                let hint = outcome
                    .trouble
                    .map(|t| t.hint(&self.agent.provider))
                    .or_else(|| shown(outcome.transcript.as_deref()));
                let message = format!("{provider} wrote no spec: {}", outcome.detail);
                Failure { exit: Exit::Agent, message, causes: Vec::new(), hint }
            }
            NoAnswer::Invalid { errors, transcript } => {
                let n = errors.len();
                let message =
                    format!("the spec that {provider} wrote is not valid: {n} error{}", if n == 1 { "" } else { "s" });
                Failure { exit: Exit::Invalid, message, causes: errors, hint: shown(transcript.as_deref()) }
            }
        })
    }

    fn guessed(&self, ask: &Ask<'_>, spec: &Spec) -> Vec<String> {
        let who = self.agent.provider.family();
        let mut out = vec![format!("every requirement, slice and check: written by {who} from your prose")];
        if ask.kind.is_none() {
            out.push(format!("the kind `{}`, chosen by {who}", spec.project_kind.name()));
        }
        if ask.id.is_none() {
            out.push(format!("the id `{}`, chosen by {who}", spec.id));
        }
        out
    }
}

/// Where a person reads what the agent printed.
fn shown(transcript: Option<&Path>) -> Option<String> {
    Some(format!("less {}    (what it printed)", transcript?.display()))
}

/// Refuses prose that no spec can keep.
fn checked(prose: &str) -> Result<(), Failure> {
    if prose.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the intent is empty").hint("git otto run \"<what is wanted>\""));
    }
    let n = prose.chars().count();
    if n > LONGEST {
        let text = format!("the intent has {n} characters, more than the {LONGEST} that a spec keeps");
        return Err(Failure::new(Exit::Invalid, text).hint("split it: one spec a product"));
    }
    Ok(())
}

/// What otto says of a spec itself: its format, its id, the prose word for word, no files. What the agent left out with
/// `null` is left out.
fn fill(value: Value, ask: &Ask<'_>) -> Result<Value, Vec<String>> {
    let Value::Object(mut said) = value else { return Err(vec!["the answer must be one JSON object".into()]) };
    let id = ask.id.cloned().or_else(|| said.get("id")?.as_str()?.parse().ok());
    let slug = || SpecId::slug(said.get("title")?.as_str()?);
    let id = id.or_else(slug).ok_or_else(|| vec!["/id: is missing, and no id can be made of the title".to_owned()])?;
    said.shift_remove("files");
    said.extend(
        [("schema", json!(SCHEMA)), ("id", json!(id)), ("intent", json!(ask.prose))].map(|(k, v)| (k.to_owned(), v)),
    );
    let mut spec = Value::Object(said);
    prune(&mut spec);
    let mut errors = Vec::new();
    for (place, check) in checks(&spec) {
        if check.get("files").is_some() {
            errors.push(format!("{place}/files: a check that an agent states has no files of its own"));
        }
    }
    if let Some(kind) = ask.kind.filter(|kind| spec.get("project_kind") != Some(&json!(kind.name()))) {
        errors.push(format!("/project_kind: must be \"{}\", as the user said", kind.name()));
    }
    if errors.is_empty() { Ok(spec) } else { Err(errors) }
}

/// Drops keys that are `null`, but not in values that a check expects or sends.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.iter_mut()
                .filter(|(key, _)| !["body", "expect_json"].contains(&key.as_str()))
                .for_each(|(_, v)| prune(v));
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}

/// Every check of a spec that may have any shape, with its place.
fn checks(spec: &Value) -> Vec<(String, &Value)> {
    fn list<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = (usize, &'v Value)> {
        of.get(key).and_then(Value::as_array).into_iter().flatten().enumerate()
    }
    let of_slices = list(spec, "slices")
        .flat_map(|(i, slice)| list(slice, "checks").map(move |(j, check)| (format!("/slices/{i}/checks/{j}"), check)));
    let across = list(spec, "cross_slice_checks").map(|(i, check)| (format!("/cross_slice_checks/{i}"), check));
    of_slices.chain(across).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(kind: Option<ProjectKind>) -> Ask<'static> {
        Ask { prose: "Count the words.", id: None, kind, again: None, map: None, trials: 1 }
    }

    #[test]
    fn the_example_is_valid_and_keeps_the_prose() {
        let spec = fill(serde_json::from_str(EXAMPLE).unwrap(), &ask(None)).unwrap();
        let spec = crate::spec::parse(spec.to_string().as_bytes()).unwrap();
        assert_eq!((spec.id.as_str(), spec.intent.as_str()), ("word-counter", "Count the words."));
        assert!(crate::plan::model::refusals(&spec).is_empty());
    }

    #[test]
    fn what_otto_says_itself_nobody_else_says() {
        let mut said: Value = serde_json::from_str(EXAMPLE).unwrap();
        for (key, value) in [("intent", "Rewritten."), ("schema", "otto.spec/9"), ("id", "No Such Id")] {
            said[key] = json!(value);
        }
        said["files"] = json!([{"path": "x"}]);
        said["setup"] = Value::Null;
        said["slices"][0]["deps"] = Value::Null;
        let spec = fill(said.clone(), &ask(None)).unwrap();
        assert_eq!(
            (&spec["schema"], &spec["intent"], &spec["id"]),
            (&json!(SCHEMA), &json!("Count the words."), &json!("word-counter"))
        );
        assert!(spec.get("files").is_none() && spec.get("setup").is_none() && spec["slices"][0].get("deps").is_none());
        said["id"] = json!("wc");
        assert_eq!(fill(said.clone(), &ask(None)).unwrap()["id"], "wc");
        let named = "mine".parse().unwrap();
        assert_eq!(fill(said.clone(), &Ask { id: Some(&named), ..ask(None) }).unwrap()["id"], "mine");
        said["slices"][1]["checks"][0]["files"] = json!({"t": "0".repeat(64)});
        let errors = fill(said, &ask(Some(ProjectKind::Library))).unwrap_err();
        assert!(
            errors[0].starts_with("/slices/1/checks/0/files: ") && errors[1].starts_with("/project_kind: "),
            "{errors:?}"
        );
        assert!(fill(json!([]), &ask(None)).is_err() && fill(json!({"title": "!"}), &ask(None)).is_err());
    }
}
