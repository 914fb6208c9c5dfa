use std::sync::LazyLock;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::spec::model::{FileBlock, FileMode, Requirement, Slice, Structure};

/// Something small that happens to a spec: what, and three numbers that say where and how.
type Op = (u8, u8, u8, u8);

const NAMES: [&str; 5] = ["c", "a", "e", "b", "d"];

fn name(n: u8) -> String {
    NAMES[usize::from(n) % NAMES.len()].to_owned()
}

static START: LazyLock<Spec> = LazyLock::new(|| {
    let mut all: Spec = serde_json::from_str(include_str!("../../../../tests/all-kinds.json")).unwrap();
    all.intent = "A small product.".into();
    let check: crate::checks::model::Check =
        serde_json::from_value(serde_json::json!({"id": "x", "kind": "cli_probe", "shell": "true"})).unwrap();
    let slice = |id: &str| Slice {
        id: id.parse().unwrap(),
        title: id.into(),
        requirements: vec!["a".into()],
        tasks: vec!["a".into(), "c".into()],
        deps: Vec::new(),
        owned_paths: vec![format!("{id}/")],
        checks: vec![crate::checks::model::Check { id: format!("{id}-a"), ..check.clone() }],
    };
    all.slices = vec![slice("a"), slice("c")];
    all.requirements = ["a", "c"].map(|id| Requirement { id: id.into(), text: id.into() }).into();
    (all.cross_slice_checks, all.contracts, all.services, all.files) = Default::default();
    (all.setup, all.shared_scaffold, all.done_means) = Default::default();
    all
});

fn start() -> Spec {
    START.clone()
}

/// Adds, removes, changes or moves one entry of a list, by key.
fn edit<T: Clone>(list: &mut Vec<T>, key: impl Fn(&T) -> bool, op: Op, new: impl Fn() -> T, change: impl Fn(&mut T)) {
    let (_, _, what, how) = op;
    let at = list.iter().position(key);
    match (at, what % 4) {
        (None, _) => list.insert(usize::from(how) % (list.len() + 1), new()),
        (Some(at), 0) => drop(list.remove(at)),
        (Some(at), 1 | 2) => list.get_mut(at).into_iter().for_each(change),
        (Some(at), _) => {
            let entry = list.remove(at);
            list.insert(usize::from(how) % (list.len() + 1), entry);
        }
    }
}

fn apply(spec: &mut Spec, op: Op) {
    let (kind, a, b, c) = op;
    let (key, text) = (name(a), name(c));
    let texts = |list: &mut Vec<String>| edit(list, |t| *t == key, op, || key.clone(), |t| *t = text.clone());
    match kind % 10 {
        0 => spec.title = text,
        1 => spec.intent = text,
        2 => edit(
            &mut spec.requirements,
            |r| r.id == key,
            op,
            || Requirement { id: key.clone(), text: "new".into() },
            |r| r.text = text.clone(),
        ),
        3 => {
            let template = START.slices[0].clone();
            edit(
                &mut spec.slices,
                |s| s.id.as_str() == key,
                op,
                || Slice { id: key.parse().unwrap(), ..template.clone() },
                |s| s.title = text.clone(),
            );
        }
        4 => texts(&mut spec.non_goals),
        5 => {
            let Structure::Cli(cli) = &mut spec.structure else { return };
            let new = cli.commands.first().cloned();
            let new = || crate::spec::model::Command { name: key.clone(), ..new.clone().unwrap_or_else(command) };
            edit(&mut cli.commands, |x| x.name == key, op, new, |x| x.summary = text.clone());
        }
        6 => {
            let file = || FileBlock {
                slice: name(b).parse().unwrap(),
                attempt: 1,
                path: key.clone(),
                mode: FileMode::Plain,
                sha256: Sha256::of(&text),
            };
            edit(&mut spec.files, |f| f.path == key, op, file, |f| f.sha256 = Sha256::of(&text));
        }
        n => {
            let at = usize::from(b) % spec.slices.len().max(1);
            let Some(slice) = spec.slices.get_mut(at) else { return };
            match n {
                7 => texts(&mut slice.tasks),
                8 => texts(&mut slice.requirements),
                _ => {
                    let template = START.slices[0].checks[0].clone();
                    let id = format!("{}-{key}", slice.id);
                    let new = || crate::checks::model::Check { id: id.clone(), ..template.clone() };
                    edit(&mut slice.checks, |x| x.id == id, op, new, |x| x.timeout_s = Some(c.into()));
                }
            }
        }
    }
}

