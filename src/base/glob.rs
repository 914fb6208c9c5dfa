//! Path patterns: git's `:(glob)` dialect, from the root, case-sensitive: `*` and `?` stay within a segment, `**` stands
//! for any number of segments, a trailing `/` means `/**`. No braces, classes or negation.

use gix::{
    bstr::ByteSlice as _,
    glob::wildmatch,
    validate::path::component::{self, Options},
};
use unicode_normalization::UnicodeNormalization as _;

/// Whether a pattern matches a path, a file's from the root.
pub fn matches(pattern: &str, path: impl AsRef<[u8]>) -> bool {
    let path = path.as_ref();
    if is_literal(pattern) {
        return pattern.as_bytes() == path;
    }
    let whole = if pattern.ends_with('/') { format!("{pattern}**") } else { pattern.to_owned() };
    // The dialect has no classes: a bracket and a backslash mean themselves.
    let plain: String = whole.chars().flat_map(|c| if "[\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    wildmatch(plain.as_str().into(), path.as_bstr(), wildmatch::Mode::NO_MATCH_SLASH_LITERAL)
}

/// Whether one of several patterns matches a path.
pub fn any(patterns: &[String], path: impl AsRef<[u8]>) -> bool {
    patterns.iter().any(|pattern| matches(pattern, path.as_ref()))
}

/// Whether a pattern names exactly one path.
pub fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?']) && !pattern.ends_with('/')
}

/// The part of a pattern before its first wildcard: every path that it matches starts with it.
pub fn literal_prefix(pattern: &str) -> &str {
    pattern.find(['*', '?']).map_or(pattern, |end| &pattern[..end])
}

/// Why a text is no acceptable pattern.
pub fn pattern_problem(pattern: &str) -> Option<String> {
    if pattern.starts_with(['!', ':']) {
        return Some("begins with a sign that patterns do not have".into());
    }
    if let Some(c) = pattern.chars().find(|c| "{}[]".contains(*c)) {
        return Some(format!("contains {c:?}: a pattern has only *, ? and **"));
    }
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    let inner = |s: &str| s != "**" && s.contains("**");
    if body.split('/').any(inner) {
        return Some("has a ** that does not stand alone between slashes".into());
    }
    path_problem(body)
}

/// Why a text is no path inside a repository: what leads out of it, and `.git` in any case or spelling that some file
/// system takes for it (HFS+, NTFS, compatibility forms, code points that nobody sees).
pub fn path_problem(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("is empty".into());
    }
    if path.starts_with('/') || (path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic()) {
        return Some("is absolute: paths start at the root of the repository".into());
    }
    if path.chars().any(char::is_control) {
        return Some("contains a control character".into());
    }
    if path.contains('\\') {
        return Some("contains a backslash: folders are separated by /".into());
    }
    path.split('/').find_map(segment_problem)
}

fn segment_problem(segment: &str) -> Option<String> {
    let options = Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    match gix::validate::path::component(segment.into(), None, options) {
        Err(component::Error::Empty) => return Some("has an empty part between two slashes".into()),
        Err(component::Error::Relative) => return Some("has a part . or ..".into()),
        Err(_) => return Some("leads into .git".into()),
        Ok(_) => {}
    }
    let folded: String = segment.nfkc().filter(|c| !is_ignorable(*c)).flat_map(char::to_lowercase).collect();
    let bare = folded.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    matches!(bare, ".git" | "git~1").then(|| "leads into .git".into())
}

/// Code points that are drawn as nothing (Unicode, Default_Ignorable_Code_Point, as far as names can hide behind them).
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether some path is matched by both patterns. Exact for the patterns that [`pattern_problem`] accepts.
pub fn intersects(a: &str, b: &str) -> bool {
    let (p, q) = (literal_prefix(a), literal_prefix(b));
    if !p.starts_with(q) && !q.starts_with(p) {
        return false;
    }
    match (is_literal(a), is_literal(b)) {
        (true, true) => a == b,
        (true, false) => matches(b, a),
        (false, true) => matches(a, b),
        (false, false) => both(&parts(a), &parts(b)),
    }
}

