//! What an agent asks for: to read and write files, and for leave. Answered from what the call allows.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

use agent_client_protocol::{
    Error, ErrorCode,
    v1::schema::{
        self, PermissionOptionKind, ReadTextFileRequest, ReadTextFileResponse, RequestPermissionOutcome,
        RequestPermissionRequest, RequestPermissionResponse, SelectedPermissionOutcome, ToolKind, WriteTextFileRequest,
        WriteTextFileResponse,
    },
};

use super::{
    super::{Call, Work},
    heard::{Heard, Tool},
};
use crate::base::files;

/// The largest file that is read for an agent.
const MOST_READ: u64 = 4 << 20;

/// The most files that one use of a tool may be about.
const MOST_PATHS: usize = 1000;

/// Answers an agent's requests.
pub struct Desk<'a> {
    /// The call.
    pub call: &'a Call<'a>,
    /// The workspace, without links.
    pub root: PathBuf,
    /// Who is told.
    pub heard: Heard<'a>,
}

impl Desk<'_> {
    /// Reads a file of the workspace, or some lines of it.
    pub fn read(&self, asked: &ReadTextFileRequest) -> Result<ReadTextFileResponse, Error> {
        let path = self.inside(&asked.path).map_err(refusal)?;
        let content = match files::read_beneath(&self.root, path.as_bytes(), MOST_READ) {
            Ok((content, _)) => content,
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(refusal(format!("{path:?} cannot be read: {e}")));
            }
            // Gemini CLI reads before it writes, and takes every error for a reason not to: what it is to write is empty as
            // yet. Whether it may is asked when it does.
            Err(_) if matches!(self.call.work, Work::Write(_)) => Vec::new(),
            Err(_) => return Err(schema::Error::resource_not_found(Some(path)).into()),
        };
        let content = String::from_utf8(content).map_err(|_| refusal(format!("{path:?} is no text")))?;
        if asked.line.is_none() && asked.limit.is_none() {
            return Ok(ReadTextFileResponse::new(content));
        }
        let lines = content.split_inclusive('\n').skip(asked.line.unwrap_or(1).saturating_sub(1) as usize);
        let part: String = lines.take(asked.limit.map_or(usize::MAX, |n| n as usize)).collect();
        Ok(ReadTextFileResponse::new(part))
    }

    /// Writes a file that may be written.
    pub fn write(&self, asked: &WriteTextFileRequest) -> Result<WriteTextFileResponse, Error> {
        let path = self.writable(&asked.path).map_err(|why| {
            self.heard.deny(format!("writing {}", shown(&asked.path)) + ": " + &why);
            refusal(why)
        })?;
        let before = std::fs::symlink_metadata(self.root.join(&path));
        let executable = before.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o100 != 0);
        files::write_beneath(&self.root, path.as_bytes(), asked.content.as_bytes(), executable)
            .map_err(|e| Error::new(ErrorCode::INTERNAL_ERROR, format!("{path:?} could not be written: {e}")))?;
        self.heard.grant();
        Ok(WriteTextFileResponse::new())
    }

    /// Gives leave for one use of a tool, or refuses it.
    pub fn permit(&self, asked: &RequestPermissionRequest) -> RequestPermissionResponse {
        let tool = self.heard.tool(&asked.tool_call);
        let verdict = self.allows(&tool);
        let kinds: &[PermissionOptionKind] = match verdict {
            Ok(()) => &[PermissionOptionKind::AllowOnce],
            Err(_) => &[PermissionOptionKind::RejectOnce, PermissionOptionKind::RejectAlways],
        };
        let option = kinds.iter().find_map(|kind| asked.options.iter().find(|o| o.kind == *kind));
        let verdict = verdict.and_then(|()| option.map(|_| ()).ok_or_else(|| "it can only be allowed for ever".into()));
        match verdict {
            Ok(()) if changes_files(tool.kind) => self.heard.grant(),
            Ok(()) => {}
            Err(why) => self.heard.deny(format!("{}: {why}", tool.title)),
        }
        RequestPermissionResponse::new(match option {
            Some(option) => {
                RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
            }
            None => RequestPermissionOutcome::Cancelled,
        })
    }

    /// Whether a tool may be used once; why not, otherwise.
    fn allows(&self, tool: &Tool) -> Result<(), String> {
        match (tool.kind, self.call.work) {
            (ToolKind::Read | ToolKind::Search | ToolKind::Think, _) => Ok(()),
            (_, Work::Answer(_)) => Err(NOTHING_CHANGES.into()),
            (ToolKind::Execute | ToolKind::Fetch, Work::Write(_)) => Ok(()),
            (ToolKind::Edit | ToolKind::Delete | ToolKind::Move, Work::Write(_)) => match tool.paths.len() {
                0 => Err("it does not say which file".into()),
                1..=MOST_PATHS => tool.paths.iter().try_for_each(|path| self.writable(path).map(|_| ())),
                _ => Err("it is about too many files".into()),
            },
            _ => Err("nobody is there to decide on it".into()),
        }
    }

    /// The path in the workspace of a file that may be written; why not, otherwise.
    fn writable(&self, path: &Path) -> Result<String, String> {
        if let Work::Answer(_) = self.call.work {
            return Err(NOTHING_CHANGES.into());
        }
        let path = self.inside(path)?;
        let folders = Path::new(&path).ancestors().skip(1);
        let is_link = |folder: &&Path| self.root.join(folder).symlink_metadata().is_ok_and(|m| m.is_symlink());
        if let Some(link) = folders.filter(|f| !f.as_os_str().is_empty()).find(is_link) {
            return Err(format!("{} is a symbolic link: nothing is written through it", shown(link)));
        }
        (self.call.may_write)(&path)?;
        Ok(path)
    }

    /// The path in the workspace that an agent means; why there is none, otherwise.
    fn inside(&self, path: &Path) -> Result<String, String> {
        let bad = |why: &str| format!("{} cannot be used: {why}", shown(path));
        let below = if path.is_absolute() {
            let below = path.strip_prefix(&self.root).or_else(|_| path.strip_prefix(self.call.dir));
            below.map_err(|_| bad("it is outside the workspace"))?
        } else {
            path
        };
        let mut parts = Vec::new();
        for part in below.components() {
            match part {
                Component::Normal(name) => parts.push(name.to_str().ok_or_else(|| bad("it is no UTF-8"))?),
                Component::CurDir => {}
                _ => return Err(bad("it leaves its folder")),
            }
        }
        let path = parts.join("/");
        match files::bad_path(path.as_bytes()) {
            Some(why) => Err(bad(why)),
            None => Ok(path),
        }
    }
}

const NOTHING_CHANGES: &str = "it was asked for an answer: it may look at everything here, and change nothing";

/// Whether a granted use of such a tool may be what puts a refusal right.
fn changes_files(kind: ToolKind) -> bool {
    matches!(kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Execute)
}

fn shown(path: &Path) -> String {
    crate::base::text::one_line(&path.to_string_lossy(), 200)
}

fn refusal(why: String) -> Error {
    Error::new(ErrorCode::INVALID_PARAMS, why)
}
