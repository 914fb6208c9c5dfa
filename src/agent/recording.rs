//! Recordings: what agents said and changed, call by call, so that a run can be done again without any of them.
//!
//! A recording is JSON, one call a line (`schemas/recording.json`). Replayed, each call gives what it gave then; where the
//! recording was cut, the next call says so.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Call, Event, Outcome, Role, Trouble, Work};
use crate::base::{Cost, Exit, Failure, Sha256, SliceId, files, json, text};

/// The value of a call's `schema` field.
pub const SCHEMA: &str = "otto.recording/1";

/// One call as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// `otto.recording/1`.
    pub schema: String,
    /// What for; build and repair differ by `nth` only.
    pub role: Role,
    /// For which slice, where for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SliceId>,
    /// The attempt at the slice, or which call of its role, from 1.
    pub nth: u32,
    /// Who was called, as records name it.
    pub agent: String,
    /// The digest of the prompt.
    pub prompt: Sha256,
    /// Whether it ended well.
    pub ok: bool,
    /// What it said of that.
    pub detail: String,
    /// What it cost.
    pub cost: Cost,
    /// The conversation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Its answer, a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Its answer, a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was denied to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<String>,
    /// What it changed, in path order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// What it left that no tree can hold, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// One file that a call changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Where, from the top of the workspace.
    pub path: String,
    /// 100644, 100755 or 120000, as in git; none where it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What it holds, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it holds, in Base64 (RFC 4648), where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl Edit {
    /// A change of a file: its mode and content, none where it is gone.
    pub fn new(path: String, now: Option<(&str, Vec<u8>)>) -> Edit {
        let Some((mode, content)) = now else { return Edit { path, mode: None, text: None, base64: None } };
        let mode = Some(mode.to_owned());
        match String::from_utf8(content) {
            Ok(content) => Edit { path, mode, text: Some(content), base64: None },
            Err(e) => Edit { path, mode, text: None, base64: Some(BASE64.encode(e.as_bytes())) },
        }
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(code)) => BASE64.decode(code).map_err(|e| format!("{:?} is no Base64: {e}", self.path)),
            _ => Err(format!("{:?} needs either text or base64", self.path)),
        }
    }

    /// Makes the change below a folder.
    fn apply(&self, dir: &Path) -> Result<(), String> {
        let cannot = |e: std::io::Error| format!("{:?} could not be changed: {e}", self.path);
        let path = self.path.as_bytes();
        match self.mode.as_deref() {
            None => match files::remove_beneath(dir, path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(cannot(e)),
                _ => Ok(()),
            },
            Some(mode @ ("100644" | "100755")) => {
                files::write_beneath(dir, path, &self.content()?, mode == "100755").map_err(cannot)
            }
            Some("120000") => files::link_beneath(dir, path, &self.content()?).map_err(cannot),
            Some(mode) => Err(format!("{:?} is no mode of a file", text::one_line(mode, 20))),
        }
    }
}

impl Recorded {
    /// A call with its outcome; its edits come from who looked at the workspace.
    pub fn new(call: &Call<'_>, agent: String, outcome: &Outcome) -> Recorded {
        let (value, text) = match outcome.answer.clone() {
            Some(Answer::Value(value)) => (Some(value), None),
            Some(Answer::Text(said)) => {
                (None, Some(String::from_utf8_lossy(&text::redact(said.as_bytes())).into_owned()))
            }
            None => (None, None),
        };
        Recorded {
            schema: SCHEMA.into(),
            role: call.role,
            slice: slice_of(call).cloned(),
            nth: call.nth,
            agent,
            prompt: Sha256::of(call.prompt),
            ok: outcome.ok,
            detail: outcome.detail.clone(),
            cost: outcome.cost,
            session: outcome.session.clone(),
            value,
            text,
            denied: outcome.denied.clone(),
            edits: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The line of a recording, with its newline.
    pub fn line(&self) -> Result<Vec<u8>, std::io::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// A plain name for the call, unlike that of any other call of its run.
    pub fn name(&self) -> String {
        let role = if self.role == Role::Repair { Role::Build } else { self.role };
        let slice = self.slice.as_ref().map(|s| format!("-{s}")).unwrap_or_default();
        format!("{}{slice}-{}.json", role.name(), self.nth)
    }

    fn is(&self, role: Role, slice: Option<&SliceId>, nth: u32) -> bool {
        let writes = |role| matches!(role, Role::Build | Role::Repair);
        (self.role == role || writes(self.role) && writes(role)) && self.slice.as_ref() == slice && self.nth == nth
    }
}

fn slice_of<'a>(call: &Call<'a>) -> Option<&'a SliceId> {
    match call.work {
        Work::Write(task) => Some(&task.slice),
        Work::Answer(_) => None,
    }
}

