//! Merges against `git merge-tree`, over generated histories.

use super::*;

/// A small generator (xorshift64): the same histories each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

type Files = std::collections::BTreeMap<String, String>;

fn text(dice: &mut Dice, name: &str) -> String {
    (0..30).map(|i| format!("{name} line {i} {}\n", dice.roll(1000))).collect()
}

fn change(dice: &mut Dice, files: &mut Files, side: &str) {
    let names: Vec<String> = files.keys().cloned().collect();
    let Some(name) = names.get(dice.roll(names.len().max(1) as u64) as usize) else { return };
    match dice.roll(8) {
        0 => drop(files.insert(format!("dir{}/{side}{}", dice.roll(3), dice.roll(9)), text(dice, side))),
        1 => drop(files.remove(name)),
        2 => {
            let content = files.remove(name).unwrap();
            files.insert(format!("moved/{name}"), content);
        }
        _ => {
            let at = dice.roll(30) as usize;
            let lines = files[name].lines().enumerate();
            let new = lines.map(|(i, l)| if i == at { format!("{l} {side}\n") } else { format!("{l}\n") });
            let new = new.collect();
            files.insert(name.clone(), new);
        }
    }
}

fn commit(s: &Scratch, files: &Files, parents: &[Oid]) -> Oid {
    let list: Vec<(&str, &str)> = files.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    s.commit(s.tree(&list), parents, "x")
}

/// What `git merge-tree` says by itself.
fn by_git(s: &Scratch, a: Oid, b: Oid) -> Option<String> {
    let out = s.repo.git(&["merge-tree", "--write-tree", &a.to_string(), &b.to_string()], None).unwrap();
    let tree = String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned();
    (out.code == Some(0)).then_some(tree)
}

#[test]
fn merges_are_gits_or_conflicts() {
    for flags in &ALL[..2] {
        let s = Scratch::with(flags);
        let mut dice = Dice(42);
        let (mut clean, mut conflicts) = (0, 0);
        for _ in 0..30 {
            let mut base = Files::new();
            for i in 0..6 {
                base.insert(format!("dir{}/f{i}", i % 3), text(&mut dice, &format!("f{i}")));
            }
            let root = commit(&s, &base, &[]);
            let (mut a, mut b) = (base.clone(), base);
            for _ in 0..2 {
                change(&mut dice, &mut a, "a");
                change(&mut dice, &mut b, "b");
            }
            let (a, b) = (commit(&s, &a, &[root]), commit(&s, &b, &[root]));
            match (s.repo.merge(a, b).unwrap(), by_git(&s, a, b)) {
                (Merged::Clean(tree), Some(git)) => {
                    assert_eq!(tree.to_string(), git);
                    clean += 1;
                }
                (Merged::Conflict(paths), git) => {
                    assert!(!paths.is_empty(), "{git:?}");
                    conflicts += 1;
                }
                (Merged::Clean(tree), None) => panic!("git sees a conflict in {tree}"),
            }
        }
        assert!(clean >= 10 && conflicts >= 2, "{clean} clean, {conflicts} in conflict");
        s.repo.sync().unwrap();
        s.git(&["fsck", "--strict"]);
    }
}

#[test]
fn crossing_histories_are_gits_to_decide() {
    let s = Scratch::new();
    let lines = |first: &str, last: &str| format!("{first}\n{}{last}\n", "same\n".repeat(20));
    let tree = |first: &str, last: &str| s.tree(&[("f", &lines(first, last))]);
    let root = s.commit(tree("0", "0"), &[], "root");
    let a = s.commit(tree("a", "0"), &[root], "a");
    let b = s.commit(tree("0", "b"), &[root], "b");
    let ab = s.commit(tree("a", "b"), &[a, b], "ab");
    // The other way round, and the first line taken back: gix alone would silently keep ours.
    let ba = s.commit(tree("0", "b"), &[b, a], "ba");
    let more = s.commit(s.tree(&[("f", &lines("a", "b")), ("g", "new\n")]), &[ab], "more");
    let found = s.repo.merge(more, ba).unwrap();
    assert_eq!(by_git(&s, more, ba).map(|t| t.parse().unwrap()).map(Merged::Clean), Some(found));
    let clash = s.commit(tree("c", "b"), &[ba], "clash");
    let edge = s.commit(tree("d", "b"), &[ab], "edge");
    assert_eq!(s.repo.merge(edge, clash).unwrap(), Merged::Conflict(vec!["f".into()]));
}

#[test]
fn an_unchanged_side_and_unrelated_histories() {
    let s = Scratch::new();
    let (t0, t1) = (s.tree(&[("a", "1\n")]), s.tree(&[("a", "2\n")]));
    let root = s.commit(t0, &[], "root");
    let same = s.commit(t0, &[root], "nothing");
    let new = s.commit(t1, &[root], "new");
    assert_eq!(s.repo.merge(same, new).unwrap(), Merged::Clean(t1));
    assert_eq!(s.repo.merge(new, same).unwrap(), Merged::Clean(t1));
    assert_eq!(s.repo.merge(root, new).unwrap(), Merged::Clean(t1));
    let other = s.commit(t1, &[], "unrelated");
    assert!(matches!(s.repo.merge(root, other).unwrap(), Merged::Conflict(_)));
}

#[test]
fn attributes_come_from_our_tree_and_from_nowhere_else() {
    let s = Scratch::new();
    let rules = "list merge=union\nd/data binary\n";
    let with = |list: &str, data: &str, attributes: &str| {
        s.tree(&[("list", list), ("d/data", data), (".gitattributes", attributes), ("z", list)])
    };
    for (attributes, union) in [(rules, true), ("", false)] {
        let root = s.commit(with("0\n", "0\n", attributes), &[], "root");
        let list =
            |line: &str| s.tree(&[("list", line), ("d/data", "0\n"), (".gitattributes", attributes), ("z", "0\n")]);
        let a = s.commit(list("0\na\n"), &[root], "a");
        let b = s.commit(list("0\nb\n"), &[root], "b");
        // What stands in the checkout says the opposite, and must not matter.
        fs::write(s.work().join(".gitattributes"), if union { "" } else { "* merge=union\n" }).unwrap();
        match s.repo.merge(a, b).unwrap() {
            Merged::Clean(tree) => {
                assert!(union);
                let file = s.repo.entry(tree, "list".into()).unwrap().unwrap();
                assert_eq!(s.repo.read_blob(file.oid, 100).unwrap(), b"0\na\nb\n");
            }
            Merged::Conflict(paths) => assert_eq!((union, paths), (false, vec!["list".into()])),
        }
    }
}
