//! Money: a conversation ends when it is spent, and the journal says so once.

use super::*;

/// The events that say that a limit was reached, and what each says.
fn exceeded(run: &Run) -> Vec<(Value, Value)> {
    let of = |e: &&Value| e["kind"] == "budget.exceeded";
    run.events.iter().filter(of).map(|e| (e["slice"].clone(), e["data"].clone())).collect()
}

/// Looks for ever; `b` would be right.
fn wastes(turn: &Turn) -> Reply {
    if slice(turn) == "a" { Reply::call(look()) } else { writes(turn) }
}

#[test]
fn a_runs_budget_ends_a_conversation_and_whatever_was_not_begun() {
    for provider in BOTH {
        let model = Model::start(wastes);
        let s = reaching(provider, &model);
        priced(&s, provider);
        s.git(&["config", "otto.jobs", "1"]);
        s.git(&["config", "otto.budget.usd", "0.0017"]);
        let run = Run::read(run_slices(&s, provider, &["a", "b"])).ends(5);
        let a = run.blocked("a", "budget", 1);
        let detail = a["blocked"]["detail"].as_str().unwrap();
        assert!(detail.contains("its money is spent: 0.0018 of 0.0017 USD"), "{detail}");
        run.blocked("b", "budget", 0);
        assert_eq!(model.requests().len(), 3, "no further turn is paid for");
        let over = json!({"what": "run_usd_micros", "limit": 1_700, "used": 1_800});
        assert_eq!(exceeded(&run), [(json!("a"), over.clone()), (json!("b"), over)]);
        assert_sound(&s);
    }
}

#[test]
fn a_slices_budget_ends_its_conversation_alone() {
    let model = Model::start(wastes);
    let s = reaching("openai", &model);
    priced(&s, "openai");
    s.git(&["config", "otto.slice.budget.usd", "0.0012"]);
    let run = Run::read(run_slices(&s, "openai", &["a", "b"])).ends(4);
    run.blocked("a", "budget", 1);
    run.stands("b", "landed", 1);
    let over = json!({"what": "slice_usd_micros", "limit": 1_200, "used": 1_200});
    assert_eq!(exceeded(&run), [(json!("a"), over)]);
}

#[test]
fn an_audit_that_cannot_be_paid_for_is_not_held() {
    let model = Model::start(right_at_once);
    let s = reaching("anthropic", &model);
    priced(&s, "anthropic");
    s.git(&["config", "otto.audit.agent", "anthropic"]);
    s.git(&["config", "otto.audit.model", "m"]);
    s.git(&["config", "otto.budget.usd", "0.0012"]);
    let run = Run::read(run_slices(&s, "anthropic", &["a"])).ends(5);
    run.stands("a", "landed", 1);
    assert!(run.packet["why"].to_string().contains("the run's budget is used up"), "{}", run.packet["why"]);
    let over = json!({"what": "run_usd_micros", "limit": 1_200, "used": 1_200});
    assert_eq!(exceeded(&run), [(Value::Null, over)]);
    assert!(!model.requests().iter().any(judges));
}

#[test]
fn tokens_without_a_price_use_up_no_money() {
    let model = Model::start(right_at_once);
    let s = reaching("openai", &model);
    s.git(&["config", "otto.budget.usd", "0.000001"]);
    let run = Run::read(run_slices(&s, "openai", &["a"])).ends(0);
    assert_eq!(run.packet["built_by"]["cost"], json!({"usd_micros": 0, "input_tokens": 200, "output_tokens": 40}));
}
