//! The chain digest of spec records: what makes a rewritten history show even where SHA-1 is weak.
//!
//! `otto-chain/1`: SHA-256 over, in this order,
//! - `otto-chain/1` and a newline;
//! - for each parent, in the commit's order, its chain as 64 hex digits and a newline;
//! - for each entry of the tree but `record.json`, in path order, its octal mode, a space, its path from the root, a
//!   NUL, the SHA-256 of its bytes as 64 hex digits, a newline;
//! - the bytes of `record.json` with `"chain": ""`.
//!
//! `tests/golden/chain-v1` holds vectors that must give the same digests for ever.

use crate::base::Sha256;

/// One entry of a record's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its mode as git prints it.
    pub mode: &'static str,
    /// Its path from the root.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Sha256,
}

/// The chain digest of a record. `leaves` are all entries but `record.json`, in path order; `record` are the bytes of
/// `record.json` with an empty chain.
pub fn digest(parents: &[Sha256], leaves: &[Leaf], record: &[u8]) -> Sha256 {
    let mut text = b"otto-chain/1\n".to_vec();
    for parent in parents {
        text.extend_from_slice(format!("{parent}\n").as_bytes());
    }
    for leaf in leaves {
        text.extend_from_slice(format!("{} {}\0{}\n", leaf.mode, leaf.path, leaf.digest).as_bytes());
    }
    Sha256::of_parts([&text[..], record])
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::{
        base::json,
        store::{pretty, record::Record},
    };

    fn leaves(dir: &Path) -> Vec<Leaf> {
        let leaf = |path: String, file: PathBuf| Leaf {
            mode: "100644",
            path,
            digest: Sha256::of(std::fs::read(file).unwrap()),
        };
        let mut out: Vec<Leaf> = std::fs::read_dir(dir.join("files"))
            .into_iter()
            .flatten()
            .map(|e| e.unwrap())
            .map(|e| leaf(format!("files/{}", e.file_name().to_str().unwrap()), e.path()))
            .collect();
        out.push(leaf("spec.json".into(), dir.join("spec.json")));
        out.sort_by(|a, b| a.path.cmp(&b.path));
        out
    }

    #[test]
    fn golden_vectors_of_version_1_hold() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chain-v1");
        let expected = std::fs::read_to_string(root.join("expected")).unwrap();
        let mut known = std::collections::BTreeMap::new();
        for line in expected.lines() {
            let mut words = line.split(' ');
            let (name, chain) = (words.next().unwrap(), words.next().unwrap());
            let parents: Vec<Sha256> = words.map(|p| known[p]).collect();
            let dir = root.join(name);
            let bytes = std::fs::read(dir.join("record.json")).unwrap();
            let record: Record = json::read(&bytes, json::Limits::RECORD).unwrap();
            assert_eq!(pretty(&record).unwrap(), bytes, "{name}: record.json is what this program writes");
            assert_eq!(record.chain.map(|c| c.to_string()).as_deref(), Some(chain), "{name}");
            assert_eq!(record.after, Sha256::of(std::fs::read(dir.join("spec.json")).unwrap()), "{name}");
            let blank = pretty(&Record { chain: None, ..record }).unwrap();
            assert_eq!(digest(&parents, &leaves(&dir), &blank).to_string(), chain, "{name}");
            known.insert(name, chain.parse().unwrap());
        }
        assert_eq!(known.len(), 4);
    }
}
