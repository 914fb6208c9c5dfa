//! Path patterns: git's `:(glob)` dialect without classes, from the root; a trailing `/` means `/**`.

use gix::{bstr::ByteSlice as _, glob::wildmatch};

/// Whether a pattern matches a path. A bracket and a backslash mean themselves.
pub fn matches(pattern: &str, path: impl AsRef<[u8]>) -> bool {
    let whole = if pattern.ends_with('/') { format!("{pattern}**") } else { pattern.to_owned() };
    let plain: String = whole.chars().flat_map(|c| if "[\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    wildmatch(plain.as_str().into(), path.as_ref().as_bstr(), wildmatch::Mode::NO_MATCH_SLASH_LITERAL)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stay_inside_a_folder_and_two_do_not() {
        for (pattern, path) in [("a/*", "a/b"), ("a/", "a/b/c"), ("**/x", "x"), ("a/**/x", "a/x"), ("a[1]", "a[1]")] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("a/*", "a/b/c"), ("a/", "a"), ("a", "A"), ("a[1]", "a1"), ("a?", "a/")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
