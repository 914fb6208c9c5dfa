//! A repository with a spec whose records are real ones, for the tests of this module.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    base::{Oid, Sha256, SpecId, Timestamp},
    git::{BString, Mode, NewCommit},
    spec::{self, model::Spec},
    store::{
        record::{self, By, Content, Kind, NewRecord},
        run::{Limits, RunAnchor},
        testing::Fixture,
    },
};

pub fn jot() -> SpecId {
    "jot".parse().unwrap()
}

/// A small whole spec of that title.
pub fn small(title: &str) -> Spec {
    let whole = json!({
        "schema": "otto.spec/1", "id": "jot", "title": title, "intent": "Keep notes.", "project_kind": "cli",
        "structure": {"entrypoint": "./jot", "commands": [{"name": "add", "summary": "Adds a note."}]},
        "requirements": [{"id": "R1", "text": "Notes are kept."}],
        "slices": [{
            "id": "store", "title": "Store", "requirements": ["R1"], "tasks": ["Write it."], "owned_paths": ["src/**"],
            "checks": [{"id": "store-1", "kind": "cli_probe", "command": ["./jot", "add"], "expect_exit": 0}],
        }],
    });
    spec::parse(whole.to_string().as_bytes()).unwrap()
}

/// Appends a record, a minute after the last; amendments are of tier 2.
pub fn put(f: &Fixture, kind: Kind, spec: &Spec) -> Oid {
    let tier = matches!(kind, Kind::Amend | Kind::Retire).then_some(2);
    put_by(f, kind, &spec::write(spec), By::User, tier, None)
}

/// The same by anybody, with any bytes.
pub fn put_by(f: &Fixture, kind: Kind, bytes: &[u8], by: By, tier: Option<u8>, trigger: Option<&str>) -> Oid {
    let files = BTreeMap::<Sha256, Vec<u8>>::new();
    let content = (!kind.keeps_content()).then_some(Content { spec: bytes, files: &files });
    let reason = if tier.is_some() { "It has to be." } else { "" };
    let new = NewRecord { kind, by, title: "Jot", reason, trigger, tier, content, cost: None, merges: None };
    f.advance(60);
    let tip = record::tip(&f.store.repo, &jot()).unwrap();
    record::append(&f.store, &jot(), new, tip).unwrap().commit
}

/// The anchor of a run that builds a version.
pub fn anchor(f: &Fixture, run: &str, spec_commit: Oid) -> RunAnchor {
    RunAnchor {
        format: 1,
        run: run.parse().unwrap(),
        spec: jot(),
        spec_commit,
        target: "refs/heads/otto/jot".into(),
        base: f.head(),
        limits: Limits::default(),
        agents: BTreeMap::new(),
        prompts: BTreeMap::new(),
        schemas: BTreeMap::new(),
        created: Timestamp::from_secs(1_700_000_000),
    }
}

/// compile, approve, amend, amend: titles a, a, b, c.
pub fn four(f: &Fixture) -> Vec<Oid> {
    let steps = [(Kind::Compile, "a"), (Kind::Approve, "a"), (Kind::Amend, "b"), (Kind::Amend, "c")];
    steps.into_iter().map(|(kind, title)| put(f, kind, &small(title))).collect()
}

/// Writes a commit of files on parents; no ref moves.
pub fn commit(f: &Fixture, parents: &[Oid], files: &[(&str, &[u8])]) -> Oid {
    let repo = &f.store.repo;
    let edit =
        |(path, bytes): &(&str, &[u8])| (BString::from(*path), Some((Mode::Plain, repo.write_blob(bytes).unwrap())));
    let tree = repo.write_tree(None, &files.iter().map(edit).collect::<Vec<_>>()).unwrap();
    let who = f.store.otto();
    let message = "x\n".to_owned();
    repo.write_commit(&NewCommit { tree, parents: parents.to_vec(), author: &who, committer: &who, message }).unwrap()
}
