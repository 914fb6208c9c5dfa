//! Running a program to its end, within bounds, with its output kept at both ends.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use gix::bstr::ByteSlice as _;
use tokio::{io::AsyncReadExt, net::unix::pipe};

use super::{ENDING, Ended, Procs, Spec};

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
    /// It had said its last word and did not end.
    Grace,
}

/// One of the two streams that a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who hears what a program prints while it runs.
pub trait Listener: Send {
    /// More bytes of a stream, as they came.
    fn hear(&mut self, stream: Stream, bytes: &[u8]);
    /// Whether the program has said its last word: then it has thirty seconds to end, unless it goes on to say more.
    fn is_over(&self) -> bool {
        false
    }
}

/// How long a program may take to end after its last word.
const GRACE: Duration = Duration::from_secs(30);

/// Hears nothing.
struct Deaf;

impl Listener for Deaf {
    fn hear(&mut self, _: Stream, _: &[u8]) {}
}

/// Runs a program to its end within bounds. Whatever it leaves behind in its group is ended with it; a descendant that
/// left the group and holds a stream open is waited for one second at most.
pub async fn run(procs: &dyn Procs, spec: &Spec, bounds: Bounds) -> io::Result<Finished> {
    listen(procs, spec, bounds, &mut Deaf).await
}

/// The same, with somebody who hears what it prints as it comes.
pub async fn listen(
    procs: &dyn Procs,
    spec: &Spec,
    bounds: Bounds,
    listener: &mut dyn Listener,
) -> io::Result<Finished> {
    let start = Instant::now();
    let mut child = procs.spawn(spec)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Captured::new(bounds.keep), Captured::new(bounds.keep));
    let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut limit, mut ended): (Option<Limit>, Option<Ended>) = (None, None);
    let mut over = false;
    let wall = tokio::time::sleep(bounds.wall);
    tokio::pin!(wall);
    let long = Duration::from_secs(365 * 24 * 3600);
    let exited = child.exited();
    tokio::pin!(exited);
    let quiet = tokio::time::sleep(bounds.idle.unwrap_or(long));
    tokio::pin!(quiet);
    while ended.is_none() || out.is_some() || err.is_some() {
        let heard = tokio::select! {
            n = read(&mut out, &mut a), if out.is_some() => {
                match n { 0 => out = None, n => stdout.push(&a[..n]) }
                Some((Stream::Stdout, &a[..n]))
            }
            n = read(&mut err, &mut b), if err.is_some() => {
                match n { 0 => err = None, n => stderr.push(&b[..n]) }
                Some((Stream::Stderr, &b[..n]))
            }
            end = &mut exited, if ended.is_none() => {
                end?;
                ended = Some(child.reap()?);
                wall.as_mut().reset(tokio::time::Instant::now() + Duration::from_secs(1));
                None
            }
            () = &mut wall => {
                if ended.is_some() {
                    break;
                }
                limit.get_or_insert(if over { Limit::Grace } else { Limit::Wall });
                child.kill();
                wall.as_mut().reset(tokio::time::Instant::now() + ENDING);
                None
            }
            () = &mut quiet, if ended.is_none() && limit.is_none() && !over => {
                limit = Some(Limit::Idle);
                child.kill();
                wall.as_mut().reset(tokio::time::Instant::now() + ENDING);
                None
            }
        };
        let Some((stream, bytes)) = heard else { continue };
        quiet.as_mut().reset(tokio::time::Instant::now() + bounds.idle.unwrap_or(long));
        listener.hear(stream, bytes);
        if ended.is_none() && limit.is_none() && over != listener.is_over() {
            over = !over;
            let left = bounds.wall.saturating_sub(start.elapsed());
            let left = if over { left.min(GRACE) } else { left };
            wall.as_mut().reset(tokio::time::Instant::now() + left);
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
