//! Starting programs: each in a process group of its own that ends with it, safe against the reuse of process ids.

use std::{
    ffi::{OsStr, OsString},
    future::Future,
    io,
    os::fd::OwnedFd,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use gix::bstr::ByteSlice as _;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, net::unix::pipe};

mod background;
mod run;
mod terminal;

pub use background::Background;
pub use run::{Bounds, Captured, Finished, Limit, Listener, Stream, listen, run};
pub use terminal::{Pager, on_terminal};

/// A process for good: ids are reused, an id with its start time on one boot is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcId {
    /// The process id.
    pub pid: i32,
    /// When it started, in the system's own unit; 0 where unknown.
    pub start_ticks: u64,
    /// Which boot of the machine; empty where unknown.
    pub boot_id: String,
    /// Which numbering of processes its id is of, where the machine has several: containers have their own. None where
    /// unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_ns: Option<u64>,
}

/// What can be told of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lives.
    Lives,
    /// It is gone.
    Gone,
    /// It is of another boot: gone, unless another machine has the same name.
    OtherBoot,
    /// It is numbered where this process does not look, as in another container.
    OutOfSight,
}

/// What to start. Nothing is inherited: the environment is exactly `env`.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The program and its arguments; the program is looked up on the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads; standard input is closed after it, unless kept open.
    pub stdin: Vec<u8>,
    /// Whether the child keeps its standard input, for whoever goes on writing to it.
    pub keep_stdin: bool,
}

/// How programs are started.
pub trait Procs: Send + Sync {
    /// Starts a program as the leader of a new process group. Must be called inside a tokio runtime.
    fn spawn(&self, spec: &Spec) -> io::Result<Child>;
    /// What these are built on, where they only start programs in another way.
    fn inner(&self) -> Option<&dyn Procs> {
        None
    }
    /// Who this process is.
    fn me(&self) -> ProcId {
        self.inner().map_or_else(myself, |inner| inner.me())
    }
    /// What became of that very process.
    fn fate(&self, p: &ProcId) -> Fate {
        self.inner().map_or_else(|| fate(p), |inner| inner.fate(p))
    }
    /// For how long this machine has been up; none where it does not say.
    fn uptime(&self) -> Option<Duration> {
        self.inner().map_or_else(uptime, |inner| inner.uptime())
    }
    /// The name of this machine.
    fn host(&self) -> String {
        let name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.inner().map_or_else(name, |inner| inner.host())
    }
    /// How what is started is confined, as evidence says it.
    fn confinement(&self) -> String {
        self.inner().map_or_else(|| "none".into(), |inner| inner.confinement())
    }
}

/// The machine's processes.
pub struct SystemProcs;

impl Procs for SystemProcs {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        let mut command = Command::new(find_program(spec)?);
        let (program, args) = first(&spec.argv)?;
        command.arg0(program).args(args).current_dir(&spec.cwd).env_clear().envs(spec.env.iter().cloned());
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = spec.keep_stdin || !spec.stdin.is_empty();
        command.stdin(if input { Stdio::piped() } else { Stdio::null() });
        let mut std = command.spawn()?;
        let pipe = |fd: Option<OwnedFd>| fd.map(pipe::Receiver::from_owned_fd).transpose();
        let stdout = pipe(std.stdout.take().map(Into::into))?;
        let stderr = pipe(std.stderr.take().map(Into::into))?;
        let fd: Option<OwnedFd> = std.stdin.take().map(Into::into);
        let mut stdin = fd.map(pipe::Sender::from_owned_fd).transpose()?;
        if !spec.keep_stdin
            && let Some(mut sender) = stdin.take()
        {
            let bytes = spec.stdin.clone();
            // A program that does not read its input is no error: the write ends with the pipe.
            tokio::spawn(async move { sender.write_all(&bytes).await });
        }
        let pid = std.id() as i32;
        Ok(Child { id: identify(pid), stdin, stdout, stderr, std: Some(std), record: None, ending: Ending::Kill })
    }
}

fn myself() -> ProcId {
    identify(std::process::id() as i32)
}

fn identify(pid: i32) -> ProcId {
    ProcId { pid, start_ticks: start_ticks(pid).unwrap_or(0), boot_id: boot_id(), pid_ns: pid_ns() }
}

