//! The pipes of an agent: messages both ways, each of bounded size, and all of it kept at both ends.

use std::{
    future::pending,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agent_client_protocol::{Channel, RawJsonRpcMessage, TransportFrame};
use futures_util::{StreamExt as _, future::join3};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::pipe,
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};

use super::super::{
    Bounds,
    program::{KEEP, LONGEST_LINE, Lines},
};
use crate::base::{
    json,
    procs::{Captured, Limit},
};

/// What a message may cost.
const MESSAGE: json::Limits = json::Limits { size: LONGEST_LINE, depth: 64 };

/// How many of the agent's requests may wait for their answers to be read. Nothing more is read from an agent that asks and
/// does not listen: its answers would pile up here.
const UNANSWERED: usize = 64;

/// What went over the pipes.
pub struct Wire {
    /// When the agent was heard last.
    heard: Mutex<Instant>,
    messages: Mutex<Captured>,
    stderr: Mutex<Captured>,
    unanswered: Semaphore,
}

impl Wire {
    /// Nothing yet.
    pub fn new() -> Wire {
        Wire {
            heard: Mutex::new(Instant::now()),
            messages: Mutex::new(Captured::new(KEEP)),
            stderr: Mutex::new(Captured::new(KEEP)),
            unanswered: Semaphore::new(UNANSWERED),
        }
    }

    /// Carries messages between the pipes and the channel until all of them are closed. The agent's standard input is
    /// closed when the channel's other end is.
    pub async fn carry(
        &self,
        stdin: Option<pipe::Sender>,
        stdout: Option<pipe::Receiver>,
        stderr: Option<pipe::Receiver>,
        channel: Channel,
    ) {
        let (mut outgoing, incoming) = channel.into_parts();
        let write = async {
            let mut stdin = stdin;
            while let Some(frame) = outgoing.next().await {
                let Ok(mut line) = frame.to_json() else { continue };
                line.push('\n');
                keep(&self.messages, &[b">> ", line.as_bytes()]);
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(line.as_bytes()).await.is_err()
                {
                    // It does not listen any more; what it still says counts.
                    stdin = None;
                }
                if matches!(frame, TransportFrame::Single(RawJsonRpcMessage::Response(_))) {
                    self.unanswered.add_permits(1);
                }
            }
        };
        let read = async {
            let Some(mut stdout) = stdout else { return };
            // Dropped at the end of the stream: whoever waits for an answer hears of it.
            let incoming = incoming;
            let (mut lines, mut chunk) = (Lines::default(), vec![0; 64 * 1024]);
            loop {
                let n = stdout.read(&mut chunk).await.unwrap_or(0);
                let mut messages = Vec::new();
                let mut each = |line: &[u8]| {
                    keep(&self.messages, &[b"<< ", line, b"\n"]);
                    // What is no message is passed over: programs print other things, too.
                    messages.extend(json::read::<RawJsonRpcMessage>(line, MESSAGE));
                };
                if n == 0 {
                    lines.finish(&mut each);
                } else {
                    self.touch();
                    lines.push(&chunk[..n], &mut each);
                }
                for message in messages {
                    if matches!(message, RawJsonRpcMessage::Request(_))
                        && !incoming.is_closed()
                        && let Ok(permit) = self.unanswered.acquire().await
                    {
                        permit.forget();
                    }
                    // Nobody may be there any more: then the rest is only read.
                    let _ = incoming.unbounded_send(TransportFrame::Single(message));
                }
                if n == 0 {
                    return;
                }
            }
        };
        let listen = async {
            let Some(mut stderr) = stderr else { return };
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
                self.touch();
                keep(&self.stderr, &[&chunk[..n]]);
            }
        };
        join3(write, read, listen).await;
    }

    fn touch(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Resolves with the first limit that is reached.
    pub async fn limit(&self, bounds: Bounds) -> Limit {
        let idle = async {
            match bounds.idle {
                Some(longest) => self.quiet(longest).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = sleep(bounds.wall) => Limit::Wall,
            () = idle => Limit::Idle,
        }
    }

    /// Resolves once nothing has been heard for so long.
    pub async fn quiet(&self, long: Duration) {
        loop {
            let until = *self.heard.lock().unwrap_or_else(PoisonError::into_inner) + long;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// The messages both ways, one a line, each with its direction before it.
    pub fn messages(&self) -> Captured {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the agent printed besides.
    pub fn stderr(&self) -> Captured {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn keep(captured: &Mutex<Captured>, parts: &[&[u8]]) {
    let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
    parts.iter().for_each(|part| captured.push(part));
}
