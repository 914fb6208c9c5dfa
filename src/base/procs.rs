//! Starting programs: each in a process group of its own that ends with it, safe against the reuse of process ids.

use std::{
    collections::VecDeque,
    ffi::OsString,
    future::Future,
    io,
    os::fd::OwnedFd,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gix::bstr::ByteSlice as _;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
};

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
    /// What it reads; standard input is closed after it.
    pub stdin: Vec<u8>,
}

/// How programs are started.
pub trait Procs: Send + Sync {
    /// Starts a program as the leader of a new process group. Must be called inside a tokio runtime.
    fn spawn(&self, spec: &Spec) -> io::Result<Child>;
    /// Who this process is.
    fn me(&self) -> ProcId;
    /// Whether that very process lives.
    fn alive(&self, p: &ProcId) -> bool;
    /// The name of this machine.
    fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}

/// The machine's processes.
pub struct SystemProcs;

impl Procs for SystemProcs {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "an empty command");
        let program = spec.argv.first().filter(|p| !p.is_empty()).ok_or_else(none)?;
        let mut command = Command::new(find_program(program, spec)?);
        command.arg0(program).args(&spec.argv[1..]).current_dir(&spec.cwd).env_clear().envs(spec.env.iter().cloned());
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if spec.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        let mut std = command.spawn()?;
        let pipe = |fd: Option<OwnedFd>| fd.map(pipe::Receiver::from_owned_fd).transpose();
        let stdout = pipe(std.stdout.take().map(Into::into))?;
        let stderr = pipe(std.stderr.take().map(Into::into))?;
        let stdin: Option<OwnedFd> = std.stdin.take().map(Into::into);
        if let Some(fd) = stdin {
            let mut sender = pipe::Sender::from_owned_fd(fd)?;
            let bytes = spec.stdin.clone();
            // A program that does not read its input is no error: the write ends with the pipe.
            tokio::spawn(async move { sender.write_all(&bytes).await });
        }
        let pid = std.id() as i32;
        let id = ProcId { pid, start_ticks: start_ticks(pid).unwrap_or(0), boot_id: boot_id() };
        Ok(Child { id, stdout, stderr, std: Some(std), record: None })
    }

    fn me(&self) -> ProcId {
        let pid = std::process::id() as i32;
        ProcId { pid, start_ticks: start_ticks(pid).unwrap_or(0), boot_id: boot_id() }
    }

    fn alive(&self, p: &ProcId) -> bool {
        p.boot_id == boot_id() && start_ticks(p.pid) == Some(p.start_ticks)
    }
}

/// Looks a program up on the child's own `PATH`: the one of this process may differ.
fn find_program(program: &OsString, spec: &Spec) -> io::Result<PathBuf> {
    let bytes = program.as_encoded_bytes();
    if bytes.contains(&b'/') {
        return Ok(spec.cwd.join(program));
    }
    let path = spec.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    let executable = |p: &PathBuf| p.is_file() && rustix::fs::access(p, rustix::fs::Access::EXEC_OK).is_ok();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(executable);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} is not on PATH", program.display())))
}

