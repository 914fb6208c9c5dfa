//! Text from outside, made safe to show and to store.

use std::sync::LazyLock;

use gix::bstr::ByteSlice as _;
use regex::bytes::{Captures, Regex, RegexBuilder};

/// Strips control sequences and control characters (but newline and tab) from text that came from outside, so that it
/// cannot drive the terminal (ECMA-48); bytes that are no UTF-8 become U+FFFD.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\u{1b}' => match chars.next() {
                // A control sequence ends with a byte in 0x40..=0x7e; a string ends with BEL or ESC \.
                Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            // Bidirectional controls can make text read as what it is not (Unicode TR 36).
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Whether bytes hold a text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.find(text).is_some()
}

/// The first line of [`printable`] text, cut to `max` characters with an ellipsis.
pub fn one_line(text: &str, max: usize) -> String {
    let clean = printable(text);
    let line = clean.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    if line.chars().count() <= max {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A number with the word for what is counted: `1 slice`, `2 slices`.
pub fn count(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let kinds = [
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{30,}\b",
        r"\bgithub_pat_[A-Za-z0-9_]{30,}\b",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"(?:(?P<key>(?:api[_-]?key|secret|token|passw(?:or)?d)[A-Za-z_-]*['\x22]?\s*[:=]\s*['\x22]?)[A-Za-z0-9+/_.-]{16,})",
        r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+@",
    ];
    // Without Unicode classes: a Unicode word boundary would take the slow engine on every text that is not ASCII.
    RegexBuilder::new(&kinds.join("|")).case_insensitive(true).unicode(false).build().ok()
});

/// Whether a text holds what [`redact`] would replace. Of `key=…` assignments only those count whose value has a digit: a
/// source text is full of others, and to refuse one is worse than to blot it out.
pub fn has_secret(bytes: &[u8]) -> bool {
    let Some(secrets) = SECRETS.as_ref() else { return true };
    secrets.captures_iter(bytes).any(|found| match (found.get(0), found.name("key")) {
        (Some(all), Some(key)) => bytes.get(key.end()..all.end()).is_some_and(|v| v.iter().any(u8::is_ascii_digit)),
        _ => true,
    })
}

/// Replaces what looks like a secret (private keys, well-known token forms, `key=…` assignments, passwords in URLs) by
/// `[redacted]`. Redact, then hash, then store.
pub fn redact(bytes: &[u8]) -> Vec<u8> {
    let Some(secrets) = SECRETS.as_ref() else { return b"[redacted]".to_vec() };
    let replace = |found: &Captures<'_>| {
        let mut out = Vec::new();
        for (name, tail) in [("key", &b""[..]), ("scheme", b"@")] {
            if let Some(kept) = found.name(name) {
                out.extend_from_slice(kept.as_bytes());
                out.extend_from_slice(b"[redacted]");
                out.extend_from_slice(tail);
                return out;
            }
        }
        b"[redacted]".to_vec()
    };
    secrets.replace_all(bytes, replace).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mred\u{1b}[0m\u{7}\r\nb\u{1b}]0;title\u{7}c\u{202e}d\u{9b}1m"), "ared\nbcd1m");
        assert_eq!(one_line("\n  two words \nmore", 80), "two words");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    #[test]
    fn secrets_are_replaced_and_the_rest_stays() {
        let cases = [
            ("push https://ann:hunter2hunter2@host/x ok", "push https://ann:[redacted]@host/x ok"),
            ("API_KEY=abcdefghijklmnopqrst end", "API_KEY=[redacted] end"),
            ("id AKIAABCDEFGHIJKLMNOP.", "id [redacted]."),
            ("nothing here: token = short", "nothing here: token = short"),
        ];
        for (from, to) in cases {
            assert_eq!(String::from_utf8(redact(from.as_bytes())).unwrap(), to);
        }
        assert_eq!(redact(b"x -----BEGIN RSA PRIVATE KEY-----\nabc"), b"x [redacted]");
    }
}
