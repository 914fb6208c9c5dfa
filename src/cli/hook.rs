//! `git otto hook`: answers a hook of git. The shims call it; people do not.

use crate::{
    base::{Exit, Failure, text::printable},
    cli::Start,
    hook::{self, Name, Side},
    output::Style,
};

/// Answer a hook of git.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The hook
    #[arg(value_name = "HOOK")]
    name: Name,
    /// What git gives it
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// So many violations are told; a push may break a thousand.
const TOLD: usize = 10;

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let env = &start.world.env;
    if let Some(canary) = env.var(hook::CANARY) {
        start.ui.say(&format!("canary {} {}", args.name, printable(canary)))?;
        return Ok(Exit::Refused);
    }
    let said = match hook::answer(env, args.name, &args.args, std::io::stdin().lock()) {
        Ok(said) => said,
        // What cannot be read here cannot be worked on with this program either: no reason to stop all work with git.
        Err(e) if args.name.side() == Side::Client && hook::is_unreadable(env) => {
            start.ui.say(&format!("git otto: specs were not checked: {}", printable(&e.message)))?;
            return Ok(Exit::Done);
        }
        Err(e) => return Err(e),
    };
    for note in &said.notes {
        start.ui.say(&format!("note: {}", printable(note)))?;
    }
    for v in said.violations.iter().take(TOLD) {
        let head = start.ui.paint(Style::Bad, "refused:");
        start.ui.say(&format!("{head} {}", printable(&v.words())))?;
        start.ui.say(&format!("{} {}", start.ui.paint(Style::Warn, "hint:"), printable(&v.hint)))?;
    }
    if said.violations.len() > TOLD {
        start.ui.say(&format!("and {} more", said.violations.len() - TOLD))?;
    }
    Ok(if said.violations.is_empty() { Exit::Done } else { Exit::Refused })
}
