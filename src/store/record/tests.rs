use std::path::PathBuf;

use super::*;
use crate::{
    base::{Exit, Failure, SpecId},
    git::{BString, Mode, NewCommit, Signature},
    store::{
        Error, Store, chain, names, pretty,
        testing::{Fixture, git_with},
    },
};

fn jot() -> SpecId {
    "jot".parse().unwrap()
}

fn spec(title: &str) -> Vec<u8> {
    format!("{{\n  \"schema\": \"otto.spec/1\",\n  \"id\": \"jot\",\n  \"title\": {title:?}\n}}\n").into_bytes()
}

fn files(texts: &[&str]) -> BTreeMap<Sha256, Vec<u8>> {
    texts.iter().map(|t| (Sha256::of(t), t.as_bytes().to_vec())).collect()
}

fn new<'a>(kind: Kind, content: Option<Content<'a>>) -> NewRecord<'a> {
    let tier = (kind == Kind::Amend).then_some(2);
    let reason = if kind == Kind::Amend { "The old one was too slow." } else { "" };
    NewRecord { kind, by: By::User, title: "Jot", reason, trigger: None, tier, content, cost: None, merges: None }
}

fn put(store: &Store, kind: Kind, title: &str) -> Oid {
    let (bytes, files) = (spec(title), files(&["one", "two"]));
    let content = (!kind.keeps_content()).then_some(Content { spec: &bytes, files: &files });
    let tip = tip(&store.repo, &jot()).unwrap();
    let done = append(store, &jot(), new(kind, content), tip).unwrap();
    assert!(done.new);
    done.commit
}

/// compile, edit, approve, amend, amend.
fn chain_of_five(f: &Fixture) -> Vec<Oid> {
    let steps = [(Kind::Compile, "a"), (Kind::Edit, "b"), (Kind::Approve, ""), (Kind::Amend, "c"), (Kind::Amend, "d")];
    steps
        .into_iter()
        .map(|(kind, title)| {
            f.advance(60);
            put(&f.store, kind, title)
        })
        .collect()
}

#[test]
fn a_history_is_written_read_and_verified() {
    let f = Fixture::new();
    let ids = chain_of_five(&f);
    let repo = &f.store.repo;
    assert_eq!(verify(repo, &jot(), ids[4]), []);
    let kinds: Vec<Kind> = history(repo, ids[4]).unwrap().into_iter().map(|s| s.record.kind).collect();
    assert_eq!(kinds, [Kind::Amend, Kind::Amend, Kind::Approve, Kind::Edit, Kind::Compile]);
    assert_eq!(phase(repo, ids[1]).unwrap(), (Phase::Draft, None));
    assert_eq!(phase(repo, ids[4]).unwrap(), (Phase::Approved, Some(ids[2])));
    let s = load(repo, ids[3]).unwrap();
    assert_eq!((s.spec_bytes, s.files, s.parents), (spec("c"), files(&["one", "two"]), vec![ids[2]]));
    assert_eq!(s.record.actor, Actor::User("ann@example.org".into()));
    assert_eq!((s.record.base, s.record.before), (Some(ids[2]), Some(Sha256::of(spec("b")))));
    assert_eq!(list(repo).unwrap(), [(jot(), ids[4])]);
    assert!(f.git(&["fsck", "--full", "--strict"]).status.success());
    let log = f.git(&["log", "--format=%s|%b", "-2", "refs/otto/specs/jot"]).stdout;
    let line = "Amend the spec of Jot|The old one was too slow.\n\n";
    assert_eq!(String::from_utf8(log).unwrap(), line.repeat(2));
    let sum = Sha256::of(f.git(&["cat-file", "blob", &format!("{}:spec.json", ids[4])]).stdout);
    assert_eq!(sum, load(repo, ids[4]).unwrap().record.after);
}