fn fate(p: &ProcId) -> Fate {
    if p.boot_id != boot_id() {
        return Fate::OtherBoot;
    }
    if p.pid_ns.zip(pid_ns()).is_some_and(|(theirs, ours)| theirs != ours) {
        return Fate::OutOfSight;
    }
    if start_ticks(p.pid) == Some(p.start_ticks) { Fate::Lives } else { Fate::Gone }
}

/// The program of a command line, and its arguments.
fn first(argv: &[OsString]) -> io::Result<(&OsString, &[OsString])> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "an empty command");
    argv.split_first().filter(|(program, _)| !program.is_empty()).ok_or_else(none)
}

/// Looks a program up on the child's own `PATH`: the one of this process may differ.
pub fn find_program(spec: &Spec) -> io::Result<PathBuf> {
    let (program, _) = first(&spec.argv)?;
    if program.as_encoded_bytes().contains(&b'/') {
        let path = spec.cwd.join(program);
        if std::fs::metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        rustix::fs::access(&path, rustix::fs::Access::EXEC_OK)?;
        return Ok(path);
    }
    let path = spec.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    let found = find_on_path(program, std::env::split_paths(&path));
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} is not on PATH", program.display())))
}

/// The first program of that name in these folders.
pub fn find_on_path(program: &OsStr, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.map(|dir| dir.join(program)).find(|p| executable(p))
}

fn executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Starts a program with exactly this environment and with the streams and the folder of this process, in a process
/// group of its own or in this one. Whoever calls waits for it by its id.
pub fn start_here(argv: &[OsString], env: &[(OsString, OsString)], own_group: bool) -> io::Result<Pid> {
    let (program, args) = first(argv)?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().cloned());
    if own_group {
        command.process_group(0);
    }
    Pid::from_raw(command.spawn()?.id() as i32).ok_or_else(|| io::Error::other("a process without an id"))
}

/// Starts a program that reads from a pipe, and otherwise has the streams of this process.
fn start_reading(
    argv: &[OsString],
    env: &[(OsString, OsString)],
    from: io::PipeReader,
) -> io::Result<std::process::Child> {
    let (program, args) = first(argv)?;
    Command::new(program).args(args).env_clear().envs(env.iter().cloned()).stdin(from).spawn()
}

/// Ends this process as a signal ends one. Comes back only where that cannot be.
pub fn die_by(signal: i32) {
    if signal == Signal::KILL.as_raw() {
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    }
    // What this process does about a signal ends with the program that it runs.
    let _ = Command::new("/bin/sh").args(["-c", "kill -\"$1\" $$", "sh", &signal.to_string()]).env_clear().exec();
}

#[cfg(target_os = "linux")]
fn start_ticks(pid: i32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.start_ticks)
}

#[cfg(target_os = "linux")]
fn boot_id() -> String {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned());
    BOOT.get_or_init(|| read().unwrap_or_default()).clone()
}

#[cfg(target_os = "linux")]
fn pid_ns() -> Option<u64> {
    static NUMBERING: OnceLock<Option<u64>> = OnceLock::new();
    let parsed = |link: PathBuf| link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok();
    *NUMBERING.get_or_init(|| std::fs::read_link("/proc/self/ns/pid").ok().and_then(parsed))
}

#[cfg(target_os = "linux")]
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split(' ').next()?.parse().ok()?).ok()
}

