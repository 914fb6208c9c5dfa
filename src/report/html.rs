//! The packet as one page that needs nothing but itself: no network, no script. Its policy allows the one style sheet that
//! it carries, by its digest, and the pictures in it: even if something from outside became markup, it would load nothing
//! and run nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minijinja::{HtmlEscape, Value};
use sha2::{Digest as _, Sha256};

use super::{model::Packet, view};
use crate::base::{Failure, text};

/// Characters of one text from outside; excerpts have bounds of their own.
const MAX_TEXT: usize = 1200;
/// The style sheet.
const STYLE: &str = include_str!("packet.css");

/// Renders a packet.
pub fn html(packet: &Packet) -> Result<String, Failure> {
    view::render(packet, include_str!("packet.html"), print, |env| {
        env.add_filter("lines", lines);
        env.add_filter("prose", prose);
        env.add_filter("whole", |own: String| Value::from_safe_string(HtmlEscape(&own).to_string()));
        env.add_global("style", Value::from_safe_string(STYLE.to_owned()));
        env.add_global("style_digest", BASE64.encode(Sha256::digest(STYLE)));
    })
}

/// A text as markup that says just that text, on one line.
fn print(raw: &str) -> String {
    HtmlEscape(&text::one_line(raw, MAX_TEXT)).to_string()
}

/// As [`print`], and what stands between single back quotes is code, as in Markdown.
fn prose(raw: String) -> Value {
    let safe = print(&raw);
    let parts: Vec<&str> = safe.split('`').collect();
    let balanced = parts.len() % 2 == 1 && !safe.contains("``");
    let part = |(n, part): (usize, &&str)| if n % 2 == 1 { format!("<code>{part}</code>") } else { (*part).to_owned() };
    Value::from_safe_string(if balanced { parts.iter().enumerate().map(part).collect() } else { safe.clone() })
}

/// A text of several lines, bounded by who made it.
fn lines(raw: String) -> Value {
    Value::from_safe_string(HtmlEscape(&text::printable(&raw)).to_string())
}
