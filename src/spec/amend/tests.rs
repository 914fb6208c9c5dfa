use serde_json::{Value, json};

use super::*;
use crate::{base::Sha256, store::testing::Fixture};

fn id() -> SpecId {
    "jot".parse().unwrap()
}

fn slice(id: &str) -> SliceId {
    id.parse().unwrap()
}

/// Two slices that have nothing to do with each other.
fn jot() -> Spec {
    let part = |id: &str, requirement: &str| {
        json!({
            "id": id, "title": id, "requirements": [requirement], "tasks": ["Write it."], "owned_paths": [format!("{id}/**")],
            "checks": [{"id": format!("{id}-1"), "kind": "cli_probe", "command": [format!("{id}/x")]}],
        })
    };
    let whole = json!({
        "schema": "otto.spec/1", "id": "jot", "title": "Jot", "intent": "Notes.", "project_kind": "cli",
        "structure": {"entrypoint": "./jot", "commands": [{"name": "add", "summary": "Adds."}]},
        "requirements": [{"id": "R1", "text": "Adds."}, {"id": "R2", "text": "Lists."}],
        "slices": [part("add", "R1"), part("list", "R2")],
    });
    parse(whole.to_string().as_bytes()).unwrap()
}

/// The spec with one value replaced, by pointer.
fn with(mut spec: Value, pointer: &str, to: Value) -> Spec {
    *spec.pointer_mut(pointer).unwrap() = to;
    serde_json::from_value(spec).unwrap()
}

fn changed(pointer: &str, to: Value) -> Spec {
    with(serde_json::to_value(jot()).unwrap(), pointer, to)
}

/// An approved spec; its draft and its approval.
fn approved(f: &Fixture) -> (Oid, Oid) {
    let (bytes, files) = (write(&jot()), BTreeMap::new());
    let mut tip = None;
    for kind in [Kind::Compile, Kind::Approve] {
        let content = (kind == Kind::Compile).then_some(Content { spec: &bytes, files: &files });
        let new = NewRecord {
            kind,
            by: By::User,
            title: "Jot",
            reason: "",
            trigger: None,
            tier: None,
            content,
            cost: None,
            merges: None,
        };
        let appended = record::append(&f.store, &id(), new, tip).unwrap().commit;
        if let Some(draft) = tip.replace(appended) {
            return (draft, appended);
        }
    }
    unreachable!()
}

const USER: Author<'_> = Author::User { override_intent: false };

fn wish<'a>(spec: &'a SpecId, base: Oid, after: Spec, author: Author<'a>) -> Wish<'a> {
    Wish { spec, base, after, files: BTreeMap::new(), kind: Kind::Amend, author, reason: "It has to be.".into() }
}

/// Judges and stores; what was said otherwise, every sentence.
fn go(f: &Fixture, wish: Wish<'_>) -> Result<Option<Oid>, Vec<String>> {
    let stored = judge(&f.store.repo, wish).and_then(|judged| match judged {
        Judged::Unchanged(_) => Ok(None),
        Judged::Fit(fit) => fit.append(&f.store).map(Some),
    });
    stored.map_err(|refused| match refused {
        Refused::Rejected(list) => list.iter().map(ToString::to_string).collect(),
        other => {
            let failure = Failure::from(other);
            vec![format!("{:?}: {failure} > {}", failure.exit, failure.hint.clone().unwrap_or_default())]
        }
    })
}

