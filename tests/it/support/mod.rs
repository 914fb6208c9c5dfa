//! What tests of the whole program stand on: a folder with a repository, an own HOME and a cleared environment, in which
//! the built program and git run.
//!
//! Nothing here reads the user's files or depends on the wall clock. On failure the seed and every command that ran are
//! printed.

mod amend;
pub mod model;
mod snapshot;
pub mod task;
mod terminal;

use std::{
    cell::RefCell,
    ffi::OsStr,
    fmt, fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use git_otto::sandbox::Level;
use rustix::process::{Pid, Signal, kill_process_group};
pub use snapshot::Snapshot;

/// The intent of the documentation: a keeper of notes in four slices that carry their own code.
pub const EXAMPLE: &str = include_str!("../../intent-example.md");

/// A program that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// A folder with `home`, `state`, `tmp` and a repository `repo`.
pub struct Sandbox {
    root: tempfile::TempDir,
    /// What random choices of the test derive from; `OTTO_TEST_SEED` repeats a failure.
    pub seed: u64,
    ran: RefCell<Vec<String>>,
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command line.
    pub command: String,
    /// The exit code; 128 and the signal's number if a signal ended it, as in a shell.
    pub code: i32,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// A program that runs: the leader of its own process group.
pub struct Running {
    command: String,
    child: Child,
    group: Pid,
    /// Tells the watchdog that it ended.
    done: mpsc::Sender<()>,
}

impl Sandbox {
    /// A repository on branch `main` with one commit, and a user who has said who they are.
    pub fn new() -> Sandbox {
        Self::initialised(&[])
    }

    /// The same, outside of `/tmp`, which is another one for confined programs.
    pub fn outside_of_tmp() -> Sandbox {
        let shared = |dir: &Path| ["/tmp", "/var/tmp", "/run"].iter().any(|hidden| dir.starts_with(hidden));
        let places = [env!("CARGO_TARGET_TMPDIR"), "/opt", "/srv", "/var/lib"].map(Path::new);
        let fits = |dir: &&Path| !shared(dir) && tempfile::tempdir_in(dir).is_ok();
        let place = places.into_iter().find(fits).expect("a checkout outside of /tmp, or CARGO_TARGET_DIR there");
        Self::below(place, &[])
    }

    /// The same as `new`, with further arguments of `git init`.
    pub fn initialised(args: &[&str]) -> Sandbox {
        Self::begun(Self::without_identity(), args)
    }

    fn begun(s: Sandbox, args: &[&str]) -> Sandbox {
        s.write("home/.gitconfig", "[user]\n\tname = Ann Author\n\temail = ann@example.org\n[otto]\n\tsandbox = off\n");
        s.git(&[&["init", "-q", "-b", "main"], args, &["."]].concat());
        s.write("repo/README.md", "A repository.\n");
        s.git(&["add", "README.md"]);
        s.git(&["commit", "-q", "-m", "Begin"]);
        s
    }

    /// The folders alone: no repository, an empty HOME.
    pub fn without_identity() -> Sandbox {
        Self::folders(&std::env::temp_dir())
    }

    /// The same as `initialised`, below a folder.
    pub fn below(dir: &Path, args: &[&str]) -> Sandbox {
        Self::begun(Self::folders(dir), args)
    }

    fn folders(dir: &Path) -> Sandbox {
        let root = tempfile::Builder::new().prefix("otto-it-").tempdir_in(dir).unwrap();
        for dir in ["home", "state", "tmp", "repo"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        let chosen = std::env::var("OTTO_TEST_SEED").ok().map(|s| s.parse().expect("OTTO_TEST_SEED is a number"));
        let mut random = [0; 4];
        getrandom::fill(&mut random).unwrap();
        let seed = chosen.unwrap_or(u32::from_le_bytes(random).into());
        Sandbox { root, seed, ran: RefCell::default() }
    }

    /// A file or folder of the sandbox.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    /// The repository.
    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// Writes a file of the sandbox and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes an executable file of the sandbox.
    pub fn script(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Runs git in the repository; it must succeed. Answers standard output without its last newline.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_in("repo", args)
    }

    /// Runs git in a folder of the sandbox; it must succeed.
    pub fn git_in(&self, dir: &str, args: &[&str]) -> String {
        let out = self.try_git(dir, args).exits(0);
        out.stdout.strip_suffix('\n').unwrap_or(&out.stdout).to_owned()
    }

    /// Runs git in a folder of the sandbox.
    pub fn try_git(&self, dir: &str, args: &[&str]) -> Output {
        self.spawn(self.command("git", dir).args(args), None).wait()
    }

    /// Runs git in the repository with a standard input; it must succeed.
    pub fn git_with_input(&self, args: &[&str], input: &[u8]) -> String {
        self.spawn(self.command("git", "repo").args(args), Some(input)).wait().exits(0).stdout
    }

    /// Runs the program in the repository.
    pub fn otto(&self, args: &[&str]) -> Output {
        self.otto_in("repo", args)
    }

    /// Runs the program in a folder of the sandbox.
    pub fn otto_in(&self, dir: &str, args: &[&str]) -> Output {
        self.spawn(&mut self.otto_command(dir, args), None).wait()
    }

    /// Runs the program in the repository with further variables and a standard input.
    pub fn otto_with(&self, args: &[&str], vars: &[(&str, &str)], input: Option<&[u8]>) -> Output {
        self.spawn(self.otto_command("repo", args).envs(vars.iter().copied()), input).wait()
    }

    /// Starts the program in the repository and does not wait.
    pub fn start(&self, args: &[&str], vars: &[(&str, &str)]) -> Running {
        self.spawn(self.otto_command("repo", args).envs(vars.iter().copied()), None)
    }

    /// The program as a command, not yet started.
    pub fn otto_command(&self, dir: &str, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_git-otto"), dir);
        command.args(args);
        command
    }

    /// Any program as a command in a folder of the sandbox, with the sandbox's environment and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>, dir: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(dir)).env_clear().process_group(0);
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("HOME", self.path("home")).env("XDG_STATE_HOME", self.path("state"));
        command.env("TMPDIR", self.path("tmp"));
        command
    }

    /// Starts a command, noting it for the case of failure.
    pub fn spawn(&self, command: &mut Command, input: Option<&[u8]>) -> Running {
        let line = format!("{command:?}");
        self.ran.borrow_mut().push(line.clone());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(&line);
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input.map(<[u8]>::to_vec)) {
            // A program that does not read all of it closes the pipe: no concern of the writer.
            thread::spawn(move || stdin.write_all(&input));
        }
        let (done, ended) = mpsc::channel();
        let group = Pid::from_child(&child);
        thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        Running { command: line, child, group, done }
    }

    /// A commit of these files (path, content) on the current branch; answers its id.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            self.write(&format!("repo/{path}"), content);
            self.git(&["add", "--", path]);
        }
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a history of `n` further commits over some folders, as a repository that others made has it.
    pub fn history(&self, n: usize) {
        let mut stream = String::new();
        for i in 0..n {
            let (content, message) = (format!("line {i}\n"), format!("Change {i}\n"));
            let from = if i == 0 { "from refs/heads/main^0\n" } else { "" };
            let time = 1_600_000_000 + i * 60;
            stream += &format!("commit refs/heads/main\ncommitter Ann Author <ann@example.org> {time} +0100\n");
            stream += &format!("data {}\n{message}{from}", message.len());
            stream += &format!("M 100644 inline src/d{}/f{}.txt\ndata {}\n{content}\n", i % 17, i % 113, content.len());
        }
        self.git_with_input(&["fast-import", "--quiet", "--force"], stream.as_bytes());
        self.git(&["reset", "-q", "--hard"]);
    }

    /// Has runs confined at exactly this level, which the machine has. Answers the PATH that they need, with the sandbox's
    /// own `bin` before everything else.
    pub fn confine(&self, level: Level) -> String {
        self.git(&["config", "--global", "otto.sandbox", if level == Level::None { "off" } else { "require" }]);
        if level == Level::Landlock {
            // The second best is taken where the best does not work.
            self.script("bin/bwrap", "#!/bin/sh\nexit 1\n");
        }
        format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap())
    }

    /// The state of the user's checkout and everything else that a run must leave alone.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self)
    }

    /// Random numbers from the seed.
    pub fn rng(&self) -> Rng {
        Rng(self.seed)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("OTTO_TEST_SEED={}\n{}", self.seed, self.ran.borrow().join("\n"));
        }
    }
}

