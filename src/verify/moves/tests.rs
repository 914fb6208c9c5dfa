use super::*;
use crate::{
    base::{Sha256, SliceId},
    checks::model::{Cause, Gate},
    git::NewCommit,
    journal::{
        Writer,
        event::{Cost, Fact, Kind as Event},
    },
    queue::receipt::{Proof, Receipt},
    spec::write,
    store::{evidence, record::Kind, testing::Fixture},
    verify::testing::{anchor, commit, four, put, small},
};

const RUN: &str = "jot-20231114t221320z-0a1b2c";

fn run_id() -> RunId {
    RUN.parse().unwrap()
}

fn update(name: &str, old: Option<Oid>, new: Option<Oid>) -> Update {
    Update { name: name.into(), old, new }
}

fn codes(f: &Fixture, set: &[Update]) -> Vec<Code> {
    updates(&f.store.repo, set).unwrap().into_iter().map(|v| v.code).collect()
}

/// One move, judged alone.
fn one(f: &Fixture, name: &str, old: Option<Oid>, new: Option<Oid>) -> Vec<Code> {
    codes(f, &[update(name, old, new)])
}

#[test]
fn a_spec_is_created_moves_forward_and_is_verified_whole() {
    let f = Fixture::new();
    let ids = four(&f);
    let name = "refs/otto/specs/jot";
    assert_eq!(one(&f, name, Some(ids[1]), Some(ids[3])), []);
    assert_eq!(one(&f, name, Some(ids[3]), Some(ids[3])), []);
    // What names no old value is held against the ref as it is.
    assert_eq!(one(&f, name, None, Some(ids[3])), []);
    assert_eq!(one(&f, name, None, Some(ids[1])), [Code::NotForward]);
    assert_eq!(one(&f, name, Some(ids[3]), None), [Code::Deleted]);
    // Another spec's history, and no record at all.
    assert!(one(&f, "refs/otto/specs/other", None, Some(ids[3])).contains(&Code::Record(record::Code::WrongSpec)));
    let junk = one(&f, name, Some(ids[3]), Some(f.head()));
    assert_eq!(junk, [Code::NotForward, Code::Record(record::Code::WrongEntries)]);
    let junk = commit(&f, &[ids[3]], &[("spec.json", b"{}"), ("record.json", b"{}")]);
    assert_eq!(one(&f, name, Some(ids[3]), Some(junk)), [Code::Record(record::Code::Malformed)]);
    let blob = f.store.repo.write_blob(b"x").unwrap();
    assert!(!one(&f, name, Some(ids[3]), Some(blob)).is_empty());
    let closed = put(&f, Kind::Close, &small("c"));
    assert_eq!(one(&f, name, Some(closed), None), []);
}

#[test]
fn names_that_are_none_are_refused_and_may_be_cleared_away() {
    let f = Fixture::new();
    let at = f.head();
    for name in [
        "refs/otto/specs/Jot",
        "refs/otto/specs/jot/x",
        "refs/OTTO/specs/jot",
        "refs/otto/what/ever",
        "refs/otto",
        "refs/notes/otto/x",
        "refs/otto/pin/x/y",
        "refs/otto/undo/x",
        "refs/otto/rescue/x",
        "refs/otto-remote/origin/specs/jot",
    ] {
        assert_eq!(one(&f, name, None, Some(at)), [Code::BadName], "{name}");
        assert_eq!(one(&f, name, Some(at), None), [], "{name}");
    }
    assert_eq!(one(&f, "refs/notes/commits", None, Some(at)), []);
}

#[test]
fn a_run_builds_a_version_that_is_there_or_comes_along() {
    let f = Fixture::new();
    let ids = four(&f);
    let name = names::run(&run_id());
    let id = run::create(&f.store, &anchor(&f, RUN, ids[3])).unwrap();
    f.git(&["update-ref", "-d", &name]);
    assert_eq!(one(&f, &name, None, Some(id)), []);
    assert_eq!(one(&f, &name, Some(f.head()), Some(id)), [Code::NotForward]);
    assert_eq!(one(&f, &name, None, Some(f.head())), [Code::AnchorMalformed]);
    let other = "refs/otto/runs/jot-20231114t221320z-ffffff";
    assert_eq!(one(&f, other, None, Some(id)), [Code::AnchorMalformed]);
    // The version is not here yet: alone it is unknown, in one set with the spec it is fine, in any order.
    f.git(&["update-ref", "refs/otto/specs/jot", &ids[1].to_string()]);
    let with_run = update(&name, None, Some(id));
    let with_spec = update("refs/otto/specs/jot", Some(ids[1]), Some(ids[3]));
    assert_eq!(codes(&f, std::slice::from_ref(&with_run)), [Code::VersionUnknown]);
    assert_eq!(codes(&f, &[with_run.clone(), with_spec.clone()]), []);
    assert_eq!(codes(&f, &[with_spec, with_run]), []);
}

