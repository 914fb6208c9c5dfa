//! What agents ask for while they build: a change of their own slice, which goes through the same door as everybody's.

use serde_json::Value;

use crate::{
    base::{Failure, SliceId, json},
    cli::drive::Driver,
    journal::{
        event::{Fact, Kind},
        state::Asked,
    },
    plan::model::current,
    spec::{
        self,
        amend::{self, Author, Judged, Refused, Wish},
        model::{
            Spec,
            tier::{Code, Rejection},
        },
    },
    store::record,
};

/// Decides on what agents ask for, up to the first that gets it. Whether the spec is another one now: the run has to take
/// that up before anything else is decided.
pub fn decide(driver: &Driver) -> Result<bool, Failure> {
    let (repo, plan) = (&driver.gate.site.store.repo, &driver.plan);
    for asked in driver.gate.log.read(|state| state.asked.clone()) {
        let granted = grant(driver, &asked);
        let moved = record::tip(repo, &plan.spec.id)?.is_some_and(|tip| tip != plan.spec_commit);
        match granted {
            // By this, or by somebody who was faster: then it is decided once that is taken up.
            _ if moved => return Ok(true),
            Ok(()) => {}
            Err(Refused::Store(e)) => return Err(e.into()),
            Err(Refused::Phase(failure)) => refuse(driver, &asked, Code::StaleBase, failure.message)?,
            Err(Refused::Rejected(list)) => {
                let told = |r: &Rejection| match r.place.as_str() {
                    "" => r.message.clone(),
                    place => format!("{place}: {}", r.message),
                };
                let code = list.first().map_or(Code::InvalidField, |r| r.code);
                refuse(driver, &asked, code, list.iter().map(told).collect::<Vec<_>>().join("; "))?;
            }
        }
    }
    Ok(false)
}

/// Amends the spec as an agent asks for.
fn grant(driver: &Driver, asked: &Asked) -> Result<(), Refused> {
    let (store, plan) = (&driver.gate.site.store, &driver.plan);
    let (id, slice) = (&plan.spec.id, &asked.slice);
    if plan.spec.slice(slice).is_none() {
        let message = format!("the spec has no slice `{slice}` any more");
        return Err(Rejection::new(Code::UnknownSlice, "", message, format!("git otto show {id}")).into());
    }
    if plan.generation(slice) != asked.r#gen {
        let message = format!("slice `{slice}` was amended while you worked at it");
        return Err(Rejection::stale_base(id, "", message).into());
    }
    let after = changed(&plan.spec, slice, &asked.change).map_err(Refused::Rejected)?;
    let earlier = driver.gate.log.read(|state| current(plan, state, slice).earlier);
    let agent = driver.team.writer(asked.attempt.saturating_sub(earlier));
    let wish = Wish {
        spec: id,
        base: plan.spec_commit,
        after,
        files: Default::default(),
        kind: record::Kind::Amend,
        author: Author::Agent {
            provider: agent.provider.family(),
            model: agent.model.as_deref().unwrap_or("default"),
            slice,
            trigger: Some(&asked.id),
            exists: &|event| event == asked.id,
        },
        reason: asked.reason.clone(),
    };
    match amend::judge(&store.repo, wish)? {
        Judged::Unchanged(_) => Err(Rejection::no_change(id).into()),
        Judged::Fit(fit) => fit.append(store).map(drop),
    }
}