impl Running {
    /// Waits for its end.
    pub fn wait(self) -> Output {
        let out = self.child.wait_with_output().unwrap();
        let _ = self.done.send(());
        let code = out.status.code().or_else(|| out.status.signal().map(|s| 128 + s)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Output { command: self.command, code, stdout: text(&out.stdout), stderr: text(&out.stderr) }
    }

    /// Kills it and everything in its process group, as `kill -9` does.
    pub fn kill(self) -> Output {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Sends its process group a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Reads so many lines of its standard output, which are then no part of what [`Running::wait`] gives; fewer if it
    /// ends before.
    pub fn read_lines(&mut self, n: u64) -> Vec<String> {
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        let stdout = self.child.stdout.as_mut().expect("standard output is a pipe");
        let mut byte = [0];
        // Not one byte too many is taken: the rest is for whoever reads on.
        while (lines.len() as u64) < n && stdout.read(&mut byte).unwrap() == 1 {
            match byte {
                [b'\n'] => lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap()),
                [b] => line.push(b),
            }
        }
        lines
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has made a file, or has ended. Answers whether the file is there.
    pub fn wait_for(&mut self, marker: &Path) -> bool {
        self.wait_until(|| marker.exists())
    }

    /// Waits until something holds, or it has ended. Answers whether that holds.
    pub fn wait_until(&mut self, holds: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !holds() {
            if self.child.try_wait().unwrap().is_some() {
                return holds();
            }
            assert!(begun.elapsed() < LIMIT, "waited in vain for {}", self.command);
            // Not a wait for time to pass: how often to look.
            thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Output {
    /// The exit code must be this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Output {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nexit {}\n-- stdout\n{}-- stderr\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
