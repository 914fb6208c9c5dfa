//! The paths that a task names.

use crate::base::glob;

/// Ends of file names that stand for a file even without a folder; `Node.js` and `path.join` are none.
const KNOWN: [&str; 22] = [
    "md", "toml", "json", "yml", "yaml", "lock", "py", "rs", "ts", "tsx", "jsx", "go", "rb", "sh", "html", "css",
    "sql", "txt", "java", "kt", "swift", "c",
];

/// The documents that the task itself stands among.
const OWN: [&str; 5] = ["spec.md", "plan.md", "tasks.md", "proposal.md", "design.md"];

/// The paths in a text, each once, and what looks like one and cannot be owned, with the reason.
pub(super) fn named(text: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut paths, mut refused) = (Vec::new(), Vec::new());
    // Every other part stands between back quotes.
    for (n, part) in text.split('`').enumerate() {
        let is_code = n % 2 == 1;
        if is_code && part.trim().contains(char::is_whitespace) {
            continue;
        }
        for word in part.split(|c: char| c.is_whitespace() || c == ',' || c == ';') {
            let Some(path) = candidate(word, is_code) else { continue };
            match glob::pattern_problem(&path) {
                None if !paths.contains(&path) => paths.push(path),
                None => {}
                Some(why) => refused.push((path, why)),
            }
        }
    }
    (paths, refused)
}

/// The path that a word looks like.
fn candidate(word: &str, is_code: bool) -> Option<String> {
    let word = word.trim_matches(|c: char| "()\"'*:!?<>".contains(c)).trim_end_matches('.');
    let (word, from_here) = word.strip_prefix("./").map_or((word, false), |rest| (rest, true));
    // A line number after a file.
    let word = match word.rsplit_once(':') {
        Some((file, line)) if line.chars().all(|c| c.is_ascii_digit() || c == '-') => file,
        _ => word,
    };
    if word.contains("://") || word.starts_with(['@', '-', '$', '#']) || word.contains(['=', '(', '|', '…']) {
        return None;
    }
    let (folder, name) = word.rsplit_once('/').unwrap_or(("", word));
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty() || name.len() > 1).map_or("", |(_, e)| e);
    let has_ending = (1..=5).contains(&ending.len())
        && ending.starts_with(|c: char| c.is_ascii_alphabetic())
        && ending.chars().all(|c| c.is_ascii_alphanumeric());
    let is_path = match (word.contains('/'), name.is_empty()) {
        (true, true) => !folder.is_empty(),
        (true, false) => has_ending || is_code && !word.starts_with('/'),
        (false, true) => false,
        (false, false) => from_here && is_code || KNOWN.contains(&ending) && !OWN.contains(&name),
    };
    let is_plain = |c: char| c.is_alphanumeric() || "-_./*?[]{}+@".contains(c);
    (is_path && word.chars().all(is_plain)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_other_words() {
        for (text, paths) in [
            ("Create the model in src/models/note.py (depends on T012, T013)", &["src/models/note.py"][..]),
            ("Write docs/ and `tests/unit/`, then README.md.", &["docs/", "tests/unit/", "README.md"]),
            ("Write `./greet` and `greet`", &["greet"]),
            ("Fix `cmd/add`, **src/a.ts:331** and ./src/a.ts", &["cmd/add", "src/a.ts"]),
            ("GIVEN/WHEN, and/or Node.js, v1.0, e.g. that, `path.join`, as plan.md says", &[]),
            ("see https://example.org/x.py, @scope/pkg, `npm run test/all.js`, `--file=a.py`", &[]),
            ("Rename all of src/**/*.rs", &["src/**/*.rs"]),
        ] {
            assert_eq!(named(text).0, paths, "{text}");
        }
        let (paths, refused) = named("In tests/test_[name].py, ../x.py, /etc/a.conf and .git/hooks/x.sh");
        assert!(paths.is_empty());
        assert_eq!(refused.len(), 4, "{refused:?}");
    }
}
