//! Integration on real repositories.

use super::*;
use crate::{
    git::{ByteSlice as _, testing::Scratch},
    plan::schedule::tests::plan as plan_of,
};

struct World {
    s: Scratch,
    plan: Plan,
    makers: Makers,
    base: Oid,
    tip: Oid,
}

impl World {
    fn new(files: &[(&str, &str)]) -> World {
        let s = Scratch::new();
        let mut plan = plan_of(&[vec![], vec![], vec![]], 1);
        let mut spec = (*plan.spec).clone();
        spec.shared_scaffold = vec!["list.txt".into()];
        spec.slices[0].title = "First things".into();
        plan.spec = spec.into();
        let base = s.commit(s.tree(files), &[], "base");
        World { s, plan, makers: Makers::new(), base, tip: base }
    }

    fn with(&self, n: usize, candidate: Oid) -> Integration<'_> {
        let slice = &self.plan.spec.slices[n].id;
        Integration::new(&self.s.repo, &self.plan, self.makers.clone(), slice, self.tip, candidate)
    }

    fn candidate(&self, files: &[(&str, &str)]) -> Oid {
        self.s.commit(self.s.tree(files), &[self.base], "candidate")
    }

    fn land(&mut self, n: usize, files: &[(&str, &str)]) {
        let candidate = self.candidate(files);
        let merged = self.with(n, candidate).merge().unwrap();
        let Merged::Clean(tree) = merged else { panic!("{merged:?}") };
        self.tip = self.s.commit(tree, &[self.tip, candidate], "landing");
        self.makers.insert(self.tip, n);
    }

    fn read(&self, tree: Oid, path: &str) -> Option<String> {
        let found = self.s.repo.entry(tree, path.into()).unwrap()?;
        Some(self.s.repo.read_blob(found.oid, 1 << 20).unwrap().to_str_lossy().into_owned())
    }
}

#[test]
fn lines_added_to_one_place_land_in_spec_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut w = World::new(&[("list.txt", "start\nend\n"), ("other", "x")]);
        for n in order {
            w.land(n, &[("list.txt", &format!("start\nline {n}\nend\n")), ("other", "x"), (&format!("own{n}"), "1")]);
        }
        let tree = w.s.repo.read_commit(w.tip).unwrap().tree;
        assert_eq!(w.read(tree, "list.txt").unwrap(), "start\nline 0\nline 1\nline 2\nend\n", "{order:?}");
        assert!((0..3).all(|n| w.read(tree, &format!("own{n}")).is_some()));
    }
}

#[test]
fn a_new_list_of_two_slices_holds_both_and_a_changed_line_conflicts() {
    let mut w = World::new(&[("a", "x")]);
    w.land(1, &[("a", "x"), ("list.txt", "one\n")]);
    w.land(0, &[("a", "x"), ("list.txt", "zero\n")]);
    let tree = w.s.repo.read_commit(w.tip).unwrap().tree;
    assert_eq!(w.read(tree, "list.txt").unwrap(), "zero\none\n");

    let mut w = World::new(&[("list.txt", "start\n")]);
    w.land(1, &[("list.txt", "start\none\n")]);
    let changed = w.candidate(&[("list.txt", "begin\nzero\n")]);
    assert_eq!(w.with(0, changed).merge().unwrap(), Merged::Conflict(vec!["list.txt".into()]));
}

#[test]
fn a_conflict_stands_as_git_leaves_it_with_names_that_say_whose_side_it_is() {
    let old = [("f", "a\nb\nc\n"), ("gone", "1\n"), ("list.txt", "x\n"), ("clean", "1\n2\n3\n4\n5\n")];
    let mut w = World::new(&old);
    w.land(0, &[("f", "a\nours\nc\n"), ("list.txt", "x\nours\n"), ("clean", "0\n1\n2\n3\n4\n5\n"), ("new", "o\n")]);
    let theirs = [
        ("f", "a\ntheirs\nc\n"),
        ("gone", "2\n"),
        ("list.txt", "x\ntheirs\n"),
        ("clean", "1\n2\n3\n4\n5\n6\n"),
        ("new", "t\n"),
    ];
    let candidate = w.candidate(&theirs);
    let found = w.with(1, candidate).unmerged().unwrap();
    let paths: Vec<&str> = found.clashes.iter().map(|c| c.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["f", "gone", "new"]);
    let marked = "a\n<<<<<<< target: First things\nours\n||||||| base\nb\n=======\ntheirs\n>>>>>>> candidate: s1\nc\n";
    assert_eq!(w.read(found.tree, "f").unwrap(), marked);
    assert_eq!(w.read(found.tree, "list.txt").unwrap(), "x\nours\ntheirs\n");
    assert_eq!(w.read(found.tree, "clean").unwrap(), "0\n1\n2\n3\n4\n5\n6\n");
    assert_eq!(w.read(found.tree, "gone").unwrap(), "2\n");
    let [f, gone, new] = &found.clashes[..] else { unreachable!() };
    assert_eq!((f.marks.len(), &f.kinds[..]), (3, &["contents".to_owned()][..]));
    assert_eq!((gone.marks.len(), &gone.kinds[..]), (0, &["modify/delete".to_owned()][..]));
    assert!(gone.ours.is_none() && gone.base.is_some() && new.base.is_none() && new.marks.len() == 3);
    assert_eq!(w.with(1, candidate).last_change("f".into()).unwrap(), Some(0));
    assert_eq!(w.with(1, candidate).last_change("nothing".into()).unwrap(), None);
}

#[test]
fn text_that_looks_like_marks_is_left_as_it_is() {
    let doc = "<<<<<<< ours\n=======\n>>>>>>> theirs\n";
    let mut w = World::new(&[("f", &format!("{doc}b\n"))]);
    w.land(0, &[("f", &format!("{doc}ours\n"))]);
    let candidate = w.candidate(&[("f", &format!("{doc}theirs\n"))]);
    let found = w.with(1, candidate).unmerged().unwrap();
    assert!(w.read(found.tree, "f").unwrap().starts_with(doc));
    assert!(found.clashes[0].marks.iter().all(|m| !doc.contains(m.to_str().unwrap())));
}
