use super::*;
use crate::{
    store::{record::Kind, testing::Fixture},
    verify::testing::{commit, four, jot, put, small},
};

const JOT: &str = ".otto/specs/jot.json";

fn bytes(title: &str) -> Vec<u8> {
    spec::write(&small(title))
}

fn codes(found: &Findings) -> Vec<Code> {
    found.violations.iter().map(|v| v.code).collect()
}

fn notes(found: &Findings) -> Vec<&str> {
    found.notes.iter().map(|n| n.message.as_str()).collect()
}

#[test]
fn a_copy_is_a_version_in_any_layout_and_nothing_else() {
    let f = Fixture::new();
    four(&f);
    let repo = &f.store.repo;
    let fine = |bytes: &[u8]| copy(repo, "jot.json", bytes).unwrap();
    assert_eq!(fine(&bytes("c")), Findings::default());
    let compact = serde_json::to_vec(&small("c")).unwrap();
    assert_eq!(fine(&compact), Findings::default());
    let stale = fine(&bytes("b"));
    assert_eq!(notes(&stale), [".otto/specs/jot.json is an older version, jot@{1}; git otto show jot --write"]);
    assert_eq!(codes(&stale), []);

    let edited = fine(&bytes("d"));
    let v = &edited.violations[0];
    assert_eq!(v.code, Code::CopyNotInChain);
    assert!(v.message.ends_with("edited without an amendment; against jot@{0}:\n  title: - c; + d"), "{}", v.message);
    assert_eq!(v.hint, "git otto amend jot --file .otto/specs/jot.json -m '<why>'");

    for bad in [&b""[..], b"{", b"<<<<<<< HEAD", &[0xff], b"[[[[", b"{\"id\": \"jot\"}"] {
        let found = fine(bad);
        assert_eq!(codes(&found), [Code::CopyMalformed], "{}", String::from_utf8_lossy(bad));
        assert_eq!(found.violations[0].hint, "git otto show jot --write");
    }
    for name in ["joke.json", "Jot.json", "\u{1b}[2J.json"] {
        let found = copy(repo, name, &bytes("c")).unwrap();
        assert_eq!(codes(&found), [Code::CopyMisnamed], "{name}");
        assert!(!found.violations[0].message.contains('\u{1b}'));
    }
}

#[test]
fn an_edit_is_told_against_the_version_it_came_from() {
    let f = Fixture::new();
    let (mut old, mut new) = (small("a"), small("a"));
    put(&f, Kind::Compile, &old);
    put(&f, Kind::Approve, &old);
    new.requirements[0].text = "Something else altogether.".into();
    new.title = "b".into();
    put(&f, Kind::Amend, &new);
    old.slices[0].tasks.push("And test it.".into());
    let found = copy(&f.store.repo, "jot.json", &spec::write(&old)).unwrap();
    let told = "against jot@{1}:\n  tasks of slice `store`: + And test it.";
    assert!(found.violations[0].message.ends_with(told), "{}", found.violations[0].message);
}

#[test]
fn what_nobody_approved_is_no_version() {
    let f = Fixture::new();
    put(&f, Kind::Compile, &small("a"));
    let found = copy(&f.store.repo, "jot.json", &bytes("a")).unwrap();
    assert_eq!(codes(&found), [Code::CopyNotInChain]);
    assert!(found.violations[0].message.ends_with("its spec has no approved version"));
    let other = serde_json::to_string(&small("a")).unwrap().replace("\"jot\"", "\"other\"");
    let found = copy(&f.store.repo, "other.json", other.as_bytes()).unwrap();
    assert_eq!((codes(&found), found.violations[0].hint.as_str()), (vec![Code::NoChain], "git otto fetch"));
}

