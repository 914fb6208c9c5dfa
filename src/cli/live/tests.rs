use super::*;
use crate::{
    base::{Cost, Oid},
    journal::state::{Attempt, SliceState},
    plan::model::lane::{Entry, Stage},
    store::run::Limits,
};

/// A run of three slices without anything in them.
fn plan() -> Plan {
    let slice = |id: &str| serde_json::json!({"id": id, "title": id, "requirements": [], "tasks": [], "deps": [], "owned_paths": [], "checks": []});
    let spec = serde_json::json!({
        "schema": crate::spec::model::SCHEMA, "id": "p", "title": "P", "intent": "", "project_kind": "cli",
        "structure": {"entrypoint": "p", "commands": []}, "requirements": [],
        "slices": [slice("word"), slice("line"), slice("page")],
    });
    let oid: Oid = "1234567890123456789012345678901234567890".parse().unwrap();
    Plan::new(oid, serde_json::from_value(spec).unwrap(), Limits::default())
}

fn stands(plan: &Plan, state: &mut RunState, id: &str, phase: Phase, provider: &str) {
    let id: SliceId = id.parse().unwrap();
    let attempts = if provider.is_empty() {
        Vec::new()
    } else {
        vec![Attempt { n: 1, provider: provider.into(), ..Attempt::default() }]
    };
    let r#gen = Some(plan.generation(&id));
    state.slices.insert(id, SliceState { r#gen, phase, attempts, ..SliceState::default() });
}

#[test]
fn each_slice_at_work_has_a_line_and_the_whole_has_one() {
    let plan = plan();
    let mut state = RunState { cost: Cost { usd_micros: 123_456, ..Cost::default() }, ..RunState::default() };
    stands(&plan, &mut state, "word", Phase::Building, "claude");
    stands(&plan, &mut state, "line", Phase::Building, "manual");
    stands(&plan, &mut state, "page", Phase::Landed, "claude");
    let ids = ["word", "line"].map(|id| id.parse::<SliceId>().unwrap());
    let busy = Busy { building: ids.iter().cloned().collect(), ..Busy::default() };
    let quiet = Sign { since: Duration::from_secs(95), last: Some("claude quiet for 90 s (limit 600)".into()) };
    let signs = [(ids[0].clone(), quiet)].into();
    assert_eq!(
        lines(&plan, &state, &busy, &signs),
        [
            "        word attempt 1 by claude  1 min 35 s  claude quiet for 90 s (limit 600)",
            "        line waits for you: git otto submit line  0 s",
            "             1 of 3 landed, 2 at work, $0.12",
        ]
    );
    stands(&plan, &mut state, "word", Phase::Merging, "claude");
    stands(&plan, &mut state, "line", Phase::Blocked, "");
    let mut busy = Busy::default();
    let (slice, on) = (ids[0].clone(), plan.spec_commit);
    busy.lane.push(Entry { slice, candidate: on, spec: on, on, stage: Stage::Merging });
    let now = lines(&plan, &state, &busy, &BTreeMap::new());
    assert_eq!(now, ["        word landing  0 s", "             1 of 3 landed, 1 blocked, 1 at work, $0.12"]);
}