#[test]
fn an_amendment_is_one_record_of_its_tier() {
    let f = Fixture::new();
    let (_, base) = approved(&f);
    let id = id();
    assert_eq!(go(&f, wish(&id, base, jot(), USER)), Ok(None));
    let after = changed("/slices/0/tasks/0", json!("Write it well."));
    let commit = go(&f, wish(&id, base, after.clone(), USER)).unwrap().unwrap();
    let stored = record::load(&f.store.repo, commit).unwrap();
    assert_eq!((stored.record.kind, stored.record.tier, stored.record.base), (Kind::Amend, Some(3), Some(base)));
    assert_eq!(stored.spec_bytes, write(&after));
    assert_eq!(record::verify(&f.store.repo, &id, commit), []);
    // A reason is asked for, and what comes out must be a spec.
    let said = go(&f, Wish { reason: " ".into(), ..wish(&id, commit, changed("/title", json!("x")), USER) });
    assert_eq!(said, Err(vec!["invalid_field: reason: an amendment says why, and this gives no reason".into()]));
    let said = go(&f, wish(&id, commit, changed("/slices/1/requirements", json!(["R9"])), USER)).unwrap_err();
    assert_eq!(
        said,
        [
            "invalid_field: /slices/1/requirements/0: there is no requirement `R9`",
            "invalid_field: /requirements/1: no check proves `R2`",
        ]
    );
    let said = go(&f, wish(&id, commit, changed("/intent", json!("Else.")), USER)).unwrap_err();
    assert!(said[0].starts_with("tier_1_violation: intent: "), "{said:?}");
}

#[test]
fn an_agent_amends_its_slice_citing_an_event_that_exists() {
    let f = Fixture::new();
    let (_, base) = approved(&f);
    let (id, own) = (id(), slice("add"));
    let exists = |event: &str| event == "w-7";
    let agent = |trigger| Author::Agent { provider: "claude", model: "opus", slice: &own, trigger, exists: &exists };
    let after = || changed("/slices/0/tasks/0", json!("Write it well."));
    assert_eq!(
        go(&f, wish(&id, base, jot(), agent(Some("w-7")))),
        Err(vec!["no_change: the spec says that already".into()])
    );
    assert_eq!(
        go(&f, wish(&id, base, after(), agent(None))),
        Err(vec!["missing_trigger: an agent's amendment names the event that it answers; this names none".into()])
    );
    let said = go(&f, wish(&id, base, after(), agent(Some("w-8")))).unwrap_err();
    assert_eq!(said, ["trigger_not_found: no event `w-8` of an agent that builds this slice is in the run's journal"]);
    let other = changed("/slices/1/tasks/0", json!("Write it well."));
    let said = go(&f, wish(&id, base, other, agent(Some("w-7")))).unwrap_err();
    assert_eq!(said, ["scope_violation: tasks of slice `list`: an agent changes its own slice `add` only"]);
    let commit = go(&f, wish(&id, base, after(), agent(Some("w-7")))).unwrap().unwrap();
    let record = record::load(&f.store.repo, commit).unwrap().record;
    assert_eq!((record.actor.to_string(), record.trigger.as_deref()), ("agent:claude/opus".into(), Some("w-7")));
    assert_eq!(record::verify(&f.store.repo, &id, commit), []);
}