#[test]
fn what_belongs_to_a_run_stays_until_its_spec_is_closed() {
    let f = Fixture::new();
    let ids = four(&f);
    let at = f.head();
    let run = run_id();
    let slice: SliceId = "store".parse().unwrap();
    let all = [
        names::run(&run),
        names::slice_attempt(&run, &slice, 1),
        names::target(&run),
        names::evidence(&run, "0a"),
        names::journal(&run, "0a"),
        names::wip(&run, &slice),
    ];
    assert_eq!(one(&f, &names::lease(&run), Some(at), None), [], "a run is given back while its spec is open");
    for name in &all {
        assert_eq!(one(&f, name, Some(at), None), [Code::Deleted], "{name}");
    }
    let closed = put(&f, Kind::Close, &small("c"));
    for name in &all {
        assert_eq!(one(&f, name, Some(at), None), [], "{name}");
    }
    // All at once, the spec too.
    let mut set: Vec<Update> = all.iter().map(|name| update(name, Some(at), None)).collect();
    set.push(update("refs/otto/specs/jot", Some(closed), None));
    assert_eq!(codes(&f, &set), []);
    set[6].old = Some(ids[3]);
    f.git(&["update-ref", "refs/otto/specs/jot", &ids[3].to_string()]);
    assert_eq!(codes(&f, &set).len(), 7);
}

#[test]
fn attempts_stand_and_targets_only_grow() {
    let f = Fixture::new();
    four(&f);
    let (run, slice) = (run_id(), "store".parse().unwrap());
    let (one_, two) = (f.head(), f.commit("two"));
    let attempt = names::slice_attempt(&run, &slice, 1);
    assert_eq!(one(&f, &attempt, None, Some(one_)), []);
    assert_eq!(one(&f, &attempt, Some(one_), Some(two)), [Code::NotForward]);
    let target = names::target(&run);
    assert_eq!(one(&f, &target, None, Some(one_)), []);
    assert_eq!(one(&f, &target, Some(one_), Some(two)), []);
    assert_eq!(one(&f, &target, Some(two), Some(one_)), [Code::NotForward]);
    let blob = f.store.repo.write_blob(b"x").unwrap();
    assert_eq!(one(&f, &target, None, Some(blob)), [Code::Record(record::Code::Unreadable)]);
    assert_eq!(one(&f, &names::wip(&run, &slice), Some(two), Some(one_)), []);
    assert_eq!(one(&f, &names::lease(&run), None, Some(one_)), [Code::LeaseMalformed]);
}

#[test]
fn evidence_is_only_added() {
    let f = Fixture::new();
    let run = run_id();
    let name = names::evidence(&run, "0a");
    let put = |path: &str, bytes: &[u8]| {
        evidence::put(&f.store, &run, "0a", &[(path.into(), bytes.to_vec())]).unwrap();
        f.store.repo.refs().read(&name).unwrap()
    };
    let (a, b, c) = (put("s/1/result.json", b"1"), put("s/2/result.json", b"2"), put("s/1/result.json", b"3"));
    assert_eq!(one(&f, &name, Some(f.head()), a), [Code::NotForward]);
    assert_eq!(one(&f, &name, a, b), []);
    assert_eq!(one(&f, &name, b, c), [Code::EvidenceChanged]);
    let fewer = commit(&f, &[b.unwrap()], &[("s/1/result.json", b"1")]);
    assert_eq!(one(&f, &name, b, Some(fewer)), [Code::EvidenceChanged]);
    f.git(&["update-ref", "-d", &name]);
    assert_eq!(one(&f, &name, None, b), []);
    let link = f.store.repo.write_blob(b"/etc/passwd").unwrap();
    let tree = f.store.repo.write_tree(None, &[("x".into(), Some((Mode::Symlink, link)))]).unwrap();
    let who = f.store.otto();
    let new = NewCommit { tree, parents: vec![], author: &who, committer: &who, message: "x\n".into() };
    let linked = f.store.repo.write_commit(&new).unwrap();
    assert_eq!(one(&f, &name, None, Some(linked)), [Code::EvidenceChanged]);
}

