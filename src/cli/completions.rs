//! `git otto completions`: scripts by which a shell completes commands and options.

use clap_complete::{Shell, generate};

use crate::{
    base::{Exit, Failure},
    cli::Start,
};

/// Print a script that completes commands and options in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = HOW)]
pub struct Args {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

const HOW: &str = "bash: git otto completions bash > ~/.local/share/bash-completion/completions/git-otto\n\
zsh: git otto completions zsh > a folder of $fpath, as _git-otto\n\
fish: git otto completions fish > ~/.config/fish/completions/git-otto.fish";

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    start.ui.answer(&script(args.shell))?;
    Ok(Exit::Done)
}

/// The script of a shell.
fn script(shell: Shell) -> String {
    let mut out = Vec::new();
    let all = super::command();
    // What people do not call is not offered to them.
    let mut offered = clap::Command::new("git-otto")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments())
        .subcommands(all.get_subcommands().filter(|sub| !sub.is_hide_set()));
    generate(shell, &mut offered, "git-otto", &mut out);
    let mut script = String::from_utf8_lossy(&out).into_owned();
    if shell == Shell::Bash {
        // The generator spells a name with a hyphen in two ways, and then finds no option of a command.
        script = script.replace("git__subcmd__otto", "git__otto") + BELOW_GIT;
    }
    script
}

/// Completion of `git` calls this for `git otto`: the words after it are completed as those of `git-otto`. In zsh and fish
/// it finds what completes `git-otto` by itself.
const BELOW_GIT: &str = r#"
_git_otto() {
    local at=${__git_cmd_idx:-1} before=$prev
    (( cword - at > 1 )) || before=git-otto
    local COMP_WORDS=(git-otto "${words[@]:at + 1}") COMP_CWORD=$(( cword - at ))
    _git__otto git-otto "$cur" "$before"
}
"#;
