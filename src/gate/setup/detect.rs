//! Which lock files a tree has, and what installs what they name.

use crate::{
    base::{Failure, Oid, Sha256},
    git::{ByteSlice as _, Entry, Mode, Repo},
};

/// The programs that setups use, with the file that asks for each.
pub const PROGRAMS: [(&str, &str); 5] = [
    ("uv", "uv.lock"),
    ("python3", "requirements.txt"),
    ("npm", "package-lock.json"),
    ("pnpm", "pnpm-lock.yaml"),
    ("cargo", "Cargo.lock"),
];

/// Files of which the content decides what is installed, wherever they are.
const INPUTS: [&str; 15] = [
    ".npmrc",
    ".pnpmfile.cjs",
    ".python-version",
    "Cargo.lock",
    "Cargo.toml",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "pyproject.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    "setup.cfg",
    "uv.lock",
];

/// Requirements of pip that are installed where they are at the top, in this order.
const REQUIREMENTS: [&str; 5] = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
];

/// Scripts of a package that npm and pnpm run when they install what it needs.
const SCRIPTS: [&str; 8] = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
    "pnpm:devPreinstall",
];

/// The largest file that is read.
const MAX: u64 = 32 << 20;

/// One command of a setup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program whose version matters.
    pub program: &'static str,
    /// The command.
    pub argv: Vec<String>,
}

/// What the lock files of a tree ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locks {
    /// The commands, in order.
    pub steps: Vec<Step>,
    /// Whether what they install depends on nothing but `inputs`, so that it can be kept for other trees.
    pub pure: bool,
    /// The digest of all files that decide.
    pub inputs: Sha256,
    /// Whether the tree is one of cargo.
    pub cargo: bool,
}

impl Default for Locks {
    fn default() -> Locks {
        Locks { steps: Vec::new(), pure: true, inputs: Sha256::of(""), cargo: false }
    }
}

/// Looks at a tree.
pub fn find(repo: &Repo, tree: Oid) -> Result<Locks, Failure> {
    let files: Vec<Entry> = repo.tree_entries(tree)?;
    let files = files.into_iter().filter(|f| matches!(f.mode, Mode::Plain | Mode::Executable) && decides(&f.path));
    let mut read = Vec::new();
    for file in files {
        read.push((file.path.to_str_lossy().into_owned(), repo.read_blob(file.oid, MAX)?.to_str_lossy().into_owned()));
    }
    Ok(of(&read))
}

fn decides(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    let text = name.ends_with(b".txt");
    INPUTS.iter().any(|input| input.as_bytes() == name)
        || text && (name.find(b"requirements").is_some() || name.find(b"constraints").is_some())
        || path.ends_with(b".cargo/config.toml")
        || path == b"setup.py"
        || path == b"binding.gyp"
}

/// What files that decide (path, content) ask for.
fn of(files: &[(String, String)]) -> Locks {
    let text = |path: &str| files.iter().find(|(p, _)| p == path).map(|(_, text)| text.as_str());
    let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut locks = Locks { cargo: text("Cargo.toml").is_some(), ..Locks::default() };
    let mut step = |program, line: &str| locks.steps.push(Step { program, argv: argv(line) });
    let mut pure = true;
    if let Some(lock) = text("uv.lock") {
        step("uv", "uv sync --frozen");
        pure &= text("setup.py").is_none() && !lock.lines().any(is_of_tree);
    } else {
        let named: Vec<&str> = REQUIREMENTS.into_iter().filter(|name| text(name).is_some_and(asks)).collect();
        if !named.is_empty() {
            step("python3", "python3 -m venv .venv");
            step("python3", &format!(".venv/bin/python -m pip install -r {}", named.join(" -r ")));
            let requirements = files.iter().filter(|(path, _)| path.ends_with(".txt"));
            pure &= requirements.into_iter().all(|(_, text)| text.lines().all(is_plain));
        }
    }
    let npm = text("package-lock.json").or_else(|| text("npm-shrinkwrap.json"));
    if let Some(lock) = text("pnpm-lock.yaml") {
        step("pnpm", "pnpm install --frozen-lockfile");
        pure &= !lock.contains("file:") && text(".pnpmfile.cjs").is_none();
    } else if let Some(lock) = npm {
        step("npm", "npm ci");
        pure &= !["\"resolved\": \"file:", "\"resolved\":\"file:"].iter().any(|of_tree| lock.contains(of_tree));
    }
    let node = text("package.json").is_some() && (npm.is_some() || text("pnpm-lock.yaml").is_some());
    if node {
        let packages = files.iter().filter(|(path, _)| path.rsplit('/').next() == Some("package.json"));
        pure &= text("binding.gyp").is_none()
            && packages.into_iter().all(|(path, text)| {
                // A program of a folder of the tree is made executable there.
                !has_scripts(text) && (path == "package.json" || !text.contains("\"bin\""))
            });
    }
    if text("Cargo.lock").is_some_and(|lock| lock.lines().any(|line| line.starts_with("source = "))) {
        step("cargo", "cargo fetch --locked");
    }
    let parts = files.iter().flat_map(|(path, text)| [Sha256::of(path), Sha256::of(text)].map(|d| d.to_string()));
    locks.inputs = Sha256::of(parts.collect::<Vec<_>>().concat());
    locks.pure = pure;
    locks
}

/// Whether a line of `uv.lock` says that a package comes from files of the tree, but for the project itself.
fn is_of_tree(line: &str) -> bool {
    let source = line.trim().strip_prefix("source = { ").unwrap_or_default();
    let registry = source.strip_prefix("registry = \"");
    source.starts_with("path") || source.starts_with("directory") || registry.is_some_and(|at| !at.starts_with("http"))
}

