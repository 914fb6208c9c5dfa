//! The tools that a user keeps in HOME: they stay readable where HOME is hidden, and the credentials among them do not.

use std::path::{Path, PathBuf};

use crate::base::Env;

/// Folders below HOME in which tools are installed. None of them holds settings or documents of the user.
const TOOLS: [&str; 46] = [
    ".asdf",
    ".bun",
    ".cabal/bin",
    ".cargo",
    ".deno",
    ".dotnet",
    ".fnm",
    ".ghcup",
    ".goenv",
    ".gradle/wrapper",
    ".jenv",
    ".juliaup",
    ".linuxbrew",
    ".local/bin",
    ".local/lib",
    ".local/pipx",
    // Where the link in `.local/bin` leads that Claude Code's own installer makes.
    ".local/share/claude",
    ".local/share/fnm",
    ".local/share/mise",
    ".local/share/pipx",
    ".local/share/pnpm",
    ".local/share/uv",
    ".m2/repository",
    ".nix-profile",
    ".nodenv",
    ".npm-global",
    ".nvm",
    ".opam",
    ".phpenv",
    ".plenv",
    ".proto",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".rvm",
    ".sdkman",
    ".swiftly",
    ".volta",
    ".yarn",
    "anaconda3",
    "go/bin",
    "go/pkg",
    "miniconda3",
    "miniforge3",
    "mambaforge",
    "perl5",
];

/// Variables that name such a folder.
const VARIABLES: [&str; 15] = [
    "ASDF_DATA_DIR",
    "BUN_INSTALL",
    "CARGO_HOME",
    "DENO_INSTALL",
    "DOTNET_ROOT",
    "GOROOT",
    "JAVA_HOME",
    "NVM_DIR",
    "PNPM_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "RUSTUP_HOME",
    "SDKMAN_DIR",
    "VIRTUAL_ENV",
    "VOLTA_HOME",
];

/// Folders below HOME that are never shown as a whole, whoever names them.
const SHARED: [&str; 6] = ["", ".local", ".local/share", ".config", ".cache", "snap"];

/// Places below HOME that are never shown, nor what is in them.
const NEVER: [&str; 14] = [
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/git",
    ".config/op",
    ".docker",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".netrc",
    ".password-store",
    ".ssh",
    ".terraform.d",
];

/// Files with credentials, in whichever tool's folder they are.
const SECRETS: [&str; 12] = [
    ".env",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "auth.json",
    "config/auth.json",
    "corefx",
    "credentials",
    "credentials.toml",
    "etc/npmrc",
    "settings.xml",
];

/// Places besides HOME that are hidden.
const HIDDEN: [&str; 3] = ["/tmp", "/var/tmp", "/run"];

/// What lies in a hidden place and is needed to run the user's tools: known homes of tools, what variables name, and each
/// folder of the PATH, with the folder above it where it is named `bin`, `.bin` or `shims`. Never a hidden place itself,
/// nor a folder that many programs share.
pub fn tool_paths(env: &Env) -> Vec<PathBuf> {
    let Some(home) = env.home.as_deref().filter(|home| home.is_absolute() && home.parent().is_some()) else {
        return Vec::new();
    };
    let named = VARIABLES.iter().filter_map(|name| env.var(name)).map(PathBuf::from);
    let path = env.vars.get(std::ffi::OsStr::new("PATH")).map(|path| std::env::split_paths(path).collect::<Vec<_>>());
    let path = path.into_iter().flatten().flat_map(|dir| [above(&dir), Some(dir)]).flatten();
    let (below_home, elsewhere): (Vec<_>, Vec<_>) = path.partition(|dir| dir.starts_with(home));
    let all = TOOLS.iter().map(|name| home.join(name)).chain(named).chain(below_home);
    let mut out: Vec<PathBuf> = all.filter(|path| may_show(home, path)).collect();
    out.extend(elsewhere.into_iter().filter(|dir| HIDDEN.iter().any(|hidden| is_below(dir, Path::new(hidden)))));
    out.sort();
    out.dedup_by(|inner, outer| inner.starts_with(outer));
    out
}

