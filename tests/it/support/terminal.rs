//! A person at a terminal.

use std::{fs::File, io::Read as _, io::Write as _, path::Path, process::Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Output, Sandbox};

impl Sandbox {
    /// Runs the program in the repository with a terminal on which a person types these lines. Standard error is what it
    /// said there.
    pub fn typed(&self, args: &[&str], vars: &[(&str, &str)], lines: &str) -> Output {
        self.at_terminal(args, vars, lines, false)
    }

    /// The same with a person who only reads: standard error has everything that they see, in order.
    pub fn seen(&self, args: &[&str], vars: &[(&str, &str)]) -> Output {
        self.at_terminal(args, vars, "", true)
    }

    fn at_terminal(&self, args: &[&str], vars: &[(&str, &str)], lines: &str, answers: bool) -> Output {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = || File::options().read(true).write(true).open(Path::new(name.to_str().unwrap())).unwrap();
        let mut command = self.otto_command("repo", args);
        command.envs(vars.iter().copied()).stdin(terminal()).stderr(terminal());
        command.stdout(if answers { Stdio::from(terminal()) } else { Stdio::piped() });
        let child = command.spawn().unwrap();
        let command_line = format!("{command:?}");
        drop(command);
        let mut master = File::from(master);
        master.write_all(lines.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        let mut said = Vec::new();
        // The other end is closed: what is left is read up to the error that says so.
        let _ = master.read_to_end(&mut said);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = out.status.code().unwrap();
        Output { command: command_line, code, stdout: text(&out.stdout), stderr: text(&said) }
    }
}