#[test]
fn what_was_only_fetched_counts() {
    let f = Fixture::new();
    let ids = four(&f);
    f.git(&["update-ref", "refs/otto-remote/origin/specs/jot", &ids[3].to_string()]);
    f.git(&["update-ref", "refs/otto/specs/jot", &ids[2].to_string()]);
    let found = copy(&f.store.repo, "jot.json", &bytes("c")).unwrap();
    assert_eq!(found, Findings::default());
    assert_eq!(notes(&copy(&f.store.repo, "jot.json", &bytes("b")).unwrap()).len(), 1);
    f.git(&["update-ref", "-d", "refs/otto/specs/jot"]);
    assert_eq!(copy(&f.store.repo, "jot.json", &bytes("c")).unwrap(), Findings::default());
}

#[test]
fn commits_are_judged_against_their_parents() {
    let f = Fixture::new();
    four(&f);
    let (repo, root) = (&f.store.repo, f.head());
    let judge = |tip: Oid, known: Oid| commits(repo, &[tip], &[known]).unwrap();
    let (b, c, evil) = (bytes("b"), bytes("c"), bytes("evil"));

    let with_b = commit(&f, &[root], &[(JOT, &b)]);
    let with_c = commit(&f, &[with_b], &[(JOT, &c), ("x", b"1")]);
    let found = judge(with_c, root);
    assert_eq!((codes(&found), notes(&found).len()), (vec![], 1), "{found:?}");
    assert_eq!(judge(with_c, with_b), Findings::default());
    // Back to an older version is told, and is no violation.
    let back = commit(&f, &[with_c], &[(JOT, &b)]);
    let found = judge(back, with_c);
    assert!(notes(&found).iter().any(|n| n.ends_with("goes back from jot@{0} to jot@{1}")), "{found:?}");
    assert_eq!(codes(&found), []);

    // Every commit counts, also one that a later one takes back.
    let bad = commit(&f, &[with_c], &[(JOT, &evil)]);
    let again = commit(&f, &[bad], &[(JOT, &c)]);
    let found = judge(again, with_c);
    assert_eq!(
        found.violations.iter().map(|v| (v.code, v.commit)).collect::<Vec<_>>(),
        [(Code::CopyNotInChain, Some(bad))]
    );
    // What was there before is not judged again; what one side of a merge had neither.
    assert_eq!(codes(&judge(again, bad)), []);
    let side = commit(&f, &[with_c], &[(JOT, &c), ("y", b"1")]);
    assert_eq!(codes(&judge(commit(&f, &[side, again], &[(JOT, &c)]), again)), []);
    // A merge that makes up something is caught itself.
    let merged = commit(&f, &[side, again], &[(JOT, &evil)]);
    assert_eq!(judge(merged, again).violations[0].commit, Some(merged));
}

#[test]
fn the_copy_of_an_open_spec_stays() {
    let f = Fixture::new();
    four(&f);
    let c = bytes("c");
    let root = f.head();
    let with = commit(&f, &[root], &[(JOT, &c)]);
    let gone = commit(&f, &[with], &[("x", b"1")]);
    let judge = |tip: Oid, known: Oid| commits(&f.again().repo, &[tip], &[known]).unwrap();
    let found = judge(gone, with);
    assert_eq!((codes(&found), found.violations[0].commit), (vec![Code::CopyRemoved], Some(gone)));
    assert!(found.violations[0].hint.contains("git otto close jot"), "{found:?}");
    // A merge that keeps the side without it removes it; a checkout that never had it is fine.
    let without = commit(&f, &[root], &[("y", b"1")]);
    assert_eq!(codes(&judge(without, root)), []);
    let merged = commit(&f, &[without, with], &[("y", b"1")]);
    assert_eq!(codes(&judge(merged, with)), [Code::CopyRemoved]);
    let renamed = commit(&f, &[with], &[(".otto/specs/jut.json", &c)]);
    let mut both = codes(&judge(renamed, with));
    both.sort_by_key(|c| format!("{c:?}"));
    assert_eq!(both, [Code::CopyMisnamed, Code::CopyRemoved]);
    let folder = commit(&f, &[with], &[(".otto/specs/jot.json/x", &c)]);
    assert_eq!(codes(&judge(folder, with)), [Code::CopyRemoved]);

    f.git(&["config", "otto.workingCopy", "off"]);
    assert_eq!(codes(&judge(gone, with)), []);
    let evil = bytes("evil");
    assert_eq!(codes(&judge(commit(&f, &[with], &[(JOT, &evil)]), with)), [Code::CopyNotInChain]);
    f.git(&["config", "--unset", "otto.workingCopy"]);
    put(&f, Kind::Close, &small("c"));
    assert_eq!(codes(&judge(gone, with)), []);
}

