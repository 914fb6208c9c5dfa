//! What projects of others need before their checks can run: real pip, uv, npm, pnpm, cargo and pytest, offline.
//!
//! `scripts/setup-tools` installs what a machine need not have. Where it is missing, a test says so and passes, unless
//! `GIT_OTTO_REQUIRE_SETUP_TOOLS` is set.

mod carry;
mod managers;
mod pytest;

use std::path::{Path, PathBuf};

use crate::support::Sandbox;

/// A program of those that `scripts/setup-tools` installs; none where it is missing.
fn tool(name: &str) -> Option<PathBuf> {
    let chosen = std::env::var_os("GIT_OTTO_TEST_SETUP_TOOLS").map(PathBuf::from);
    let folder = chosen.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/setup-tools"));
    let found = ["py/bin", "node_modules/.bin"].map(|dir| folder.join(dir).join(name)).into_iter().find(|p| p.exists());
    if found.is_none() {
        assert!(std::env::var_os("GIT_OTTO_REQUIRE_SETUP_TOOLS").is_none(), "{name} is not in {}", folder.display());
        eprintln!("NOT TESTED: {name} is not installed: scripts/setup-tools");
    }
    found
}

/// The PATH with the folder of a program first.
fn path_with(program: &Path) -> String {
    format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap())
}

/// An intent of one slice `a` that writes `a.txt`, by checks.
fn intent(checks: &[&str]) -> String {
    let checks: Vec<String> = checks.iter().map(|check| format!("Check: {check}.\n\n")).collect();
    format!(
        "# one\n\nA file.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n## Slice `a`\n\n**R1** It is there.\n\n\
         Owns: `a.txt`.\n\n{}",
        checks.concat()
    )
}

/// An agent that runs a script in its workspace and says that it is done.
fn agent(s: &Sandbox, script: &str) -> String {
    let done = r#"{"schema":"otto.result/1","ok":true,"summary":"done"}"#;
    let agent = s.script("agent.sh", &format!("#!/bin/sh\ncat >/dev/null\n{script}\necho '{done}'\n"));
    format!("command:{}", agent.display())
}