#[cfg(not(target_os = "linux"))]
fn pid_ns() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn uptime() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn start_ticks(pid: i32) -> Option<u64> {
    let out = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = out.stdout.trim_ascii();
    let digest = crate::base::Sha256::of(text).to_string();
    (!text.is_empty()).then(|| u64::from_str_radix(&digest[..13], 16).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> String {
    String::new()
}

/// A running program. Dropping it ends its whole group.
#[derive(Debug)]
pub struct Child {
    /// Which process leads the group.
    pub id: ProcId,
    /// Its standard input, where it was kept open, until taken.
    pub stdin: Option<pipe::Sender>,
    /// Its standard output, until taken.
    pub stdout: Option<pipe::Receiver>,
    /// Its standard error, until taken.
    pub stderr: Option<pipe::Receiver>,
    std: Option<std::process::Child>,
    /// The file that says that it runs; removed once its group has been ended.
    record: Option<PathBuf>,
    ending: Ending,
}

/// What ends a child the next time that somebody wants it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is asked: it ends what is below it, and then itself.
    Ask,
    /// Its whole group is killed.
    Kill,
}

/// How long a child that was asked to end may take.
const ENDING: Duration = Duration::from_secs(15);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It called exit with this code.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Child {
    /// Waits until the leader ends, then ends what is left of its group.
    pub async fn wait(&mut self) -> io::Result<Ended> {
        self.exited().await?;
        self.reap()
    }

    /// Resolves when the leader has ended. It stays unreaped, so that its id cannot be reused before the group has been
    /// signalled. Call once and keep the future: each call occupies a thread until then.
    fn exited(&self) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let pid = Pid::from_raw(self.id.pid);
        let wait = move || loop {
            let pid = pid.ok_or(rustix::io::Errno::INVAL)?;
            match rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                done => return done,
            }
        };
        async move { Ok(tokio::task::spawn_blocking(wait).await.map_err(io::Error::other)?.map(|_| ())?) }
    }

    /// The same child, which ends everything below it when it is asked to, and only then itself.
    pub fn supervised(mut self) -> Child {
        self.ending = Ending::Ask;
        self
    }

    /// Ends it with all that belongs to it: one that supervises is asked the first time and killed the second time.
    pub fn kill(&mut self) {
        let Some(pid) = Pid::from_raw(self.id.pid).filter(|_| self.std.is_some()) else { return };
        let _ = match std::mem::replace(&mut self.ending, Ending::Kill) {
            Ending::Ask => rustix::process::kill_process(pid, Signal::TERM),
            Ending::Kill => rustix::process::kill_process_group(pid, Signal::KILL),
        };
    }

    /// Waits for one that was asked to end, for as long as that may take.
    fn await_end(&self) {
        let begun = Instant::now();
        while start_ticks(self.id.pid) == Some(self.id.start_ticks) && begun.elapsed() < ENDING {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn reap(&mut self) -> io::Result<Ended> {
        self.ending = Ending::Kill;
        self.kill();
        let Some(mut std) = self.std.take() else { return Err(io::Error::other("waited for twice")) };
        let status = std.wait()?;
        if let Some(record) = self.record.take() {
            // A record that stays names a process that is gone: whoever reads it sees that.
            let _ = std::fs::remove_file(record);
        }
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exit(code),
            (None, signal) => Ended::Signal(signal.unwrap_or(0)),
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.std.is_some() {
            if self.ending == Ending::Ask {
                self.kill();
                self.await_end();
            }
            let _ = self.reap();
        }
    }
}

/// How the names of the files begin that say what runs.
const RECORD: &str = "proc-";

/// Starts programs as another does, and keeps a file in a folder for each as long as it runs: whoever dies leaves word
/// of the programs that go on without it.
pub struct Recorded {
    inner: Arc<dyn Procs>,
    dir: PathBuf,
}

impl Recorded {
    /// Records in `dir`, which is made when the first program starts.
    pub fn new(inner: Arc<dyn Procs>, dir: &Path) -> Recorded {
        Recorded { inner, dir: dir.to_owned() }
    }
}

impl Procs for Recorded {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        std::fs::create_dir_all(&self.dir)?;
        let mut child = self.inner.spawn(spec)?;
        let record = self.dir.join(format!("{RECORD}{}", child.id.pid));
        std::fs::write(&record, serde_json::to_vec(&child.id)?)?;
        child.record = Some(record);
        Ok(child)
    }

    fn inner(&self) -> Option<&dyn Procs> {
        Some(self.inner.as_ref())
    }
}

/// The programs that [`Recorded`] started for a process that is gone and that run on, or left others in their group.
/// Records of groups that have ended are removed.
pub fn orphans(dir: &Path) -> io::Result<Vec<ProcId>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(RECORD.as_bytes()) || !entry.file_type()?.is_file() {
            continue;
        }
        // Written by this program, but in one piece only if it lived long enough.
        let id = std::fs::read(entry.path()).ok().and_then(|bytes| serde_json::from_slice::<ProcId>(&bytes).ok());
        match id.filter(|id| !group(id, dir).is_empty()) {
            Some(id) => out.push(id),
            None => std::fs::remove_file(entry.path())?,
        }
    }
    out.sort_by_key(|id| id.pid);
    Ok(out)
}

