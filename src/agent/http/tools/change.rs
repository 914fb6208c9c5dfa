//! Tools that change files, where the call may write.

use serde::Deserialize;

use super::{Done, Hands, look::LARGEST_FILE};
use crate::base::files;

#[derive(Deserialize)]
pub struct Edit {
    path: String,
    old: String,
    new: String,
}

#[derive(Deserialize)]
pub struct Write {
    path: String,
    content: String,
    executable: Option<bool>,
}

impl Hands<'_> {
    pub(super) fn edit(&self, what: Edit) -> Done {
        let path = self.writable("edit", &what.path)?;
        let found = files::read_beneath(self.call.dir, path.as_bytes(), LARGEST_FILE);
        let (before, executable) = found.map_err(|e| format!("{path}: {e}"))?;
        let before = String::from_utf8(before).map_err(|_| format!("{path} is no text"))?;
        let times = if what.old.is_empty() { 0 } else { before.matches(&what.old).count() };
        if times != 1 {
            return Err(format!(
                "{path}: `old` stands there {times} times, and must exactly once; nothing was changed"
            ));
        }
        self.replace(&path, Some(&before), &before.replacen(&what.old, &what.new, 1), executable)
    }

    pub(super) fn write(&self, what: Write) -> Done {
        let path = self.writable("write", &what.path)?;
        let before = files::read_beneath(self.call.dir, path.as_bytes(), LARGEST_FILE).ok();
        let executable = what.executable.or(before.as_ref().map(|(_, executable)| *executable)).unwrap_or(false);
        let before = before.and_then(|(content, _)| String::from_utf8(content).ok());
        self.replace(&path, before.as_deref(), &what.content, executable)
    }

    fn replace(&self, path: &str, before: Option<&str>, after: &str, executable: bool) -> Done {
        // The model was shown this where a secret stands: writing it back would destroy the secret.
        let marks = |text: &str| text.matches("[redacted]").count();
        if marks(after) > marks(before.unwrap_or_default()) && before.is_some() {
            return Err(format!(
                "{path}: [redacted] stands for what you were not shown; use edit on other parts of it"
            ));
        }
        let written = files::write_beneath(self.call.dir, path.as_bytes(), after.as_bytes(), executable);
        written.map_err(|e| format!("{path}: {e}"))?;
        Ok(format!("{path} has {} lines now", after.lines().count()).into_bytes())
    }
}
