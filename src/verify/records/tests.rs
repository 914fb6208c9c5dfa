use super::*;
use crate::{
    base::Sha256,
    journal::{
        Writer,
        event::{Fact, Kind as Event},
    },
    spec::model::tier::Code as Rejected,
    store::{record::By, run, testing::Fixture},
    verify::{
        spec as verify,
        testing::{anchor, four, jot, put, put_by, small},
    },
};

fn codes(f: &Fixture) -> Vec<Code> {
    let tip = record::tip(&f.store.repo, &jot()).unwrap().unwrap();
    let found = verify(&f.store.repo, &jot(), tip);
    assert!(found.iter().all(|v| v.commit == Some(tip)), "{found:#?}");
    found.into_iter().map(|v| v.code).collect()
}

fn agent() -> By {
    By::Agent { provider: "claude".into(), model: "opus".into() }
}

/// With one more check in its slice.
fn stricter(spec: &Spec) -> Vec<u8> {
    let mut spec = spec.clone();
    let mut check = spec.slices[0].checks[0].clone();
    check.id = format!("store-{}", spec.slices[0].checks.len() + 1);
    spec.slices[0].checks.push(check);
    spec::write(&spec)
}

#[test]
fn what_is_approved_is_whole_and_what_is_a_draft_need_not_be() {
    let f = Fixture::new();
    let halfway = b"{\n  \"schema\": \"otto.spec/1\",\n  \"id\": \"jot\",\n  \"title\": \"Not yet\"\n}\n";
    put_by(&f, Kind::Compile, halfway, By::User, None, None);
    assert_eq!(codes(&f), []);
    put_by(&f, Kind::Approve, halfway, By::User, None, None);
    assert_eq!(codes(&f), [Code::SpecInvalid]);

    let f = Fixture::new();
    four(&f);
    assert_eq!(codes(&f), []);
    let mut empty = small("d");
    empty.slices[0].checks.clear();
    put(&f, Kind::Amend, &empty);
    assert_eq!(codes(&f), [Code::SpecInvalid]);

    // What it names by digest is not there.
    let f = Fixture::new();
    four(&f);
    let mut judged = small("d");
    judged.slices[0].checks[0].files.insert("test.sh".into(), Sha256::of("exit 1\n"));
    put(&f, Kind::Amend, &judged);
    assert_eq!(codes(&f), [Code::SpecInvalid]);

    // Canonical as JSON, but not as a spec: keys in another order.
    let f = Fixture::new();
    four(&f);
    let text = String::from_utf8(spec::write(&small("d"))).unwrap();
    let moved =
        text.replace("  \"title\": \"d\",\n", "").replacen("  \"intent\"", "  \"title\": \"d\",\n  \"intent\"", 1);
    let other = moved.replacen(
        "  \"title\": \"d\",\n  \"intent\": \"Keep notes.\",\n",
        "  \"intent\": \"Keep notes.\",\n  \"title\": \"d\",\n",
        1,
    );
    assert_ne!(other, text);
    put_by(&f, Kind::Amend, other.as_bytes(), By::User, Some(2), None);
    assert_eq!(codes(&f), [Code::SpecInvalid]);
}

#[test]
fn an_amendment_is_of_the_tier_that_it_claims() {
    let (title, intent) = (small("d"), Spec { intent: "Something else.".into(), ..small("c") });
    for (spec, tier, right) in [
        (spec::write(&title), 2, true),
        (spec::write(&title), 3, false),
        (spec::write(&title), 1, false),
        (spec::write(&intent), 1, true),
        (spec::write(&intent), 2, false),
        (stricter(&small("c")), 3, true),
        (stricter(&small("c")), 2, false),
    ] {
        let f = Fixture::new();
        four(&f);
        put_by(&f, Kind::Amend, &spec, By::User, Some(tier), None);
        let expected: &[Code] = if right { &[] } else { &[Code::WrongTier] };
        assert_eq!(codes(&f), expected, "{tier}");
    }
}

#[test]
fn an_agent_does_what_agents_may() {
    let f = Fixture::new();
    four(&f);
    put_by(&f, Kind::Amend, &stricter(&small("c")), agent(), Some(3), Some("0a-7"));
    assert_eq!(codes(&f), []);

    let mut weaker = small("c");
    weaker.slices[0].checks[0].timeout_s = Some(1);
    for (spec, code) in [
        (weaker, Rejected::ChecksWeakened),
        (small("d"), Rejected::Tier2Violation),
        (Spec { intent: "Else.".into(), ..small("c") }, Rejected::Tier1Violation),
    ] {
        let f = Fixture::new();
        four(&f);
        put_by(&f, Kind::Amend, &spec::write(&spec), agent(), Some(3), Some("0a-7"));
        assert_eq!(codes(&f), [Code::Amendment(code)]);
        assert_eq!(serde_json::to_value(Code::Amendment(code)).unwrap(), serde_json::to_value(code).unwrap());
    }
}

#[test]
fn what_an_agent_answers_has_happened_as_far_as_journals_tell() {
    let f = Fixture::new();
    let ids = four(&f);
    let (mut events, run) = (Vec::new(), "jot-20231114t221320z-0a1b2c");
    let at = run::create(&f.store, &anchor(&f, run, ids[3])).unwrap();
    let answer = |trigger: &str| {
        let tip = record::tip(&f.store.repo, &jot()).unwrap().unwrap();
        put_by(&f, Kind::Amend, &stricter(&small("c")), agent(), Some(3), Some(trigger));
        let found = codes(&f);
        f.git(&["update-ref", &names::spec(&jot()), &tip.to_string()]);
        found
    };
    assert_eq!(answer("0a-7"), [], "no journal is here");
    let mut writer = Writer::open(&f.store, &run.parse().unwrap(), at, 0).unwrap();
    for slice in [Some("store"), Some("other"), None] {
        let slice = slice.map(|s| s.parse().unwrap());
        let fact = Fact { slice, ..Fact::run(Event::RunResumed { reason: "x".into(), term: 0 }) };
        events.extend(writer.append(&[fact]).unwrap().into_iter().map(|e| e.id));
    }
    assert_eq!(answer(&events[0]), []);
    assert_eq!(answer(&events[2]), []);
    assert_eq!(answer("0a-7"), [Code::Amendment(Rejected::TriggerNotFound)]);
    // An agent of another slice.
    assert_eq!(answer(&events[1]), [Code::Amendment(Rejected::UnknownSlice)]);
}
