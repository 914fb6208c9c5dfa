//! What a setup installed, kept apart from the tree that it was installed for, and laid over checkouts by copying: who
//! writes in a checkout changes no other.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::base::{Timestamp, files};

/// Folders that package managers make: the first at the top only, the second anywhere.
const VENV: &str = ".venv";
const MODULES: &str = "node_modules";
/// The file of a layer that says where it was installed.
const MADE_IN: &str = "made-in";
/// Where a layer was installed is written in files directly in these folders, and in no larger ones.
const NAMES_ITS_PLACE: [&str; 4] = ["bin", ".bin", "site-packages", VENV];
const MAX_TEXT: u64 = 1 << 20;
/// After how long a layer that nobody used is removed.
const UNUSED: Duration = Duration::from_secs(14 * 24 * 3600);
const MAX_DEPTH: usize = 200;

/// Moves what a setup made out of a checkout into a new layer.
pub fn take(dir: &Path, layer: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    modules(dir, Path::new(""), 0, &mut made)?;
    if dir.join(VENV).is_dir() {
        made.push(VENV.into());
    }
    for path in made {
        let to = layer.join("files").join(&path);
        fs::create_dir_all(to.parent().unwrap_or(layer))?;
        fs::rename(dir.join(&path), to)?;
    }
    fs::write(layer.join(MADE_IN), dir.as_os_str().as_encoded_bytes())
}

/// Every outermost `node_modules` below a folder.
fn modules(top: &Path, below: &Path, depth: usize, out: &mut Vec<PathBuf>) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        if !entry.file_type()?.is_dir() || name == ".git" || name == VENV {
            continue;
        }
        match name == MODULES {
            true => out.push(below.join(name)),
            false => modules(top, &below.join(name), depth + 1, out)?,
        }
    }
    Ok(())
}

/// Puts a new layer in its place; where another process was first, its layer stays.
pub fn keep(new: &Path, kept: &Path) -> io::Result<()> {
    fs::create_dir_all(kept.parent().unwrap_or(kept))?;
    match fs::rename(new, kept) {
        Err(_) if kept.is_dir() => files::remove_tree(new),
        done => done,
    }
}

/// Copies a layer into a checkout.
pub fn lay(layer: &Path, dir: &Path) -> io::Result<()> {
    let made_in = fs::read(layer.join(MADE_IN))?;
    // It was used now, whatever the file system makes of a time that cannot be set.
    let _ = fs::File::open(layer).and_then(|folder| folder.set_modified(fs::metadata(dir)?.modified()?));
    let files = layer.join("files");
    if !files.is_dir() {
        return Ok(());
    }
    let moved = Moved { from: made_in, to: dir.as_os_str().as_encoded_bytes().to_vec() };
    copy(&files, dir, &moved, 0)
}

/// From where to where.
struct Moved {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Moved {
    /// A text with the one place in the stead of the other; none where it does not name it.
    fn put_right(&self, text: &[u8]) -> Option<Vec<u8>> {
        use crate::git::ByteSlice as _;
        text.find(&self.from).map(|_| text.replace(&self.from, &self.to))
    }
}

fn copy(from: &Path, to: &Path, moved: &Moved, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("{} is nested too deeply", from.display())));
    }
    let named = from.file_name().is_some_and(|name| NAMES_ITS_PLACE.iter().any(|n| name == *n));
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, at, target) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            match fs::create_dir(&target) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => copy(&at, &target, moved, depth + 1)?,
            }
        } else if kind.is_symlink() {
            use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
            let link = fs::read_link(&at)?;
            let put_right = moved.put_right(link.as_os_str().as_bytes()).map(std::ffi::OsString::from_vec);
            std::os::unix::fs::symlink(put_right.map_or(link, PathBuf::from), &target)?;
        } else if kind.is_file() {
            let meta = entry.metadata()?;
            fs::copy(&at, &target)?;
            let small = named && meta.len() <= MAX_TEXT;
            if let Some(text) = small.then(|| fs::read(&at)).transpose()?.and_then(|text| moved.put_right(&text)) {
                fs::write(&target, text)?;
            }
            // Compiled Python is good for a source of just that time.
            let written = fs::File::open(&target)?;
            written.set_modified(meta.modified()?)?;
        }
    }
    Ok(())
}

/// The layers that nobody used for long, and what is left of some that were never finished.
pub fn unused(cache: &Path, now: Timestamp) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for folder in [cache.to_owned(), cache.join("layers")] {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            let is_layer = folder != *cache || entry.file_name().to_string_lossy().starts_with("new-");
            if is_layer && files::untouched_for(&entry.path(), now).is_some_and(|age| age > UNUSED) {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_knows_its_new_place_and_shares_nothing_with_another() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let made = at("made");
        let put = |path: &str, text: &str| {
            fs::create_dir_all(made.join(path).parent().unwrap()).unwrap();
            fs::write(made.join(path), text).unwrap();
        };
        let place = made.display().to_string();
        put(".venv/bin/tool", &format!("#!{place}/.venv/bin/python\n"));
        put(".venv/lib/python3/site-packages/own.pth", &format!("{place}/src\n"));
        put(".venv/lib/python3/site-packages/a/data", &place);
        put("packages/x/node_modules/m/node_modules/n/i.js", "1");
        put("src/kept", "tree");
        std::os::unix::fs::symlink(made.join("src"), made.join(".venv/link")).unwrap();
        for layer in ["new", "second"] {
            fs::create_dir(at(layer)).unwrap();
        }
        take(&made, &at("new")).unwrap();
        assert!(made.join("src/kept").is_file() && !made.join(".venv").exists(), "what is the tree's stays");
        keep(&at("new"), &at("layers/k")).unwrap();
        keep(&at("second"), &at("layers/k")).unwrap();
        assert!(!at("second").exists());
        for to in ["one", "two"] {
            fs::create_dir_all(at(to).join("packages/x")).unwrap();
            lay(&at("layers/k"), &at(to)).unwrap();
            let read = |path: &str| fs::read_to_string(at(to).join(path)).unwrap();
            let here = at(to).display().to_string();
            assert_eq!(read(".venv/bin/tool"), format!("#!{here}/.venv/bin/python\n"));
            assert_eq!(read(".venv/lib/python3/site-packages/own.pth"), format!("{here}/src\n"));
            assert_eq!(read(".venv/lib/python3/site-packages/a/data"), place, "data is nobody's to change");
            assert_eq!(read("packages/x/node_modules/m/node_modules/n/i.js"), "1");
            assert_eq!(fs::read_link(at(to).join(".venv/link")).unwrap(), at(to).join("src"));
        }
        fs::write(at("one/packages/x/node_modules/m/node_modules/n/i.js"), "changed").unwrap();
        for other in ["two", "layers/k/files"] {
            let path = at(other).join("packages/x/node_modules/m/node_modules/n/i.js");
            assert_eq!(fs::read_to_string(path).unwrap(), "1", "{other}");
        }
    }
}