#[test]
fn a_repository_of_sha256_keeps_specs_too() {
    let f = Fixture::with(&["init", "-q", "-b", "main", "--object-format=sha256", "."]);
    let ids = chain_of_five(&f);
    assert_eq!(verify(&f.store.repo, &jot(), ids[4]), []);
    assert_eq!(ids[4].to_string().len(), 64);
    assert_eq!(load(&f.store.repo, ids[4]).unwrap().files.len(), 2);
}

#[cfg(feature = "faults")]
#[test]
fn a_failing_disk_leaves_the_old_history_or_the_new_one() {
    use crate::base::Point;
    for point in [Point::SpecAppendBeforeSwap, Point::StorePutBeforeSync, Point::StoreSwapBefore, Point::StoreSwapAfter]
    {
        for how in ["eio", "enospc"] {
            let f = Fixture::new();
            let first = put(&f.store, Kind::Compile, "a");
            let (bytes, none) = (spec("b"), BTreeMap::new());
            let content = Some(Content { spec: &bytes, files: &none });
            let e = append(&f.failing(point, how), &jot(), new(Kind::Edit, content), Some(first)).unwrap_err();
            assert_eq!(Failure::from(e).exit, Exit::Internal);
            let now = tip(&f.store.repo, &jot()).unwrap();
            assert_eq!(now != Some(first), point == Point::StoreSwapAfter, "{point:?}");
            let again = append(&f.store, &jot(), new(Kind::Edit, content), now).unwrap().commit;
            assert_eq!(history(&f.store.repo, again).unwrap().len(), 2, "{point:?}");
            assert_eq!(verify(&f.store.repo, &jot(), again), []);
        }
    }
}

#[test]
fn equal_content_is_no_change() {
    let f = Fixture::new();
    let (bytes, none) = (spec("a"), BTreeMap::new());
    let content = Some(Content { spec: &bytes, files: &none });
    let first = append(&f.store, &jot(), new(Kind::Compile, content), None).unwrap().commit;
    for kind in [Kind::Compile, Kind::Edit] {
        let again = append(&f.store, &jot(), new(kind, content), Some(first)).unwrap();
        assert_eq!(again, Appended { commit: first, new: false });
    }
    let approved = append(&f.store, &jot(), new(Kind::Approve, None), Some(first)).unwrap().commit;
    for kind in [Kind::Compile, Kind::Approve] {
        let again = append(&f.store, &jot(), new(kind, content), Some(approved)).unwrap();
        assert_eq!(again, Appended { commit: approved, new: false });
    }
    let e = append(&f.store, &jot(), new(Kind::Amend, content), Some(approved)).unwrap_err().to_string();
    assert!(e.contains("changes nothing"), "{e}");
}

#[test]
fn records_follow_each_other_in_one_order_only() {
    let f = Fixture::new();
    let (bytes, none) = (spec("x"), BTreeMap::new());
    let refuse = |kind: Kind, content| {
        let tip = tip(&f.store.repo, &jot()).unwrap();
        let e = append(&f.store, &jot(), new(kind, content), tip).unwrap_err();
        assert!(matches!(e, Error::Refused { .. }), "{kind:?}: {e}");
        assert_eq!(Failure::from(e).exit, Exit::Invalid);
    };
    let content = Some(Content { spec: &bytes, files: &none });
    for kind in [Kind::Approve, Kind::Amend, Kind::Retire, Kind::Close, Kind::Merge] {
        refuse(kind, content);
    }
    put(&f.store, Kind::Compile, "a");
    refuse(Kind::Amend, content);
    refuse(Kind::Close, None);
    refuse(Kind::Approve, content);
    put(&f.store, Kind::Approve, "");
    refuse(Kind::Compile, content);
    refuse(Kind::Edit, content);
    put(&f.store, Kind::Close, "");
    for kind in [Kind::Compile, Kind::Edit, Kind::Amend, Kind::Retire] {
        refuse(kind, content);
    }
    assert_eq!(history(&f.store.repo, tip(&f.store.repo, &jot()).unwrap().unwrap()).unwrap().len(), 3);
}

