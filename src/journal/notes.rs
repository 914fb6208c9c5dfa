//! The tree of a notes ref as git reads it: the hex id of the annotated object is the path of the note's blob, cut
//! after every two digits as deep as git itself would (git's `notes.c`: one level more where all 16 next digits are
//! taken at least twice).

use std::collections::BTreeMap;

use crate::{
    base::Oid,
    git::{self, BString, Mode, Repo},
};

/// The notes of one ref, and the tree that holds them.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Hex id of the annotated object to its path in the tree and its blob.
    notes: BTreeMap<String, (String, Oid)>,
    tree: Option<Oid>,
}

impl Notes {
    /// The blob of an object's note.
    pub fn get(&self, object: Oid) -> Option<Oid> {
        self.notes.get(&object.to_string()).map(|(_, blob)| *blob)
    }

    /// Puts notes and writes the tree.
    pub fn put(&mut self, repo: &Repo, notes: &[(Oid, Oid)]) -> git::Result<Oid> {
        let mut edits: BTreeMap<String, Option<(Mode, Oid)>> = BTreeMap::new();
        let mut new = false;
        for (object, blob) in notes {
            let name = object.to_string();
            match self.notes.get_mut(&name) {
                Some((path, old)) => {
                    *old = *blob;
                    edits.insert(path.clone(), Some((Mode::Plain, *blob)));
                }
                None => {
                    new = true;
                    self.notes.insert(name, (String::new(), *blob));
                }
            }
        }
        if new {
            // Another object can make folders deeper: what moves is put anew.
            for (name, path) in self.paths() {
                let Some((old, blob)) = self.notes.get_mut(&name).filter(|(old, _)| *old != path) else { continue };
                if !old.is_empty() {
                    edits.insert(std::mem::take(old), None);
                }
                edits.insert(path.clone(), Some((Mode::Plain, *blob)));
                *old = path;
            }
        }
        let edits: Vec<_> = edits.into_iter().map(|(path, new)| (BString::from(path), new)).collect();
        let tree = repo.write_tree(self.tree, &edits)?;
        self.tree = Some(tree);
        Ok(tree)
    }

    /// Every note's path in the tree.
    fn paths(&self) -> Vec<(String, String)> {
        // How often each prefix of digits is taken.
        let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
        let depth = |name: &str| (name.len() / 2).min(5);
        for name in self.notes.keys() {
            for len in (1..2 * depth(name)).step_by(2) {
                *taken.entry(name.get(..len).unwrap_or_default()).or_default() += 1;
            }
        }
        let full = |prefix: &str| {
            "0123456789abcdef".chars().all(|c| taken.get(format!("{prefix}{c}").as_str()).is_some_and(|n| *n > 1))
        };
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        let path = |name: &String| {
            let (mut path, mut rest) = (String::new(), name.as_str());
            for _ in 0..depth(name) {
                let prefix = name.get(..name.len() - rest.len()).unwrap_or_default().to_owned();
                let deeper = *known.entry(prefix).or_insert_with_key(|p| full(p));
                let Some((head, tail)) = rest.split_at_checked(2).filter(|_| deeper) else { break };
                path.push_str(head);
                path.push('/');
                rest = tail;
            }
            path.push_str(rest);
            path
        };
        let mut path = path;
        self.notes.keys().map(|name| (name.clone(), path(name))).collect()
    }
}

/// The object that a path of a notes tree annotates.
pub fn annotated(path: &[u8], hex_len: usize) -> Option<Oid> {
    let text = std::str::from_utf8(path).ok().filter(|t| t.len() <= 2 * hex_len)?;
    let digits: String = text.split('/').collect();
    let cut = text.rsplit('/').skip(1).all(|folder| folder.len() == 2);
    let lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (cut && lower && digits.len() == hex_len).then(|| digits.parse().ok()).flatten()
}