/// How long an orphan is asked to end before its group is killed.
const ASKED: Duration = Duration::from_secs(5);

/// Ends an orphan with its whole group, and waits until it is gone.
pub fn end(orphan: &ProcId, dir: &Path) -> io::Result<()> {
    let start = Instant::now();
    while !group(orphan, dir).is_empty() {
        if let Some(pid) = Pid::from_raw(orphan.pid) {
            // One that supervises ends what is below it if it is asked, and may be on the way to it already.
            let asks = start.elapsed() < ASKED && start_ticks(orphan.pid) == Some(orphan.start_ticks);
            let _ = match asks {
                true => rustix::process::kill_process(pid, Signal::TERM),
                false => rustix::process::kill_process_group(pid, Signal::KILL),
            };
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err(io::Error::other(format!("process group {} does not end", orphan.pid)));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    match std::fs::remove_file(dir.join(format!("{RECORD}{}", orphan.pid))) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// The live processes of the group that this very process leads or led. Where the leader is gone, the group counts as
/// its own only as long as everybody in it works below `dir`: the number might have been given to somebody else.
fn group(leader: &ProcId, dir: &Path) -> Vec<i32> {
    // Of another numbering, too, nobody is left: whoever started it ends it, and was gone before this one looked.
    if leader.pid <= 1 || matches!(fate(leader), Fate::OtherBoot | Fate::OutOfSight) {
        return Vec::new();
    }
    match start_ticks(leader.pid) {
        Some(ticks) if ticks == leader.start_ticks => vec![leader.pid],
        Some(_) => Vec::new(),
        None => {
            let members = members(leader.pid);
            let ours = members
                .iter()
                .all(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir)));
            if ours { members } else { Vec::new() }
        }
    }
}

/// The live processes of a group; none where the system does not tell.
fn members(group: i32) -> Vec<i32> {
    living().filter(|(_, stat)| stat.group == group).map(|(pid, _)| pid).collect()
}

/// The live processes below this one; none where the system does not tell.
pub fn descendants() -> Vec<Pid> {
    let all: Vec<(i32, i32)> = living().map(|(pid, stat)| (pid, stat.parent)).collect();
    let mut family = vec![std::process::id() as i32];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        next += 1;
    }
    family.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// Kills every live process below this one, until none is left, for half a second at most.
pub fn kill_descendants() {
    for _ in 0..100 {
        let all = descendants();
        if all.is_empty() {
            return;
        }
        for pid in all {
            // It may be gone by now.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the system tells of a live process.
struct Stat {
    parent: i32,
    group: i32,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "other systems tell it otherwise"))]
    start_ticks: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Stat> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The command's name is in parentheses and may hold anything: fields are counted after the last one.
        let fields = std::str::from_utf8(stat.get(stat.rfind_byte(b')')? + 1..)?).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Stat { parent, group, start_ticks: fields.nth(16)?.parse().ok()? })
    }
}

