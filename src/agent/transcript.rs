//! Transcripts: what a program printed, redacted, bounded, readable by the user alone, local.

use std::{
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::base::text;

/// Keeps parts by name, one below the other; says whether there was anything to keep.
pub fn keep(file: &Path, parts: &[(&str, Vec<u8>)]) -> io::Result<bool> {
    if parts.iter().all(|(_, bytes)| bytes.is_empty()) {
        return Ok(false);
    }
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    for (name, bytes) in parts {
        writeln!(file, "=== {name}")?;
        file.write_all(&text::redact(bytes))?;
        writeln!(file)?;
    }
    Ok(true)
}