#[derive(Clone, Copy)]
enum Part<'a> {
    /// Any number of segments, also none.
    Any,
    /// One segment.
    One(&'a str),
}

fn parts(pattern: &str) -> Vec<Part<'_>> {
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    let mut out: Vec<Part<'_>> = body.split('/').map(|s| if s == "**" { Part::Any } else { Part::One(s) }).collect();
    if pattern.ends_with('/') {
        out.push(Part::Any);
    }
    // A last `**` needs at least one segment: `a/**` does not match the file `a`.
    if let Some(Part::Any) = out.last() {
        out.push(Part::One("*"));
    }
    out
}

/// Walks both lists of parts at once, backwards: `row[j]` says whether the rest of `a` from `i` and of `b` from `j` have a
/// path in common.
fn both(a: &[Part<'_>], b: &[Part<'_>]) -> bool {
    let mut below = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (None, Some(Part::Any)) => row[j + 1],
                (Some(Part::Any), None) => below[j],
                (None, _) | (_, None) => false,
                (Some(Part::Any), _) | (_, Some(Part::Any)) => below[j] || row[j + 1],
                (Some(Part::One(s)), Some(Part::One(t))) => below[j + 1] && segments(s.as_bytes(), t.as_bytes()),
            };
        }
        below = row;
    }
    below[0]
}

/// Whether every path that `inner` matches is matched by `outer`. Never wrongly said; of patterns that mix `*` and `?` in
/// one segment it may be said too seldom.
pub fn covers(outer: &str, inner: &str) -> bool {
    if is_literal(inner) {
        return matches(outer, inner);
    }
    let segment = |outer: &Part<'_>, inner: &Part<'_>| match (outer, inner) {
        (Part::One(a), Part::One(b)) => {
            let byte = |a: &u8, b: &u8| a == b || (*a == b'?' && *b != b'*');
            takes_in(a.as_bytes(), b.as_bytes(), |a| *a == b'*', byte)
        }
        _ => false,
    };
    takes_in(&parts(outer), &parts(inner), |part| matches!(part, Part::Any), segment)
}

/// Whether `outer` says at least what `inner` says, sign by sign: one that is `any` stands for any number of the other's
/// signs, also for its own kind; every other one stands for one, if it is at least as much.
fn takes_in<T>(outer: &[T], inner: &[T], any: impl Fn(&T) -> bool, one: impl Fn(&T, &T) -> bool) -> bool {
    // `row[j]`: whether the rest of `outer` takes in the rest of `inner` from `j`.
    let mut row: Vec<bool> = (0..=inner.len()).map(|j| j == inner.len()).collect();
    for sign in outer.iter().rev() {
        let below = row.clone();
        for j in (0..=inner.len()).rev() {
            let next = row.get(j + 1).copied().unwrap_or(false);
            let rest = below.get(j + 1).copied().unwrap_or(false);
            row[j] = match any(sign) {
                true => below[j] || next,
                false => rest && inner.get(j).is_some_and(|i| !any(i) && one(sign, i)),
            };
        }
    }
    row.first().copied().unwrap_or(false)
}

