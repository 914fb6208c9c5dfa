use serde_json::json;

use super::*;
use crate::base::Sha256;

fn all() -> Spec {
    serde_json::from_str(include_str!("../../../../tests/all-kinds.json")).unwrap()
}

/// The spec with one of its fields changed, by JSON pointer; a null takes it away.
fn with(pointer: &str, to: serde_json::Value) -> Spec {
    let mut value = serde_json::to_value(all()).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        serde_json::Value::Object(map) if to.is_null() => _ = map.remove(name),
        serde_json::Value::Object(map) => _ = map.insert(name.into(), to),
        serde_json::Value::Array(list) if to.is_null() => _ = list.remove(name.parse().unwrap()),
        serde_json::Value::Array(list) if name == "-" => list.push(to),
        serde_json::Value::Array(list) => list[name.parse::<usize>().unwrap()] = to,
        _ => panic!("{pointer}"),
    }
    serde_json::from_value(value).unwrap()
}

fn new_check() -> serde_json::Value {
    json!({"id": "more", "kind": "cli_probe", "command": ["./x"], "proves": ["R1"]})
}

/// The code and message of a refusal.
type Refused = Option<(Code, &'static str)>;

/// Every kind of field, how it is changed, its tier, and what an agent of the slice `one` is told: code and message, or
/// nothing if it may.
fn table() -> Vec<(&'static str, serde_json::Value, Tier, Refused)> {
    use Code::*;
    let person = "that is for a person to change; \
                  an agent may add checks, edit tasks and narrow the paths of its own slice";
    let two = Some((Tier2Violation, person));
    let other = Some((ScopeViolation, "an agent changes its own slice `one` only"));
    let asked = Some((Tier1Violation, "what was asked for is for a person to change"));
    let add = |how| Some((ChecksWeakened, how));
    vec![
        ("/intent", json!("Something else."), Tier::Intent, asked),
        ("/title", json!("Other"), Tier::Whole, two),
        ("/structure/entrypoint", json!("./y"), Tier::Whole, two),
        ("/requirements/0/text", json!("Other."), Tier::Whole, two),
        ("/requirements/-", json!({"id": "R77", "text": "More."}), Tier::Whole, two),
        ("/requirements/1", json!(null), Tier::Whole, two),
        ("/cross_slice_checks/0", json!(null), Tier::Whole, two),
        ("/non_goals", json!(["all else"]), Tier::Whole, two),
        ("/done_means", json!(["it works"]), Tier::Whole, two),
        ("/setup", json!([["true"]]), Tier::Whole, two),
        ("/shared_scaffold", json!(["NEWS"]), Tier::Whole, two),
        ("/contracts/0", json!(null), Tier::Whole, two),
        ("/services/0", json!(null), Tier::Whole, two),
        ("/min_version", json!("0.0.1"), Tier::Whole, two),
        ("/slices/1", json!(null), Tier::Whole, two),
        ("/slices/0/requirements/0", json!(null), Tier::Whole, two),
        ("/files/0/sha256", json!(Sha256::of("x")), Tier::Slice, two),
        ("/files/0/mode", json!("100755"), Tier::Whole, two),
        ("/files/0", json!(null), Tier::Whole, two),
        ("/slices/0/title", json!("Other"), Tier::Slice, two),
        ("/slices/0/deps", json!(["zero"]), Tier::Slice, two),
        ("/slices/0/tasks/-", json!("more"), Tier::Slice, None),
        ("/slices/0/tasks", json!(null), Tier::Slice, None),
        ("/slices/0/owned_paths", json!(["src/a/**", "x"]), Tier::Slice, None),
        (
            "/slices/0/owned_paths/-",
            json!("docs/"),
            Tier::Slice,
            Some((
                Tier2Violation,
                "`docs/` goes beyond `src/**`, `tests/`, `x`, and an agent may only narrow its paths",
            )),
        ),
        ("/slices/0/checks/-", new_check(), Tier::Slice, None),
        ("/slices/0/checks/1", json!(null), Tier::Slice, add("it is removed, and an agent may only add checks")),
        (
            "/slices/0/checks/0/expect_exit",
            json!(4),
            Tier::Slice,
            add("it is changed, and an agent may only add checks"),
        ),
        ("/slices/1/tasks", json!(["more"]), Tier::Slice, other),
        ("/slices/1/checks/-", new_check(), Tier::Slice, other),
    ]
}

#[test]
fn every_field_has_its_tier_and_its_author() {
    let before = all();
    let own: SliceId = "one".parse().unwrap();
    for (pointer, to, tier, refused) in table() {
        let after = with(pointer, to);
        let user = judge(&before, &after, Author::User { override_intent: true });
        assert_eq!(user, Ok(tier), "{pointer}");
        let agent = judge(&before, &after, Author::Agent { slice: Some(&own), trigger: Some("w-7") });
        match refused {
            None => assert_eq!(agent, Ok(Tier::Slice), "{pointer}"),
            Some((code, message)) => {
                let told = agent.unwrap_err();
                let found = told.iter().find(|r| r.code == code).unwrap_or_else(|| panic!("{pointer}: {told:#?}"));
                assert_eq!(found.message, message, "{pointer}");
                assert_eq!(found.hint, "git otto amend everything");
            }
        }
    }
}

#[test]
fn the_lowest_tier_wins_and_the_intent_is_locked() {
    let before = all();
    let mut after = with("/slices/0/tasks", json!(["x"]));
    assert_eq!(judge(&before, &after, Author::User { override_intent: false }), Ok(Tier::Slice));
    after.title = "Other".into();
    assert_eq!(judge(&before, &after, Author::User { override_intent: false }), Ok(Tier::Whole));
    after.intent = "Other".into();
    let told = judge(&before, &after, Author::User { override_intent: false }).unwrap_err();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].to_string(),
        "tier_1_violation: intent: the intent is what was asked for and approved: it is changed on purpose or not at all"
    );
    assert_eq!(told[0].hint, "git otto amend everything --override-intent …");
    assert_eq!(judge(&before, &after, Author::User { override_intent: true }), Ok(Tier::Intent));
    assert_eq!(Tier::Intent.number(), 1);
}

