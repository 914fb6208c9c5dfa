//! The commands that follow from a project's manifests, makefiles and settings.

use toml::Table;

use super::{Files, Found, What, known};
use crate::base::json;

/// Commands of what a language's own tools do by themselves.
pub(super) fn of_languages(files: &Files) -> Vec<Found> {
    let mut out = Vec::new();
    cargo(files, &mut out);
    node(files, &mut out);
    python(files, &mut out);
    if files.has("go.mod") {
        add(&mut out, What::Test, "go test ./...", "go.mod");
        add(&mut out, What::Lint, "go vet ./...", "go.mod");
    }
    out
}

/// Targets of makefiles and recipes of justfiles.
pub(super) fn of_makefiles(files: &Files) -> Vec<Found> {
    let mut out = Vec::new();
    let tools =
        [("make", &["GNUmakefile", "makefile", "Makefile"][..]), ("just", &["justfile", "Justfile", ".justfile"][..])];
    for (tool, names) in tools {
        let Some((name, text)) = names.iter().find_map(|name| Some((name, files.text(name)?))) else { continue };
        for target in text.lines().filter_map(target_of).filter(|t| known::target(t).is_some()) {
            if let Some(what) = known::target(target) {
                let command = vec![tool.to_owned(), target.to_owned()];
                out.push(Found { what, command, from: (*name).to_owned(), rank: 2 });
            }
        }
    }
    // `check` is what some projects call their tests, and others what runs tests and lint together.
    if out.iter().any(|f| f.command.get(1).is_some_and(|t| t == "test")) {
        out.retain(|f| f.command.get(1).is_none_or(|t| t != "check"));
    }
    out
}

/// The name that a line defines, if it is a rule without a variable in its name.
fn target_of(line: &str) -> Option<&str> {
    let (head, rest) = line.split_once(':')?;
    // `name := value` is a variable; `name::` is a rule of several parts.
    let name = head.split_whitespace().next().filter(|_| !head.starts_with(char::is_whitespace))?;
    (!rest.starts_with('=')).then_some(name)
}

fn add(out: &mut Vec<Found>, what: What, command: &str, from: &str) {
    let command = command.split(' ').map(str::to_owned).collect();
    out.push(Found { what, command, from: from.to_owned(), rank: 1 });
}

fn cargo(files: &Files, out: &mut Vec<Found>) {
    let from = "Cargo.toml";
    let Some(manifest) = files.table(from) else { return };
    let workspace = manifest.contains_key("workspace");
    let all = if workspace { " --workspace" } else { "" };
    add(out, What::Test, &format!("cargo test{all}"), from);
    add(out, What::Format, if workspace { "cargo fmt --all --check" } else { "cargo fmt --check" }, from);
    let settings = ["clippy.toml", ".clippy.toml"].into_iter().find(|name| files.has(name));
    let lints = |at: Option<&toml::Value>| at.and_then(|l| l.get("lints")?.get("clippy")).is_some();
    let own = manifest.get("lints").and_then(|l| l.get("clippy")).is_some() || lints(manifest.get("workspace"));
    if let Some(from) = settings.or(own.then_some(from)) {
        add(out, What::Lint, &format!("cargo clippy{all}"), from);
    }
}

fn node(files: &Files, out: &mut Vec<Found>) {
    let from = "package.json";
    let limits = json::Limits { size: super::MAX_FILE as usize, depth: 64 };
    let Some(manifest) = files.text(from).and_then(|t| json::parse(t.as_bytes(), limits).ok()) else { return };
    let locks = [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("package-lock.json", "npm"),
        ("npm-shrinkwrap.json", "npm"),
    ];
    let manager = locks.into_iter().find(|(lock, _)| files.has(lock)).map_or("npm", |(_, manager)| manager);
    for (name, script) in manifest.get("scripts").and_then(|s| s.as_object()).into_iter().flatten() {
        let script = script.as_str().unwrap_or_default();
        // What `npm init` writes, and what changes files or never ends.
        let idle = script.contains("no test specified") || script.trim().is_empty();
        let changes = script.split_whitespace().any(|w| ["--fix", "--write", "--watch", "--watchAll"].contains(&w));
        match known::target(name).filter(|_| !idle && !changes && known::words(name).is_some()) {
            Some(What::Test) if name == "test" && manager != "bun" => {
                add(out, What::Test, &format!("{manager} test"), from)
            }
            Some(what) => add(out, what, &format!("{manager} run {name}"), from),
            None => {}
        }
    }
}

fn python(files: &Files, out: &mut Vec<Found>) {
    let project = files.table("pyproject.toml");
    let tool = |name: &str| project.as_ref().and_then(|p| p.get("tool")?.get(name)).is_some();
    let section = |file: &str, head: &str| files.text(file).is_some_and(|t| t.lines().any(|l| l.trim() == head));
    let says = |file: &str, word: &str| files.text(file).is_some_and(|text| text.contains(word));
    let first = |names: &[(&'static str, bool)]| names.iter().find(|(_, holds)| *holds).map(|(name, _)| *name);
    let asks_for_pytest = first(&[
        ("pyproject.toml", tool("pytest") || says("pyproject.toml", "pytest")),
        ("pytest.ini", files.has("pytest.ini")),
        ("tox.ini", section("tox.ini", "[pytest]")),
        ("setup.cfg", section("setup.cfg", "[tool:pytest]") || says("setup.cfg", "pytest")),
        ("conftest.py", files.has("conftest.py")),
        ("tests/conftest.py", files.has("tests/conftest.py")),
        ("requirements-dev.txt", says("requirements-dev.txt", "pytest")),
        ("requirements.txt", says("requirements.txt", "pytest")),
    ]);
    if let Some(from) = asks_for_pytest {
        add(out, What::Test, "python3 -m pytest", from);
    } else if let Some(test) = files.python_test() {
        let folder = test.split('/').next().unwrap_or("tests");
        add(out, What::Test, &format!("python3 -m unittest discover -s {folder}"), test);
    }
    let ruff = first(&[
        ("pyproject.toml", tool("ruff")),
        ("ruff.toml", files.has("ruff.toml")),
        (".ruff.toml", files.has(".ruff.toml")),
    ]);
    if let Some(from) = ruff {
        add(out, What::Lint, "ruff check", from);
        let formats = tool("ruff") && project.as_ref().is_some_and(|p| has_path(p, &["tool", "ruff", "format"]));
        if formats || says(from, "[format]") {
            add(out, What::Format, "ruff format --check", from);
        }
    }
    if let Some(from) = first(&[(".flake8", files.has(".flake8")), ("setup.cfg", section("setup.cfg", "[flake8]"))]) {
        add(out, What::Lint, "flake8", from);
    }
    // Without its files in the settings, mypy has nothing to look at.
    let typed = project.as_ref().is_some_and(|p| has_path(p, &["tool", "mypy", "files"]));
    if let Some(from) = first(&[("pyproject.toml", typed), ("mypy.ini", says("mypy.ini", "files"))]) {
        add(out, What::Lint, "mypy", from);
    }
    if tool("black") {
        add(out, What::Format, "black --check .", "pyproject.toml");
    }
}

fn has_path(table: &Table, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let mut at = table.get(*first);
    for name in rest {
        at = at.and_then(|v| v.get(*name));
    }
    at.is_some()
}