fn living() -> impl Iterator<Item = (i32, Stat)> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, Stat::read(pid)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, stdin: &[u8]) -> Spec {
        let argv = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
        let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        Spec { argv, cwd: "/".into(), env, stdin: stdin.to_vec(), ..Spec::default() }
    }

    fn go(spec: &Spec, wall_ms: u64) -> Finished {
        let bounds = Bounds { wall: Duration::from_millis(wall_ms), idle: None, keep: 8 };
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(run(&SystemProcs, spec, bounds)).unwrap()
    }

    /// A signal that was sent is not yet one that has acted: the system gets its time, but not for ever.
    fn gone(pid: i32) {
        let start = Instant::now();
        while start_ticks(pid).is_some() {
            assert!(start.elapsed() < Duration::from_secs(30), "{pid} lives on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn streams_are_bounded_and_the_exit_code_is_kept() {
        let f = go(&sh("cat; printf 12345678901234567890 >&2; exit 3", b"in"), 60_000);
        assert_eq!((f.ended, f.limit), (Ended::Exit(3), None));
        assert_eq!(f.stdout.bytes(), b"in");
        assert_eq!(f.stderr.bytes(), b"12345678\n[4 bytes left out]\n34567890");
        assert!(f.stdout.is_whole() && !f.stderr.is_whole());
        assert!(f.stderr.contains(b"5678") && f.stderr.contains(b"3456") && !f.stderr.contains(b"left out"));
        assert!(f.stdout.contains(b"in") && !f.stdout.contains(b"inn"));
    }

    #[test]
    fn a_limit_ends_the_whole_group() {
        let f = go(&sh("sleep 1000 & echo $!; wait", b""), 2_000);
        assert_eq!((f.ended, f.limit), (Ended::Signal(9), Some(Limit::Wall)));
        let left: i32 = String::from_utf8(f.stdout.bytes()).unwrap().trim().parse().unwrap();
        gone(left);
    }

    #[test]
    fn what_a_program_leaves_behind_ends_with_it() {
        let f = go(&sh("sleep 1000 & echo $!", b""), 60_000);
        assert_eq!(f.ended, Ended::Exit(0));
        let left: i32 = String::from_utf8(f.stdout.bytes()).unwrap().trim().parse().unwrap();
        gone(left);
    }

    #[test]
    fn what_a_dead_process_left_running_is_found_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = rt.enter();
        let procs = Recorded::new(Arc::new(SystemProcs), dir.path());
        let here = |script: &str| Spec { cwd: dir.path().into(), ..sh(script, b"") };
        let records = || std::fs::read_dir(dir.path()).unwrap().count();
        // Whoever lives ends what it started, and takes the record along.
        drop(procs.spawn(&here("sleep 1000")).unwrap());
        assert_eq!(records(), 0);
        // A leader that runs; one that ended and left another in its group; one that ended alone.
        let running = procs.spawn(&here("sleep 1000")).unwrap();
        let mut left = procs.spawn(&here("sleep 1000 &")).unwrap();
        let mut ended = procs.spawn(&here("exit 0")).unwrap();
        for child in [&mut left, &mut ended] {
            let mut std = child.std.take().unwrap();
            std.wait().unwrap();
        }
        assert_eq!(records(), 3);
        std::fs::write(dir.path().join("proc-torn"), "{").unwrap();
        let mut expected = vec![running.id.clone(), left.id.clone()];
        expected.sort_by_key(|id| id.pid);
        assert_eq!(orphans(dir.path()).unwrap(), expected);
        for id in &expected {
            end(id, dir.path()).unwrap();
        }
        assert_eq!(orphans(dir.path()).unwrap(), []);
        assert_eq!((records(), members(left.id.pid)), (0, Vec::new()));
        // The number alone proves nothing: this process is not the one that was recorded.
        let other = ProcId { start_ticks: 1, ..SystemProcs.me() };
        std::fs::write(dir.path().join("proc-1"), serde_json::to_vec(&other).unwrap()).unwrap();
        assert_eq!((orphans(dir.path()).unwrap(), records()), (vec![], 0));
    }

    #[test]
    fn a_process_is_alive_only_as_itself() {
        let me = SystemProcs.me();
        let older = ProcId { pid_ns: None, ..me.clone() };
        assert_eq!([SystemProcs.fate(&me), SystemProcs.fate(&older)], [Fate::Lives; 2]);
        assert_eq!(SystemProcs.fate(&ProcId { start_ticks: me.start_ticks + 1, ..me.clone() }), Fate::Gone);
        assert_eq!(SystemProcs.fate(&ProcId { boot_id: "other".into(), ..me.clone() }), Fate::OtherBoot);
        // The same number in another container is another process, or none.
        if me.pid_ns.is_some() {
            assert_eq!(SystemProcs.fate(&ProcId { pid_ns: Some(1), ..me.clone() }), Fate::OutOfSight);
            let elsewhere = ProcId { pid_ns: Some(1), pid: -1, ..me };
            assert_eq!(SystemProcs.fate(&elsewhere), Fate::OutOfSight, "not told to be gone");
        }
    }
}
