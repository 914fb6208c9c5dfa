//! Commands that are plainly tests, lints or format checks: known by their words alone, and only where they change nothing.

use super::What;

/// The words of a line that means the same with a shell and without one; none for any other.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let plain = |c: char| c.is_alphanumeric() || "_./:=@%+,-".contains(c) || c == ' ';
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    // `NAME=value command` sets a variable, and `.` reads a script into the shell.
    let first = words.first().filter(|w| !w.contains('=') && *w != ".")?;
    (line.trim().chars().all(plain) && !first.starts_with('-')).then_some(words)
}

/// What a command is for, if it is one of those that are known.
pub(super) fn what(command: &[String]) -> Option<What> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    // What puts right what it finds is no check.
    let changes = ["--fix", "--write", "-w", "--in-place", "--autocorrect", "-a", "-A", "--version", "--help", "-h"];
    if words.iter().any(|w| changes.contains(w) || w.starts_with("--fix=")) {
        return None;
    }
    of(&words)
}

fn of(words: &[&str]) -> Option<What> {
    let (program, args) = words.split_first()?;
    let has = |any: &[&str]| args.iter().any(|a| any.contains(a));
    let first = args.first().copied().unwrap_or_default();
    let when = |holds: bool, what: What| holds.then_some(what);
    match *program {
        "cargo" => match first {
            "test" => Some(What::Test),
            "nextest" => when(args.get(1) == Some(&"run"), What::Test),
            "clippy" => Some(What::Lint),
            "fmt" => when(has(&["--check"]), What::Format),
            _ => None,
        },
        "npm" | "pnpm" | "yarn" => match (first, args.get(1)) {
            ("run" | "run-script", Some(name)) => target(name),
            ("test" | "t", _) => Some(What::Test),
            (name, _) if *program != "npm" => target(name),
            _ => None,
        },
        "bun" => match (first, args.get(1)) {
            ("run", Some(name)) => target(name),
            ("test", _) => Some(What::Test),
            _ => None,
        },
        "pytest" | "py.test" | "tox" | "nox" | "rspec" | "phpunit" | "vendor/bin/phpunit" | "ctest" => Some(What::Test),
        "ruff" => match first {
            "check" => Some(What::Lint),
            "format" => when(has(&["--check"]), What::Format),
            _ => None,
        },
        "flake8" | "mypy" | "pylint" | "pyright" | "staticcheck" | "rubocop" | "shellcheck" => Some(What::Lint),
        "black" | "isort" => when(has(&["--check", "--check-only", "-c"]), What::Format),
        "python" | "python3" => {
            let (_, module) = args.split_first().filter(|(flag, _)| **flag == "-m")?;
            let name = module.first()?;
            let known = ["pytest", "tox", "nox", "ruff", "flake8", "mypy", "pylint", "black", "isort"];
            if *name == "unittest" { Some(What::Test) } else { of(module).filter(|_| known.contains(name)) }
        }
        "uv" | "poetry" | "pdm" | "pipenv" | "hatch" | "rye" | "bundle" => {
            let word = if *program == "bundle" { "exec" } else { "run" };
            args.split_first().filter(|(first, _)| **first == word).and_then(|(_, rest)| of(rest))
        }
        "go" => match first {
            "test" => Some(What::Test),
            "vet" => Some(What::Lint),
            _ => None,
        },
        "golangci-lint" => when(first == "run", What::Lint),
        "make" | "gmake" | "just" | "rake" => match args {
            [name] => target(name),
            _ => None,
        },
        "mvn" | "./mvnw" => when(has(&["test", "verify"]), What::Test),
        "gradle" | "./gradlew" => when(has(&["test", "check"]), What::Test),
        "mix" => match first {
            "test" => Some(What::Test),
            "format" => when(has(&["--check-formatted"]), What::Format),
            "credo" => Some(What::Lint),
            _ => None,
        },
        "dotnet" | "swift" | "composer" => when(first == "test", What::Test),
        "deno" => match first {
            "test" => Some(What::Test),
            "lint" => Some(What::Lint),
            "fmt" => when(has(&["--check"]), What::Format),
            _ => None,
        },
        _ => None,
    }
}

/// What a script of a package or a target of a makefile is for, by its name.
pub(super) fn target(name: &str) -> Option<What> {
    match name {
        "test" | "tests" | "check" | "unit" | "test:unit" | "test:ci" | "unit-test" | "unit-tests" => Some(What::Test),
        "lint" | "lint:check" | "lint:ci" | "eslint" | "typecheck" | "type-check" | "check-types" | "types" | "tsc" => {
            Some(What::Lint)
        }
        "format:check" | "format-check" | "check-format" | "check:format" | "fmt:check" | "fmt-check" | "check-fmt"
        | "prettier:check" | "check:prettier" | "prettier-check" => Some(What::Format),
        _ => None,
    }
}