/// The same for the bytes of two segments: `*` is any number of them, `?` one.
fn segments(a: &[u8], b: &[u8]) -> bool {
    let mut below = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (None, Some(b'*')) => row[j + 1],
                (Some(b'*'), None) => below[j],
                (None, _) | (_, None) => false,
                (Some(b'*'), _) | (_, Some(b'*')) => below[j] || row[j + 1],
                (Some(x), Some(y)) => below[j + 1] && (x == y || *x == b'?' || *y == b'?'),
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_git_does() {
        for (pattern, path, is) in [
            ("a", "a", true),
            ("a", "a/b", false),
            ("a/", "a/b/c", true),
            ("a/", "a", false),
            ("a/**", "a", false),
            ("*", ".x", true),
            ("*", "a/b", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("**/b", "b", true),
            ("**", "a/b", true),
            ("src/?.rs", "src/a.rs", true),
            ("src/?.rs", "src/ab.rs", false),
            ("a[b]", "a[b]", true),
            ("a[1]", "a1", false),
            ("a[1]*", "a[1]b", true),
            ("a?", "a/", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, path), is, "{pattern} {path}");
        }
    }

    #[test]
    fn what_escapes_is_no_pattern() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a\\b",
            "a\0b",
            "C:/x",
            "{a,b}",
            "[ab]",
            "!a",
            ":(top)a",
            "a**b",
            "a/b**/c",
            ".git/config",
            ".GIT/hooks/x",
            "a/.Git",
            "GIT~1/x",
            ".g\u{200c}it/x",
            ".git /x",
            ".git./x",
            ".git::$INDEX_ALLOCATION/x",
            "\u{ff0e}\u{ff47}it/x",
            ".g\u{ad}it",
            "a//",
            "a\u{1b}[31m",
        ] {
            assert!(pattern_problem(bad).is_some(), "{bad:?}");
        }
        for good in [
            "a",
            "a/",
            "**",
            "**/*.rs",
            "a/**/b",
            ".github/workflows/ci.yml",
            ".gitignore",
            "git~2",
            "a b",
            "é/?",
            "...",
        ] {
            assert_eq!(pattern_problem(good), None, "{good:?}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_says_more_of() {
        for (outer, inner, is) in [
            ("src/**", "src/a.rs", true),
            ("src/**", "src/x/", true),
            ("src/", "src/**", true),
            ("src/**", "src/**/*.rs", true),
            ("src/*", "src/**", false),
            ("src/*.rs", "src/a*.rs", true),
            ("src/?.rs", "src/*.rs", false),
            ("src/*.rs", "src/?.rs", true),
            ("**/*.rs", "src/**", false),
            ("**/*.rs", "src/**/x.rs", true),
            ("a", "a", true),
            ("a", "a/b", false),
            ("a/", "a", false),
            ("src/x/**", "src/**", false),
        ] {
            assert_eq!(covers(outer, inner), is, "{outer} {inner}");
        }
    }

    /// Every path of up to four segments over a small alphabet: enough to find one for any two of the patterns below.
    fn paths() -> Vec<String> {
        let names = ["a", "b", "aa", "ab", "ba", "bb"];
        let mut out: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut last = out.clone();
        for _ in 1..4 {
            last = last.iter().flat_map(|p| names.iter().map(move |n| format!("{p}/{n}"))).collect();
            out.extend(last.iter().cloned());
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn intersection_is_what_trying_every_path_finds(
            a in "(([ab?*]|[ab][ab?*]|\\*\\*)/){0,2}([ab?*]|[ab*][ab?]|\\*\\*)|(([ab?*]|[ab][ab?*]|\\*\\*)/){1,2}",
            b in "(([ab?*]|[ab][ab?*]|\\*\\*)/){0,2}([ab?*]|[ab*][ab?]|\\*\\*)|(([ab?*]|[ab][ab?*]|\\*\\*)/){1,2}",
        ) {
            prop_assume!(pattern_problem(&a).is_none() && pattern_problem(&b).is_none());
            let found = paths().into_iter().find(|p| matches(&a, p) && matches(&b, p));
            prop_assert_eq!(intersects(&a, &b), found.is_some(), "{} {} {:?}", a, b, found);
            prop_assert_eq!(intersects(&a, &b), intersects(&b, &a));
        }

        #[test]
        fn what_is_covered_is_matched(
            a in "(([ab?*]|[ab][ab?*]|\\*\\*)/){0,2}([ab?*]|[ab*][ab?]|\\*\\*)|(([ab?*]|[ab][ab?*]|\\*\\*)/){1,2}",
            b in "(([ab?*]|[ab][ab?*]|\\*\\*)/){0,2}([ab?*]|[ab*][ab?]|\\*\\*)|(([ab?*]|[ab][ab?*]|\\*\\*)/){1,2}",
        ) {
            prop_assume!(pattern_problem(&a).is_none() && pattern_problem(&b).is_none());
            let beyond = paths().into_iter().find(|p| matches(&b, p) && !matches(&a, p));
            prop_assert!(!covers(&a, &b) || beyond.is_none(), "{} {} {:?}", a, b, beyond);
            prop_assert!(covers(&a, &a) && covers("**", &b), "{} {}", a, b);
        }
    }
}