#[test]
fn a_link_in_the_place_of_a_copy_is_none() {
    let f = Fixture::new();
    four(&f);
    let repo = &f.store.repo;
    let blob = repo.write_blob(b"../../elsewhere").unwrap();
    let tree = repo.write_tree(None, &[(JOT.into(), Some((Mode::Symlink, blob)))]).unwrap();
    let who = f.store.otto();
    let parents = vec![f.head()];
    let new = crate::git::NewCommit { tree, parents, author: &who, committer: &who, message: "x\n".into() };
    let tip = repo.write_commit(&new).unwrap();
    assert_eq!(codes(&commits(repo, &[tip], &[f.head()]).unwrap()), [Code::CopyMalformed]);
}

#[test]
fn the_index_is_judged_as_the_commit_that_it_becomes() {
    let f = Fixture::new();
    four(&f);
    let repo = &f.store.repo;
    let (file, at) = (f.dir.path().join(JOT), f.dir.path().join(".git/index"));
    let judge = || index(repo, &at, &[f.head()]).unwrap();
    assert_eq!(judge(), Findings::default(), "no index at all");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, bytes("evil")).unwrap();
    assert_eq!(judge(), Findings::default(), "what is not staged is not committed");
    f.git(&["add", "."]);
    assert_eq!(codes(&judge()), [Code::CopyNotInChain]);
    assert_eq!(judge().violations[0].commit, None);
    std::fs::write(&file, bytes("c")).unwrap();
    assert_eq!(codes(&judge()), [Code::CopyNotInChain], "the index counts, not the file");
    f.git(&["add", "."]);
    assert_eq!(judge(), Findings::default());
    f.git(&["commit", "-q", "-m", "copy"]);
    assert_eq!(judge(), Findings::default());
    f.git(&["rm", "-q", "--cached", JOT]);
    assert_eq!(codes(&judge()), [Code::CopyRemoved]);
}

#[test]
fn dates_that_lie_hide_nothing_and_accuse_nobody() {
    let f = Fixture::new();
    four(&f);
    let (repo, root) = (&f.store.repo, f.head());
    let evil = bytes("evil");
    // An old bad commit, long before a line of others whose dates run backwards.
    let bad = commit(&f, &[root], &[(JOT, &evil)]);
    let mut line = vec![bad];
    for n in 0..20_i64 {
        f.advance(if n % 2 == 0 { -100_000 } else { 70_000 });
        line.push(commit(&f, &[line[line.len() - 1]], &[(JOT, &evil), ("n", n.to_string().as_bytes())]));
    }
    f.advance(-10_000_000);
    let known = commit(&f, &[line[20]], &[(JOT, &evil), ("z", b"1")]);
    for at in &line {
        f.advance(9_000_000);
        let tip = commit(&f, &[*at], &[(JOT, &evil), ("new", b"1")]);
        assert_eq!(codes(&commits(repo, &[tip], &[known]).unwrap()), []);
        let good = bytes("c");
        let worse = commit(&f, &[*at], &[(JOT, &good), ("new", b"2")]);
        let worse = commit(&f, &[worse], &[(JOT, &evil), ("new", b"3")]);
        assert_eq!(commits(repo, &[worse], &[known]).unwrap().violations[0].commit, Some(worse));
    }
    assert_eq!(codes(&commits(repo, &[known], &[root]).unwrap()), [Code::CopyNotInChain]);
    assert!(record::tip(repo, &jot()).unwrap().is_some());
}