#[test]
fn agents_amend_only_with_a_trigger_and_tier_3() {
    let f = Fixture::new();
    put(&f.store, Kind::Compile, "a");
    let tip = put(&f.store, Kind::Approve, "");
    let (bytes, none) = (spec("b"), BTreeMap::new());
    let by = By::Agent { provider: "claude".into(), model: "opus".into() };
    let amend = NewRecord {
        by: by.clone(),
        tier: Some(3),
        trigger: Some("0a-7"),
        ..new(Kind::Amend, Some(Content { spec: &bytes, files: &none }))
    };
    for bad in [
        NewRecord { tier: Some(2), ..amend.clone() },
        NewRecord { trigger: None, ..amend.clone() },
        NewRecord { tier: None, ..amend.clone() },
        NewRecord { reason: " ", ..amend.clone() },
        NewRecord { kind: Kind::Close, content: None, ..amend.clone() },
        NewRecord { by: By::Otto, ..amend.clone() },
    ] {
        assert!(matches!(append(&f.store, &jot(), bad, Some(tip)), Err(Error::Refused { .. })));
    }
    let done = append(&f.store, &jot(), amend, Some(tip)).unwrap().commit;
    assert_eq!(load(&f.store.repo, done).unwrap().record.actor.to_string(), "agent:claude/opus");
    assert_eq!(verify(&f.store.repo, &jot(), done), []);
}