fn command() -> crate::spec::model::Command {
    serde_json::from_value(serde_json::json!({"name": "x", "summary": "x"})).unwrap()
}

fn changed(from: &Spec, ops: &[Op]) -> Spec {
    let mut out = from.clone();
    ops.iter().for_each(|op| apply(&mut out, *op));
    out
}

fn both(base: &Parts, a: &Parts, b: &Parts) -> Result<Parts, Vec<Conflict>> {
    merge_parts(base, a, b, &|_| Choice::Open)
}

fn places(of: Result<Parts, Vec<Conflict>>) -> Result<Parts, BTreeSet<Place>> {
    of.map_err(|all| {
        let place = |c| match c {
            Conflict::Piece(piece) => piece.place,
            Conflict::Whole(rule) => panic!("pieces break no rule: {rule}"),
        };
        all.into_iter().map(place).collect()
    })
}

/// What a side has changed is in what was merged.
fn kept(base: &Parts, side: &Parts, merged: &Parts) -> Result<(), String> {
    for place in base.keys().chain(side.keys()) {
        let (was, is, now) = (base.get(place), side.get(place), merged.get(place));
        if was == is || is == now {
            continue;
        }
        let list = |v: Option<&Value>| v.map(|v| v.as_array().cloned()).unwrap_or(Some(Vec::new()));
        let (Some(was), Some(is), Some(now)) = (list(was), list(is), list(now)) else {
            if *place == Place::Field("structure") {
                continue;
            }
            return Err(format!("{place} is lost"));
        };
        let at = |list: &[Value], x: &Value| list.iter().position(|y| y == x);
        if let Some(x) = is.iter().find(|x| !was.contains(x) && !now.contains(x)) {
            return Err(format!("{x} was added to {place} in vain"));
        }
        if let Some(x) = was.iter().find(|x| !is.contains(x) && now.contains(x)) {
            return Err(format!("{x} was removed from {place} in vain"));
        }
        for (x, y) in was.iter().flat_map(|x| is.iter().map(move |y| (x, y))) {
            let before = |list: &[Value]| Some(at(list, x)? < at(list, y)?);
            if let (Some(was), Some(is), Some(now)) = (before(&was), before(&is), before(&now))
                && was != is
                && is != now
            {
                return Err(format!("{x} was moved across {y} in {place} in vain"));
            }
        }
    }
    Ok(())
}

#[test]
fn merging_is_commutative_associative_idempotent_and_loses_nothing() {
    let ops = |most| vec((0u8..10, 0u8..4, 0u8..8, 0u8..4), 1..most);
    let (mut merged, mut refused) = (0, 0);
    let mut runner = TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let counts = std::cell::RefCell::new((&mut merged, &mut refused));
    let cases = (ops(5), ops(7), ops(7), ops(7));
    let ran = runner.run(&cases, |(base, a, b, c)| {
        let base = changed(&START, &base);
        let side = |ops: &[Op]| take_apart(&changed(&base, ops));
        let (a, b, c) = (side(&a), side(&b), side(&c));
        let base = &take_apart(&base);
        let ab = both(base, &a, &b);
        prop_assert_eq!(&both(base, &a, &a), &Ok(a.clone()), "idempotent");
        prop_assert_eq!(&both(base, &a, base), &Ok(a.clone()), "the base says nothing");
        prop_assert_eq!(&both(base, base, &b), &Ok(b.clone()), "the base says nothing");
        prop_assert_eq!(places(both(base, &b, &a)), places(ab.clone()), "commutative");
        let left = ab.clone().and_then(|ab| both(base, &ab, &c)).ok();
        let right = both(base, &b, &c).and_then(|bc| both(base, &a, &bc)).ok();
        prop_assert_eq!(left, right, "associative");
        match ab {
            Ok(ab) => {
                *counts.borrow_mut().0 += 1;
                prop_assert_eq!(&both(base, &ab, &a), &Ok(ab.clone()), "what is merged has both");
                for side in [&a, &b] {
                    kept(base, side, &ab).map_err(TestCaseError::fail)?;
                }
            }
            Err(conflicts) => {
                *counts.borrow_mut().1 += 1;
                for conflict in conflicts {
                    let Conflict::Piece(piece) = conflict else { panic!("of no piece") };
                    let Disputed { place, base: was, ours, theirs } = *piece;
                    prop_assert_ne!(&ours, &theirs, "{}", place);
                    let told = place.slice().is_some() || (was != ours && was != theirs);
                    prop_assert!(told, "{} has one side only", place);
                }
                for decided in [Side::Ours, Side::Theirs] {
                    let ok = merge_parts(base, &a, &b, &|_| Choice::Take(decided));
                    prop_assert!(ok.is_ok(), "a decision for every piece leaves nothing open");
                }
            }
        }
        Ok(())
    });
    ran.unwrap();
    assert!(merged > 1000 && refused > 1000, "{merged} merged, {refused} refused: the cases say little");
}