#[test]
fn who_was_slower_sees_both_sides() {
    let f = Fixture::new();
    let (draft, base) = approved(&f);
    let id = id();
    let theirs = changed("/title", json!("Theirs"));
    let commit = go(&f, wish(&id, base, theirs.clone(), USER)).unwrap().unwrap();
    let said = go(&f, wish(&id, base, changed("/title", json!("Yours")), USER)).unwrap_err();
    assert_eq!(
        said,
        [
            format!(
                "stale_base: user:ann@example.org did amend at 2023-11-14 22:13:20 UTC ({}) after what you read ({})",
                commit.short(),
                base.short()
            ),
            "stale_base: title: theirs: - Jot; + Theirs".into(),
            "stale_base: title: yours: - Jot; + Yours".into(),
        ]
    );
    // What goes together is joined, and stored on top of theirs.
    let joined = go(&f, wish(&id, base, changed("/slices/0/title", json!("Keep")), USER)).unwrap().unwrap();
    let stored = record::load(&f.store.repo, joined).unwrap();
    assert_eq!((stored.record.base, stored.record.tier), (Some(commit), Some(3)));
    let both = with(serde_json::to_value(&theirs).unwrap(), "/slices/0/title", json!("Keep"));
    assert_eq!(stored.spec_bytes, write(&both));
    // What is wanted is there already.
    assert_eq!(go(&f, wish(&id, base, theirs.clone(), USER)), Ok(None));
    let head = String::from_utf8(f.git(&["rev-parse", "HEAD"]).stdout).unwrap().trim().parse().unwrap();
    let said = go(&f, wish(&id, head, changed("/title", json!("Lost")), USER)).unwrap_err();
    assert_eq!(
        said,
        [format!("stale_base: {} is no version of jot, so that nobody can tell what changed", head.short())]
    );
    // An edit of the draft that was approved meanwhile is made again as an amendment.
    let late = Wish { kind: Kind::Edit, ..wish(&id, draft, changed("/title", json!("Late")), USER) };
    assert_eq!(
        go(&f, late),
        Err(vec![
            "Refused: user:ann@example.org amended the spec jot while you edited its draft; an approved spec changes by \
             amendment only > make the edit again as an amendment: git otto amend jot -m <reason> …"
                .into()
        ])
    );
    // Somebody may still be faster than the look at the tip.
    let fit = |title: &str| {
        let now = record::tip(&f.store.repo, &id).unwrap().unwrap();
        match judge(&f.store.repo, wish(&id, now, changed("/title", json!(title)), USER)) {
            Ok(Judged::Fit(fit)) => fit,
            _ => panic!("{title}"),
        }
    };
    let (slow, fast) = (fit("Slow"), fit("Fast"));
    fast.append(&f.store).unwrap();
    let Err(Refused::Rejected(list)) = slow.append(&f.store) else { panic!("it was slower") };
    assert_eq!(list[0].code, Code::StaleBase);
    assert!(list[0].message.starts_with("the spec jot has moved since it was read: "), "{list:?}");
}

#[test]
fn nothing_is_added_to_a_broken_history() {
    let f = Fixture::new();
    let (_, base) = approved(&f);
    let id = id();
    // The same record, as if nothing had been before it.
    f.git(&["update-ref", "refs/otto/specs/jot", &{
        let tree = String::from_utf8(f.git(&["rev-parse", &format!("{base}^{{tree}}")]).stdout).unwrap();
        let forged = f.git(&["commit-tree", "-m", "x", tree.trim()]);
        String::from_utf8(forged.stdout).unwrap().trim().to_owned()
    }]);
    let tip = record::tip(&f.store.repo, &id).unwrap().unwrap();
    let said = go(&f, wish(&id, tip, changed("/title", json!("x")), USER)).unwrap_err();
    let start =
        format!("chain_broken: the history of jot is broken, and nothing is added to it: the record {}: ", tip.short());
    assert!(said.len() == 1 && said[0].starts_with(&start), "{said:?}");
}

#[test]
fn contents_come_from_whoever_has_them() {
    let f = Fixture::new();
    let (_, base) = approved(&f);
    let id = id();
    let content = b"#!/bin/sh\n".to_vec();
    let digest = Sha256::of(&content);
    let mut after = jot();
    let block = json!({"slice": "add", "attempt": 1, "path": "add/x", "mode": "100755", "sha256": digest});
    after.files.push(serde_json::from_value(block).unwrap());
    let said = go(&f, wish(&id, base, after.clone(), USER)).unwrap_err();
    assert_eq!(
        said,
        [format!("invalid_field: file `add/x` of slice `add`: nobody gives the content with the digest {digest}")]
    );
    let files = BTreeMap::from([(digest, content), (Sha256::of(b"more"), b"more".to_vec())]);
    let commit = go(&f, Wish { files, ..wish(&id, base, after.clone(), USER) }).unwrap().unwrap();
    after.title = "Else".into();
    let next = go(&f, wish(&id, commit, after, USER)).unwrap().unwrap();
    // What is named stays, what is not named is not kept.
    let files = record::load(&f.store.repo, next).unwrap().files;
    assert_eq!(files.keys().copied().collect::<Vec<_>>(), [digest]);
}