#[test]
fn what_is_no_spec_of_ours_is_not_recorded() {
    let f = Fixture::new();
    let other = String::from_utf8(spec("a")).unwrap().replace("\"jot\"", "\"toj\"");
    let wrong: BTreeMap<_, _> = [(Sha256::of("x"), b"y".to_vec())].into();
    let none = BTreeMap::new();
    for (bytes, files) in [
        (&b"{\"id\":\"jot\"}"[..], &none),
        (b"", &none),
        (b"{\n  \"a\": 1,\n  \"a\": 1\n}\n", &none),
        (other.as_bytes(), &none),
        (&spec("a"), &wrong),
    ] {
        let e = append(&f.store, &jot(), new(Kind::Compile, Some(Content { spec: bytes, files })), None);
        assert!(matches!(e, Err(Error::Refused { .. })), "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(tip(&f.store.repo, &jot()).unwrap(), None);
}

#[test]
fn who_comes_second_is_told_who_came_first() {
    let f = Fixture::new();
    let first = put(&f.store, Kind::Compile, "a");
    put(&f.store, Kind::Edit, "b");
    let (bytes, none) = (spec("c"), BTreeMap::new());
    let e = append(&f.store, &jot(), new(Kind::Edit, Some(Content { spec: &bytes, files: &none })), Some(first));
    let e = Failure::from(e.unwrap_err());
    assert!(e.message.contains("user:ann@example.org did edit at 2023-11-14"), "{e}");
    assert_eq!(e.hint.as_deref(), Some("git otto log jot"));
}

#[test]
fn of_threads_that_append_to_one_tip_one_wins() {
    let f = Fixture::new();
    let tip0 = put(&f.store, Kind::Compile, "a");
    let won: usize = std::thread::scope(|s| {
        let threads: Vec<_> = (0..6)
            .map(|n| {
                let store = f.again();
                s.spawn(move || {
                    let (bytes, none) = (spec(&format!("t{n}")), BTreeMap::new());
                    let content = Some(Content { spec: &bytes, files: &none });
                    match append(&store, &jot(), new(Kind::Edit, content), Some(tip0)) {
                        Ok(_) => 1,
                        Err(Error::Moved { .. } | Error::Git(_)) => 0,
                        Err(e) => panic!("{e}"),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    let tip = tip(&f.store.repo, &jot()).unwrap().unwrap();
    assert_eq!(history(&f.store.repo, tip).unwrap().len(), 2);
}

#[test]
fn both_sides_of_a_merge_make_the_same_commit() {
    let f = Fixture::new();
    put(&f.store, Kind::Compile, "a");
    let base = put(&f.store, Kind::Approve, "");
    let ours = put(&f.store, Kind::Amend, "b");
    f.git(&["update-ref", "refs/otto/specs/jot", &base.to_string()]);
    f.advance(60);
    let theirs = put(&f.store, Kind::Amend, "c");
    let (bytes, none) = (spec("bc"), BTreeMap::new());
    let merge = |tip: Oid, other: Oid| {
        f.git(&["update-ref", "refs/otto/specs/jot", &tip.to_string()]);
        f.advance(1000);
        let content = Some(Content { spec: &bytes, files: &none });
        let n = NewRecord { by: By::Otto, merges: Some((other, base)), ..new(Kind::Merge, content) };
        append(&f.again(), &jot(), n, Some(tip)).unwrap().commit
    };
    let id = merge(ours, theirs);
    assert_eq!(id, merge(theirs, ours));
    assert_eq!(verify(&f.store.repo, &jot(), id), []);
    assert_eq!(history(&f.store.repo, id).unwrap().len(), 5);
}

/// A forged record: what an attacker with full access to the object store can write.
struct Forgery {
    record: Record,
    spec: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
    parents: Vec<Oid>,
    time: i64,
    name: String,
    raw_record: Option<Vec<u8>>,
}

impl Forgery {
    fn of(f: &Fixture, commit: Oid) -> Forgery {
        let s = load(&f.store.repo, commit).unwrap();
        Forgery {
            time: s.record.time.secs,
            name: s.record.author.name.clone(),
            record: s.record,
            spec: s.spec_bytes,
            files: s.files.into_iter().map(|(d, b)| (format!("files/{d}"), b)).collect(),
            parents: s.parents,
            raw_record: None,
        }
    }

    /// Computes the chain anew, as a careful forger would.
    fn rechain(mut self, f: &Fixture) -> Forgery {
        let parents: Vec<Sha256> =
            self.parents.iter().map(|p| load(&f.store.repo, *p).unwrap().record.chain.unwrap()).collect();
        let mut leaves: Vec<chain::Leaf> = self
            .files
            .iter()
            .map(|(path, b)| chain::Leaf { mode: "100644", path: path.clone(), digest: Sha256::of(b) })
            .collect();
        leaves.push(chain::Leaf { mode: "100644", path: "spec.json".into(), digest: Sha256::of(&self.spec) });
        self.record.chain = None;
        self.record.chain = Some(chain::digest(&parents, &leaves, &pretty(&self.record).unwrap()));
        self
    }

    fn write(&self, f: &Fixture) -> Oid {
        let repo = &f.store.repo;
        let record = self.raw_record.clone().unwrap_or_else(|| pretty(&self.record).unwrap());
        let mut edits = vec![];
        for (path, bytes) in
            self.files.iter().chain(&[("record.json".into(), record), ("spec.json".into(), self.spec.clone())])
        {
            edits.push((BString::from(path.as_str()), Some((Mode::Plain, repo.write_blob(bytes).unwrap()))));
        }
        let time = crate::base::Timestamp::from_secs(self.time);
        let who = Signature { name: self.name.clone(), email: "ann@example.org".into(), time };
        let tree = repo.write_tree(None, &edits).unwrap();
        let commit =
            NewCommit { tree, parents: self.parents.clone(), author: &who, committer: &who, message: "x\n".into() };
        repo.write_commit(&commit).unwrap()
    }
}

/// Puts `forged` in the place of the record `at`, with the honest records after it rewritten onto it by the forger, who
/// fixes `base` but cannot know better chains where `careful` is off.
fn tampered(f: &Fixture, ids: &[Oid], at: usize, careful: bool, forge: impl Fn(&mut Forgery)) -> (Oid, Oid) {
    let mut forgery = Forgery::of(f, ids[at]);
    if careful {
        forge(&mut forgery);
        forgery = forgery.rechain(f);
    } else {
        forge(&mut forgery);
    }
    let forged = forgery.write(f);
    let mut tip = forged;
    for id in &ids[at + 1..] {
        let mut next = Forgery::of(f, *id);
        next.parents = vec![tip];
        next.record.base = Some(tip);
        tip = next.write(f);
    }
    (forged, tip)
}

#[test]
fn every_tampering_is_found_and_the_first_bad_record_named() {
    type Forge = fn(&mut Forgery);
    let cases: &[(&str, usize, bool, Code, Forge)] = &[
        ("rewritten reason", 3, false, Code::ChainBroken, |f| f.record.reason = "Because.".into()),
        ("changed date", 3, false, Code::WrongIdentity, |f| f.time += 1),
        ("changed date in the record", 3, true, Code::WrongIdentity, |f| f.record.time.secs += 1),
        ("changed author", 1, false, Code::WrongIdentity, |f| f.name = "Eve".into()),
        ("swapped spec", 3, false, Code::WrongDigest, |f| f.spec = spec("evil")),
        ("swapped spec with digest", 3, false, Code::ChainBroken, |f| {
            f.spec = spec("evil");
            f.record.after = Sha256::of(&f.spec);
        }),
        ("forged chain", 2, false, Code::ChainBroken, |f| f.record.chain = Some(Sha256::of("x"))),
        ("extra file", 1, true, Code::WrongEntries, |f| f.files.push(("README".into(), vec![]))),
        ("extra file among files", 1, true, Code::WrongEntries, |f| f.files.push(("files/x".into(), vec![]))),
        ("wrong file digest", 0, true, Code::WrongFile, |f| f.files[0].1 = b"evil".to_vec()),
        ("file removed", 4, false, Code::ChainBroken, |f| drop(f.files.pop())),
        ("newer format", 3, true, Code::FormatTooNew, |f| f.record.format = 2),
        ("another layout", 3, true, Code::NotCanonical, |f| f.raw_record = serde_json::to_vec(&f.record).ok()),
        ("a field more", 3, true, Code::Malformed, |f| {
            let text = String::from_utf8(pretty(&f.record).unwrap()).unwrap();
            f.raw_record = Some(text.replacen('{', "{\n  \"also\": 1,", 1).into_bytes());
        }),
        ("a key twice", 3, true, Code::Malformed, |f| {
            let text = String::from_utf8(pretty(&f.record).unwrap()).unwrap();
            f.raw_record = Some(text.replacen('{', "{\n  \"format\": 1,", 1).into_bytes());
        }),
        ("approval by an agent", 2, true, Code::WrongActor, |f| f.record.actor = "agent:a/b".parse().unwrap()),
        ("somebody else's name", 3, true, Code::WrongActor, |f| f.record.actor = "user:eve@x".parse().unwrap()),
        ("tier of nothing", 3, true, Code::WrongActor, |f| f.record.tier = Some(4)),
        ("agent without trigger", 3, true, Code::MissingTrigger, |f| {
            f.record.actor = "agent:a/b".parse().unwrap();
            f.record.tier = Some(3);
        }),
        ("edit after approval", 3, true, Code::WrongOrder, |f| {
            f.record.kind = Kind::Edit;
            f.record.tier = None;
        }),
        ("wrong before", 3, true, Code::WrongDigest, |f| f.record.before = Some(Sha256::of("x"))),
        ("wrong base", 3, true, Code::WrongParents, |f| {
            f.record.base = f.record.base.map(|_| "1".repeat(40).parse().unwrap())
        }),
        ("spec of another layout", 4, true, Code::NotCanonical, |f| {
            f.spec = b"{\"id\": \"jot\"}".to_vec();
            f.record.after = Sha256::of(&f.spec);
        }),
        ("another spec", 4, true, Code::WrongSpec, |f| {
            f.spec = String::from_utf8(spec("d")).unwrap().replace("\"jot\"", "\"toj\"").into_bytes();
            f.record.after = Sha256::of(&f.spec);
        }),
        ("approval with another spec", 2, true, Code::NoChange, |f| {
            f.spec = spec("evil");
            f.record.after = Sha256::of(&f.spec);
        }),
    ];
    let f = Fixture::new();
    let ids = chain_of_five(&f);
    for (what, at, careful, code, forge) in cases {
        let (forged, tip) = tampered(&f, &ids, *at, *careful, forge);
        let found = verify(&f.store.repo, &jot(), tip);
        let first = found.first().unwrap_or_else(|| panic!("{what} was not found"));
        assert_eq!(first.commit, forged, "{what}: {found:#?}");
        assert!(found.iter().any(|v| v.commit == forged && v.code == *code), "{what}: {found:#?}");
    }
    assert_eq!(verify(&f.store.repo, &jot(), ids[4]), []);
    let (_, newer) = tampered(&f, &ids, 4, true, |f| f.record.format = 2);
    let e = Failure::from(load(&f.store.repo, newer).unwrap_err());
    assert!(e.message.contains("format 2") && e.hint.as_deref() == Some("install a newer git otto"), "{e}");
}

#[test]
fn dropped_reordered_and_grafted_records_are_found() {
    let f = Fixture::new();
    let ids = chain_of_five(&f);
    let graft = |id: Oid, parents: Vec<Oid>| {
        let mut forgery = Forgery::of(&f, id);
        forgery.record.base = parents.first().copied();
        forgery.parents = parents;
        forgery.write(&f)
    };
    let dropped = graft(ids[4], vec![ids[2]]);
    let late = graft(ids[4], vec![ids[2]]);
    let reordered = graft(ids[3], vec![late]);
    let rootless = graft(ids[3], vec![]);
    let merged = graft(ids[4], vec![ids[3], ids[2]]);
    for (what, tip, bad) in [
        ("dropped", dropped, dropped),
        ("reordered", reordered, late),
        ("cut", rootless, rootless),
        ("merged", merged, merged),
    ] {
        let found = verify(&f.store.repo, &jot(), tip);
        assert_eq!(found.first().map(|v| v.commit), Some(bad), "{what}: {found:#?}");
    }
}

fn loose(f: &Fixture, id: &str) -> PathBuf {
    f.dir.path().join(".git/objects").join(&id[..2]).join(&id[2..])
}

fn overwrite(f: &Fixture, id: &str, with: Option<&str>) {
    let path = loose(f, id);
    let bytes = with.map(|other| std::fs::read(loose(f, other)).unwrap());
    std::fs::remove_file(&path).unwrap();
    if let Some(bytes) = bytes {
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn planted_and_missing_objects_are_found() {
    for (what, object) in
        [("spec", "{3}:spec.json"), ("record", "{3}:record.json"), ("tree", "{3}^{tree}"), ("commit", "{3}")]
    {
        for planted in [true, false] {
            let f = Fixture::new();
            let ids = chain_of_five(&f);
            let rev = |text: &str| {
                let text = text.replace("{3}", &ids[3].to_string()).replace("{4}", &ids[4].to_string());
                String::from_utf8(f.git(&["rev-parse", &text]).stdout).unwrap().trim().to_owned()
            };
            let (id, other) = (rev(object), rev(&object.replace('3', "4")));
            overwrite(&f, &id, planted.then_some(&other));
            let found = verify(&f.again().repo, &jot(), ids[4]);
            let first = found.first().unwrap_or_else(|| panic!("{what} planted={planted} was not found"));
            assert_eq!((first.commit, first.code), (ids[3], Code::Unreadable), "{what} {planted}: {found:#?}");
        }
    }
}

#[test]
fn replaced_objects_do_not_deceive() {
    let f = Fixture::new();
    let ids = chain_of_five(&f);
    let (forged, _) = tampered(&f, &ids, 4, true, |f| f.record.reason = "Another.".into());
    f.git(&["replace", &ids[4].to_string(), &forged.to_string()]);
    let store = f.again();
    assert_eq!(load(&store.repo, ids[4]).unwrap().record.reason, "The old one was too slow.");
    assert_eq!(verify(&store.repo, &jot(), ids[4]), []);
}

#[test]
fn signatures_are_made_and_demanded() {
    let f = Fixture::new();
    let unsigned = put(&f.store, Kind::Compile, "a");
    let (key, signers) = (f.dir.path().join("key"), f.dir.path().join("signers"));
    let mut keygen = std::process::Command::new("ssh-keygen");
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    std::fs::write(&signers, format!("ann@example.org {public}")).unwrap();
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", key.with_extension("pub").to_str().unwrap()),
        ("gpg.ssh.allowedSignersFile", signers.to_str().unwrap()),
        ("commit.gpgSign", "true"),
        ("otto.requireSigned", "true"),
    ] {
        f.git(&["config", name, value]);
    }
    let signed = put(&f.again(), Kind::Edit, "b");
    f.git(&["verify-commit", &signed.to_string()]);
    f.git(&["config", "--unset", "commit.gpgSign"]);
    f.git(&["config", "otto.sign", "true"]);
    let store = f.again();
    let approved = put(&store, Kind::Approve, "");
    f.git(&["verify-commit", &approved.to_string()]);
    let found = |repo: &crate::git::Repo| -> Vec<(Oid, Code)> {
        verify(repo, &jot(), approved).into_iter().map(|v| (v.commit, v.code)).collect()
    };
    assert_eq!(found(&store.repo), [(unsigned, Code::Unsigned)]);
    // A signature by a key that nobody vouches for is none.
    std::fs::write(&signers, "").unwrap();
    assert_eq!(found(&store.repo), [unsigned, signed, approved].map(|id| (id, Code::Unsigned)));
    f.git(&["config", "otto.requireSigned", "false"]);
    assert_eq!(found(&f.again().repo), []);
}

#[test]
fn secrets_and_control_sequences_stay_out_of_reasons() {
    let f = Fixture::new();
    let (bytes, none) = (spec("a"), BTreeMap::new());
    let n = NewRecord {
        reason: "use \u{1b}[31mAKIAABCDEFGHIJKLMNOP\n",
        title: "Jot\nOtto-Run: x",
        ..new(Kind::Compile, Some(Content { spec: &bytes, files: &none }))
    };
    let id = append(&f.store, &jot(), n, None).unwrap().commit;
    assert_eq!(load(&f.store.repo, id).unwrap().record.reason, "use [redacted]");
    let log = git_with(f.dir.path(), &["log", "--format=%B", "-1", &names::spec(&jot())], &[]).stdout;
    assert_eq!(String::from_utf8(log).unwrap().trim_end(), "Compile the spec of Jot\n\nuse [redacted]");
}

#[test]
fn nothing_from_outside_makes_a_reader_panic() {
    let f = Fixture::new();
    assert!(load(&f.store.repo, f.head()).is_err());
    assert!(history(&f.store.repo, f.head()).is_err());
    assert_eq!(verify(&f.store.repo, &jot(), f.head())[0].code, Code::WrongEntries);
    assert_eq!(verify(&f.store.repo, &jot(), "1".repeat(40).parse().unwrap())[0].code, Code::Unreadable);
    f.git(&["update-ref", "refs/otto/specs/jot/x", "HEAD"]);
    f.git(&["update-ref", "refs/otto/specs/UPPER", "HEAD"]);
    assert_eq!(list(&f.store.repo).unwrap(), []);
}
