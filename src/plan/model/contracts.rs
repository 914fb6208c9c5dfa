//! What a contract asks of the product: its exports stand in its file, and its probes are green wherever it is touched.

use crate::{
    base::{Failure, Oid, SliceId},
    checks::model::Check,
    git::{BString, Repo},
    journal::state::RunState,
    plan::model::{Plan, current},
    spec::model::{Contract, Slice, Spec},
};

/// The largest file that exports are looked for in.
const MAX_FILE: u64 = 16 << 20;

/// The contracts that a change of a slice bears on: those that the slice owns, and those whose file it touches and whose
/// owner is `there`: before that nobody can ask anything of the file.
pub fn bearing<'s>(
    spec: &'s Spec,
    slice: &Slice,
    touched: &[BString],
    there: &dyn Fn(&SliceId) -> bool,
) -> Vec<&'s Contract> {
    let touches = |c: &Contract| touched.iter().any(|path| *path == c.path.as_str()) && there(&c.owner);
    spec.contracts.iter().filter(|c| c.owner == slice.id || touches(c)).collect()
}

/// The probes of contracts, as far as they can hold: checks of slices that are `there`. Cross-slice checks are due by
/// themselves once their slices are complete.
pub fn probes<'s>(spec: &'s Spec, contracts: &[&Contract], there: &dyn Fn(&SliceId) -> bool) -> Vec<&'s Check> {
    let named = |check: &Check| contracts.iter().any(|c| c.probes.contains(&check.id));
    spec.slices.iter().filter(|s| there(&s.id)).flat_map(|s| &s.checks).filter(|c| named(c)).collect()
}

/// The contracts whose owners are on the target.
pub fn done<'p>(plan: &'p Plan, state: &RunState) -> Vec<&'p Contract> {
    plan.spec.contracts.iter().filter(|c| current(plan, state, &c.owner).is_done()).collect()
}

/// What contracts lack in a tree, as a clause each; nothing where all of their exports stand in their files.
pub fn broken(repo: &Repo, tree: Oid, contracts: &[&Contract]) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for contract in contracts.iter().filter(|c| !c.exports.is_empty()) {
        let Some(file) = repo.entry(tree, contract.path.as_str().into())? else {
            out.push(format!("the contract `{}` is not there", contract.path));
            continue;
        };
        let text = repo.read_blob(file.oid, MAX_FILE)?;
        let lacks = contract.exports.iter().filter(|name| !stands_in(name, &text)).map(|name| format!("`{name}`"));
        let lacks: Vec<String> = lacks.collect();
        if !lacks.is_empty() {
            out.push(format!("the contract `{}` does not export {}", contract.path, lacks.join(", ")));
        }
    }
    Ok(out)
}

/// Whether a name stands in a text as a whole word: where it begins or ends with a letter, a digit or `_`, no such sign
/// stands before or after it.
fn stands_in(name: &str, text: &[u8]) -> bool {
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || !b.is_ascii());
    let name = name.as_bytes();
    let (first, last) = (is_word(name.first()), is_word(name.last()));
    text.windows(name.len().max(1)).enumerate().any(|(at, found)| {
        let before = at.checked_sub(1).and_then(|n| text.get(n));
        let after = text.get(at + name.len());
        found == name && !(first && is_word(before)) && !(last && is_word(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{git::testing::Scratch, plan::schedule::tests::plan, spec::model::ContractMode};

    fn contract(path: &str, owner: &SliceId, exports: &[&str]) -> Contract {
        let exports = exports.iter().map(|e| (*e).to_owned()).collect();
        Contract { path: path.into(), owner: owner.clone(), mode: ContractMode::Semantic, exports, probes: Vec::new() }
    }

    #[test]
    fn a_contract_binds_its_owner_and_whoever_touches_it_once_the_owner_is_there() {
        let mut spec = (*plan(&[vec![], vec![]], 1).spec).clone();
        let owner = spec.slices[0].id.clone();
        spec.contracts = vec![contract("a", &owner, &[]), contract("b", &owner, &[])];
        for (slice, touched, there, bound) in
            [(0, "x", false, &["a", "b"][..]), (1, "x", true, &[]), (1, "a", true, &["a"]), (1, "a", false, &[])]
        {
            let found = bearing(&spec, &spec.slices[slice], &[touched.into()], &|id| there && *id == owner);
            assert_eq!(found.iter().map(|c| &*c.path).collect::<Vec<_>>(), bound, "{slice} {touched} {there}");
        }
    }

    #[test]
    fn what_a_contract_lacks_is_named() {
        let s = Scratch::new();
        let owner = plan(&[vec![]], 1).spec.slices[0].id.clone();
        let tree = s.tree(&[("a", "fn one() {}\nfn two() {}\n"), ("b", "")]);
        let of = |c: &Contract| broken(&s.repo, tree, &[c]).unwrap().join("; ");
        assert_eq!(of(&contract("a", &owner, &["one", "two"])), "");
        assert_eq!(of(&contract("b", &owner, &[])), "");
        assert_eq!(of(&contract("a", &owner, &["on", "two"])), "the contract `a` does not export `on`");
        assert_eq!(of(&contract("c", &owner, &["one"])), "the contract `c` is not there");
    }

    #[test]
    fn an_export_is_a_whole_word() {
        for (name, text, there) in [
            ("add", "export function add(a, b)", true),
            ("add", "export function address()", false),
            ("add", "readd(); add_all()", false),
            ("add", "readd(); add", true),
            ("/books", "GET /books/1", true),
            ("/books", "GET /bookshelf", false),
            ("::new", "Book::new()", true),
            ("größe", "die größer", false),
            ("add", "", false),
        ] {
            assert_eq!(stands_in(name, text.as_bytes()), there, "{name:?} in {text:?}");
        }
    }
}
