//! The environment that a check sees: built, never inherited.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::base::{Env, Sha256};

/// The user's PATH without relative folders: those would name programs of the tree under test.
pub fn path_of(env: &Env) -> OsString {
    let path = env.vars.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let absolute = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    match std::env::join_paths(absolute) {
        Ok(path) if !path.is_empty() => path,
        _ => "/usr/bin:/bin".into(),
    }
}

/// All variables of a check: PATH, a HOME and a TMPDIR of its own, a fixed LANG, and what `otto.checkEnv` adds.
/// `GIT_CEILING_DIRECTORIES` keeps a `git` that the check starts from finding a repository around its folder.
pub fn variables(path: &OsStr, dir: &Path, room: &Path, extra: &[(String, String)]) -> Vec<(OsString, OsString)> {
    let mut vars: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path.into()),
        ("HOME".into(), room.join("home").into()),
        ("TMPDIR".into(), room.join("tmp").into()),
        ("LANG".into(), "C.UTF-8".into()),
        // What Python would leave beside the sources makes a checkout another one.
        ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
        ("GIT_CEILING_DIRECTORIES".into(), dir.parent().unwrap_or(dir).into()),
    ];
    for (name, value) in extra {
        vars.retain(|(known, _)| known.as_os_str() != OsStr::new(name));
        vars.push((name.into(), value.into()));
    }
    vars
}

/// Where package managers put programs in a checkout, as far as the folders are there.
pub fn tools(dir: &Path) -> Vec<PathBuf> {
    [".venv/bin", "node_modules/.bin"].map(|folder| dir.join(folder)).into_iter().filter(|dir| dir.is_dir()).collect()
}

/// Where a bare program name is found on a PATH.
pub fn on_path(program: &str, path: &OsStr) -> Option<PathBuf> {
    let executable = |p: &PathBuf| p.is_file() && rustix::fs::access(p, rustix::fs::Access::EXEC_OK).is_ok();
    std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(program)).find(executable)
}

/// The fingerprint of what a check sees apart from the tree: system, PATH, the runner's file, LANG, the additional
/// variables, and the digest of what was installed in the checkout. Two results with equal tree, check and fingerprint may stand for each other.
pub fn fingerprint(path: &OsStr, runner: &str, extra: &[(String, String)], supplied: Option<Sha256>) -> Sha256 {
    let found = if runner.contains('/') {
        Path::new(runner).is_absolute().then(|| runner.into())
    } else {
        on_path(runner, path)
    };
    let file = found.map(|file| {
        let file = std::fs::canonicalize(&file).unwrap_or(file);
        let stat = std::fs::metadata(&file).ok().map(|m| (m.len(), m.modified().ok()));
        format!("{} {stat:?}", file.display())
    });
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let file = file.unwrap_or_else(|| format!("in the tree or nowhere: {runner}"));
    let mut parts: Vec<&[u8]> =
        vec![b"otto-environment/1", system.as_bytes(), path.as_bytes(), file.as_bytes(), b"C.UTF-8"];
    parts.extend(extra.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    let supplied = supplied.map(|digest| digest.to_string());
    parts.extend(supplied.as_ref().map(|digest| digest.as_bytes()));
    // Each part goes in with its length, so that no two lists of parts read alike.
    let lengths: Vec<[u8; 8]> = parts.iter().map(|p| (p.len() as u64).to_be_bytes()).collect();
    Sha256::of_parts(lengths.iter().zip(&parts).flat_map(|(length, part)| [&length[..], part]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_folders_of_path_are_dropped() {
        let mut env = Env::default();
        for (given, kept) in [("/a:.::b:/c", "/a:/c"), (".", "/usr/bin:/bin"), ("", "/usr/bin:/bin")] {
            env.vars.insert("PATH".into(), given.into());
            assert_eq!(path_of(&env), OsStr::new(kept));
        }
    }

    #[test]
    fn additional_variables_replace_and_count_in_the_fingerprint() {
        let extra = |v: &str| vec![("LANG".to_owned(), v.to_owned())];
        let vars = variables(OsStr::new("/bin"), Path::new("/w/x"), Path::new("/s"), &extra("de_DE.UTF-8"));
        let lang: Vec<_> = vars.iter().filter(|(n, _)| n == "LANG").collect();
        assert_eq!(lang, [&("LANG".into(), "de_DE.UTF-8".into())]);
        let path = OsStr::new("/usr/bin:/bin");
        let base = fingerprint(path, "sh", &[], None);
        assert_eq!(base, fingerprint(path, "sh", &[], None));
        assert_ne!(base, fingerprint(path, "sh", &extra("x"), None));
        assert_ne!(base, fingerprint(path, "./sh", &[], None));
        assert_ne!(base, fingerprint(path, "sh", &[], Some(Sha256::of("x"))));
        assert_ne!(base, fingerprint(OsStr::new("/bin"), "sh", &[], None));
        let (one, two) = (("A".into(), "BC".into()), ("AB".into(), "C".into()));
        assert_ne!(fingerprint(path, "sh", &[one], None), fingerprint(path, "sh", &[two], None));
    }
}