#[test]
fn an_agent_names_an_event_and_stays_in_one_slice() {
    let before = all();
    let after = with("/slices/0/tasks", json!(["x"]));
    let told = |slice: Option<&str>, trigger, after: &Spec| -> Vec<String> {
        let slice: Option<SliceId> = slice.map(|s| s.parse().unwrap());
        let done = judge(&before, after, Author::Agent { slice: slice.as_ref(), trigger });
        done.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    // The verifier knows no slice: the one that is touched is the agent's.
    assert_eq!(told(None, Some("w-1"), &after), [""; 0]);
    for trigger in [None, Some(""), Some(" ")] {
        let message = "missing_trigger: an agent's amendment names the event that it answers; this names none";
        assert_eq!(told(Some("one"), trigger, &after), [message]);
    }
    assert_eq!(told(Some("nobody"), Some("w-1"), &after), ["unknown_slice: the spec has no slice `nobody`"]);
    let mut both = after.clone();
    both.slices[1].tasks.push("y".into());
    let names = format!("`{}`, `{}`", both.slices[0].id.clone().min(both.slices[1].id.clone()), {
        both.slices[0].id.clone().max(both.slices[1].id.clone())
    });
    let message = format!("scope_violation: an agent changes its own slice only; this changes {names}");
    assert_eq!(told(None, Some("w-1"), &both), [message]);
    // Everything wrong is told at once.
    both.intent = "Other".into();
    let codes = ["missing_trigger", "tier_1_violation", "scope_violation"];
    let all = told(Some("one"), None, &both);
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(codes.iter().all(|c| all.iter().any(|t| t.starts_with(c))), "{all:#?}");
    assert_eq!(told(None, Some("w-1"), &before), ["no_change: the spec says that already"]);
}

#[test]
fn a_check_that_moves_is_no_added_check() {
    let before = all();
    let mut after = before.clone();
    after.slices[0].checks.swap(0, 1);
    let author = Author::Agent { slice: None, trigger: Some("w-1") };
    let told = judge(&before, &after, author).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "checks_weakened: order of the checks of slice `one`: it is moved, and an agent may only add checks"
    );
}

#[test]
fn what_is_found_elsewhere_has_its_words_here() {
    let id: SpecId = "jot".parse().unwrap();
    let told = [
        Rejection::trigger_not_found(&id, "w-1"),
        Rejection::invalid_field("/slices/0", "is not of type object"),
        Rejection::chain_broken(&id, "x"),
        Rejection::stale_base(&id, "", "it moved on"),
    ];
    let words: Vec<String> = told.iter().map(|r| format!("{r} > {}", r.hint)).collect();
    assert_eq!(
        words,
        [
            "trigger_not_found: no event `w-1` of an agent that builds this slice is in the run's journal > git otto amend jot",
            "invalid_field: /slices/0: is not of type object > git otto schema spec",
            "chain_broken: the history of jot is broken, and nothing is added to it: x > git otto verify jot",
            "stale_base: it moved on > git otto log -p jot    (then make the change again)",
        ]
    );
    let mut other = all();
    other.id = id;
    let told = judge(&all(), &other, Author::User { override_intent: true }).unwrap_err();
    assert_eq!(told[0].to_string(), "invalid_field: /id: a spec keeps its id: this one is `everything`, not `jot`");
    assert_eq!(serde_json::to_value(&told[0]).unwrap()["code"], "invalid_field");
}