/// A run with a journal of a few lines, and the values that its ref had.
fn journalled(f: &Fixture) -> (Vec<Oid>, String) {
    let ids = four(f);
    let id = run::create(&f.store, &anchor(f, RUN, ids[3])).unwrap();
    let mut writer = Writer::open(&f.store, &run_id(), id, 0).unwrap();
    let name = names::journal(&run_id(), writer.id());
    let mut tips = Vec::new();
    for n in 0..4 {
        writer.append(&[Fact::run(Event::RunResumed { reason: format!("time {n}"), term: 0 })]).unwrap();
        tips.push(f.store.repo.refs().read(&name).unwrap().unwrap());
    }
    (tips, name)
}

#[test]
fn lines_of_a_journal_are_only_added_and_follow_from_each_other() {
    let f = Fixture::new();
    let (tips, name) = journalled(&f);
    assert_eq!(one(&f, &name, Some(tips[0]), Some(tips[3])), []);
    assert_eq!(one(&f, &name, Some(tips[3]), Some(tips[0])), [Code::NotForward]);
    f.git(&["update-ref", "-d", &name]);
    assert_eq!(one(&f, &name, None, Some(tips[3])), []);

    let repo = &f.store.repo;
    let entry = repo.tree_entries(repo.read_commit(tips[3]).unwrap().tree).unwrap().remove(0);
    let text = String::from_utf8(repo.read_blob(entry.oid, 1 << 20).unwrap()).unwrap();
    let with = |text: &str| {
        let path = entry.path.to_str_lossy().into_owned();
        commit(&f, &[tips[3]], &[(&path, text.as_bytes())])
    };
    let lines: Vec<&str> = text.lines().collect();
    let forged = format!("{text}{}\n", lines[3].replace("-4\"", "-5\"").replace("\"seq\":4", "\"seq\":5"));
    for (what, text, code) in [
        ("changed", text.replace("time 1", "time 9"), Code::JournalChanged),
        ("dropped", format!("{}\n{}\n", lines[0], lines[1]), Code::JournalChanged),
        ("nothing of it", String::new(), Code::JournalChanged),
        ("forged", forged, Code::JournalBroken),
        ("torn", format!("{text}{{"), Code::JournalBroken),
        ("prose", format!("{text}hello\n"), Code::JournalBroken),
    ] {
        let found = one(&f, &name, Some(tips[3]), Some(with(&text)));
        assert!(found.contains(&code), "{what}: {found:?}");
    }
    let gone = commit(&f, &[tips[3]], &[]);
    assert!(one(&f, &name, Some(tips[3]), Some(gone)).contains(&Code::JournalChanged));
    let prose = commit(&f, &[tips[3]], &[("README", b"x")]);
    assert!(one(&f, &name, Some(tips[3]), Some(prose)).contains(&Code::JournalChanged));
    f.git(&["update-ref", "-d", &names::run(&run_id())]);
    assert_eq!(one(&f, &name, None, Some(tips[3])), [Code::AnchorMissing]);
}

