//! The only place that starts `git`.

use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::{Error, Result};
use crate::base::{
    Env,
    procs::{self, Bounds, Ended, Procs, Spec},
    text,
};

/// More than this of an answer is an error: nothing asked here is longer in an honest repository.
const MAX_OUTPUT: u64 = 256 << 20;

/// Variables that only say where the user's settings are, as HOME does; all other `GIT_*` are dropped.
const SETTINGS: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// How variables begin that say how other repositories are reached.
const TALKING: [&str; 6] = ["GIT_SSH", "GIT_ASKPASS", "GIT_SSL_", "GIT_PROXY_", "GIT_HTTP_", "GIT_TRACE"];

/// How other repositories may be reached, unless the user says otherwise; `ext::` would run any program.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// Variables that say which repository is meant, and where in it its caller stood.
const PLACES: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_PREFIX",
];

/// How to start `git` on one repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    pub(super) git_dir: PathBuf,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) env: Arc<Env>,
}

/// What `git` answered.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, made printable.
    pub stderr: String,
    command: String,
}

impl Output {
    /// The output of a command that had to succeed.
    pub fn ok(self) -> Result<Vec<u8>> {
        if self.code == Some(0) { Ok(self.stdout) } else { Err(self.failed()) }
    }

    /// The error of a command that should have succeeded.
    pub(super) fn failed(&self) -> Error {
        let status = self.code.map_or("ended by a signal".into(), |c| format!("exit {c}"));
        Error::Git { command: self.command.clone(), status, stderr: text::one_line(&self.stderr, 300) }
    }
}

impl Git {
    /// Runs `git` with arguments; standard input is empty unless given.
    pub(super) fn run(&self, args: &[&OsStr], stdin: Option<&[u8]>, vars: &[(&str, &OsStr)]) -> Result<Output> {
        let mut cmd = self.command(vars);
        // Nothing that the configuration names is started: no file system monitor, no hook. Refs that git writes are
        // made durable. A repository without a checkout is used only because we name it.
        for setting in ["core.fsmonitor=false", "core.hooksPath=/dev/null", "core.fsync=committed"] {
            cmd.arg("-c").arg(setting);
        }
        // Nor a hook that the configuration names (git 2.54).
        for hook in ["reference-transaction", "pre-push", "post-checkout", "pre-auto-gc"] {
            cmd.args(["-c", &format!("hook.{hook}.enabled=false"), "-c", &format!("hook.otto-{hook}.enabled=false")]);
        }
        cmd.args(["-c", "safe.bareRepository=explicit", "--no-pager"]).args(args);
        self.finish(cmd, args, stdin)
    }

    /// Runs `git` to talk to another repository, with what the user has set up for that. `asks` lets it ask on the
    /// terminal for a password; `hooks` has the user's own hooks run.
    pub(super) fn talk(&self, args: &[&OsStr], asks: bool, hooks: bool) -> Result<Output> {
        let mut cmd = self.talking(asks, hooks);
        cmd.args(args);
        self.finish(cmd, args, None)
    }

