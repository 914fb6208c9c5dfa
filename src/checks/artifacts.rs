//! Files that a check leaves behind as evidence.

use std::{collections::BTreeMap, io, path::Path};

use crate::base::{
    files::{self, Entry},
    glob, text,
};

/// How many files of one check are kept.
const MOST: usize = 100;
/// The largest one, bytes.
const MAX: u64 = 16 << 20;
/// All of one check, bytes.
const MAX_ALL: u64 = 64 << 20;
/// The longest path that is kept, bytes.
const MAX_NAME: usize = 512;
/// Entries of a checkout that are looked at.
const MAX_ENTRIES: usize = 200_000;

/// Contents by path.
pub(super) type Kept = BTreeMap<String, Vec<u8>>;

/// Removes what matches already: what was there before a check ran is no evidence of it.
pub(super) fn clear(dir: &Path, globs: &[String]) -> io::Result<()> {
    // The folders stay: what writes into them counts on them.
    matching(dir, globs)?.iter().try_for_each(|path| std::fs::remove_file(dir.join(path)))
}

/// What matches, by its path below `dir`, and a line for each pattern that nothing matches and each file that is too much.
/// Texts are redacted.
pub(super) fn gather(dir: &Path, globs: &[String]) -> io::Result<(Kept, Vec<String>)> {
    let found = matching(dir, globs)?;
    let missing = globs.iter().filter(|glob| !found.iter().any(|path| glob::matches(glob, path)));
    let mut told: Vec<String> = missing.map(|glob| format!("it left no file that matches {glob}")).collect();
    let (mut out, mut all) = (BTreeMap::new(), 0);
    if found.len() > MOST {
        told.push(format!("it left {} files as evidence, and {MOST} are kept at most", found.len()));
    }
    for path in found.into_iter().take(MOST) {
        if path.len() > MAX_NAME || path.chars().any(|c| c.is_control() || c == '\\') {
            told.push(format!(
                "{} cannot be kept as evidence: not every system can hold its name",
                text::one_line(&path, 200)
            ));
            continue;
        }
        let bytes = match files::read_beneath(dir, path.as_bytes(), MAX.min(MAX_ALL - all)) {
            Ok((bytes, _)) => bytes,
            Err(e) => {
                told.push(format!("{} cannot be kept as evidence: {e}", text::one_line(&path, 200)));
                continue;
            }
        };
        all += bytes.len() as u64;
        let is_text = std::str::from_utf8(&bytes).is_ok();
        out.insert(path, if is_text { text::redact(&bytes) } else { bytes });
    }
    Ok((out, told))
}

/// The regular files that match, in path order; names that are not UTF-8 are nobody's evidence.
fn matching(dir: &Path, globs: &[String]) -> io::Result<Vec<String>> {
    let (mut out, mut left, mut seen) = (Vec::new(), vec![String::new()], 0);
    while let Some(folder) = left.pop() {
        for (name, entry) in files::entries_beneath(dir, folder.as_bytes())? {
            seen += 1;
            if seen > MAX_ENTRIES {
                return Err(io::Error::other("the checkout has too many files to look for evidence"));
            }
            let Ok(name) = String::from_utf8(name) else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match entry {
                Entry::Folder => left.push(path),
                Entry::File if glob::any(globs, &path) => out.push(path),
                Entry::File | Entry::Other => {}
            }
        }
    }
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_counts_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("shots/a")).unwrap();
        std::fs::write(at("shots/old.png"), "old").unwrap();
        let globs = ["shots/**/*.png".to_owned(), "log.txt".to_owned()];
        clear(dir.path(), &globs).unwrap();
        assert!(!at("shots/old.png").exists());
        std::fs::write(at("shots/a/b.png"), [0xff, 0]).unwrap();
        std::fs::write(at("shots/c.txt"), "no").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("shots/d.png")).unwrap();
        let (found, told) = gather(dir.path(), &globs).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["shots/a/b.png"]);
        assert_eq!(told, ["it left no file that matches log.txt"]);
        std::fs::write(at("log.txt"), format!("key ghp_{}", "a".repeat(36))).unwrap();
        let (found, told) = gather(dir.path(), &globs).unwrap();
        assert!(told.is_empty() && !String::from_utf8_lossy(&found["log.txt"]).contains("ghp_aaa"));
    }

    #[test]
    fn a_name_that_no_evidence_can_hold_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a\nb"), "x").unwrap();
        let (found, told) = gather(dir.path(), &["*".to_owned()]).unwrap();
        assert!(found.is_empty() && told.len() == 1 && told[0].contains("its name"), "{told:?}");
    }

    #[test]
    fn what_is_too_much_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::File::create(dir.path().join("big")).unwrap().set_len(MAX + 1).unwrap();
        (0..MOST + 1).for_each(|n| std::fs::write(dir.path().join(format!("f{n:03}")), "x").unwrap());
        let (found, told) = gather(dir.path(), &["*".to_owned()]).unwrap();
        assert_eq!((found.len(), told.len()), (MOST - 1, 2), "{told:?}");
    }
}
