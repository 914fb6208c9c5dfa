//! What is wrong with a spec.

use crate::base::{Exit, Explain, text};

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if .pointer.is_empty() { String::new() } else { format!("{pointer}: ") })]
pub struct SpecError {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What, one short line.
    pub message: String,
}

impl SpecError {
    /// Both parts are made fit to be shown.
    pub fn new(pointer: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        SpecError { pointer: text::one_line(pointer.as_ref(), 300), message: text::one_line(message.as_ref(), 500) }
    }
}

impl Explain for SpecError {
    fn exit(&self) -> Exit {
        Exit::Invalid
    }
    fn hint(&self) -> Option<String> {
        Some("git otto schema spec".into())
    }
}

/// More than this many errors help nobody.
const MOST: usize = 200;

/// Drops repetitions and says how many more there are than a person reads.
pub(super) fn bounded(mut errors: Vec<SpecError>) -> Vec<SpecError> {
    let mut seen = std::collections::HashSet::new();
    errors.retain(|e| seen.insert((e.pointer.clone(), e.message.clone())));
    if errors.len() > MOST {
        let more = errors.len() - MOST;
        errors.truncate(MOST);
        errors.push(SpecError::new("", format!("and {more} more errors")));
    }
    errors
}