/// The agent does not get it, and is told with its next attempt.
fn refuse(driver: &Driver, asked: &Asked, code: Code, detail: String) -> Result<(), Failure> {
    let kind = Kind::AmendmentRejected { code: code.to_string(), detail, request: Some(asked.id.clone()) };
    let fact = Fact::slice(&asked.slice, asked.r#gen, Some(asked.attempt), kind);
    Ok(driver.gate.log.record(&[fact])?)
}

/// The spec with the fields of a slice as an agent wants them; of `checks` those to add.
fn changed(spec: &Spec, slice: &SliceId, change: &str) -> Result<Spec, Vec<Rejection>> {
    let one = |pointer: &str, message: &str| vec![Rejection::invalid_field(pointer, message)];
    let change = json::parse(change.as_bytes(), json::Limits::RECORD).map_err(|e| one("", &e.to_string()))?;
    let mut whole = serde_json::to_value(spec).map_err(|e| one("", &e.to_string()))?;
    let slices = whole.get_mut("slices").and_then(Value::as_array_mut);
    let fields = slices.into_iter().flatten().find(|s| s["id"] == slice.as_str());
    let (Some(fields), Value::Object(change)) = (fields.and_then(Value::as_object_mut), change) else {
        return Err(one("", "the change is no object"));
    };
    for (name, new) in change {
        match (name.as_str(), new) {
            ("checks", Value::Array(new)) => {
                let Some(checks) = fields.get_mut("checks").and_then(Value::as_array_mut) else { continue };
                for check in new {
                    // Another check of that name is no addition, and for the door to judge.
                    match checks.iter_mut().find(|c| c["id"] == check["id"]) {
                        Some(old) => *old = check,
                        None => checks.push(check),
                    }
                }
            }
            (name, new) => drop(fields.insert(name.to_owned(), new)),
        }
    }
    let bytes = serde_json::to_vec(&whole).map_err(|e| one("", &e.to_string()))?;
    spec::parse(&bytes)
        .map_err(|errors| errors.iter().map(|e| Rejection::invalid_field(&e.pointer, &e.message)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::model::tier;

    fn spec() -> Spec {
        let spec = json!({
            "schema": "otto.spec/1", "id": "t", "title": "T", "intent": "A thing.", "project_kind": "cli",
            "structure": {"entrypoint": "./t", "commands": [{"name": "t", "summary": "s"}]},
            "requirements": [{"id": "R1", "text": "x"}],
            "slices": [{"id": "main", "title": "M", "requirements": ["R1"], "owned_paths": ["t"],
                "checks": [{"id": "main-1", "kind": "cli_probe", "shell": "./t"}]}],
        });
        spec::parse(spec.to_string().as_bytes()).unwrap()
    }

    /// What the door says of a change of the first slice: the code of the first rejection, or none.
    fn judged(change: Value) -> Option<String> {
        let spec = spec();
        let slice = &spec.slices[0].id;
        let after = match changed(&spec, slice, &change.to_string()) {
            Ok(after) => after,
            Err(list) => return Some(list[0].code.to_string()),
        };
        let author = tier::Author::Agent { slice: Some(slice), trigger: Some("a-1") };
        tier::judge(&spec, &after, author).err().map(|list| list[0].code.to_string())
    }

    #[test]
    fn an_agent_adds_checks_edits_tasks_and_narrows_its_paths() {
        let spec = spec();
        let slice = &spec.slices[0];
        let check = json!({"id": "more", "kind": "cli_probe", "shell": "true"});
        assert_eq!(judged(json!({"tasks": ["Mind the empty case."]})), None);
        assert_eq!(judged(json!({"checks": [check.clone()]})), None);
        let after = changed(&spec, &slice.id, &json!({"checks": [check]}).to_string()).unwrap();
        assert_eq!(after.slices[0].checks.len(), slice.checks.len() + 1);
        let mut weaker = serde_json::to_value(&slice.checks[0]).unwrap();
        weaker["timeout_s"] = json!(1);
        assert_eq!(judged(json!({"checks": [weaker]})).as_deref(), Some("checks_weakened"));
        assert_eq!(judged(json!({"checks": []})).as_deref(), Some("no_change"));
        assert_eq!(judged(json!({"owned_paths": ["**"]})).as_deref(), Some("tier_2_violation"));
        assert_eq!(judged(json!({"title": "Mine"})).as_deref(), Some("tier_2_violation"));
        for invalid in [
            json!({"intent": "Less."}),
            json!({"tasks": "all"}),
            json!({"checks": {}}),
            json!({"checks": [{}]}),
            json!({"checks": [7]}),
            json!({"checks": [{"id": "x", "kind": "no_such"}]}),
            json!({"owned_paths": ["../x"]}),
            json!([]),
        ] {
            assert_eq!(judged(invalid.clone()).as_deref(), Some("invalid_field"), "{invalid}");
        }
    }
}
