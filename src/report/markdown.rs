//! The packet as Markdown: the whole of it, readable on a terminal too, and what of it goes into a pull request. Whatever a
//! template prints is escaped unless a filter has made it safe, so that nothing from a spec, a journal or an agent can
//! become markup.

use minijinja::Value;

use super::{escape, model::Packet, view};
use crate::base::Failure;

/// Characters of one text from outside.
const MAX_TEXT: usize = 800;

/// Renders a packet.
pub fn markdown(packet: &Packet) -> Result<String, Failure> {
    let print = |text: &str| escape::inline(text, MAX_TEXT);
    view::render(packet, include_str!("packet.md"), print, |env| env.add_filter("code", code))
}

/// Renders the body of a pull request: its title, then what somebody who reviews it must know.
pub fn pull_request(packet: &Packet) -> Result<String, Failure> {
    let print = |text: &str| escape::forge(text, MAX_TEXT);
    view::render(packet, include_str!("pull-request.md"), print, |env| {
        env.add_filter("code", code);
        env.add_filter("cell", cell);
    })
}

fn code(text: String) -> Value {
    Value::from_safe_string(escape::code(&text, MAX_TEXT))
}

/// A text in a cell of a table, where `|` ends the cell even in code.
fn cell(text: String) -> Value {
    Value::from_safe_string(escape::forge(&text, MAX_TEXT).replace('|', "\\|"))
}