#[test]
fn a_receipt_is_that_of_the_landing_it_stands_on() {
    let f = Fixture::new();
    let ids = four(&f);
    let id = run::create(&f.store, &anchor(&f, RUN, ids[3])).unwrap();
    let base = f.head();
    let candidate = commit(&f, &[base], &[("src/a", b"1")]);
    let landing = commit(&f, &[base, candidate], &[("src/a", b"1")]);
    let proof = Proof {
        id: "store-1".into(),
        digest: Sha256::of("x"),
        gate: Gate::New,
        base: None,
        candidate: None,
        integrated: Cause::Holds,
        evidence: f.store.repo.write_blob(b"{}").unwrap(),
    };
    let right = Receipt {
        receipt: 1,
        run: run_id(),
        slice: "store".parse().unwrap(),
        r#gen: Sha256::of("g"),
        base,
        candidate,
        tested_tree: f.store.repo.read_commit(landing).unwrap().tree,
        checks: vec![proof],
        agent: "literate".into(),
        cost: Cost::default(),
    };
    let wrong_tree = Receipt { tested_tree: f.store.repo.read_commit(base).unwrap().tree, ..right.clone() };
    let wrong_run = Receipt { run: "jot-20231114t221320z-ffffff".parse().unwrap(), ..right.clone() };
    let wrong_candidate = Receipt { candidate: base, ..right.clone() };
    let nothing = Receipt { checks: vec![], ..right.clone() };
    for (receipt, fine) in
        [(&right, true), (&wrong_tree, false), (&wrong_run, false), (&wrong_candidate, false), (&nothing, false)]
    {
        let mut writer = Writer::open(&f.store, &run_id(), id, 0).unwrap();
        writer.note(landing, &receipt.note()).unwrap();
        let name = names::journal(&run_id(), writer.id());
        let tip = f.store.repo.refs().read(&name).unwrap();
        f.git(&["update-ref", "-d", &name]);
        let expected: &[Code] = if fine { &[] } else { &[Code::ReceiptMismatch] };
        assert_eq!(one(&f, &name, None, tip), expected, "{receipt:?}");
    }
}

#[test]
fn branches_and_tags_bring_no_edited_copy() {
    let f = Fixture::new();
    let ids = four(&f);
    let root = f.head();
    let (evil, c) = (write(&small("evil")), write(&small("c")));
    let bad = commit(&f, &[root], &[(".otto/specs/jot.json", &evil)]);
    let after = commit(&f, &[bad], &[("x", b"1")]);
    let good = commit(&f, &[root], &[(".otto/specs/jot.json", &c)]);
    for name in ["refs/heads/main", "refs/heads/new", "refs/tags/v1"] {
        let found = updates(&f.store.repo, &[update(name, None, Some(bad))]).unwrap();
        assert_eq!(found.iter().map(|v| (v.code, v.commit)).collect::<Vec<_>>(), [(Code::CopyNotInChain, Some(bad))]);
        assert!(one(&f, name, None, Some(after)).contains(&Code::CopyNotInChain));
        assert_eq!(one(&f, name, None, Some(good)), []);
        assert_eq!(one(&f, name, Some(good), None), []);
    }
    // Through an annotated tag too; a tag of a file brings no commit.
    f.git(&["tag", "-a", "-m", "x", "bad", &bad.to_string()]);
    let tag: Oid = String::from_utf8(f.git(&["rev-parse", "bad"]).stdout).unwrap().trim().parse().unwrap();
    f.git(&["tag", "-d", "bad"]);
    assert_eq!(one(&f, "refs/tags/v2", None, Some(tag)), [Code::CopyNotInChain]);
    let blob = f.store.repo.write_blob(b"x").unwrap();
    assert_eq!(one(&f, "refs/tags/v3", None, Some(blob)), []);
    // A ref that nobody judges makes no commit known; a branch does.
    let wip = names::wip(&run_id(), &"store".parse().unwrap());
    f.git(&["update-ref", &wip, &bad.to_string()]);
    f.git(&["update-ref", "refs/x/y", &bad.to_string()]);
    assert_eq!(one(&f, "refs/heads/new", None, Some(bad)), [Code::CopyNotInChain]);
    f.git(&["update-ref", "refs/heads/old", &bad.to_string()]);
    assert_eq!(one(&f, "refs/heads/new", None, Some(bad)), []);
    // A branch whose own move is judged after the fact knows nothing yet.
    assert_eq!(one(&f, "refs/heads/old", Some(root), Some(bad)), [Code::CopyNotInChain]);
    f.git(&["update-ref", "-d", "refs/heads/old"]);

    // The version comes in the same set.
    f.git(&["update-ref", "refs/otto/specs/jot", &ids[2].to_string()]);
    let branch = update("refs/heads/new", None, Some(good));
    assert_eq!(codes(&f, std::slice::from_ref(&branch)), [Code::CopyNotInChain]);
    let spec = update("refs/otto/specs/jot", Some(ids[2]), Some(ids[3]));
    assert_eq!(codes(&f, &[branch, spec]), []);
}
