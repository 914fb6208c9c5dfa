//! Text from outside as Markdown (CommonMark 0.31) that says just that text, on one line. A line alone makes no table, so
//! `|` means itself.

use crate::base::text;

/// A text as Markdown. Balanced pairs of single back quotes stay code spans; everything else that could be markup is
/// escaped.
pub fn inline(raw: &str, max: usize) -> String {
    let line = text::one_line(raw, max);
    let runs = line.split(|c| c != '`').filter(|run| !run.is_empty());
    let (mut count, mut single) = (0, true);
    runs.for_each(|run| {
        count += 1;
        single &= run.len() == 1;
    });
    let spans = single && count % 2 == 0;
    let mut out = String::with_capacity(line.len() + 16);
    let (mut before, mut inside) = (None, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied();
        if c == '`' && spans {
            inside = !inside;
        } else if !inside && is_markup(c, before, after, &out) {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
    out
}

/// A text as Markdown of forges, which read more into words: outside of code nobody is mentioned, no issue is referred
/// to or closed, and no address becomes a link. An empty comment, which nobody sees, parts what would be read so.
pub fn forge(raw: &str, max: usize) -> String {
    let markdown = inline(raw, max);
    let mut out = String::with_capacity(markdown.len() + 16);
    let (mut inside, mut escaped) = (false, false);
    let mut chars = markdown.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '`' && !escaped {
            inside = !inside;
        }
        escaped = c == '\\' && !escaped && !inside;
        let word = chars.peek().is_some_and(|next| next.is_alphanumeric());
        let parted = match c {
            '@' | '#' => word,
            ':' => chars.peek() == Some(&'/'),
            '-' => word && out.to_ascii_lowercase().ends_with("gh-"),
            '.' => out.to_ascii_lowercase().ends_with("www."),
            _ => false,
        };
        if parted && !inside {
            out.push_str("<!-- -->");
        }
    }
    out
}

/// Whether a character outside code spans could be read as markup; `so_far` is the text before it.
fn is_markup(c: char, before: Option<char>, after: Option<char>, so_far: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '`' | '*' | '[' | ']' | '<' | '>' | '~' => true,
        '\\' => after.is_none_or(|a| a.is_ascii_punctuation()),
        '&' => word(after) || after == Some('#'),
        '_' => !(word(before) && word(after)),
        // At the start of a block: heading, list, underline of a heading, rule.
        '#' | '+' | '-' | '=' => so_far.is_empty(),
        '.' | ')' => !so_far.is_empty() && so_far.len() < 10 && so_far.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// A text as a code span.
pub fn code(raw: &str, max: usize) -> String {
    let line = text::one_line(raw, max);
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 || line.is_empty() { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    /// What a reader of the Markdown sees, and whether anything but text and code is in it.
    fn read(markdown: &str) -> (String, Vec<String>) {
        let (mut seen, mut markup) = (String::new(), Vec::new());
        for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Text(t) => seen.push_str(&t),
                Event::Code(t) => seen.push_str(&format!("`{t}`")),
                Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_)) => {}
                Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::List(_)) => {}
                other => markup.push(format!("{other:?}")),
            }
        }
        (seen, markup)
    }

    #[test]
    fn hostile_text_is_read_as_just_that_text() {
        for text in [
            "<script>alert(1)</script>",
            "[click](javascript:alert(1)) ![x](http://evil/x.png)",
            "# heading",
            "- list",
            "+ list",
            "1. list",
            "12) list",
            "===",
            "---",
            "***bold*** __bold__ _it_ ~~gone~~ a_b_c",
            "&lt;b&gt; &#60; a & b",
            "a | b \\ c \\",
            "<!-- gone --> <http://evil>",
            "`` two ` one",
            "one ` only",
            "`code *x* <b>` and *not*",
            "[x]: http://evil",
            "[^1] [[wiki]]",
        ] {
            let (seen, markup) = read(&format!("- {}", inline(text, 400)));
            assert!(markup.is_empty(), "{text}: {markup:?}");
            assert_eq!(seen, text);
        }
    }

    #[test]
    fn code_is_read_as_just_that_code() {
        for text in ["x", "a `b` ``c``", "`", "a|b", "<b>*x*"] {
            let (seen, markup) = read(&code(text, 400));
            assert!(markup.is_empty(), "{text}: {markup:?}");
            assert_eq!(seen, format!("`{text}`"));
        }
    }

    #[test]
    fn control_sequences_and_further_lines_are_gone() {
        assert_eq!(inline("a\u{1b}[31mred\u{1b}[0m\u{202e}\u{7}\n# b", 400), "ared");
        assert_eq!(code("a\u{1b}]0;title\u{7}b\nc", 400), "`ab`");
        assert_eq!(inline("abcdef", 4), "abc…");
    }
}
