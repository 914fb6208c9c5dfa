//! Opens a file in the program that the user or the system has for it.

use std::{ffi::OsString, path::Path};

use crate::{
    base::{
        Exit, Failure,
        procs::{self, Ended},
    },
    cli::Start,
};

/// Programs that open files by their kind, where the user names none.
const SYSTEMS: [&str; 2] = if cfg!(target_os = "macos") { ["open", "xdg-open"] } else { ["xdg-open", "wslview"] };

/// Opens a file; where nothing can, says so and where the file is.
pub fn open(start: &Start, path: &Path) -> Result<Exit, Failure> {
    let env = &start.world.env;
    let folders: Vec<_> =
        env.vars.get(std::ffi::OsStr::new("PATH")).map(std::env::split_paths).into_iter().flatten().collect();
    let there = |program: &str| {
        program.contains('/') || procs::find_on_path(program.as_ref(), folders.iter().cloned()).is_some()
    };
    let own = env.var("BROWSER").unwrap_or_default();
    let own = own.split(':').filter_map(shlex::split).filter(|argv| !argv.is_empty());
    let systems = SYSTEMS.iter().map(|program| vec![(*program).to_owned()]);
    let Some(argv) = own.chain(systems).find(|argv| argv.first().is_some_and(|program| there(program))) else {
        let text = format!("nothing here opens files; it is {}", path.display());
        return Err(Failure::new(Exit::Usage, text).hint("set BROWSER to the command that opens one"));
    };
    let vars: Vec<_> = env.vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let how = match procs::on_terminal(&with(&argv, path), &vars) {
        Ok(Ended::Exit(0)) => return Ok(Exit::Done),
        Ok(Ended::Exit(code)) => format!("ended with {code}"),
        Ok(Ended::Signal(signal)) => format!("was ended by signal {signal}"),
        Err(e) => format!("could not be started: {e}"),
    };
    let text = format!("{} {how}; the file is {}", argv.join(" "), path.display());
    Err(Failure::new(Exit::Usage, text).hint("set BROWSER to the command that opens files"))
}

/// The command for a file: in place of `%s`, else at the end.
fn with(argv: &[String], path: &Path) -> Vec<OsString> {
    let file = || path.as_os_str().to_owned();
    let mut out: Vec<OsString> = argv.iter().map(|word| if word == "%s" { file() } else { word.into() }).collect();
    if !argv.iter().any(|word| word == "%s") {
        out.push(file());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_where_the_command_wants_it() {
        let with = |words: &[&str]| with(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>(), Path::new("/a b"));
        assert_eq!(with(&["w3m"]), ["w3m", "/a b"]);
        assert_eq!(with(&["x", "%s", "--new"]), ["x", "/a b", "--new"]);
    }
}