/// Whether requirements ask for anything.
fn asks(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a line of requirements names nothing of the tree but further requirements.
fn is_plain(line: &str) -> bool {
    let line = line.trim();
    let further = ["-r", "--requirement", "-c", "--constraint", "--hash", "--index-url", "-i", "--extra-index-url"];
    let first = line.split([' ', '=']).next().unwrap_or_default();
    if line.starts_with('-') {
        // What further files are called is how they are found among those that decide.
        return further.contains(&first)
            && (!first.trim_start_matches('-').starts_with(['r', 'c']) || decides(line.as_bytes()));
    }
    !line.starts_with(['.', '/']) && !line.contains("file:") && !line.contains("./") && !ends_as_archive(line)
}

fn ends_as_archive(line: &str) -> bool {
    let name = line.split([' ', ';', '#']).next().unwrap_or_default();
    !line.contains("://") && [".whl", ".zip", ".tar.gz"].iter().any(|end| name.ends_with(end))
}

/// Whether a package has code of its own run when it is set up. What cannot be read may have.
fn has_scripts(package: &str) -> bool {
    let Ok(package) = serde_json::from_str::<serde_json::Value>(package) else { return true };
    package.get("scripts").is_some_and(|scripts| SCRIPTS.iter().any(|name| scripts.get(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> (Vec<String>, bool) {
        let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert!(files.iter().all(|(path, _)| decides(path.as_bytes())), "{files:?}");
        let locks = of(&files);
        (locks.steps.iter().map(|step| step.argv.join(" ")).collect(), locks.pure)
    }

    #[test]
    fn each_lock_file_has_its_commands() {
        let registry = "[[package]]\nname = \"a\"\nsource = \"registry+x\"\n";
        let venv = "python3 -m venv .venv";
        let pip = ".venv/bin/python -m pip install -r requirements.txt";
        for (files, steps) in [
            (&[][..], &[][..]),
            (&[("pyproject.toml", "[project]\n"), ("package.json", "{}"), ("Cargo.toml", "")], &[]),
            (&[("uv.lock", ""), ("requirements.txt", "a\n")], &["uv sync --frozen"]),
            (&[("requirements.txt", "# none\n\n")], &[]),
            (&[("requirements.txt", "a==1\n"), ("docs/requirements.txt", "b\n")], &[venv, pip]),
            (
                &[("requirements.txt", "a\n"), ("requirements-dev.txt", "b\n")],
                &[venv, ".venv/bin/python -m pip install -r requirements.txt -r requirements-dev.txt"],
            ),
            (&[("package.json", "{}"), ("package-lock.json", "{}")], &["npm ci"]),
            (&[("package.json", "{}"), ("npm-shrinkwrap.json", "{}")], &["npm ci"]),
            (
                &[("package.json", "{}"), ("package-lock.json", "{}"), ("pnpm-lock.yaml", "")],
                &["pnpm install --frozen-lockfile"],
            ),
            (&[("sub/package-lock.json", "{}"), ("sub/uv.lock", "")], &[]),
            (&[("Cargo.toml", ""), ("Cargo.lock", "[[package]]\nname = \"own\"\n")], &[]),
            (&[("Cargo.toml", ""), ("Cargo.lock", registry)], &["cargo fetch --locked"]),
        ] {
            assert_eq!(found(files), (steps.iter().map(|s| (*s).to_owned()).collect(), true), "{files:?}");
        }
    }

    #[test]
    fn what_depends_on_more_than_the_lock_files_is_not_kept() {
        for line in ["-e .", "./lib", "lib @ file:///x", "--find-links wheels", "-r more.txt", "x/y.whl", "."] {
            assert!(!found(&[("requirements.txt", &format!("a\n{line}\n"))]).1, "{line}");
        }
        for line in ["-r requirements-base.txt", "a==1 --hash=sha256:00", "a[b]>=1; python_version > '3'", "# x", ""] {
            assert!(found(&[("requirements.txt", &format!("a\n{line}\n"))]).1, "{line}");
        }
        let lock = ("package-lock.json", "{}");
        for package in [r#"{"scripts":{"prepare":"x"}}"#, r#"{"scripts":{"postinstall":"x"}}"#, "{"] {
            assert!(!found(&[("package.json", package), lock]).1, "{package}");
            assert!(!found(&[("package.json", "{}"), ("packages/a/package.json", package), lock]).1, "{package}");
        }
        assert!(!found(&[("package.json", "{}"), ("a/package.json", r#"{"bin":{"a":"a.js"}}"#), lock]).1);
        assert!(found(&[("package.json", r#"{"scripts":{"test":"x"}}"#), lock]).1);
        assert!(!found(&[("package.json", "{}"), ("package-lock.json", r#"{"resolved":"file:a.tgz"}"#)]).1);
        assert!(!found(&[("uv.lock", ""), ("setup.py", "")]).1);
        for (source, pure) in [
            ("registry = \"https://example.org/simple\"", true),
            ("editable = \".\"", true),
            ("registry = \"wheels\"", false),
            ("path = \"a.whl\"", false),
            ("directory = \"lib\"", false),
        ] {
            assert_eq!(found(&[("uv.lock", &format!("source = {{ {source} }}\n"))]).1, pure, "{source}");
        }
    }

    #[test]
    fn every_file_that_decides_counts() {
        let of = |text: &str| of(&[("uv.lock".into(), String::new()), ("a/pyproject.toml".into(), text.into())]).inputs;
        assert_eq!(of("x"), of("x"));
        assert_ne!(of("x"), of("y"));
    }
}