/// The calls of a run, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording(Arc<Vec<Recorded>>);

impl Recording {
    /// Reads a recording, one call a line; `name` is what to call it in errors. A last line that was cut is left out.
    pub fn read(bytes: &[u8], name: &str) -> Result<Recording, Failure> {
        let mut calls = Vec::new();
        let mut lines = bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty()).peekable();
        let whole = bytes.is_empty() || bytes.ends_with(b"\n");
        while let Some((i, line)) = lines.next() {
            let read = json::read::<Recorded>(line, json::Limits::RECORD).map_err(|e| e.to_string());
            let read = read.and_then(|call| match call.schema == SCHEMA {
                true => Ok(call),
                false => Err(format!("it is of schema {:?}, not {SCHEMA}", text::one_line(&call.schema, 40))),
            });
            match read {
                Ok(call) => calls.push(call),
                Err(_) if lines.peek().is_none() && !whole => {}
                Err(why) => {
                    let text = format!("line {} of the recording {name} is no recorded call: {why}", i + 1);
                    return Err(Failure::new(Exit::Invalid, text).hint("git otto schema recording"));
                }
            }
        }
        Ok(Recording(Arc::new(calls)))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The calls.
    pub fn calls(&self) -> &[Recorded] {
        &self.0
    }

    /// Who was called then.
    pub fn who(&self, role: Role, slice: Option<&SliceId>, nth: u32) -> Option<&str> {
        self.0.iter().rev().find(|c| c.is(role, slice, nth)).map(|c| c.agent.as_str())
    }
}

/// Does again what the recorded call did.
pub fn replay(recording: &Recording, call: &Call<'_>) -> Outcome {
    let slice = slice_of(call);
    // Where a call is there twice the later one counts: the first was lost with its process.
    let Some(then) = recording.0.iter().rev().find(|c| c.is(call.role, slice, call.nth)) else {
        let whose = slice.map(|s| format!(" of `{s}`")).unwrap_or_default();
        let text = format!("the recording ends before {} {}{whose}", call.role.name(), call.nth);
        return Outcome::failed(text).trouble(Trouble::Missing);
    };
    if let Some(session) = &then.session {
        (call.notice)(Event::Session(session.clone()));
    }
    // Removals first: a file may stand where a folder was.
    let (gone, there): (Vec<_>, Vec<_>) = then.edits.iter().partition(|e| e.mode.is_none());
    for edit in gone.into_iter().chain(there) {
        if let Err(why) = edit.apply(call.dir) {
            return Outcome::failed(format!("the recording cannot be played: {why}"));
        }
    }
    let answer = match (&then.value, &then.text) {
        (Some(value), _) => Some(Answer::Value(value.clone())),
        (None, Some(text)) => Some(Answer::Text(text.clone())),
        (None, None) => None,
    };
    Outcome {
        ok: then.ok,
        detail: then.detail.clone(),
        cost: then.cost,
        session: then.session.clone(),
        answer,
        denied: then.denied.clone(),
        problems: then.problems.clone(),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests;