/// The folder of which this is the folder of programs.
fn above(dir: &Path) -> Option<PathBuf> {
    let name = dir.file_name()?;
    (name == "bin" || name == ".bin" || name == "shims").then(|| dir.parent().map(Path::to_owned)).flatten()
}

/// Whether a path lies below a folder, and is not the folder itself.
fn is_below(path: &Path, folder: &Path) -> bool {
    let plain = path.components().all(|part| part != std::path::Component::ParentDir);
    plain && path != folder && path.starts_with(folder)
}

fn may_show(home: &Path, path: &Path) -> bool {
    let Ok(rest) = path.strip_prefix(home) else { return false };
    is_below(path, home)
        && !SHARED.iter().any(|name| rest == Path::new(name))
        && !NEVER.iter().any(|name| rest.starts_with(name))
}

/// Where credentials may be in folders that are shown.
pub(super) fn secrets(shown: &[PathBuf]) -> Vec<PathBuf> {
    shown.iter().flat_map(|dir| SECRETS.iter().map(|name| dir.join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(vars: &[(&str, &str)]) -> Vec<String> {
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let env = Env { vars, home: Some("/home/u".into()), ..Env::default() };
        tool_paths(&env).into_iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn folders_of_the_path_are_shown_with_what_they_belong_to() {
        let path = "/home/u/.odd/bin:/home/u/x/shims:/home/u/plain:/usr/bin:relative/bin:/tmp/n/node_modules/.bin:/tmp/bin:/tmp";
        let all = shown(&[("PATH", path)]);
        for there in ["/home/u/.odd", "/home/u/x", "/home/u/plain", "/home/u/.cargo", "/home/u/.local/bin"] {
            assert!(all.iter().any(|path| path == there), "{there}: {all:?}");
        }
        // What is in the shared /tmp is another one for programs, but for the tools there.
        let elsewhere: Vec<_> = all.iter().filter(|path| !path.starts_with("/home/u/")).collect();
        assert_eq!(elsewhere, ["/tmp/bin", "/tmp/n/node_modules"]);
    }

    #[test]
    fn variables_name_tools_too() {
        let all = shown(&[("CARGO_HOME", "/home/u/own/cargo"), ("NVM_DIR", "/opt/nvm"), ("PYENV_ROOT", "relative")]);
        assert!(all.contains(&"/home/u/own/cargo".to_owned()), "{all:?}");
        assert!(
            !all.iter().any(|path| path.contains("nvm") && path.starts_with("/opt") || path == "relative"),
            "{all:?}"
        );
    }

    #[test]
    fn nothing_that_is_shared_or_secret_is_shown_whoever_names_it() {
        let path = "/home/u/bin:/home/u/.local/bin:/home/u/.ssh/bin:/home/u/.aws:/home/u/.docker/bin:/home/u:\
                    /home/u/x/../.gnupg/bin:/home/u/.config/gh/bin";
        let all =
            shown(&[("PATH", path), ("CARGO_HOME", "/home/u"), ("GOROOT", "/home/u/.config"), ("NVM_DIR", "/home")]);
        for never in ["/home/u", "/home/u/.local", "/home/u/.config", "/home", "/home/u/.aws"] {
            assert!(!all.iter().any(|path| path == never), "{never}: {all:?}");
        }
        for never in [".ssh", ".docker", ".gnupg", ".config/gh"] {
            assert!(!all.iter().any(|path| path.contains(never)), "{never}: {all:?}");
        }
        assert!(all.contains(&"/home/u/bin".to_owned()), "{all:?}");
        let nobody = Env { home: None, ..Env::default() };
        assert!(tool_paths(&nobody).is_empty());
    }

    #[test]
    fn credentials_are_looked_for_in_every_tools_folder() {
        let secrets = secrets(&["/home/u/.cargo".into(), "/home/u/own/cargo".into()]);
        for there in ["/home/u/.cargo/credentials.toml", "/home/u/own/cargo/credentials", "/home/u/own/cargo/.npmrc"] {
            assert!(secrets.contains(&there.into()), "{there}");
        }
    }
}
