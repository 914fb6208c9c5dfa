use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn all() -> Spec {
    serde_json::from_str(include_str!("../../../tests/all-kinds.json")).unwrap()
}

fn plan(spec: &Spec) -> Plan {
    Plan::new("1".repeat(40).parse().unwrap(), spec.clone(), Limits::default())
}

/// One change of a spec.
#[derive(Clone, Debug)]
enum Edit {
    Title,
    Intent,
    Means,
    CrossChecks,
    Order,
    Requirement(usize),
    Task(usize),
    Check(usize),
    Gone(usize),
    New,
    Setup,
}

/// Makes a change. Answers the slices whose inputs it changed, by what the documentation says is among them.
fn make(spec: &mut Spec, edit: &Edit, n: usize) -> BTreeSet<SliceId> {
    let every = |spec: &Spec| spec.slices.iter().map(|s| s.id.clone()).collect();
    let text = format!("Changed, {n}.");
    match edit {
        Edit::Title => spec.title = text,
        Edit::Intent => spec.intent = text,
        Edit::Means => spec.done_means.push(text),
        Edit::CrossChecks => spec.cross_slice_checks.clear(),
        Edit::Order => spec.slices.reverse(),
        Edit::Requirement(i) => {
            let at = i % spec.requirements.len();
            spec.requirements[at].text = text;
            let id = &spec.requirements[at].id;
            return spec.slices.iter().filter(|s| s.requirements.contains(id)).map(|s| s.id.clone()).collect();
        }
        Edit::Task(i) if !spec.slices.is_empty() => {
            let at = i % spec.slices.len();
            spec.slices[at].tasks.push(text);
            return [spec.slices[at].id.clone()].into();
        }
        Edit::Check(i) if !spec.slices.is_empty() => {
            let at = i % spec.slices.len();
            spec.slices[at].checks[0].timeout_s = Some(1000 + n as u32);
            return [spec.slices[at].id.clone()].into();
        }
        Edit::Gone(i) if !spec.slices.is_empty() => {
            let gone = spec.slices.remove(i % spec.slices.len());
            return [gone.id].into();
        }
        Edit::Task(_) | Edit::Check(_) | Edit::Gone(_) => {}
        Edit::New => {
            let mut new = all().slices.remove(0);
            new.id = format!("new-{n}").parse().unwrap();
            spec.slices.insert(0, new);
        }
        Edit::Setup => {
            spec.setup.push(vec![text]);
            return every(spec);
        }
    }
    BTreeSet::new()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn an_amendment_invalidates_exactly_the_slices_whose_inputs_it_changed(
        edits in proptest::collection::vec(
            prop_oneof![
                Just(Edit::Title), Just(Edit::Intent), Just(Edit::Means), Just(Edit::CrossChecks), Just(Edit::Order),
                Just(Edit::New), Just(Edit::Setup),
                any::<usize>().prop_map(Edit::Requirement), any::<usize>().prop_map(Edit::Task),
                any::<usize>().prop_map(Edit::Check), any::<usize>().prop_map(Edit::Gone),
            ],
            0..6,
        ),
    ) {
        let before = all();
        let mut after = before.clone();
        let mut expected = BTreeSet::new();
        for (n, edit) in edits.iter().enumerate() {
            expected.extend(make(&mut after, edit, n));
        }
        expected.retain(|id| before.slice(id).is_some());
        let (old, new) = (plan(&before), plan(&after));
        let found = invalidated(&old, &new);
        prop_assert_eq!(found.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>(), expected);
        for (id, named) in &found {
            // The generation that begins, or, of a slice that is gone, the one that ends.
            let begins = after.slice(id).is_some();
            prop_assert_eq!(*named, if begins { new.generation(id) } else { old.generation(id) });
            prop_assert_eq!(begins, *named != old.generation(id));
        }
    }
}