    /// The same in passing: it asks nobody and has until `patience`, then it is ended with whatever it started.
    pub(super) fn talk_briefly(&self, procs: &dyn Procs, args: &[&OsStr], patience: Duration) -> Result<Output> {
        let mut cmd = self.talking(false, false);
        cmd.args(args);
        let spec = self.spec(&cmd, Vec::new());
        let bounds = Bounds { wall: patience, idle: None, keep: 1 << 20 };
        let run = || -> std::io::Result<_> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(procs::run(procs, &spec, bounds))
        };
        // On a thread of its own: whoever calls may be a task of another runtime.
        let said = std::thread::scope(|scope| scope.spawn(run).join());
        let said = said.unwrap_or_else(|_| Err(std::io::Error::other("the thread that waited for it panicked")));
        let said = said.map_err(Error::io("start", "git"))?;
        let command = args.first().map(|c| c.to_string_lossy().into_owned()).unwrap_or_default();
        if said.limit.is_some() {
            let status = format!("no answer in {} s", patience.as_secs());
            return Err(Error::Git { command, status, stderr: String::new() });
        }
        let code = if let Ended::Exit(code) = said.ended { Some(code) } else { None };
        let stderr = text::printable(&String::from_utf8_lossy(&said.stderr.bytes()));
        Ok(Output { code, stdout: said.stdout.bytes(), stderr, command })
    }

    /// `git`, about to talk to another repository.
    fn talking(&self, asks: bool, hooks: bool) -> Command {
        let mut cmd = self.command(&self.given());
        let set_up = |name: &str| TALKING.iter().any(|prefix| name.starts_with(prefix));
        cmd.envs(self.env.git.iter().filter(|(name, _)| name.to_str().is_some_and(set_up)));
        cmd.env("GIT_TERMINAL_PROMPT", if asks { "1" } else { "0" });
        let allowed = self.env.git.get(OsStr::new("GIT_ALLOW_PROTOCOL"));
        cmd.env("GIT_ALLOW_PROTOCOL", allowed.map_or(OsStr::new(PROTOCOLS), |own| own));
        for setting in ["core.fsmonitor=false", "core.fsync=committed", "safe.bareRepository=explicit"] {
            cmd.arg("-c").arg(setting);
        }
        if !hooks {
            cmd.args(["-c", "core.hooksPath=/dev/null"]);
        }
        cmd.arg("--no-pager");
        cmd
    }

    /// A command as what is started in a group of its own.
    fn spec(&self, cmd: &Command, stdin: Vec<u8>) -> Spec {
        let own = |text: &OsStr| text.to_owned();
        Spec {
            argv: [cmd.get_program()].into_iter().chain(cmd.get_args()).map(own).collect(),
            cwd: cmd.get_current_dir().unwrap_or(&self.git_dir).to_owned(),
            env: cmd.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect(),
            stdin,
            keep_stdin: false,
        }
    }

    /// Runs `git` at the user's wish, as they would: with their settings and hooks. What it needs it may fetch.
    pub(super) fn as_user(&self, args: &[&OsStr]) -> Result<Output> {
        let mut cmd = self.command(&self.given());
        cmd.env_remove("GIT_NO_LAZY_FETCH").args(["-c", "core.fsync=committed", "--no-pager"]).args(args);
        self.finish(cmd, args, None)
    }

    /// Runs `git` as the user would where they stand: with their whole environment, hooks and editor. On a terminal git has
    /// it, and nothing is left to be told; without one no editor is opened, unless `GIT_EDITOR` says which.
    pub(super) fn in_person(&self, args: &[&OsStr], on_terminal: bool) -> Result<Output> {
        let mut cmd = Command::new("git");
        let own = self.env.git.iter().filter(|(name, _)| !name.to_str().is_some_and(|n| PLACES.contains(&n)));
        cmd.env_clear().envs(&self.env.vars).envs(own);
        let here = self.work_dir.as_ref().unwrap_or(&self.git_dir);
        // Named only where git would not find it: what hooks start has repositories of its own.
        if self.env.git.contains_key(OsStr::new("GIT_DIR")) {
            cmd.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", here);
        }
        cmd.arg("-C").arg(here).args(["-c", "core.fsync=committed"]).args(args);
        if !on_terminal {
            if !self.env.git.contains_key(OsStr::new("GIT_EDITOR")) {
                cmd.env("GIT_EDITOR", ":");
            }
            return self.finish(cmd, args, None);
        }
        let argv: Vec<OsString> = [cmd.get_program()].into_iter().chain(cmd.get_args()).map(OsStr::to_owned).collect();
        let env: Vec<_> =
            cmd.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let code = match procs::on_terminal(&argv, &env).map_err(Error::io("start", "git"))? {
            Ended::Exit(code) => Some(code),
            Ended::Signal(_) => None,
        };
        let command = args.first().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Output { code, stdout: Vec::new(), stderr: String::new(), command })
    }

    /// Who the user is (`GIT_AUTHOR_IDENT`, `GIT_COMMITTER_IDENT`), with what the environment says of it.
    pub(super) fn ident(&self, name: &str) -> Result<String> {
        let mut vars = self.given();
        let says = |name: &str| name.starts_with("GIT_AUTHOR_") || name.starts_with("GIT_COMMITTER_");
        let own = self.env.git.iter().filter_map(|(k, v)| Some((k.to_str()?, v.as_os_str())));
        vars.extend(own.filter(|(k, _)| says(k)));
        let mut cmd = self.command(&vars);
        cmd.args(["var", name]);
        let said = self.finish(cmd, &[OsStr::new("var")], None)?.ok()?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Everything that is set, and `last` at the end of it.
    pub(super) fn all_config(&self, last: &str) -> Result<Output> {
        let mut cmd = self.command(&self.given());
        cmd.args(["-c", &format!("{last}=1"), "config", "--list", "--includes", "-z"]);
        self.finish(cmd, &[OsStr::new("config")], None)
    }

    /// Runs `git config`, which must not see our own settings, with what `git -c` gave us.
    pub(super) fn config(&self, args: &[&OsStr]) -> Result<Output> {
        let mut cmd = self.command(&self.given());
        cmd.arg("config").args(args);
        self.finish(cmd, &[OsStr::new("config")], None)
    }

    /// The command line of the user's editor (`GIT_EDITOR`) or pager (`GIT_PAGER`), as git chooses it; `sh` reads it.
    pub(super) fn chosen(&self, name: &str) -> Result<String> {
        let mut vars = self.given();
        vars.extend(self.env.git.get(OsStr::new(name)).map(|own| (name, own.as_os_str())));
        let mut cmd = self.command(&vars);
        cmd.args(["var", name]);
        let said = self.finish(cmd, &[OsStr::new("var")], None)?.ok()?;
        Ok(String::from_utf8_lossy(&said).trim_end_matches('\n').to_owned())
    }

    /// Has git start a hook: the only place where it may.
    pub(super) fn hook(
        &self,
        dir: &Path,
        settings: &[(String, String)],
        (name, args): (&str, &[&str]),
        input: Option<&Path>,
        vars: &[(&str, &str)],
    ) -> Result<Output> {
        let vars: Vec<(&str, &OsStr)> = vars.iter().map(|(name, value)| (*name, OsStr::new(*value))).collect();
        let mut cmd = self.command(&vars);
        let mut path = OsString::from("core.hooksPath=");
        path.push(dir);
        cmd.arg("-c").arg(path);
        for (key, value) in settings {
            cmd.arg("-c").arg(format!("{key}={value}"));
        }
        cmd.args(["hook", "run", "--ignore-missing"]);
        if let Some(input) = input {
            let mut flag = OsString::from("--to-stdin=");
            flag.push(input);
            cmd.arg(flag);
        }
        cmd.arg(name).arg("--").args(args);
        self.finish(cmd, &[OsStr::new("hook")], None)
    }

    /// Whether git itself would use the repository around `git_dir`, by ownership and `safe.directory`; its refusal says
    /// what to type.
    pub(super) fn found_safe(&self) -> Result<()> {
        let mut cmd = self.command(&[]);
        cmd.env_remove("GIT_DIR").args(["rev-parse", "--git-dir"]);
        self.finish(cmd, &[OsStr::new("rev-parse")], None)?.ok().map(drop)
    }

    /// What `git -c` gave us.
    fn given(&self) -> Vec<(&str, &OsStr)> {
        let all = self.env.git.iter().filter_map(|(k, v)| Some((k.to_str()?, v.as_os_str())));
        all.filter(|(k, _)| k.starts_with("GIT_CONFIG")).collect()
    }

    /// Asks the user's credential helpers about a URL. They have until `patience`, and ask nobody: there may be nobody at
    /// the terminal, and a window would stand behind others.
    pub(super) async fn credential(&self, procs: &dyn Procs, url: &str, patience: Duration) -> Result<Option<String>> {
        let mut cmd = self.command(&self.given());
        cmd.envs([("GIT_ASKPASS", ""), ("GCM_INTERACTIVE", "never")]);
        cmd.args(["-c", "credential.interactive=false", "credential", "fill"]);
        let spec = self.spec(&cmd, format!("url={url}\n\n").into_bytes());
        let bounds = Bounds { wall: patience, idle: None, keep: 64 << 10 };
        let said = procs::run(procs, &spec, bounds).await.map_err(Error::io("start", "git"))?;
        if said.limit.is_some() {
            let status = format!("no answer in {} s", patience.as_secs());
            return Err(Error::Git { command: "credential".into(), status, stderr: String::new() });
        }
        let said = String::from_utf8(said.stdout.bytes()).unwrap_or_default();
        let password = said.lines().find_map(|l| l.strip_prefix("password="));
        Ok(password.filter(|p| !p.is_empty()).map(str::to_owned))
    }

    fn command(&self, vars: &[(&str, &OsStr)]) -> Command {
        let mut cmd = Command::new("git");
        // Built, not inherited: GIT_DIR, GIT_INDEX_FILE, GIT_OBJECT_DIRECTORY… of a surrounding git must not leak in.
        cmd.env_clear().envs(&self.env.vars);
        cmd.envs(SETTINGS.iter().filter_map(|name| Some((name, self.env.git.get(OsStr::new(name))?))));
        // At the top of the checkout, so that paths in answers are from the root.
        let work_dir = self.work_dir.as_ref().filter(|dir| dir.is_dir());
        cmd.env("GIT_DIR", &self.git_dir).current_dir(work_dir.unwrap_or(&self.git_dir));
        if let Some(dir) = work_dir {
            cmd.env("GIT_WORK_TREE", dir);
        }
        cmd.envs([("LC_ALL", "C"), ("GIT_NO_REPLACE_OBJECTS", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
        // `status`-like refreshes must not take the user's index lock; a lazy fetch must not happen behind our back.
        cmd.envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_ADVICE", "0"), ("GIT_NO_LAZY_FETCH", "1")]);
        cmd.envs(vars.iter().copied());
        cmd
    }

    fn finish(&self, mut cmd: Command, args: &[&OsStr], stdin: Option<&[u8]>) -> Result<Output> {
        cmd.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = cmd.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(Error::io("start", "git"))?;
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = std::thread::scope(|scope| {
            // A program that ends without reading its input is judged by its exit code, not by our broken pipe.
            scope.spawn(move || input.zip(stdin).map(|(mut pipe, bytes)| pipe.write_all(bytes)));
            let err = scope.spawn(move || read(err, 1 << 20));
            (read(out, MAX_OUTPUT), err.join().unwrap_or_else(|_| Ok(Vec::new())))
        });
        if stdout.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(Error::io("wait for", "git"))?;
        let command = args.iter().find(|a| !a.as_encoded_bytes().starts_with(b"-"));
        Ok(Output {
            code: status.code(),
            stdout: stdout.map_err(Error::io("read the answer of", "git"))?,
            stderr: text::printable(&String::from_utf8_lossy(&stderr.unwrap_or_default())),
            command: command.map(|c| c.to_string_lossy().into_owned()).unwrap_or_default(),
        })
    }
}

/// Reads all of a pipe; more than `max` bytes are an error.
fn read(pipe: Option<impl Read>, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(max + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > max {
        return Err(std::io::Error::other(format!("the answer is longer than {max} bytes")));
    }
    Ok(bytes)
}
