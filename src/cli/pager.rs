//! Colour and pager as git has them: what `color.ui` says, and `GIT_PAGER`, `core.pager` and `PAGER`.

use std::ffi::OsString;

use crate::{base::procs::Pager, cli::Start, git::Repo, output::Color};

/// The commands whose answers may be longer than a screen.
pub const PAGED: [&str; 8] = ["show", "log", "diff", "report", "evidence", "config", "schema", "why"];

/// What the configuration says of colour, where no option does.
pub fn color(repo: Option<&Repo>) -> Color {
    let said = repo.and_then(|repo| repo.config("color.otto").or_else(|| repo.config("color.ui")));
    match said.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("always") => Color::Always,
        Some("never" | "false" | "no" | "off") => Color::Never,
        _ => Color::Auto,
    }
}

/// Starts the user's pager, on a terminal; without one the answer is written as it is.
pub fn start(start: &Start) -> Option<Pager> {
    if !start.ui.answers_terminal() {
        return None;
    }
    let pager = start.repo.as_ref()?.pager().ok().filter(|pager| !pager.is_empty() && pager != "cat")?;
    let argv: [OsString; 3] = ["sh".into(), "-c".into(), pager.into()];
    let env = &start.world.env;
    let mut env: Vec<(OsString, OsString)> =
        env.vars.iter().chain(&env.git).map(|(k, v)| (k.clone(), v.clone())).collect();
    // As git has it: what fits on the screen needs no key, and colours stay colours.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if !env.iter().any(|(k, _)| k == name) {
            env.push((name.into(), value.into()));
        }
    }
    Pager::start(&argv, &env).ok()
}
