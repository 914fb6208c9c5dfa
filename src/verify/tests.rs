//! Twelve kinds of tampering on twenty generated histories: each is found, and the first bad record is named.

mod chains;
mod signed;

use std::collections::HashMap;

use chains::{Chain, Rng, generated};

use super::*;
use crate::{git::BString, store::record::Kind};

/// What a tampering left: the record that has to be named first.
type Named = Oid;

/// A kind of tampering, by name; it changes the repository.
type Tamper = fn(&Chain, &mut Rng) -> Named;

const KINDS: [(&str, Tamper); 12] = [
    ("reorder", reorder),
    ("drop", drop_one),
    ("fork", fork),
    ("rewind", rewind),
    ("replace ref", replace),
    ("forged record", forge),
    ("changed reason", reason),
    ("changed date", date),
    ("swapped tree", swap_tree),
    ("planted object", plant),
    ("shallow cut", cut),
    ("foreign commit", foreign),
];

#[test]
fn every_tampering_is_found_and_the_first_bad_record_named() {
    std::thread::scope(|all| {
        let threads: Vec<_> = (0..4).map(|n| all.spawn(move || (n..20).step_by(4).for_each(tampered))).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

fn tampered(seed: u64) {
    let chain = generated(seed);
    let untouched = || {
        let (seen, found) = spec_here(&chain.reopened(), &chain.id).unwrap();
        assert_eq!((seen.records, found), (chain.order.len(), vec![]), "seed {seed}: untouched");
    };
    untouched();
    for (n, (kind, tamper)) in KINDS.into_iter().enumerate() {
        chain.save_refs();
        let named = tamper(&chain, &mut Rng::new(seed * 100 + n as u64));
        let (_, found) = spec_here(&chain.reopened(), &chain.id).unwrap();
        let first = found.first().unwrap_or_else(|| panic!("seed {seed}: {kind} was not found"));
        assert_eq!(first.commit, Some(named), "seed {seed}: {kind}: {found:#?}\n{:#?}", chain.order);
        assert!(!first.hint.is_empty() && first.message.contains(&named.short()), "seed {seed}: {kind}: {first:?}");
        chain.restore();
    }
    untouched();
}

/// Swaps two records that follow each other.
fn reorder(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    let (a, b, before) = (c.order[at], c.order[at + 1], c.order[at - 1]);
    let late = c.rewritten(b, &HashMap::from([(a, before)]), |_| {});
    let early = c.rewritten(a, &HashMap::from([(before, late)]), |_| {});
    c.rebuild(HashMap::from([(b, early)]), &[a]);
    late
}

/// Leaves one record out.
fn drop_one(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    let map = c.rebuild(HashMap::from([(c.order[at], c.order[at - 1])]), &[]);
    map[&c.order[at + 1]]
}

/// Another line from an earlier record on, sound in itself.
fn fork(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    c.set_tip(c.order[at - 1]);
    c.next(rng);
    c.order[at]
}

/// Back to an earlier record.
fn rewind(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    c.set_tip(c.order[at - 1]);
    c.order[at]
}

/// Has git show another object for a record, its tree or its content.
fn replace(c: &Chain, rng: &mut Rng) -> Named {
    let (a, b) = (c.order[c.linear(rng)], c.order[0]);
    let object = |commit: Oid, what: &str| c.rev(&format!("{commit}{what}"));
    let part = ["", "^{tree}", ":record.json"][rng.below(3) as usize];
    c.f.git(&["replace", &object(a, part).to_string(), &object(b, part).to_string()]);
    a
}

/// Adds a record that nobody made.
fn forge(c: &Chain, rng: &mut Rng) -> Named {
    let tip = c.tip();
    let forged = c.made(tip, tip, |text| {
        let by = if rng.below(2) == 0 { "user:eve@example.org" } else { "agent:claude/opus" };
        let actor = text.find("\"actor\": ").unwrap() + "\"actor\": ".len();
        let end = actor + text[actor..].find(',').unwrap();
        text.replace_range(actor..end, &format!("{by:?}"));
    });
    c.set_tip(forged);
    forged
}

/// Another reason, all later records put on top of it.
fn reason(c: &Chain, rng: &mut Rng) -> Named {
    c.changed(rng, |text| {
        let at = text.find("\"reason\": \"").unwrap() + "\"reason\": \"".len();
        text.insert_str(at, "Quite another one. ");
    })
}

/// Another date in the commit.
fn date(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.order[c.linear(rng)];
    let text = c.commit_text(at);
    let time = c.record(at).time.secs;
    let other = c.forged(&text.replace(&format!("> {time} "), &format!("> {} ", time + 86_400)));
    c.rebuild(HashMap::from([(at, other)]), &[]);
    other
}

/// The tree of another record.
fn swap_tree(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    let other = c.order.iter().position(|o| c.tree(*o) != c.tree(c.order[at])).unwrap();
    let text = c.commit_text(c.order[at]);
    let swapped = text.replace(&c.tree(c.order[at]).to_string(), &c.tree(c.order[other]).to_string());
    let swapped = c.forged(&swapped);
    c.rebuild(HashMap::from([(c.order[at], swapped)]), &[]);
    swapped
}

/// Another content under an object's id: git serves it without a word.
fn plant(c: &Chain, rng: &mut Rng) -> Named {
    let (at, other) = (c.order[c.linear(rng)], c.order[0]);
    let part = ["", "^{tree}", ":record.json"][rng.below(3) as usize];
    let (into, from) = (c.rev(&format!("{at}{part}")), c.rev(&format!("{other}{part}")));
    let bytes = std::fs::read(c.loose(from)).unwrap();
    c.save(&c.loose(into));
    std::fs::remove_file(c.loose(into)).unwrap();
    std::fs::write(c.loose(into), bytes).unwrap();
    at
}

/// The edge of a shallow clone, with and without what lies beyond.
fn cut(c: &Chain, rng: &mut Rng) -> Named {
    let at = c.linear(rng);
    std::fs::write(c.f.dir.path().join(".git/shallow"), format!("{}\n", c.order[at])).unwrap();
    if rng.below(2) == 0 {
        c.save(&c.loose(c.order[at - 1]));
        std::fs::remove_file(c.loose(c.order[at - 1])).unwrap();
    }
    c.order[at]
}

/// A commit that is no record, on top or as another parent.
fn foreign(c: &Chain, rng: &mut Rng) -> Named {
    let repo = &c.f.store.repo;
    let blob = repo.write_blob(b"hello").unwrap();
    let tree = repo.write_tree(None, &[(BString::from("README"), Some((crate::git::Mode::Plain, blob)))]).unwrap();
    let who = c.f.store.otto();
    let parents = if rng.below(2) == 0 { vec![c.tip()] } else { vec![c.tip(), c.f.head()] };
    let new = crate::git::NewCommit { tree, parents, author: &who, committer: &who, message: "x\n".into() };
    let commit = repo.write_commit(&new).unwrap();
    c.set_tip(commit);
    commit
}

#[test]
fn generated_histories_are_of_all_kinds() {
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    for seed in 0..20 {
        let chain = generated(seed);
        for id in &chain.order {
            *kinds.entry(chain.record(*id).kind.word()).or_default() += 1;
        }
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}
