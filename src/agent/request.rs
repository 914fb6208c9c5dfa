//! What an agent asks for instead of working around it: another spec, or a change in a file that another slice owns. It
//! writes a file in its workspace (`schemas/request.json`); otto decides.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::{json, text};

/// The file, at the top of the workspace. It is no part of the product.
pub const FILE: &str = ".otto-request.json";

/// The largest request, bytes.
pub const MAX: u64 = 64 << 10;

/// The longest path that a request may name, characters.
const MAX_PATH: usize = 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another spec of the slice.
    Amendment,
    /// A change in a file that another slice owns.
    Contract,
}

/// A request as its agent wrote it. The change of an amendment is a part of the slice: the fields that should be
/// different, each as it should be, of `checks` those to add.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What for.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// Of a contract: which file.
    #[serde(default)]
    pub path: Option<String>,
    /// What should be different, in the spec's own words.
    #[serde(default)]
    pub change: Option<Map<String, Value>>,
}

/// Reads a request; why it is none, otherwise.
pub fn read(bytes: &[u8]) -> Result<Request, String> {
    let limits = json::Limits { size: MAX as usize, depth: 32 };
    let request: Request = json::read(bytes, limits).map_err(|e| text::one_line(&e.to_string(), 200))?;
    if request.reason.trim().is_empty() {
        return Err("it gives no reason".into());
    }
    if request.path.as_ref().is_some_and(|path| path.chars().count() > MAX_PATH) {
        return Err("its path is too long".into());
    }
    // A record keeps the change as it is, and everybody reads it.
    if request.kind == Kind::Amendment
        && request.change_text().is_some_and(|c| text::redact(c.as_bytes()) != c.as_bytes())
    {
        return Err("its change holds what looks like a secret".into());
    }
    Ok(request)
}

impl Request {
    /// What it says, for the journal: redacted, at most some thousand characters.
    pub fn words(&self) -> String {
        let what = match self.kind {
            Kind::Amendment => "another spec",
            Kind::Contract => "a change in another slice's file",
        };
        let change = self.change_text().map(|c| format!("; the change: {c}")).unwrap_or_default();
        clean(&format!("{what}: {}{change}", self.reason.trim()))
    }

    /// Why another spec is asked for and what should be different in it, as JSON; none where nothing can be decided.
    pub fn amendment(&self) -> Option<(String, String)> {
        let change = self.change_text().filter(|_| self.kind == Kind::Amendment)?;
        Some((clean(self.reason.trim()), change))
    }

    /// The contract that a change is asked for in.
    pub fn contract(&self) -> Option<String> {
        self.path.clone().filter(|_| self.kind == Kind::Contract)
    }

    fn change_text(&self) -> Option<String> {
        self.change.as_ref().and_then(|c| serde_json::to_string(c).ok())
    }
}

/// Words for the journal: redacted, at most some thousand characters.
fn clean(words: &str) -> String {
    let words = text::printable(&String::from_utf8_lossy(&text::redact(words.as_bytes())));
    words.chars().take(4000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_strictly() {
        let ok = read(
            br#"{"kind":"amendment","reason":"R2 contradicts R3, token=abcdefghijklmnopqrst","change":{"tasks":[]}}"#,
        );
        let request = ok.unwrap();
        assert_eq!(request.words(), "another spec: R2 contradicts R3, token=[redacted]; the change: {\"tasks\":[]}");
        let amendment = ("R2 contradicts R3, token=[redacted]".to_owned(), "{\"tasks\":[]}".to_owned());
        assert_eq!(request.amendment(), Some(amendment));
        assert_eq!(read(br#"{"kind":"amendment","reason":"x"}"#).unwrap().amendment(), None);
        let contract = read(br#"{"kind":"contract","path":"a","reason":"x","change":{"exports":["b"]}}"#).unwrap();
        assert_eq!((contract.amendment(), contract.contract()), (None, Some("a".into())));
        let amendment = read(br#"{"kind":"amendment","path":"a","reason":"x"}"#).unwrap();
        assert_eq!(amendment.contract(), None);
        let far = format!(r#"{{"kind":"contract","path":"{}","reason":"x"}}"#, "x".repeat(MAX_PATH + 1));
        let long = format!(r#"{{"kind":"contract","reason":"{}"}}"#, "x".repeat(MAX as usize));
        for bad in [
            "",
            "[]",
            r#"{"kind":"contract"}"#,
            r#"{"kind":"contract","reason":" "}"#,
            r#"{"kind":"money","reason":"x"}"#,
            r#"{"kind":"contract","reason":"x","more":1}"#,
            r#"{"kind":"contract","reason":"x","reason":"y"}"#,
            r#"{"kind":"contract","reason":"x","change":"all"}"#,
            r#"{"kind":"amendment","reason":"x","change":{"tasks":["token=abcdefghijklmnopqrst"]}}"#,
            &long,
            &far,
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_schema_takes_what_the_reader_takes() {
        let schema: Value = serde_json::from_str(include_str!("../../schemas/request.json")).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for text in [
            r#"{"kind":"amendment","reason":"x"}"#,
            r#"{"kind":"contract","reason":"x","change":{"path":"a"}}"#,
            r#"{"kind":"contract","reason":"x","path":"a"}"#,
            r#"{"kind":"contract","reason":"x","path":7}"#,
            &format!(r#"{{"kind":"contract","path":"{}","reason":"x"}}"#, "ö".repeat(MAX_PATH)),
            &format!(r#"{{"kind":"contract","path":"{}","reason":"x"}}"#, "ö".repeat(MAX_PATH + 1)),
            r#"{"kind":"contract","reason":""}"#,
            r#"{"kind":"x","reason":"x"}"#,
            r#"{"reason":"x"}"#,
            r#"{"kind":"contract","reason":"x","else":1}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(validator.is_valid(&value), read(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
