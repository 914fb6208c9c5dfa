//! What an intent may be before anything reads it: bounded text, line ends as LF.

use std::ops::Range;

use super::error::Found;

const SIZE: usize = 4 << 20;
const LINES: usize = 100_000;
/// Quotations and lists in each other.
const NESTING: usize = 32;
/// Characters that CommonMark pairs up (brackets, emphasis) on one line outside of code.
const LINE: usize = 64 << 10;

/// The text, or what of it can be shown with what is wrong.
pub(super) fn text(source: &[u8]) -> Result<String, (String, Vec<Found>)> {
    if source.len() > SIZE {
        let message = format!("{} bytes are more than the {SIZE} allowed", source.len());
        return Err((String::new(), vec![found(0..0, message)]));
    }
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let text = match std::str::from_utf8(source) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(e) => {
            let shown = String::from_utf8_lossy(&source[..e.valid_up_to()]).replace("\r\n", "\n");
            let at = shown.len();
            return Err((shown, vec![found(at..at, "this is not UTF-8".into())]));
        }
    };
    let mut wrong = Vec::new();
    for (at, c) in text.char_indices() {
        if let Some(what) = refused(c).filter(|_| wrong.len() < 1000) {
            wrong.push(found(at..at + c.len_utf8(), format!("{what} (U+{:04X}) cannot stand in an intent", c as u32)));
        }
    }
    let mut start = 0;
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let span = start..start + line.trim_end().len();
        start += line.len();
        if n == LINES {
            wrong.push(found(span, format!("more than {LINES} lines")));
            break;
        }
        if line.len() > LINE {
            wrong.push(found(span, format!("this line is longer than {LINE} bytes")));
        } else if nesting(line) > NESTING {
            wrong.push(found(span, format!("nested more than {NESTING} deep")));
        }
    }
    if wrong.is_empty() { Ok(text) } else { Err((text, wrong)) }
}

fn found(span: Range<usize>, message: String) -> Found {
    Found { span, message, accepted: None }
}

/// Characters that make a text look like what it is not, or that no editor shows.
fn refused(c: char) -> Option<&'static str> {
    match c {
        '\n' | '\t' => None,
        '\r' => Some("a carriage return that ends no line"),
        '\0' => Some("a NUL"),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some("a control of the writing direction"),
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => {
            Some("an invisible character")
        }
        '\u{2028}' | '\u{2029}' => Some("a line end of another kind"),
        c if c.is_control() => Some("a control character"),
        _ => None,
    }
}

/// How many quotations and list entries a line opens before its text, and levels of indentation.
fn nesting(line: &str) -> usize {
    let mut depth = 0;
    let mut rest = line.trim_end();
    while depth <= NESTING {
        rest = rest.trim_start_matches([' ', '\t']);
        let next = rest.strip_prefix('>').or_else(|| rest.strip_prefix("- ").or_else(|| rest.strip_prefix("* ")));
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let numbered =
            (number.len() < rest.len()).then(|| number.strip_prefix(". ").or(number.strip_prefix(") "))).flatten();
        match next.or(rest.strip_prefix("+ ")).or(numbered) {
            Some(inner) => rest = inner,
            None => return depth,
        }
        depth += 1;
    }
    depth
}