#[test]
fn two_slices_at_once_and_one_slice_at_once() {
    let base = start();
    let mut ours = base.clone();
    ours.slices[0].checks[0].timeout_s = Some(7);
    ours.requirements.push(Requirement { id: "x".into(), text: "X".into() });
    let mut theirs = base.clone();
    theirs.slices[1].title = "Another title".into();
    theirs.requirements.push(Requirement { id: "y".into(), text: "Y".into() });
    let ok = merge_parts(&take_apart(&base), &take_apart(&ours), &take_apart(&theirs), &|_| Choice::Open).unwrap();
    let ok = put_together(&base.id, &ok).unwrap();
    assert_eq!(ok.slices[0], ours.slices[0]);
    assert_eq!(ok.slices[1], theirs.slices[1]);
    let ids: Vec<&str> = ok.requirements.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["a", "c", "x", "y"]);

    theirs.slices[0].checks[0].timeout_s = Some(9);
    let all = merge(&base, &ours, &theirs).unwrap_err();
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(one.head(), "check `a-a` of slice `a`");
    assert_eq!(one.said(Side::Ours), ["+ timeout s: 7"]);
    assert_eq!(one.said(Side::Theirs), ["+ timeout s: 9"]);
}

#[test]
fn a_slice_that_one_removed_and_the_other_changed_is_a_conflict_that_can_be_decided() {
    let base = start();
    let mut ours = base.clone();
    ours.slices.remove(0);
    let mut theirs = base.clone();
    theirs.slices[0].tasks.push("more".into());
    theirs.title = "Another".into();
    let parts = [&base, &ours, &theirs].map(take_apart);
    let [b, o, t] = &parts;
    let told = places(both(b, o, t)).unwrap_err();
    let id: SliceId = "a".parse().unwrap();
    assert_eq!(told, [Place::Slice(id.clone()), Place::SliceField(id.clone(), "tasks")].into());
    for (side, has) in [(Side::Ours, false), (Side::Theirs, true)] {
        let decided = merge_parts(b, o, t, &|_| Choice::Take(side)).unwrap();
        let decided = put_together(&base.id, &decided).unwrap();
        assert_eq!(decided.slice(&id).cloned(), has.then(|| theirs.slices[0].clone()));
        assert_eq!(decided.title, "Another");
    }
}

#[test]
fn what_is_fine_alone_and_breaks_a_rule_together_is_a_conflict() {
    let text = include_bytes!("../../../../tests/intent-example.md");
    let all = crate::intent::compile(text, "example", None).unwrap().spec;
    assert_eq!(merge(&all, &all, &all), Ok(all.clone()));
    let (mut ours, mut theirs) = (all.clone(), all.clone());
    let last = theirs.slices.len() - 1;
    for slice in [&mut ours.slices[last - 1], &mut theirs.slices[last]] {
        slice.owned_paths.push("new/place".into());
    }
    ours.slices[last].deps.clear();
    ours.slices[last - 1].deps.clear();
    let told = merge(&all, &ours, &theirs).unwrap_err();
    let [Conflict::Whole(rule), ..] = told.as_slice() else { panic!("{told:?}") };
    assert!(rule.contains("new/place"), "{rule}");
}

#[test]
fn what_was_never_agreed_on_is_nobody_s_base() {
    let base = start();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    (ours.title, theirs.title) = ("Ours".into(), "Theirs".into());
    let [b, o, t] = [&base, &ours, &theirs].map(take_apart);
    let open = merge_parts(&b, &o, &t, &|_| Choice::Undecided).unwrap();
    // Each as the outcome of a decision: neither may win in silence.
    assert!(both(&open, &o, &t).is_err());
    assert_eq!(both(&open, &o, &o).unwrap(), o);
}