#[cfg(target_os = "linux")]
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything: fields are counted after the last one.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(target_os = "linux")]
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
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
    /// Its standard output, until taken.
    pub stdout: Option<pipe::Receiver>,
    /// Its standard error, until taken.
    pub stderr: Option<pipe::Receiver>,
    std: Option<std::process::Child>,
    /// The file that says that it runs; removed once its group has been ended.
    record: Option<PathBuf>,
}

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

    /// Ends the whole group at once.
    pub fn kill(&self) {
        if self.std.is_some()
            && let Some(pid) = Pid::from_raw(self.id.pid)
        {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    fn reap(&mut self) -> io::Result<Ended> {
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

    fn me(&self) -> ProcId {
        self.inner.me()
    }

    fn alive(&self, p: &ProcId) -> bool {
        self.inner.alive(p)
    }

    fn host(&self) -> String {
        self.inner.host()
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

/// Ends an orphan with its whole group, and waits until it is gone.
pub fn end(orphan: &ProcId, dir: &Path) -> io::Result<()> {
    let start = Instant::now();
    while !group(orphan, dir).is_empty() {
        if let Some(pid) = Pid::from_raw(orphan.pid) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
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
    if leader.pid <= 1 || leader.boot_id != boot_id() {
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
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let in_group = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        let lives = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
        lives && fields.nth(1).and_then(|pgrp| pgrp.parse().ok()) == Some(group)
    };
    pids.filter(in_group).collect()
}

/// The head and the tail of a stream, each of bounded size.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
    bound: usize,
}

impl Captured {
    /// Keeps at most `bound` bytes of the head and as many of the tail.
    pub fn new(bound: usize) -> Self {
        Captured { bound, ..Default::default() }
    }

    /// Takes more bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let room = self.bound.saturating_sub(self.head.len());
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        bytes = rest;
        if bytes.len() > self.bound {
            self.left_out += (bytes.len() - self.bound) as u64;
            bytes = &bytes[bytes.len() - self.bound..];
        }
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(self.bound);
        self.left_out += over as u64;
        self.tail.drain(..over);
    }

    /// Whether every byte is here.
    pub fn is_whole(&self) -> bool {
        self.left_out == 0
    }

    /// Whether a text is in what is here; never across the bytes that are left out.
    pub fn contains(&self, needle: &[u8]) -> bool {
        if self.is_whole() {
            return self.bytes().find(needle).is_some();
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        self.head.find(needle).is_some() || tail.find(needle).is_some()
    }

    /// The bytes, with a line that says how many are left out where some are.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        if self.left_out > 0 {
            out.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        out.extend(&self.tail);
        out
    }
}

/// What [`run`] may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest it may run; then its group is ended.
    pub wall: Duration,
    /// The longest it may stay silent; then its group is ended.
    pub idle: Option<Duration>,
    /// How many bytes of head and of tail of each stream are kept.
    pub keep: usize,
}

/// What came of a program.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Which limit ended it, if one did.
    pub limit: Option<Limit>,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// How long it ran.
    pub took: Duration,
}

/// A limit that ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// It ran for too long.
    Wall,
    /// It was silent for too long.
    Idle,
}

/// Runs a program to its end within bounds. Whatever it leaves behind in its group is ended with it; a descendant that
/// left the group and holds a stream open is waited for one second at most.
pub async fn run(procs: &dyn Procs, spec: &Spec, bounds: Bounds) -> io::Result<Finished> {
    let start = Instant::now();
    let mut child = procs.spawn(spec)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Captured::new(bounds.keep), Captured::new(bounds.keep));
    let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut limit, mut ended): (Option<Limit>, Option<Ended>) = (None, None);
    let wall = tokio::time::sleep(bounds.wall);
    tokio::pin!(wall);
    let long = Duration::from_secs(365 * 24 * 3600);
    let exited = child.exited();
    tokio::pin!(exited);
    let quiet = tokio::time::sleep(bounds.idle.unwrap_or(long));
    tokio::pin!(quiet);
    while ended.is_none() || out.is_some() || err.is_some() {
        tokio::select! {
            n = read(&mut out, &mut a), if out.is_some() => {
                match n { 0 => out = None, n => stdout.push(&a[..n]) }
                quiet.as_mut().reset(tokio::time::Instant::now() + bounds.idle.unwrap_or(long));
            }
            n = read(&mut err, &mut b), if err.is_some() => {
                match n { 0 => err = None, n => stderr.push(&b[..n]) }
                quiet.as_mut().reset(tokio::time::Instant::now() + bounds.idle.unwrap_or(long));
            }
            end = &mut exited, if ended.is_none() => {
                end?;
                ended = Some(child.reap()?);
                wall.as_mut().reset(tokio::time::Instant::now() + Duration::from_secs(1));
            }
            () = &mut wall => {
                if ended.is_some() {
                    break;
                }
                limit.get_or_insert(Limit::Wall);
                child.kill();
                wall.as_mut().reset(tokio::time::Instant::now() + long);
            }
            () = &mut quiet, if ended.is_none() && limit.is_none() => {
                limit = Some(Limit::Idle);
                child.kill();
            }
        }
    }
    let ended = ended.ok_or_else(|| io::Error::other("the program did not end"))?;
    Ok(Finished { ended, limit, stdout, stderr, took: start.elapsed() })
}

async fn read(from: &mut Option<pipe::Receiver>, buf: &mut [u8]) -> usize {
    match from {
        Some(pipe) => pipe.read(buf).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, stdin: &[u8]) -> Spec {
        let argv = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
        let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        Spec { argv, cwd: "/".into(), env, stdin: stdin.to_vec() }
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
        assert!(SystemProcs.alive(&me));
        assert!(!SystemProcs.alive(&ProcId { start_ticks: me.start_ticks + 1, ..me.clone() }));
        assert!(!SystemProcs.alive(&ProcId { boot_id: "other".into(), ..me }));
    }
}
